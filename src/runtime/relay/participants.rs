//! The participants of one relay's client: what messages told in passing, carried to the rooms.
//!
//! Contract: canvas.md F.1 to F.4; pages.md §1.

use std::sync::Arc;

use super::super::rooms::{Line, Participant, Rooms};
use crate::gateway::{Key, Notice};
use crate::pages::{Credentials, Departure};

/// Who has joined a canvas on this connection, and has not ended.
pub(super) struct Participants {
    page: Option<Credentials>,
    joined: Vec<(Key, Participant)>,
}

impl Participants {
    pub(super) fn new(page: Option<Credentials>) -> Self {
        Participants { page, joined: Vec::new() }
    }

    /// Carries a notice on.
    pub(super) fn notice(&mut self, notice: Notice, rooms: &Rooms, line: Arc<dyn Line>) {
        match notice {
            Notice::Joined { key, topic, join_ref, replaces } => {
                let page = self.page.map(|credentials| credentials.page(&topic));
                let replaced = replaces.and_then(|old| self.take(old));
                let joined = rooms.join(line, &topic, &join_ref, page, replaced.as_ref());
                if let Some(replaced) = replaced {
                    replaced.left();
                }
                self.joined.extend(joined.map(|participant| (key, participant)));
            }
            Notice::SyncStep1 { key } => self.with(key, Participant::sync_step1),
            Notice::Awareness { key, body } => self.with(key, |participant| participant.awareness(body)),
            Notice::Query { key } => self.with(key, Participant::query),
            Notice::User { key, user } => self.with(key, |participant| participant.user(user)),
            Notice::AnotherUser { .. } => rooms.counters().named_another_user(),
            Notice::Left { key } | Notice::ChannelClosed { key } => {
                self.take(key).into_iter().for_each(Participant::left);
            }
            Notice::ChannelError { key } => {
                self.take(key).into_iter().for_each(|participant| participant.disconnected(false));
            }
        }
    }

    /// The connection answered a ping of a room.
    pub(super) fn pong(&self, payload: &[u8]) {
        let Ok(nonce) = payload.try_into() else { return };
        self.joined.iter().for_each(|(_, participant)| participant.pong(nonce));
    }

    /// The connection has ended.
    pub(super) fn end(&mut self, departure: Departure, by_upstream: bool) {
        for (_, participant) in self.joined.drain(..) {
            match departure {
                Departure::Left => participant.left(),
                Departure::Disconnected => participant.disconnected(by_upstream),
            }
        }
    }

    fn with(&self, key: Key, tell: impl FnOnce(&Participant)) {
        if let Some((_, participant)) = self.joined.iter().find(|(known, _)| *known == key) {
            tell(participant);
        }
    }

    fn take(&mut self, key: Key) -> Option<Participant> {
        let at = self.joined.iter().position(|(known, _)| *known == key)?;
        Some(self.joined.swap_remove(at).1)
    }
}
