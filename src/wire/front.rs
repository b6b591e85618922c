//! The front of a V2 message: where it goes, and nothing of what it carries.
//!
//! For those whom a message only passes: the payload is not looked at, and need not be there yet.
//!
//! Owns: the header of a text message, and those of the binary frames of both sides, as slices of what came in.
//!
//! Not here: whether the rest is a message at all (`decode`); V1, whose fields may stand behind the payload.
//!
//! Contract: Phoenix 1.8.12, `Phoenix.Socket.V2.JSONSerializer`; phoenix.js, `serializer.js`.

use std::borrow::Cow;

use super::JsonCursor;

/// The front of a text message, `[join_ref, ref, topic, event, …`.
#[derive(Clone, Debug, PartialEq)]
pub struct TextFront<'a> {
    /// The reference of the join that the message belongs to.
    pub join_ref: Part<'a>,
    /// The message's own reference, or that of the message it answers.
    pub reference: Part<'a>,
    /// The topic.
    pub topic: Part<'a>,
    /// The event.
    pub event: Part<'a>,
    /// Where in the text the payload begins, or the blanks before it.
    pub payload_at: usize,
}

/// One part of it. Comparison is as strict as Phoenix's: a number is not the string of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// `null`.
    Null,
    /// A string, without its escapes.
    Text(Cow<'a, str>),
    /// Any other JSON.
    Other,
}

/// The header of a binary frame, and what of the data is there. The parts are bytes: Phoenix does not check that they
/// are UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BinaryFront<'a> {
    /// The reference of the join that the frame belongs to; empty in a broadcast.
    pub join_ref: &'a [u8],
    /// The frame's own reference; empty in what a server pushes.
    pub reference: &'a [u8],
    /// The topic.
    pub topic: &'a [u8],
    /// The event; of a reply its status.
    pub event: &'a [u8],
    /// What stands behind the header.
    pub data: &'a [u8],
}

impl<'a> TextFront<'a> {
    /// Reads the front of a message, of which the beginning may be all that is there. `None` where it is no array, or
    /// where four elements and the comma behind them are not there.
    ///
    /// Whatever Phoenix reads as a message has a front here, if its first four elements are in the text.
    pub fn of(text: &'a [u8]) -> Option<Self> {
        let mut cursor = JsonCursor::new(text);
        let mut next = |before| {
            if cursor.take(before) { Part::of(cursor.value()?) } else { None }
        };
        let (join_ref, reference, topic, event) = (next(b'[')?, next(b',')?, next(b',')?, next(b',')?);
        cursor.take(b',').then(|| TextFront {
            join_ref,
            reference,
            topic,
            event,
            payload_at: cursor.position(),
        })
    }
}

impl Part<'_> {
    /// The string, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Part::Text(text) => Some(text),
            Part::Null | Part::Other => None,
        }
    }
}

impl<'a> Part<'a> {
    fn of(value: &'a [u8]) -> Option<Self> {
        match value {
            b"null" => Some(Part::Null),
            [b'"', inner @ .., b'"'] => match str::from_utf8(inner) {
                Ok(plain) if !plain.bytes().any(|byte| byte == b'\\' || byte < b' ') => {
                    Some(Part::Text(Cow::Borrowed(plain)))
                }
                _ => Some(Part::Text(Cow::Owned(serde_json::from_slice(value).ok()?))),
            },
            _ => Some(Part::Other),
        }
    }
}

impl<'a> BinaryFront<'a> {
    /// Reads a frame of a client, which is always a push. `None` where it is none, or where its header is cut off.
    pub fn of_client(frame: &'a [u8]) -> Option<Self> {
        let (&[kind, sizes @ ..], rest) = frame.split_first_chunk::<5>()?;
        let ([join_ref, reference, topic, event], data) = split(sizes, rest)?;
        (kind == PUSH).then_some(BinaryFront { join_ref, reference, topic, event, data })
    }

    /// Reads a frame of a server: a push, which has no reference, a reply or a broadcast. `None` where it is none of
    /// them, or where its header is cut off.
    pub fn of_server(frame: &'a [u8]) -> Option<Self> {
        let (&kind, rest) = frame.split_first()?;
        match kind {
            PUSH => {
                let (&sizes, rest) = rest.split_first_chunk::<3>()?;
                let ([join_ref, topic, event], data) = split(sizes, rest)?;
                Some(BinaryFront { join_ref, reference: &[], topic, event, data })
            }
            REPLY => {
                let (&sizes, rest) = rest.split_first_chunk::<4>()?;
                let ([join_ref, reference, topic, event], data) = split(sizes, rest)?;
                Some(BinaryFront { join_ref, reference, topic, event, data })
            }
            BROADCAST => {
                let (&sizes, rest) = rest.split_first_chunk::<2>()?;
                let ([topic, event], data) = split(sizes, rest)?;
                Some(BinaryFront { join_ref: &[], reference: &[], topic, event, data })
            }
            _ => None,
        }
    }
}

