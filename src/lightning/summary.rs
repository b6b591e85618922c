//! Who may edit: Lightning's rule of edit priority.
//!
//! Rule: `Lightning.Workflows.Presence.build_presences_summary/2`; contract/lightning.md §1.1.

use serde::Serialize;
use utoipa::ToSchema;

use super::user::{User, UserPresence};

/// What the summary is made for.
#[derive(Clone, Debug)]
pub struct SummaryParams<'a> {
    /// Stands in for the current user while the user is not listed yet.
    pub current_user_presence: &'a UserPresence,
    /// Whose view it is.
    pub current_user: &'a User,
    /// The ids of those who may only look.
    pub view_only_users_ids: &'a [String],
}

/// Who is on a workflow, and what that means for one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PresencesSummary {
    /// Everyone, those who may only look too, the earliest first.
    pub presences: Vec<UserPresence>,
    /// The one who may edit: the earliest who may do more than look; where there is none, the current user.
    pub prior_user_presence: UserPresence,
    /// The current user's own.
    pub current_user_presence: UserPresence,
    /// Whether the current user may edit now: is the prior user, and in one tab only. In two tabs nobody may.
    pub has_presence_edit_priority: bool,
}

/// Ranks everyone on a workflow and tells whether the current user may edit.
///
/// Lightning's documentation shows this for users 1, 2 and 3, joined in that order, of whom 2 may only look, and
/// names user 3 as prior. The rule gives user 1, the earliest who may edit, and so does Lightning's own code.
pub fn build_presences_summary(
    mut presences: Vec<UserPresence>,
    params: &SummaryParams<'_>,
) -> PresencesSummary {
    presences.sort_by_key(|presence| presence.joined_at);
    let current = presences.iter().find(|presence| presence.user.id == params.current_user.id);
    let current = current.unwrap_or(params.current_user_presence).clone();
    let prior = presences.iter().find(|presence| !params.view_only_users_ids.contains(&presence.user.id));
    let prior = prior.unwrap_or(&current).clone();
    let has_priority = current.user.id == prior.user.id && current.active_sessions <= 1;
    PresencesSummary {
        presences,
        prior_user_presence: prior,
        current_user_presence: current,
        has_presence_edit_priority: has_priority,
    }
}
