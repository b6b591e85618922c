//! People as the canvas shows them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A user, as far as others on a canvas may know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// Lightning's user id, a uuid in text; the key of the user's presences.
    pub id: String,
    /// Null where Lightning has none.
    #[serde(default)]
    pub first_name: Option<String>,
    /// Null where Lightning has none.
    #[serde(default)]
    pub last_name: Option<String>,
    /// Null for a guest.
    #[serde(default)]
    pub email: Option<String>,
}

/// A user on a workflow, whatever the number of tabs (the struct of `Lightning.Workflows.Presence`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserPresence {
    /// Who.
    pub user: User,
    /// Since when, in microseconds of Unix time: that of the oldest session. Lightning takes the session that its
    /// tracker happens to list first, ordered by process id, so that a user's rank changes as tabs come and go;
    /// that is a bug, and not repeated here.
    pub joined_at: i64,
    /// How many tabs.
    pub active_sessions: usize,
}

impl UserPresence {
    /// A presence (`new_user_presence/3`; its default for `active_sessions` is 0, which no listing ever has).
    pub fn new(user: User, joined_at: i64, active_sessions: usize) -> Self {
        UserPresence { user, joined_at, active_sessions }
    }
}
