//! Messages that were posted twice: a browser repeats a POST by itself where a kept connection was reset.
//!
//! A message says by its ref which it is, so one that is repeated to the letter is the same.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;

/// The latest messages of one client, by their hashes.
#[derive(Default)]
pub(super) struct Repeats {
    hasher: RandomState,
    latest: VecDeque<u64>,
}

impl Repeats {
    /// Takes note of a message; whether it is one of the latest again. A heartbeat never is: nothing comes of it but its
    /// reply.
    pub(super) fn is_repeated(&mut self, message: &[u8]) -> bool {
        if memchr::memmem::find(message, b"\"heartbeat\"").is_some() {
            return false;
        }
        let hash = self.hasher.hash_one(message);
        if self.latest.contains(&hash) {
            return true;
        }
        if self.latest.len() == KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back(hash);
        false
    }
}

/// More than phoenix.js posts at once.
const KEPT: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_the_same_if_it_is_repeated_to_the_letter() {
        let mut repeats = Repeats::default();
        let join = br#"["7","7","t","phx_join",{}]"#;
        assert!(!repeats.is_repeated(join));
        assert!(repeats.is_repeated(join));
        assert!(!repeats.is_repeated(br#"["7","8","t","phx_join",{}]"#), "another ref");
        for _ in 0..2 {
            assert!(!repeats.is_repeated(br#"[null,"9","phoenix","heartbeat",{}]"#));
        }
    }
}
