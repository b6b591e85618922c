//! Pings that must be answered: of connections whose place another has taken, or might take.
//!
//! Owns who was asked what, and until when. What was read from a connection before it was asked proves nothing, so each
//! ping has a nonce of its own. Not here: why somebody is asked (`table`), the pings that every quiet connection is sent.
//! A connection is not judged while its reading is paused or its line is full, and nobody is after a pause of the whole process: then its
//! time begins anew.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use foldhash::{HashMap, HashMapExt};

use super::line::Line;
use crate::awareness::ParticipantId;
use crate::pages::STANDSTILL;

/// Who has not answered yet.
pub(super) struct Pings {
    waiting: HashMap<ParticipantId, Ping>,
    due: BTreeSet<(Instant, ParticipantId)>,
}

struct Ping {
    nonce: [u8; 8],
    /// Not while the socket was full: then there is nothing to judge by yet.
    is_sent: bool,
    limit: Duration,
    due: Instant,
    /// The answer is for the room: the participant's client id was taken over.
    is_silent: bool,
}

impl Pings {
    pub(super) fn new() -> Self {
        Pings { waiting: HashMap::new(), due: BTreeSet::new() }
    }

    /// Pings a connection for the sake of one participant. Whoever is asked already is not asked again.
    pub(super) fn ask(&mut self, id: ParticipantId, line: &dyn Line, is_silent: bool, now: Instant) {
        if let Some(ping) = self.waiting.get_mut(&id) {
            ping.is_silent |= is_silent;
            return;
        }
        let nonce = uuid::Uuid::new_v4().as_u64_pair().0.to_be_bytes();
        let limit = if is_silent { SILENT_LIMIT } else { TWIN_LIMIT };
        let due = now + limit;
        self.waiting.insert(id, Ping { nonce, is_sent: line.ping(nonce), limit, due, is_silent });
        self.due.insert((due, id));
    }

    /// A pong came. `true` if it is the answer for which the room waits.
    pub(super) fn answer(&mut self, id: ParticipantId, nonce: [u8; 8]) -> bool {
        if self.waiting.get(&id).is_none_or(|ping| ping.nonce != nonce) {
            return false;
        }
        self.forget(id).is_some_and(|ping| ping.is_silent)
    }

    /// The participant is gone.
    pub(super) fn gone(&mut self, id: ParticipantId) {
        self.forget(id);
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Those whose time is up; `line` finds connections.
    pub(super) fn judge<'a>(
        &mut self,
        now: Instant,
        line: impl Fn(ParticipantId) -> Option<&'a dyn Line>,
    ) -> Vec<ParticipantId> {
        let mut unresponsive = Vec::new();
        while let Some(&(due, id)) = self.due.first()
            && due <= now
        {
            self.due.remove(&(due, id));
            let (Some(ping), Some(line)) = (self.waiting.get_mut(&id), line(id)) else {
                self.waiting.remove(&id);
                continue;
            };
            let again = match line.reads_since() {
                _ if !ping.is_sent => {
                    ping.is_sent = line.ping(ping.nonce);
                    Some(now + ping.limit)
                }
                // It may not have been handed to the kernel yet.
                _ if line.is_behind() => Some(now + ping.limit),
                None => Some(now + ping.limit),
                Some(since) if since + ping.limit > now => Some(since + ping.limit),
                Some(_) => (now > due + STANDSTILL).then_some(now + ping.limit),
            };
            if let Some(again) = again {
                ping.due = again;
                self.due.insert((again, id));
            } else {
                self.waiting.remove(&id);
                unresponsive.push(id);
            }
        }
        unresponsive
    }

    fn forget(&mut self, id: ParticipantId) -> Option<Ping> {
        let ping = self.waiting.remove(&id)?;
        self.due.remove(&(ping.due, id));
        Some(ping)
    }
}

/// How long a connection has whose user joined elsewhere.
const TWIN_LIMIT: Duration = Duration::from_secs(2);
/// How long a connection has whose page joined again.
const SILENT_LIMIT: Duration = Duration::from_secs(10);
