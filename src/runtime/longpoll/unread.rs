//! The last answer to a poll, until the client is known to have read it.
//!
//! An answer can be lost on the way, and a browser repeats a GET by itself. phoenix.js takes the token of each answer for
//! its next request, so a token that numbers answers tells what was read. A client that keeps its first token says nothing
//! of it, and is never sent anything twice.

use crate::wire::Frame;

/// What may have to be sent again.
#[derive(Default)]
pub(super) struct Unread {
    /// How many answers were given.
    answers: u64,
    /// The frames of the last one, unless it is known to have been read.
    last: Vec<Frame>,
    /// The client takes the tokens of answers.
    counts: bool,
}

/// What is kept does not reach as far back as the client has read.
#[derive(Debug, PartialEq)]
pub(super) struct TooOld;

impl Unread {
    /// A request says how many answers its client has read. Gives the frames to be sent again, if there are any.
    ///
    /// # Errors
    /// [`TooOld`].
    pub(super) fn polled(&mut self, read: u64) -> Result<Vec<Frame>, TooOld> {
        self.counts |= read > 0;
        if !self.counts || read >= self.answers {
            self.last = Vec::new();
            return Ok(Vec::new());
        }
        if read + 1 < self.answers || self.last.is_empty() {
            return Err(TooOld);
        }
        // The next answer takes the place of the lost one, with its number.
        self.answers -= 1;
        Ok(std::mem::take(&mut self.last))
    }

    /// A POST says so as well. It may have been on its way when the last answer was.
    pub(super) fn posted(&mut self, read: u64) {
        self.counts |= read > 0;
        if read >= self.answers {
            self.last = Vec::new();
        }
    }

    /// An answer was given; its number.
    pub(super) fn answered(&mut self, frames: &[Frame]) -> u64 {
        self.answers += 1;
        self.last = frames.to_vec();
        self.answers
    }

    /// The number that the next answer will have.
    pub(super) fn next(&self) -> u64 {
        self.answers + 1
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::wire::{self, Payload, Vsn};

    fn frames(event: &str) -> Vec<Frame> {
        let payload = Payload::from(json!({}));
        vec![wire::encode_broadcast(Vsn::V2, "t", event, &payload).expect("it can be said")]
    }

    fn bodies(frames: &[Frame]) -> Vec<Vec<u8>> {
        frames.iter().map(|frame| frame.body().into_owned()).collect()
    }

    #[test]
    fn an_answer_that_was_lost_is_given_again_under_its_number_however_often() {
        let mut unread = Unread::default();
        assert_eq!(unread.answered(&frames("a")), 1);
        assert!(unread.polled(1).expect("it has read all").is_empty());
        assert_eq!(unread.answered(&frames("b")), 2);
        for _ in 0..3 {
            let again = unread.polled(1).expect("it is kept");
            assert_eq!(bodies(&again), bodies(&frames("b")));
            assert_eq!(unread.answered(&again), 2);
        }
        assert!(unread.polled(2).expect("it has read all").is_empty());
    }

    #[test]
    fn a_client_that_keeps_its_first_token_is_sent_nothing_twice() {
        let mut unread = Unread::default();
        for _ in 0..3 {
            unread.answered(&frames("a"));
            assert!(unread.polled(0).expect("nobody knows what it has read").is_empty());
        }
    }

    #[test]
    fn what_is_not_kept_any_more_cannot_be_given_again() {
        let mut unread = Unread::default();
        unread.answered(&frames("a"));
        assert!(unread.polled(1).expect("it has read all").is_empty());
        unread.answered(&frames("b"));
        assert!(unread.polled(2).expect("it has read all").is_empty());
        assert_eq!(unread.polled(1).err(), Some(TooOld), "it was said to be read");
        unread.answered(&frames("c"));
        assert_eq!(unread.polled(1).err(), Some(TooOld));
    }

    #[test]
    fn a_post_that_was_on_its_way_meanwhile_loses_nothing() {
        let mut unread = Unread::default();
        unread.answered(&frames("a"));
        unread.polled(1).expect("it has read all");
        unread.answered(&frames("b"));
        unread.posted(1);
        assert!(!unread.last.is_empty());
        unread.posted(2);
        assert!(unread.last.is_empty());
    }
}
