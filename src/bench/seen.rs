//! Whom of its group a client has seen in presence.
//!
//! For runs in which nobody leaves: whoever is named in a list or a diff is there.

use std::ops::Range;

use super::pattern::Keys;

/// The members of a group, numbered without gaps, and which of them one client has seen.
#[derive(Debug)]
pub(super) struct Seen {
    first: u64,
    seen: Vec<bool>,
    missing: u64,
}

impl Seen {
    /// Nobody yet, of these.
    pub(super) fn none_of(group: Range<u64>) -> Self {
        let missing = group.end.saturating_sub(group.start);
        let size =
            usize::try_from(missing).expect("a group has as many members as there are sockets at most");
        Seen { first: group.start, seen: vec![false; size], missing }
    }

    /// Looks for members in a frame, and returns how many it shows for the first time.
    pub(super) fn note(&mut self, keys: &Keys, frame: &[u8]) -> u64 {
        let before = self.missing;
        for number in keys.numbers(frame) {
            let place = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
            if let Some(seen) = place.and_then(|place| self.seen.get_mut(place)) {
                self.missing -= u64::from(!*seen);
                *seen = true;
            }
        }
        before - self.missing
    }

    /// How many there are.
    pub(super) fn group(&self) -> u64 {
        self.seen.len() as u64
    }

    /// How many of them have not been seen.
    pub(super) fn missing(&self) -> u64 {
        self.missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_member_counts_once_and_others_do_not() {
        let keys: Keys = "{i}".parse().expect("a pattern");
        let mut seen = Seen::none_of(4..7);
        assert_eq!(seen.note(&keys, br#"{"3":{"metas":[]},"4":{"metas":[]},"6":{"metas":[]}}"#), 2);
        assert_eq!(seen.note(&keys, br#"{"joins":{"4":{"metas":[]},"7":{"metas":[]}},"leaves":{}}"#), 0);
        assert_eq!((seen.group(), seen.missing()), (3, 1));
        assert_eq!(seen.note(&keys, br#"{"5":{"metas":[]}}"#), 1);
        assert_eq!(seen.missing(), 0);
    }
}
