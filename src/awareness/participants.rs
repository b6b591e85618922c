//! The participants of a room: one for each join of its topic.
//!
//! Owns what is known of each, and whom a message may go to. Not here: the client ids that they speak for (`clients`).

use std::time::{Duration, Instant};

use crate::pages::Page;

/// One join of a room's topic on one connection. Unique in the process; whoever joins again is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParticipantId(pub u64);

#[derive(Debug)]
pub(super) struct Participant {
    pub(super) page: Option<Page>,
    /// The client id that it speaks for.
    pub(super) client: Option<u64>,
    /// The id that another connection of its page has taken from it. It is the id of its client all the same.
    pub(super) formerly: Option<u64>,
    pub(super) joined_at: Instant,
    pub(super) standing: Standing,
    /// It has sent its sync step 1: what follows is its own, and not what waited in the client before the join.
    pub(super) has_synced: bool,
    /// It is told of the room. Until then nothing is sent, so that the first message can leave out its own id.
    pub(super) hears: bool,
    /// It knows of all changes up to this version.
    pub(super) knows: u64,
    /// It is owed the whole table.
    pub(super) wants_all: bool,
    /// The ids that its client has forgotten, which are told to it again.
    pub(super) forgot: Vec<u64>,
    /// The user for whom it last set a state.
    pub(super) user: Option<Box<str>>,
    /// An earlier join on the same connection, whose id waits to be taken over.
    pub(super) replaces: Option<ParticipantId>,
    /// The later join that [`replaces`](Self::replaces) this one.
    pub(super) replaced_by: Option<ParticipantId>,
    /// The grace period does not end before: its page has joined again.
    pub(super) returned_until: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Connected.
    Present,
    /// Connected, it seems; but another connection speaks for its client id. It is neither heard nor told until it has
    /// answered a ping.
    Silent,
    /// Gone without a word. It may come back until then: a grace period of this length.
    Disconnected { until: Instant, grace: Duration },
}

impl Participant {
    pub(super) fn new(page: Option<Page>, knows: u64, now: Instant) -> Self {
        Participant {
            page,
            client: None,
            formerly: None,
            joined_at: now,
            standing: Standing::Present,
            has_synced: false,
            hears: false,
            knows,
            wants_all: false,
            forgot: Vec::new(),
            user: None,
            replaces: None,
            replaced_by: None,
            returned_until: None,
        }
    }

    pub(super) fn is_present(&self) -> bool {
        self.standing == Standing::Present
    }

    pub(super) fn is_disconnected(&self) -> bool {
        matches!(self.standing, Standing::Disconnected { .. })
    }

    /// Whether something may be owed to it, where the room's last change has this version.
    pub(super) fn is_owed(&self, version: u64) -> bool {
        self.is_present() && self.hears && (self.wants_all || self.knows < version || !self.forgot.is_empty())
    }

    /// Whether it must not be sent this client id, which is held for this page: it is its own, or may be.
    pub(super) fn must_not_hear(&self, client: u64, page: Option<Page>) -> bool {
        match self.client {
            Some(own) => own == client,
            None => self.formerly == Some(client) || (page.is_some() && page == self.page),
        }
    }
}