/// Takes parts of these sizes off the front.
fn split<const N: usize>(sizes: [u8; N], mut rest: &[u8]) -> Option<([&[u8]; N], &[u8])> {
    let mut parts: [&[u8]; N] = [&[]; N];
    for (part, size) in parts.iter_mut().zip(sizes) {
        (*part, rest) = rest.split_at_checked(size.into())?;
    }
    Some((parts, rest))
}

/// The kinds of binary frames.
const PUSH: u8 = 0;
const REPLY: u8 = 1;
const BROADCAST: u8 = 2;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::wire::{Field, Payload, Vsn, decode_text, encode_broadcast, encode_message, encode_reply};

    fn text(part: &str) -> Part<'_> {
        Part::Text(part.into())
    }

    #[test]
    fn a_front_is_read_although_its_payload_is_cut_off() {
        let written = br#" [ "3" , null,"room:\u006cobby","e" , {"a":["#;
        let front = TextFront::of(written).expect("four parts and a comma");
        assert_eq!(front.join_ref, text("3"));
        assert_eq!(front.reference, Part::Null);
        assert_eq!(front.topic, text("room:lobby"));
        assert_eq!(front.event, text("e"));
        assert_eq!(&written[front.payload_at..], br#" {"a":["#);
    }

    #[test]
    fn a_number_is_not_the_string_of_it() {
        let front = TextFront::of(br#"[3,[["]"]],"t","e",{}]"#).expect("four parts and a comma");
        assert_eq!((front.join_ref.text(), front.reference), (None, Part::Other));
    }

    #[test]
    fn what_is_no_array_of_enough_parts_has_no_front() {
        let none = [
            "",
            "hello",
            "{}",
            "[",
            "[1,2,3,4",
            "[1,2,3,4]",
            "[1,2,3",
            "[,1,2,3,4,5]",
            "[\"\\ud800\",1,2,3,4]",
        ];
        for text in none {
            assert_eq!(TextFront::of(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_push_of_a_client_is_told_from_one_of_a_server() {
        let client = [&[0, 2, 3, 5, 5], &b"12123topiceventefg"[..]].concat();
        let front = BinaryFront::of_client(&client).expect("a push");
        assert_eq!((front.join_ref, front.reference), (&b"12"[..], &b"123"[..]));
        assert_eq!((front.topic, front.event, front.data), (&b"topic"[..], &b"event"[..], &b"efg"[..]));
        for cut in 0..client.len() - 3 {
            assert_eq!(BinaryFront::of_client(&client[..cut]), None, "{cut}");
        }
        assert_eq!(BinaryFront::of_client(&[&[1], &client[1..]].concat()), None);
    }

    #[test]
    fn frames_of_a_server_are_read_as_they_are_encoded() {
        let (join_ref, reference, topic) = (Field::from("12"), Field::from("123"), Field::from("topic"));
        let data = Payload::Binary(Bytes::from_static(b"efg"));
        let push = encode_message(Vsn::V2, &join_ref, &Field::Null, &topic, "event", &data);
        let reply = encode_reply(Vsn::V2, &join_ref, &reference, &topic, "ok", &data);
        let broadcast = encode_broadcast(Vsn::V2, "topic", "event", &data);
        let parts: [[&[u8]; 5]; 3] = [
            [b"12", b"", b"topic", b"event", b"efg"],
            [b"12", b"123", b"topic", b"ok", b"efg"],
            [b"", b"", b"topic", b"event", b"efg"],
        ];
        for (frame, parts) in [push, reply, broadcast].into_iter().zip(parts) {
            let frame = frame.expect("the fields are short").body().into_owned();
            let front = BinaryFront::of_server(&frame).expect("a frame of a server");
            assert_eq!([front.join_ref, front.reference, front.topic, front.event, front.data], parts);
            assert_eq!(BinaryFront::of_server(&frame[..frame.len() - 4]), None);
        }
        assert_eq!(BinaryFront::of_server(&[3, 0, 0, 0, 0]), None);
    }

    fn field() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<u32>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            Just(json!([{"a": "]"}])),
        ]
    }

    proptest! {
        #[test]
        fn what_is_a_message_has_the_same_front(fields in proptest::collection::vec(field(), 4)) {
            let written = Value::from([fields, vec![json!({"b": [1]})]].concat()).to_string();
            let message = decode_text(Vsn::V2, &Bytes::from(written.clone())).expect("an array of five");
            let front = TextFront::of(written.as_bytes()).expect("every message has a front");
            let parts = [&front.join_ref, &front.reference, &front.topic, &front.event];
            let fields = [&message.join_ref, &message.reference, &message.topic, &message.event];
            for (part, field) in parts.into_iter().zip(fields) {
                prop_assert_eq!(part.text(), field.text());
                prop_assert_eq!(part == &Part::Null, field.is_null());
            }
            prop_assert_eq!(&written[front.payload_at..], r#"{"b":[1]}]"#);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            TextFront::of(&bytes);
            BinaryFront::of_client(&bytes);
            BinaryFront::of_server(&bytes);
        }
    }
}
