//! The topics that a client has left, for as long as it may not have read all that they were sent before.
//!
//! phoenix.js takes a diff for the join that it has, because a diff names none. A client that leaves a topic and joins it
//! again before it has read the last diffs keeps them until the list of the new join, applies them on top, and shows
//! whoever they name for ever. A second list, behind the first, mends that: then nothing waits to be applied. Who needs it
//! is found by an echo: behind the answers to a leave the client is sent a ping, and whatever it says before the pong it
//! may have said without them. A page handles what it reads a moment after it was read: the time is doubtful for a little
//! longer.
//!
//! Not here: the ping itself, or what stands for it on a transport that has none (`runtime`).
//! Contract: contract/phoenix.md §4.2.1.

use std::time::{Duration, Instant};

use smol_str::SmolStr;

/// Of one connection.
#[derive(Debug, Default)]
pub struct LeftTopics {
    /// The one that was left last at the end.
    topics: Vec<LeftTopic>,
    next: u32,
}

#[derive(Debug)]
struct LeftTopic {
    topic: SmolStr,
    nonce: [u8; 4],
    /// Since when the client is known to have read the answers to the leave.
    answered: Option<Instant>,
}

impl LeftTopics {
    /// The client has left a topic; gives what the ping behind the answers has to hold.
    pub fn left(&mut self, topic: SmolStr) -> [u8; 4] {
        self.topics.retain(|left| left.topic != topic);
        if self.topics.len() >= MOST_TOPICS {
            // A client that answers no pings, or leaves more than any page has.
            self.topics.remove(0);
        }
        let nonce = self.next.to_be_bytes();
        self.next = self.next.wrapping_add(1);
        self.topics.push(LeftTopic { topic, nonce, answered: None });
        nonce
    }

    /// A pong came.
    pub fn answered(&mut self, nonce: &[u8], now: Instant) {
        self.forget_old(now);
        if let Some(left) = self.topics.iter_mut().find(|left| left.nonce == nonce) {
            left.answered.get_or_insert(now);
        }
    }

    /// The client has read everything that it was sent.
    pub fn all_answered(&mut self, now: Instant) {
        self.forget_old(now);
        for left in &mut self.topics {
            left.answered.get_or_insert(now);
        }
    }

    /// Whether a join of this topic, read now, may have been said without knowledge of what came before the leave.
    pub fn is_doubtful(&mut self, topic: &str, now: Instant) -> bool {
        self.forget_old(now);
        self.topics.iter().any(|left| left.topic == topic)
    }

    fn forget_old(&mut self, now: Instant) {
        self.topics.retain(|left| left.answered.is_none_or(|at| now < at + HANDLED_AFTER));
    }
}

/// How long a page may take from reading a message to handling it.
const HANDLED_AFTER: Duration = Duration::from_millis(50);
/// As many as are remembered.
const MOST_TOPICS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(number: usize) -> SmolStr {
        SmolStr::new(number.to_string())
    }

    #[test]
    fn a_join_is_doubtful_until_a_moment_after_the_answer_to_the_leave_of_its_topic() {
        let (mut left, start) = (LeftTopics::default(), Instant::now());
        assert!(!left.is_doubtful("1", start));
        let nonce = left.left(topic(1));
        let later = start + Duration::from_secs(9);
        assert!(left.is_doubtful("1", later) && !left.is_doubtful("2", later));
        left.answered(b"other", later);
        assert!(left.is_doubtful("1", later + HANDLED_AFTER));
        left.answered(&nonce, later);
        assert!(left.is_doubtful("1", later + HANDLED_AFTER - Duration::from_millis(1)));
        assert!(!left.is_doubtful("1", later + HANDLED_AFTER));
        assert!(left.topics.is_empty());
    }

    #[test]
    fn of_two_leaves_of_a_topic_the_later_one_counts() {
        let (mut left, now) = (LeftTopics::default(), Instant::now());
        let first = left.left(topic(1));
        let second = left.left(topic(1));
        assert_ne!(first, second);
        left.answered(&first, now);
        assert!(left.is_doubtful("1", now + HANDLED_AFTER));
        left.all_answered(now);
        assert!(!left.is_doubtful("1", now + HANDLED_AFTER));
    }

    #[test]
    fn a_client_that_answers_nothing_has_so_many_remembered() {
        let (mut left, now) = (LeftTopics::default(), Instant::now());
        for number in 0..=MOST_TOPICS {
            left.left(topic(number));
        }
        assert_eq!(left.topics.len(), MOST_TOPICS);
        assert!(!left.is_doubtful("0", now) && left.is_doubtful("1", now));
    }
}
