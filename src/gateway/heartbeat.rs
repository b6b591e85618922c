//! Heartbeats, which each side has from here: a client's is answered here, and the upstream is sent others.
//!
//! So a client stays while the upstream stalls, and the upstream keeps a connection whose client is throttled.
//!
//! Owns: what is a heartbeat, its reply, and the references of our own. Not here: when one is sent.
//!
//! Contract: Phoenix 1.8.12, `Phoenix.Socket`; contract/canvas.md, F.5.

use bytes::Bytes;

use crate::wire::{Field, Frame, Message, Payload, Vsn, decode_text, encode_message, encode_reply};

/// The reply to a client's heartbeat. `None` where the text is none, or not in the form of the connection: that passes,
/// and the upstream says what becomes of it.
pub fn answer(vsn: Vsn, text: &[u8]) -> Option<Frame> {
    let message = decode(vsn, text)?;
    let is_heartbeat = message.topic.text() == Some(TOPIC) && message.event.text() == Some("heartbeat");
    is_heartbeat.then(|| {
        encode_reply(vsn, &Field::Null, &message.reference, &message.topic, "ok", &Payload::empty())
            .expect("JSON goes into any text frame")
    })
}

/// The heartbeats of one connection to the upstream.
#[derive(Debug, Default)]
pub struct OwnHeartbeats {
    sent: u64,
    answered: u64,
}

impl OwnHeartbeats {
    /// The text of the next one.
    pub fn next(&mut self, vsn: Vsn) -> Bytes {
        self.sent += 1;
        let reference = Field::from(format!("{PREFIX}{}", self.sent).as_str());
        encode_message(vsn, &Field::Null, &reference, &TOPIC.into(), "heartbeat", &Payload::empty())
            .map(|frame| Bytes::from(frame.body().into_owned()))
            .expect("JSON goes into any text frame")
    }

    /// Whether this is the topic and reference of the reply to one that still has none.
    pub fn is_answer(&mut self, topic: &str, reference: &str) -> bool {
        let number = reference.strip_prefix(PREFIX).and_then(|number| number.parse().ok());
        match number.filter(|number| topic == TOPIC && (self.answered + 1..=self.sent).contains(number)) {
            Some(number) => {
                self.answered = number;
                true
            }
            None => false,
        }
    }

    /// Whether this V1 text is such a reply. Only a short text is looked at, and only while one is missing.
    pub fn is_v1_answer(&mut self, text: &[u8]) -> bool {
        if self.answered == self.sent || text.len() > LONGEST_ANSWER {
            return false;
        }
        decode(Vsn::V1, text).is_some_and(|message| match (message.topic.text(), message.reference.text()) {
            (Some(topic), Some(reference)) => self.is_answer(topic, reference),
            _ => false,
        })
    }
}

fn decode(vsn: Vsn, text: &[u8]) -> Option<Message> {
    decode_text(vsn, &Bytes::copy_from_slice(text)).ok()
}

/// The topic of heartbeats.
pub const TOPIC: &str = "phoenix";
/// What our own references begin with; those of phoenix.js are numbers.
const PREFIX: &str = "presenced:";
/// More than the reply to one of ours takes, with blanks.
const LONGEST_ANSWER: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(vsn: Vsn, text: &str) -> Option<String> {
        let frame = answer(vsn, text.as_bytes())?;
        Some(String::from_utf8(frame.body().into_owned()).expect("a text frame is UTF-8"))
    }

    #[test]
    fn a_heartbeat_is_answered_as_phoenix_answers() {
        let v2 = answered(Vsn::V2, r#"[null,"5","phoenix","heartbeat",{}]"#);
        let reply = r#"[null,"5","phoenix","phx_reply",{"status":"ok","response":{}}]"#;
        assert_eq!(v2.as_deref(), Some(reply));
        let v1 = answered(Vsn::V1, r#"{"payload":{},"ref":7,"event":"heartbeat","topic":"phoenix"}"#);
        let reply =
            r#"{"topic":"phoenix","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":7}"#;
        assert_eq!(v1.as_deref(), Some(reply));
    }

    #[test]
    fn a_heartbeat_in_the_other_form_is_none() {
        let v2 = r#"[null,"5","phoenix","heartbeat",{}]"#;
        let v1 = r#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"5"}"#;
        assert_eq!(answered(Vsn::V1, v2), None);
        assert_eq!(answered(Vsn::V2, v1), None);
        // Phoenix closes the connection for these.
        assert_eq!(answered(Vsn::V2, r#"[null,"5","phoenix","heartbeat"]"#), None);
        assert_eq!(answered(Vsn::V2, r#"[null,"5","phoenix","heartbeat",{]"#), None);
        assert_eq!(answered(Vsn::V1, r#"{"topic":"phoenix","event":"heartbeat","ref":"5"}"#), None);
    }

    #[test]
    fn only_the_heartbeat_of_phoenix_is_one() {
        assert_eq!(answered(Vsn::V2, r#"[null,"5","room","heartbeat",{}]"#), None);
        assert_eq!(answered(Vsn::V2, r#"[null,"5","phoenix","beat",{}]"#), None);
    }

    #[test]
    fn the_reply_to_one_of_ours_is_known_once() {
        let mut own = OwnHeartbeats::default();
        assert_eq!(own.next(Vsn::V2), r#"[null,"presenced:1","phoenix","heartbeat",{}]"#);
        assert_eq!(
            own.next(Vsn::V1),
            r#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"presenced:2"}"#
        );
        assert!(!own.is_answer("room", "presenced:1"));
        assert!(!own.is_answer("phoenix", "1") && !own.is_answer("phoenix", "presenced:x"));
        assert!(own.is_answer("phoenix", "presenced:1"));
        assert!(!own.is_answer("phoenix", "presenced:1") && !own.is_answer("phoenix", "presenced:3"));
        let reply = r#"{"event":"phx_reply","payload":{},"ref":"presenced:2","topic":"phoenix"}"#.as_bytes();
        assert!(own.is_v1_answer(reply));
        assert!(!own.is_v1_answer(reply));
    }
}
