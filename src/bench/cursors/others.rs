//! What one member knows of the others in its room, and what it is to make of what it is told.
//!
//! Owns: which states are taken, by y-protocols' own rule; which moves have been seen.
//! A move is seen with the first state of its mover that is it, or a later move: nobody needs where a cursor was. A
//! refresh tells the last move again, and that is no fault.
//! Contract: y-protocols, `applyAwarenessUpdate`.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use super::super::stamp::Stamps;
use super::awareness::Entry;

/// The table of one member.
#[derive(Debug)]
pub(super) struct Others {
    own: u64,
    /// The clientIDs of its room, its own among them.
    room: Range<u64>,
    known: HashMap<u64, Other>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Other {
    clock: u64,
    is_here: bool,
    /// One more than the number of the last move seen.
    moves: u64,
}

/// What a state that was taken showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Nothing that is counted.
    Nothing,
    /// A member who was not seen before.
    Member,
    /// So many moves for the first time, the last of them due at this time.
    Moves(u64, Duration),
    /// An earlier move behind a later one, or none any more.
    Backwards,
    /// That a member is gone.
    Gone,
    /// Its own clientID, which a page would take, or with `null` outbid.
    Own,
}

impl Others {
    /// The table of the member with this clientID.
    pub(super) fn new(own: u64, room: Range<u64>) -> Self {
        Others { own, room, known: HashMap::new() }
    }

    /// What a state shows where it is taken; `None` where it is not.
    pub(super) fn take(&mut self, entry: &Entry<'_>, own_clock: u64, stamps: &Stamps) -> Option<Shown> {
        let is_own = entry.client == self.own;
        if is_own {
            let removes = entry.clock == own_clock && entry.is_null();
            return (entry.clock > own_clock || removes).then_some(Shown::Own);
        }
        let other = self.known.entry(entry.client).or_default();
        let is_newer = entry.clock > other.clock;
        let is_removal = entry.clock == other.clock && entry.is_null() && other.is_here;
        if !is_newer && !is_removal {
            return None;
        }
        let was_here = std::mem::replace(&mut other.is_here, !entry.is_null());
        other.clock = entry.clock;
        if !self.room.contains(&entry.client) {
            return Some(Shown::Nothing);
        }
        Some(match stamps.read(entry.state) {
            _ if entry.is_null() => Shown::Gone,
            Some((number, _)) if number + 1 == other.moves => Shown::Nothing,
            Some((number, due)) if number >= other.moves => {
                let moves = number + 1 - other.moves;
                other.moves = number + 1;
                Shown::Moves(moves, due)
            }
            Some(_) => Shown::Backwards,
            None if other.moves > 0 => Shown::Backwards,
            None if was_here => Shown::Nothing,
            None => Shown::Member,
        })
    }

    /// How many moves of a client have been seen.
    pub(super) fn moves_of(&self, client: u64) -> u64 {
        self.known.get(&client).map_or(0, |other| other.moves)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    struct Table {
        others: Others,
        stamps: Stamps,
        origin: Instant,
    }

    impl Table {
        /// Of member 1 in a room of 1, 2 and 3.
        fn new() -> Self {
            let origin = Instant::now();
            Table { others: Others::new(1, 1..4), stamps: Stamps::new(100, origin), origin }
        }

        fn told(&mut self, client: u64, clock: u64, state: &str) -> Option<Shown> {
            let entry = Entry { client, clock, state: state.as_bytes() };
            self.others.take(&entry, 5, &self.stamps)
        }

        fn told_move(&mut self, client: u64, clock: u64, number: u64) -> Option<Shown> {
            let at = self.origin + Duration::from_millis(number);
            let state = format!(r#"{{"cursor":null,{}}}"#, self.stamps.write(number, at));
            self.told(client, clock, &state)
        }
    }

    #[test]
    fn a_state_is_taken_where_its_clock_is_newer() {
        let mut table = Table::new();
        assert_eq!(table.told(2, 0, "{}"), None, "nobody is known at clock 0");
        assert_eq!(table.told(2, 1, "{}"), Some(Shown::Member));
        assert_eq!(table.told(2, 1, "{}"), None);
        assert_eq!(table.told(2, 9, "{}"), Some(Shown::Nothing));
        assert_eq!(table.told(2, 8, "{}"), None);
        assert_eq!(table.told(77, 8, "{}"), Some(Shown::Nothing), "a stranger is taken, and not counted");
    }

    #[test]
    fn a_move_is_seen_with_a_later_one() {
        let mut table = Table::new();
        assert_eq!(table.told_move(2, 3, 0), Some(Shown::Moves(1, Duration::ZERO)));
        assert_eq!(table.told_move(2, 4, 3), Some(Shown::Moves(3, Duration::from_millis(3))));
        assert_eq!(table.told_move(2, 5, 3), Some(Shown::Nothing), "a refresh");
        assert_eq!((table.others.moves_of(2), table.others.moves_of(3)), (4, 0));
    }

    #[test]
    fn an_earlier_move_or_none_behind_a_later_one_is_a_fault() {
        let mut table = Table::new();
        table.told_move(2, 3, 5);
        assert_eq!(table.told_move(2, 4, 4), Some(Shown::Backwards));
        assert_eq!(table.told(2, 5, "{}"), Some(Shown::Backwards));
        assert_eq!(table.told_move(2, 2, 4), None, "an old clock is not taken, and does no harm");
    }

    #[test]
    fn a_member_told_as_gone_and_a_clients_own_id_are_faults() {
        let mut table = Table::new();
        table.told(2, 3, "{}");
        assert_eq!(table.told(2, 3, "null"), Some(Shown::Gone), "an equal clock removes");
        assert_eq!(table.told(2, 3, "null"), None);
        assert_eq!(table.told(1, 6, "{}"), Some(Shown::Own));
        assert_eq!(table.told(1, 5, "null"), Some(Shown::Own));
        assert_eq!(table.told(1, 5, "{}"), None, "its own word, come back, changes nothing");
    }
}
