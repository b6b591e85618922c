//! Binary messages of a channel, both ways.
//!
//! Contract: Phoenix 1.8.12, serializer V2. A push of a client and a push of the server have the same kind, and differ.

/// What a binary message of the server says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pushed<'a> {
    /// `None` for a broadcast, which names no join.
    pub join_ref: Option<&'a [u8]>,
    pub topic: &'a [u8],
    pub event: &'a [u8],
    pub payload: &'a [u8],
}

impl<'a> Pushed<'a> {
    /// `None` for a reply, and for what is no binary message.
    pub(super) fn read(frame: &'a [u8]) -> Option<Self> {
        let (kind, rest) = frame.split_first()?;
        match *kind {
            PUSH => {
                let (sizes, rest) = rest.split_first_chunk::<3>()?;
                let [join_ref, topic, event] = sizes.map(usize::from);
                let (join_ref, rest) = rest.split_at_checked(join_ref)?;
                let (topic, rest) = rest.split_at_checked(topic)?;
                let (event, payload) = rest.split_at_checked(event)?;
                Some(Pushed { join_ref: Some(join_ref), topic, event, payload })
            }
            BROADCAST => {
                let (sizes, rest) = rest.split_first_chunk::<2>()?;
                let [topic, event] = sizes.map(usize::from);
                let (topic, rest) = rest.split_at_checked(topic)?;
                let (event, payload) = rest.split_at_checked(event)?;
                Some(Pushed { join_ref: None, topic, event, payload })
            }
            _ => None,
        }
    }

    /// Whether the channel of this join takes it, as phoenix.js decides.
    pub(super) fn is_for(&self, join_ref: &[u8], topic: &[u8]) -> bool {
        self.topic == topic && self.join_ref.is_none_or(|named| named == join_ref)
    }
}

/// A client's push.
///
/// # Panics
/// If a field is longer than 255 bytes.
pub(super) fn push(join_ref: &str, reference: &str, topic: &str, event: &str, payload: &[u8]) -> Vec<u8> {
    let fields = [join_ref, reference, topic, event];
    let mut frame = Vec::with_capacity(5 + fields.map(str::len).iter().sum::<usize>() + payload.len());
    frame.push(PUSH);
    frame
        .extend(fields.map(|field| u8::try_from(field.len()).expect("fields are short, and topics kept so")));
    fields.iter().for_each(|field| frame.extend_from_slice(field.as_bytes()));
    frame.extend_from_slice(payload);
    frame
}

const PUSH: u8 = 0;
const BROADCAST: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Field, Payload, Vsn, decode_binary, encode_broadcast, encode_message};

    #[test]
    fn a_server_reads_what_is_pushed() {
        let frame = push("3", "7", "workflow:x", "yjs", b"efg");
        let message = decode_binary(Vsn::V2, &frame.into()).expect("it is a push");
        assert_eq!((message.join_ref.text(), message.reference.text()), (Some("3"), Some("7")));
        assert_eq!((message.topic.text(), message.event.text()), (Some("workflow:x"), Some("yjs")));
        assert_eq!(message.payload, Payload::Binary(b"efg"[..].into()));
    }

    #[test]
    fn what_a_server_pushes_and_broadcasts_is_read_and_taken_by_the_join_it_is_for() {
        let payload = Payload::Binary(b"efg"[..].into());
        let (join_ref, topic) = (Field::from("3"), Field::from("t"));
        let push = encode_message(Vsn::V2, &join_ref, &Field::Null, &topic, "yjs", &payload).expect("short");
        let body = push.body();
        let read = Pushed::read(&body).expect("it is a push");
        let whole = Pushed { join_ref: Some(b"3"), topic: b"t", event: b"yjs", payload: b"efg" };
        assert_eq!(read, whole);
        assert!(read.is_for(b"3", b"t") && !read.is_for(b"4", b"t") && !read.is_for(b"3", b"u"));
        let broadcast = encode_broadcast(Vsn::V2, "t", "yjs", &payload).expect("short");
        let body = broadcast.body();
        let read = Pushed::read(&body).expect("it is a broadcast");
        assert_eq!(read, Pushed { join_ref: None, ..whole });
        assert!(read.is_for(b"4", b"t"));
    }

    #[test]
    fn everything_else_is_passed_over() {
        for frame in [&b""[..], b"\x00", b"\x00\x01\x01\x01ab", b"\x01\x00\x00\x00\x00", b"[null]"] {
            assert_eq!(Pushed::read(frame), None, "{frame:?}");
        }
    }
}
