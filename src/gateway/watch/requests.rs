//! The requests of a client whose answers prove something: joins, and `get_context`.
//!
//! Owns: when an answer proves it. A client that is refused a canvas, or that would be another user, may have some other
//! request answered under the same reference. So a reference counts only where no other message of the connection had
//! it, before or meanwhile. phoenix.js numbers all messages of a socket by one counter: a reference that is no greater
//! number than all before proves nothing, and nothing has to be remembered of the earlier ones.

use std::collections::VecDeque;

use smol_str::SmolStr;

use crate::wire::TextFront;

/// Requests without an answer, oldest first.
#[derive(Debug, Default)]
pub struct Requests {
    pending: VecDeque<Request>,
    /// The greatest reference that any message had.
    greatest: u64,
}

/// A request whose reference was new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub what: Wanted,
    pub topic: SmolStr,
    pub join_ref: SmolStr,
    reference: u64,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A join of a canvas.
    Join,
    /// A canvas's context, which names the user.
    Context,
}

impl Requests {
    /// A message of the client passes. Whether its reference is new, and so may belong to a request that proves something;
    /// otherwise a request that had it proves nothing any more.
    pub fn passes(&mut self, reference: Option<&str>) -> Option<u64> {
        let number = number(reference?)?;
        if number > self.greatest {
            self.greatest = number;
            return Some(number);
        }
        self.pending.retain(|request| request.reference != number);
        None
    }

    /// A message of the client passes whose reference cannot be read. It may be any, so from now on no answer proves
    /// anything.
    pub fn passes_unread(&mut self) {
        self.greatest = u64::MAX;
        self.pending.clear();
    }

    /// A request with this new reference passes. Of too many the oldest proves nothing any more.
    pub fn add(&mut self, what: Wanted, topic: &str, join_ref: &str, reference: u64) {
        if self.pending.len() == MOST {
            self.pending.pop_front();
        }
        self.pending.push_back(Request { what, topic: topic.into(), join_ref: join_ref.into(), reference });
    }

    /// The client leaves what it may still be joining: this join of the topic, or any if it names none.
    pub fn leave(&mut self, topic: &str, join_ref: Option<&str>) {
        self.pending.retain(|request| {
            let named =
                request.topic == topic && join_ref.is_none_or(|join_ref| request.join_ref == join_ref);
            !(named && request.what == Wanted::Join)
        });
    }

    /// Whether a reply with this front answers a request.
    pub fn is_answered_by(&self, reply: &TextFront<'_>) -> bool {
        self.position(reply).is_some()
    }

    /// Takes the request that a reply with this front answers.
    pub fn answered_by(&mut self, reply: &TextFront<'_>) -> Option<Request> {
        let request = self.position(reply).and_then(|position| self.pending.remove(position))?;
        if self.pending.is_empty() {
            // A connection at rest keeps no room for them.
            self.pending = VecDeque::new();
        }
        Some(request)
    }

    fn position(&self, reply: &TextFront<'_>) -> Option<usize> {
        if self.pending.is_empty() {
            return None;
        }
        let (topic, join_ref) = (reply.topic.text()?, reply.join_ref.text()?);
        let reference = number(reply.reference.text()?)?;
        self.pending.iter().position(|request| {
            request.reference == reference && request.topic == topic && request.join_ref == join_ref
        })
    }
}

/// A reference as phoenix.js writes it: a number that is written in one way only.
fn number(reference: &str) -> Option<u64> {
    let canonical = reference.bytes().all(|digit| digit.is_ascii_digit()) && !reference.starts_with('0');
    reference.parse().ok().filter(|number| canonical && *number < u64::MAX)
}

