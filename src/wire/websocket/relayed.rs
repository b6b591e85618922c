//! What a relay passes on: whole messages, and parts of long ones, as frames for the other end.
//!
//! A part is a fragment in the sense of RFC 6455, 5.4: control frames may come between, other messages may not. A
//! message whose source dies in the middle is never ended.
//!
//! Contract: RFC 6455, 5.1 to 5.4.

use bytes::Bytes;

use super::super::Frame;
use super::super::frame::Opcode;

/// Which end sends. A client's frames are masked, a server's never are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Whoever opened the connection.
    Client,
    /// Whoever accepted it.
    Server,
}

/// What a data message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataKind {
    /// UTF-8.
    Text,
    /// Bytes.
    Binary,
}

/// A message, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What the message is, in its first part alone.
    pub begins: Option<DataKind>,
    /// Whether it is the last part.
    pub ends: bool,
    /// The content, without a mask. Only a first and last part at once, or a last one, may be empty.
    pub data: Bytes,
}

impl Role {
    pub(super) fn masks(self) -> bool {
        self == Role::Client
    }
}

impl Part {
    /// A whole message.
    pub fn whole(kind: DataKind, data: Bytes) -> Self {
        Part { begins: Some(kind), ends: true, data }
    }

    /// As a frame for a client: unmasked. Nothing is copied but a short content.
    pub fn into_frame(self) -> Frame {
        Frame::fragment(self.opcode(), self.ends, self.data, None)
    }

    /// As a frame for a server, under this mask, which nobody may be able to foretell. Content that nobody else holds is
    /// masked where it is.
    pub fn into_masked_frame(self, mask: [u8; 4]) -> Frame {
        Frame::fragment(self.opcode(), self.ends, self.data, Some(mask))
    }

    fn opcode(&self) -> Opcode {
        match self.begins {
            Some(DataKind::Text) => Opcode::Text,
            Some(DataKind::Binary) => Opcode::Binary,
            None => Opcode::Continuation,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Decoder, Event, Limits, close, ping};
    use super::*;

    fn decode(sender: Role, bytes: &[u8], piece: usize) -> Vec<Event> {
        let mut decoder = Decoder::of(sender, Limits::RELAYED);
        let mut events = Vec::new();
        for mut piece in bytes.chunks(piece) {
            while let Some(event) = decoder.decode(&mut piece).expect("it is well-formed") {
                events.push(event);
            }
        }
        events
    }

    #[test]
    fn a_message_reaches_the_other_end_in_the_parts_it_was_given_in() {
        let text = Bytes::from("x".repeat(100_000));
        let parts = [
            (Some(DataKind::Text), false, 0..70_000),
            (None, false, 70_000..70_001),
            (None, true, 70_001..100_000),
        ];
        for mask in [None, Some([1, 2, 3, 4])] {
            let mut stream = Vec::new();
            for (begins, ends, range) in parts.clone() {
                let part = Part { begins, ends, data: text.slice(range) };
                let frame = match mask {
                    Some(mask) => part.into_masked_frame(mask),
                    None => part.into_frame(),
                };
                stream.extend_from_slice(&frame.websocket());
            }
            let sender = if mask.is_some() { Role::Client } else { Role::Server };
            for piece in [1000, 65_536, 1_000_000] {
                let mut whole = Vec::new();
                let events = decode(sender, &stream, piece);
                let last = events.len() - 1;
                for (at, event) in events.into_iter().enumerate() {
                    let Event::Part(part) = event else { panic!("{event:?} is no part") };
                    assert_eq!((part.begins.is_some(), part.ends), (at == 0, at == last));
                    whole.extend_from_slice(&part.data);
                }
                assert!(whole == text, "in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_message_up_to_the_limit_stays_whole_and_a_longer_one_does_not() {
        for (length, is_whole) in [(super::super::MAX_WHOLE, true), (super::super::MAX_WHOLE + 1, false)] {
            let data = Bytes::from(vec![7; length]);
            let stream = Part::whole(DataKind::Binary, data).into_frame().websocket();
            let events = decode(Role::Server, &stream, 50_000);
            assert_eq!(matches!(&events[..], [Event::Binary(_)]), is_whole, "{length}");
        }
    }

    #[test]
    fn fragments_that_add_up_to_a_long_message_are_parts_as_well() {
        let fragment =
            |begins, ends| Part { begins, ends, data: Bytes::from(vec![7; 40_000]) }.into_frame().websocket();
        let stream =
            [fragment(Some(DataKind::Binary), false), fragment(None, false), fragment(None, true)].concat();
        let lengths: Vec<_> = decode(Role::Server, &stream, usize::MAX)
            .into_iter()
            .map(|event| match event {
                Event::Part(Part { begins, ends, data }) => (begins.is_some(), ends, data.len()),
                other => panic!("{other:?} is no part"),
            })
            .collect();
        assert_eq!(lengths, [(true, false, 80_000), (false, true, 40_000)]);
    }

    #[test]
    fn control_frames_come_between_the_parts_of_a_message() {
        let first = Part { begins: Some(DataKind::Text), ends: false, data: Bytes::from(vec![b'x'; 70_000]) };
        let last = Part { begins: None, ends: true, data: Bytes::from_static(b"y") };
        let stream =
            [first.into_frame().websocket(), ping(b"p").websocket(), last.into_frame().websocket()].concat();
        let events = decode(Role::Server, &stream, usize::MAX);
        assert!(
            matches!(&events[..], [Event::Part(_), Event::Ping(_), Event::Part(last)] if last.ends),
            "{events:?}"
        );
    }

    #[test]
    fn a_control_frame_is_masked_for_a_server() {
        let frame = close(1001, "bye").masked([9, 8, 7, 6]);
        let closed = decode(Role::Client, &frame.websocket(), 3);
        assert!(
            matches!(&closed[..], [Event::Close(Some(said))] if said.code == 1001 && &*said.reason == "bye")
        );
    }
}
