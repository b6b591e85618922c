//! Messages that were posted twice: a browser repeats a POST by itself where a kept connection was reset.
//!
//! A message says by its ref which it is, so one that is repeated to the letter is the same.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use serde_json::Value;

/// The latest messages of one client, by their hashes.
#[derive(Default)]
pub(super) struct Repeats {
    hasher: RandomState,
    latest: VecDeque<u64>,
}

impl Repeats {
    /// Takes note of a message; whether it is one of the latest again. One without a ref never is, nor a heartbeat, of which
    /// nothing comes but its reply.
    pub(super) fn is_repeated(&mut self, message: &[u8]) -> bool {
        if !names_itself(message) {
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

/// Whether a message has a ref, by which it is told from others, and does something.
fn names_itself(message: &[u8]) -> bool {
    let Ok(message) = serde_json::from_slice::<Value>(message) else { return false };
    let (reference, event) = match &message {
        Value::Array(fields) => (fields.get(1), fields.get(3)),
        message => (message.get("ref"), message.get("event")),
    };
    reference.is_some_and(|reference| !reference.is_null()) && event.is_none_or(|event| event != "heartbeat")
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
        for other in [r#"[null,"9","phoenix","heartbeat",{}]"#, r#"["7",null,"t","say",{}]"#, "no JSON"] {
            for _ in 0..2 {
                assert!(!repeats.is_repeated(other.as_bytes()), "{other}");
            }
        }
    }
}