/// The most requests of one connection that wait for their answers.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a reply to topic `t`, join `1`, with this reference answers a request.
    fn answers(requests: &mut Requests, reference: u64) -> bool {
        let reply = format!(r#"["1","{reference}","t","phx_reply",{{}}]"#);
        let front = TextFront::of(reply.as_bytes()).expect("a message");
        assert_eq!(
            requests.is_answered_by(&front),
            requests.clone_len_after(&front) < requests.pending.len()
        );
        requests.answered_by(&front).is_some()
    }

    impl Requests {
        fn clone_len_after(&self, front: &TextFront<'_>) -> usize {
            let mut copy = Requests { pending: self.pending.clone(), greatest: self.greatest };
            copy.answered_by(front);
            copy.pending.len()
        }

        fn ask(&mut self, reference: u64) {
            if let Some(new) = self.passes(Some(&reference.to_string())) {
                self.add(Wanted::Context, "t", "1", new);
            }
        }
    }

    #[test]
    fn an_answer_counts_once_and_with_every_part_the_same() {
        let mut requests = Requests::default();
        requests.ask(7);
        for other in [
            r#"["1","7","u","phx_reply",{}]"#,
            r#"["2","7","t","phx_reply",{}]"#,
            r#"[null,"7","t","phx_reply",{}]"#,
            r#"["1",7,"t","phx_reply",{}]"#,
            r#"["1","07","t","phx_reply",{}]"#,
            r#"["1","8","t","phx_reply",{}]"#,
        ] {
            let front = TextFront::of(other.as_bytes()).expect("a message");
            assert!(!requests.is_answered_by(&front), "{other}");
        }
        assert!(answers(&mut requests, 7));
        assert!(!answers(&mut requests, 7));
    }

    #[test]
    fn a_reference_that_was_in_use_proves_nothing() {
        let mut requests = Requests::default();
        assert_eq!(requests.passes(Some("7")), Some(7));
        requests.ask(7);
        requests.ask(6);
        assert!(!answers(&mut requests, 7) && !answers(&mut requests, 6));
        requests.ask(8);
        assert!(answers(&mut requests, 8));
    }

    #[test]
    fn a_reference_that_is_used_again_meanwhile_proves_nothing() {
        let mut requests = Requests::default();
        requests.ask(7);
        requests.ask(8);
        assert_eq!(requests.passes(Some("7")), None);
        assert!(!answers(&mut requests, 7));
        assert!(answers(&mut requests, 8));
    }

    #[test]
    fn behind_an_unread_message_nothing_is_proven() {
        let mut requests = Requests::default();
        requests.ask(7);
        requests.passes_unread();
        requests.ask(8);
        assert!(!answers(&mut requests, 7) && !answers(&mut requests, 8));
    }

    #[test]
    fn only_numbers_as_phoenix_js_writes_them_are_references() {
        for other in [
            "",
            "0",
            "07",
            "+7",
            "-7",
            "7.0",
            "7e0",
            " 7",
            "x",
            "18446744073709551615",
            "99999999999999999999",
        ] {
            assert_eq!(Requests::default().passes(Some(other)), None, "{other}");
        }
        assert_eq!(Requests::default().passes(None), None);
        assert_eq!(Requests::default().passes(Some("18446744073709551614")), Some(u64::MAX - 1));
    }

    #[test]
    fn of_too_many_requests_the_oldest_is_forgotten() {
        let mut requests = Requests::default();
        (1..=MOST as u64 + 1).for_each(|reference| requests.ask(reference));
        assert!(!answers(&mut requests, 1));
        assert!(answers(&mut requests, 2) && answers(&mut requests, MOST as u64 + 1));
    }

    #[test]
    fn what_is_left_while_it_is_joined_is_not_joined() {
        let join = |requests: &mut Requests| {
            let reference = requests.passes(Some("7")).expect("a new reference");
            requests.add(Wanted::Join, "t", "1", reference);
        };
        for (topic, join_ref, stays) in
            [("t", Some("1"), false), ("t", None, false), ("t", Some("2"), true), ("u", None, true)]
        {
            let mut requests = Requests::default();
            join(&mut requests);
            requests.leave(topic, join_ref);
            assert_eq!(answers(&mut requests, 7), stays, "{topic} {join_ref:?}");
        }
    }
}
