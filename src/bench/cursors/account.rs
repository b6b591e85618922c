//! What a member was told, what it has to say because of it, and whether it got what it was owed.
//!
//! Not here: which state is taken ([`super::others`]), sending ([`super::member`]).

use std::time::{Duration, Instant};

use super::super::channel::Topic;
use super::super::incoming::Incoming;
use super::super::samples::Samples;
use super::super::tally::Reconciled;
use super::super::trouble::Trouble;
use super::awareness::{self, Entry, HAS_NOTHING, Message};
use super::hall::Hall;
use super::others::{Others, Shown};
use super::pushed::Pushed;

/// A joined channel, as messages name it.
pub(super) struct Place {
    pub join_ref: String,
    pub topic: String,
    /// The topic as text frames have it.
    pub written: Topic,
}

/// Of one member.
pub(super) struct Account {
    /// Its clientID.
    pub own: u64,
    /// Of its own last state.
    pub clock: u64,
    /// How many moves it was never shown by themselves, because a later one came first.
    pub superseded: u64,
    others: Others,
    samples: Samples,
    answers: Vec<Vec<u8>>,
    /// Since the counters were last told.
    seen: u64,
    met: u64,
    now: Instant,
    backwards: u64,
    faults: Vec<Trouble>,
    end: Option<Trouble>,
}

impl Account {
    /// Of the member with this number.
    pub(super) fn new(hall: &Hall, number: u64) -> Self {
        let own = hall.client_id(number);
        let first = own - number % hall.members;
        Account {
            own,
            clock: 0,
            superseded: 0,
            others: Others::new(own, first..first + hall.members),
            samples: hall.bench.latencies.samples(),
            answers: Vec::new(),
            seen: 0,
            met: 0,
            now: Instant::now(),
            backwards: 0,
            faults: Vec::new(),
            end: None,
        }
    }

    /// Takes note of a frame.
    pub(super) fn note(&mut self, hall: &Hall, place: &Place, frame: &[u8], now: Instant) {
        let Some(pushed) = Pushed::read(frame) else {
            let message = Incoming::read(frame);
            let trouble = message.and_then(|message| message.trouble(place.written.written()));
            self.end = self.end.take().or(trouble);
            return;
        };
        if !pushed.is_for(place.join_ref.as_bytes(), place.topic.as_bytes()) || pushed.event != b"yjs" {
            return;
        }
        match awareness::read(pushed.payload) {
            Some(Message::SyncStep1) => self.answers.push(HAS_NOTHING.to_vec()),
            Some(Message::Awareness(entries)) => {
                hall.traffic.came_down(frame.len());
                self.hear(hall, entries, now);
            }
            Some(Message::Other) => {}
            None => self.faults.push(Trouble::Unreadable),
        }
    }

    /// What is to be sent because of what was told: the echo, and the answer to who asks for a document.
    pub(super) fn take_answers(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.answers)
    }

    /// Tells the counters of what came since they were told last.
    ///
    /// # Errors
    /// The trouble that ends the channel.
    pub(super) fn tell(&mut self, hall: &Hall) -> Result<(), Trouble> {
        for fault in self.faults.drain(..) {
            hall.bench.trouble(&fault);
        }
        if self.seen > 0 {
            hall.bench.progress.receive(std::mem::take(&mut self.seen), self.now);
        }
        if self.met > 0 {
            hall.met(std::mem::take(&mut self.met), self.now);
        }
        self.end.take().map_or(Ok(()), Err)
    }

    /// What it was owed, where the others of its room have these clientIDs, and have made so many moves each.
    pub(super) fn reconcile(&self, others: impl Iterator<Item = (u64, u64)>) -> Reconciled {
        let mut account = Reconciled { out_of_order: self.backwards, ..Reconciled::default() };
        for (client, made) in others {
            let seen = self.others.moves_of(client);
            account.expected += made;
            account.received += seen;
            account.lost += made.saturating_sub(seen);
        }
        account
    }

    fn hear(&mut self, hall: &Hall, mut taken: Vec<Entry<'_>>, now: Instant) {
        self.now = now;
        taken.retain(|entry| match self.others.take(entry, self.clock, &hall.stamps) {
            Some(Shown::Own) => {
                self.faults.push(Trouble::OwnId);
                // What it says next must be newer than that, as a page's is, or nobody would take it.
                self.clock = entry.clock.saturating_add(u64::from(entry.is_null()));
                false
            }
            Some(shown) => {
                self.count(hall, shown, now);
                true
            }
            None => false,
        });
        if hall.echoes && !taken.is_empty() {
            hall.traffic.went_up();
            self.answers.push(awareness::write(&taken));
        }
    }

    fn count(&mut self, hall: &Hall, shown: Shown, now: Instant) {
        match shown {
            Shown::Moves(moves, due) => {
                self.seen += moves;
                self.superseded += moves - 1;
                for earlier in 0..moves {
                    let earlier = hall.period.saturating_mul(u32::try_from(earlier).unwrap_or(u32::MAX));
                    self.sample(hall, due.saturating_sub(earlier), now);
                }
            }
            Shown::Member => self.met += 1,
            Shown::Backwards => self.backwards += 1,
            Shown::Gone => self.faults.push(Trouble::FalselyGone),
            Shown::Nothing | Shown::Own => {}
        }
    }

    /// Takes the time of a move that was due then, unless it was of the warm-up.
    fn sample(&mut self, hall: &Hall, due: Duration, now: Instant) {
        if hall.is_measured(due) {
            self.samples.record(now.saturating_duration_since(hall.stamps.at(due)));
        }
    }
}
