//! What is told in one round: the entries, encoded once for the whole room, and each participant's choice of them.
//!
//! Owns the numbers that clients see as clocks. All entries of a round have the round's number, which is above those of
//! all rounds before it and, where the clock is right, of all rooms before this one: so nothing has to be remembered of
//! those who are gone.
//! Contract: y-protocols 1.0.6, `encodeAwarenessUpdate`; type 1 of y-phoenix-channel's messages.

use std::ops::Range;

use super::clients::Change;
use super::codec::{LARGEST, number_len, put_entry, put_number};
use crate::pages::Page;

/// A whole y-protocols message for one participant: type 1, the length of the body, the body.
#[derive(Debug)]
pub struct Update<'a> {
    buffer: &'a [u8],
    chosen: &'a [Range<usize>],
    count: usize,
}

impl Update<'_> {
    /// How many clients it tells of.
    pub fn entries(&self) -> usize {
        self.count
    }

    /// The length of the message in bytes.
    pub fn len(&self) -> usize {
        let body = self.body_len();
        1 + number_len(body as u64) + body
    }

    /// Never: an update tells of somebody.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Appends the message.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.reserve(self.len());
        out.push(AWARENESS);
        put_number(out, self.body_len() as u64);
        put_number(out, self.count as u64);
        for range in self.chosen {
            out.extend_from_slice(&self.buffer[range.clone()]);
        }
    }

    fn body_len(&self) -> usize {
        number_len(self.count as u64) + self.chosen.iter().map(Range::len).sum::<usize>()
    }
}

/// The entries of one round. Its memory serves all rounds of a room.
#[derive(Debug, Default)]
pub(super) struct Round {
    number: u64,
    entries: Vec<Encoded>,
    buffer: Vec<u8>,
    chosen: Vec<Range<usize>>,
}

/// One client in a round.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) id: u64,
    pub(super) version: u64,
    pub(super) page: Option<Page>,
    /// It has a state, and is not gone.
    pub(super) is_present: bool,
    /// Somebody is told of it.
    pub(super) is_told: bool,
    at: Range<usize>,
}

impl Round {
    /// Begins a round at this unix time in microseconds.
    pub(super) fn begin(&mut self, unix_us: u64) {
        self.number = (self.number + 1).max(unix_us.min(LATEST));
        self.entries.clear();
        self.buffer.clear();
    }

    /// Adds a client to what may be told.
    pub(super) fn add(&mut self, change: Change<'_>) {
        let start = self.buffer.len();
        put_entry(&mut self.buffer, change.id, self.number, change.state);
        self.entries.push(Encoded {
            id: change.id,
            version: change.version,
            page: change.page,
            is_present: change.state.is_some(),
            is_told: false,
            at: start..self.buffer.len(),
        });
    }

    /// The message with the entries that this is true of; `None` if there are none.
    pub(super) fn choose(&mut self, mut is_owed: impl FnMut(&Encoded) -> bool) -> Option<Update<'_>> {
        self.chosen.clear();
        let mut count = 0;
        for entry in &mut self.entries {
            if !is_owed(entry) {
                continue;
            }
            entry.is_told = true;
            count += 1;
            match self.chosen.last_mut() {
                Some(last) if last.end == entry.at.start => last.end = entry.at.end,
                _ => self.chosen.push(entry.at.clone()),
            }
        }
        (count > 0).then_some(Update { buffer: &self.buffer, chosen: &self.chosen, count })
    }

    /// Ends the round: who was told of.
    pub(super) fn end(&mut self) -> impl Iterator<Item = u64> {
        self.buffer.shrink_to(KEPT);
        self.entries.drain(..).filter(|entry| entry.is_told).map(|entry| entry.id)
    }
}

/// The type of awareness messages.
const AWARENESS: u8 = 1;
/// A clock that shows a later time is wrong; above it there is room for as many rounds as a server can live.
const LATEST: u64 = LARGEST >> 1;
/// How many bytes of room a quiet room keeps.
const KEPT: usize = 4096;
