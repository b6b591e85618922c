//! A participant, as its task knows it: the line to it, and who it is.

use std::sync::Arc;
use std::time::Instant;

use super::line::Line;
use super::table::RoomKey;
use crate::gateway::User;
use crate::pages::Page;
use crate::wire::BinaryPush;

/// Somebody who has joined a room and is connected.
pub(super) struct Member {
    pub(super) room: RoomKey,
    pub(super) line: Arc<dyn Line>,
    pub(super) push: BinaryPush,
    /// Only if it is a strong one: no other is remembered.
    pub(super) page: Option<Page>,
    pub(super) user: Option<User>,
    /// The connection's own answer said so; until then it is what is remembered of the page.
    pub(super) user_is_own: bool,
    /// The last state that came while nobody knew whose it was.
    pub(super) kept: Option<(Instant, Box<str>)>,
    /// It had its time to say who it is, or is nobody.
    pub(super) is_nobody: bool,
}

/// What a new member brings.
pub(crate) struct Newcomer {
    pub(crate) workflow: smol_str::SmolStr,
    pub(crate) topic: smol_str::SmolStr,
    pub(crate) line: Arc<dyn Line>,
    pub(crate) push: BinaryPush,
    pub(crate) page: Option<Page>,
}
