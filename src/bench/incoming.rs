//! What a text frame of serializer V2 says, as it stands there: `[join_ref, ref, topic, event, payload]`.
//!
//! Nothing is unescaped or copied: fields are compared as they were written.

use std::borrow::Cow;

use memchr::memchr2;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::trouble::Trouble;

/// A message, in parts of its frame. Strings are without their quotes; null is `null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Incoming<'a> {
    pub reference: &'a [u8],
    pub topic: &'a [u8],
    pub event: &'a [u8],
    pub payload: &'a [u8],
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    response: &'a RawValue,
}

impl<'a> Incoming<'a> {
    /// `None` for what is no message.
    pub(super) fn read(frame: &'a [u8]) -> Option<Self> {
        let mut rest = frame.trim_ascii().strip_prefix(b"[")?.strip_suffix(b"]")?;
        let mut field = || {
            let (field, tail) = first_field(rest.trim_ascii_start())?;
            rest = tail.trim_ascii_start().strip_prefix(b",")?;
            Some(field)
        };
        let [_join_ref, reference, topic, event] = [field()?, field()?, field()?, field()?];
        Some(Incoming { reference, topic, event, payload: rest })
    }

    /// What a reply answers: `Err` has the reason, as JSON and not more than a line of it, where its status is not
    /// `ok`.
    pub(super) fn outcome(&self) -> Result<(), String> {
        match serde_json::from_slice::<Reply>(self.payload) {
            Ok(reply) if reply.status == "ok" => Ok(()),
            Ok(reply) => Err(reply.response.get().chars().take(REASON).collect()),
            Err(_) => Err("a reply without a status".to_owned()),
        }
    }

    /// The trouble that the frame brings to whoever has joined this topic and asked for nothing but messages.
    pub(super) fn trouble(&self, topic: &[u8]) -> Option<Trouble> {
        match self.event {
            _ if self.topic != topic => None,
            b"phx_error" => Some(Trouble::ChannelEnded("phx_error")),
            b"phx_close" => Some(Trouble::ChannelEnded(PHX_CLOSE)),
            b"phx_reply" => self.outcome().err().map(Trouble::MessageRefused),
            _ => None,
        }
    }
}

/// The first string or plain value, and what follows it.
fn first_field(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let Some(string) = text.strip_prefix(b"\"") else {
        return text.iter().position(|byte| *byte == b',').map(|end| text.split_at(end));
    };
    let mut end = 0;
    loop {
        end += memchr2(b'"', b'\\', &string[end..])?;
        if string[end] == b'"' {
            return Some((&string[..end], &string[end + 1..]));
        }
        // The character behind the backslash is not looked at.
        end += 2;
        if end > string.len() {
            return None;
        }
    }
}

/// The event that ends a channel in order.
pub(super) const PHX_CLOSE: &str = "phx_close";

/// Of a reason, in characters.
const REASON: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_found_where_they_stand() {
        let frame = br#"[null,"2","a\"]:b","phx_reply",{"status":"ok","response":{}}]"#;
        let message = Incoming::read(frame).expect("a message");
        assert_eq!((message.reference, message.topic), (&b"2"[..], &br#"a\"]:b"#[..]));
        assert_eq!(message.event, b"phx_reply");
        assert_eq!(message.outcome(), Ok(()));
        let spaced = Incoming::read(b" [ 1 , null, \"t\" , \"e\" , {} ] ").expect("a message");
        assert_eq!((spaced.topic, spaced.event), (&b"t"[..], &b"e"[..]));
    }

    #[test]
    fn what_is_no_message_is_passed_over() {
        for text in ["", "[", "[]", "{}", "[1,2]", r#"["a"#, r#"["a\"#, r#"["a\""#, r#"["1","2","t","e"]"#] {
            assert_eq!(Incoming::read(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_refusal_brings_its_reason() {
        let frame = br#"["1","1","t","phx_reply",{"response":{"reason":"no"},"status":"error"}]"#;
        let message = Incoming::read(frame).expect("a message");
        assert_eq!(message.outcome(), Err(r#"{"reason":"no"}"#.to_owned()));
    }

    #[test]
    fn the_end_of_another_topic_is_no_trouble() {
        let frame = br#"["1","1","t","phx_error",{}]"#;
        let message = Incoming::read(frame).expect("a message");
        assert_eq!(message.trouble(b"t"), Some(Trouble::ChannelEnded("phx_error")));
        assert_eq!(message.trouble(b"other"), None);
    }
}
