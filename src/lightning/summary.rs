//! Who may edit: Lightning's rule of edit priority.
//!
//! Rule: Lightning 2.13, `Lightning.Workflows.Presence.build_presences_summary/2`.

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

/// The part of the rule that is the same for everybody who looks at a workflow: who is on it, the earliest first, and
/// who of them is the first that may do more than look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ranking {
    presences: Vec<UserPresence>,
    /// Where in the list; `None` where nobody may.
    first_promotable: Option<usize>,
}

/// What a ranking means for one user: the summary but for its list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing<'a> {
    pub(super) prior_user_presence: &'a UserPresence,
    pub(super) current_user_presence: &'a UserPresence,
    pub(super) has_presence_edit_priority: bool,
}

/// Ranks everyone on a workflow and tells whether the current user may edit.
///
/// Lightning's documentation shows this for users 1, 2 and 3, joined in that order, of whom 2 may only look, and
/// names user 3 as prior. The rule gives user 1, the earliest who may edit, and so does Lightning's own code.
pub fn build_presences_summary(presences: Vec<UserPresence>, params: &SummaryParams<'_>) -> PresencesSummary {
    let ranking = Ranking::of(presences, params.view_only_users_ids);
    let standing = ranking.standing_of(&params.current_user.id, params.current_user_presence);
    PresencesSummary {
        prior_user_presence: standing.prior_user_presence.clone(),
        current_user_presence: standing.current_user_presence.clone(),
        has_presence_edit_priority: standing.has_presence_edit_priority,
        presences: ranking.presences,
    }
}

impl Ranking {
    /// Ranks everyone on a workflow.
    pub(super) fn of(mut presences: Vec<UserPresence>, view_only_users_ids: &[String]) -> Self {
        presences.sort_by_key(|presence| presence.joined_at);
        let first_promotable =
            presences.iter().position(|presence| !view_only_users_ids.contains(&presence.user.id));
        Ranking { presences, first_promotable }
    }

    /// Everyone, the earliest first.
    pub(super) fn presences(&self) -> &[UserPresence] {
        &self.presences
    }

    /// Where a user stands; the given presence stands in while the user is not listed.
    pub(super) fn standing_of<'a>(&'a self, user_id: &str, stand_in: &'a UserPresence) -> Standing<'a> {
        let current = self.presences.iter().find(|presence| presence.user.id == user_id).unwrap_or(stand_in);
        let prior = self.first_promotable.map_or(current, |at| &self.presences[at]);
        Standing {
            prior_user_presence: prior,
            current_user_presence: current,
            has_presence_edit_priority: current.user.id == prior.user.id && current.active_sessions <= 1,
        }
    }
}
