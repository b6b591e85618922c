//! An outgoing frame: the body and, in front of it in the same buffer, its WebSocket header.
//!
//! A server's frames are not masked (those that a relay sends to another server are), so the same bytes serve every recipient: a broadcast is encoded once. Frames that
//! differ in their beginning alone, as those of one `presence_state` to many, share the rest of their bodies.
//!
//! Contract: RFC 6455, 5.2.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::websocket::apply_mask;

/// One encoded frame. A WebSocket writes it whole, long poll takes the body. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// The header, and the body or its beginning.
    head: Bytes,
    /// The rest of the body.
    tail: Option<Arc<Bytes>>,
}

impl Frame {
    /// A text frame. The body must be UTF-8, or the client will close.
    pub fn text(body: &[u8]) -> Frame {
        Frame::new(Opcode::Text, body)
    }

    /// A binary frame.
    pub fn binary(body: &[u8]) -> Frame {
        Frame::new(Opcode::Binary, body)
    }

    /// Header and body, in the one piece or two in which they are kept.
    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        std::iter::once(&self.head).chain(self.tail.as_deref())
    }

    /// Header and body in one piece: a copy where they are kept in two.
    pub fn websocket(&self) -> Bytes {
        match &self.tail {
            None => self.head.clone(),
            Some(tail) => Bytes::from([&self.head[..], &tail[..]].concat()),
        }
    }

    /// The body without the header, under its mask if it has one: a copy where it is kept in two pieces.
    pub fn body(&self) -> Cow<'_, [u8]> {
        let beginning = &self.head[self.header_len()..];
        match &self.tail {
            None => Cow::Borrowed(beginning),
            Some(tail) => Cow::Owned([beginning, &tail[..]].concat()),
        }
    }

    /// The length of the body in bytes.
    pub fn body_len(&self) -> usize {
        self.len() - self.header_len()
    }

    /// Whether it is a binary frame.
    pub fn is_binary(&self) -> bool {
        self.head[0] == FIN | Opcode::Binary as u8
    }

    /// The length in bytes of [`websocket`](Self::websocket): header and body.
    pub fn len(&self) -> usize {
        self.head.len() + self.tail.as_ref().map_or(0, |tail| tail.len())
    }

    /// Never: a frame has at least its header.
    pub fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    /// The same under a mask, as a client has to send it to a server. A copy.
    pub fn masked(&self, mask: [u8; 4]) -> Frame {
        let opcode = Opcode::from_bits(self.head[0] & OPCODE).expect("a frame was made with one");
        Frame::fragment(opcode, self.head[0] & FIN != 0, self.body().into_owned().into(), Some(mask))
    }

    /// Whether a message ends with it; `None` of a control frame, which is of no message.
    pub fn ends_message(&self) -> Option<bool> {
        let opcode = Opcode::from_bits(self.head[0] & OPCODE)?;
        (!opcode.is_control()).then_some(self.head[0] & FIN != 0)
    }

    /// A frame of which its message may have more. A long body is kept as it is.
    pub(super) fn fragment(opcode: Opcode, fin: bool, body: Bytes, mask: Option<[u8; 4]>) -> Frame {
        let body = match mask {
            None => body,
            Some(mask) => {
                let mut body = body.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
                apply_mask(&mut body, mask);
                body.freeze()
            }
        };
        let is_short = body.len() <= SHORT_BODY;
        let mut head = Vec::with_capacity(MAX_HEADER + if is_short { body.len() } else { 0 });
        head.push(if fin { FIN } else { 0 } | opcode as u8);
        let masked = if mask.is_some() { MASKED } else { 0 };
        match (u8::try_from(body.len()), u16::try_from(body.len())) {
            (Ok(length @ ..LENGTH_IN_2), _) => head.push(masked | length),
            (_, Ok(length)) => {
                head.push(masked | LENGTH_IN_2);
                head.extend_from_slice(&length.to_be_bytes());
            }
            _ => {
                head.push(masked | LENGTH_IN_8);
                head.extend_from_slice(&(body.len() as u64).to_be_bytes());
            }
        }
        head.extend_from_slice(mask.as_ref().map_or(&[], |mask| &mask[..]));
        if is_short {
            head.extend_from_slice(&body);
            return Frame { head: head.into(), tail: None };
        }
        Frame { head: head.into(), tail: Some(Arc::new(body)) }
    }

    pub(super) fn new(opcode: Opcode, body: &[u8]) -> Frame {
        let mut builder = FrameBuilder::with_capacity(body.len());
        builder.body().extend_from_slice(body);
        builder.finish(opcode)
    }

    fn header_len(&self) -> usize {
        let length = match self.head[1] & !MASKED {
            LENGTH_IN_2 => 4,
            LENGTH_IN_8 => 10,
            _ => 2,
        };
        length + if self.head[1] & MASKED != 0 { 4 } else { 0 }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Frame").field(&self.websocket()).finish()
    }
}

/// What a frame is, by RFC 6455, 5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation = 0x0,
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xA,
}

impl Opcode {
    /// `None` for the reserved ones.
    pub(super) fn from_bits(bits: u8) -> Option<Opcode> {
        match bits {
            0x0 => Some(Opcode::Continuation),
            0x1 => Some(Opcode::Text),
            0x2 => Some(Opcode::Binary),
            0x8 => Some(Opcode::Close),
            0x9 => Some(Opcode::Ping),
            0xA => Some(Opcode::Pong),
            _ => None,
        }
    }

    /// Control frames may come between the fragments of a message, and are short.
    pub(super) fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

/// A frame being written. The body is appended behind room for the longest header, and is never moved: the
/// header is put in last, close up to the body, when the length is known.
pub(super) struct FrameBuilder(Vec<u8>);

impl FrameBuilder {
    /// Room for a body of about this many bytes.
    pub(super) fn with_capacity(body: usize) -> FrameBuilder {
        let mut buffer = Vec::with_capacity(HEADER_ROOM + body);
        buffer.resize(HEADER_ROOM, 0);
        FrameBuilder(buffer)
    }

    /// The buffer to append the body to. What it holds already must stay.
    pub(super) fn body(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    pub(super) fn finish(self, opcode: Opcode) -> Frame {
        self.finish_with(opcode, None)
    }

    /// A frame whose body goes on with this.
    pub(super) fn finish_with(self, opcode: Opcode, tail: Option<Arc<Bytes>>) -> Frame {
        let FrameBuilder(mut buffer) = self;
        let length = buffer.len() - HEADER_ROOM + tail.as_ref().map_or(0, |tail| tail.len());
        let start = if let Ok(short) = u8::try_from(length)
            && short < LENGTH_IN_2
        {
            buffer[9] = short;
            8
        } else if let Ok(medium) = u16::try_from(length) {
            buffer[7] = LENGTH_IN_2;
            buffer[8..10].copy_from_slice(&medium.to_be_bytes());
            6
        } else {
            buffer[1] = LENGTH_IN_8;
            buffer[2..10].copy_from_slice(&(length as u64).to_be_bytes());
            0
        };
        buffer[start] = FIN | opcode as u8;
        Frame { head: Bytes::from(buffer).slice(start..), tail }
    }
}

/// The bit of a frame that is the last, or only, one of its message.
pub(super) const FIN: u8 = 0x80;
/// The bits of a frame's first byte that say what it is.
const OPCODE: u8 = 0x0F;
/// The bit of a frame's second byte that says that a mask stands before its body.
pub(super) const MASKED: u8 = 0x80;
/// In place of a length: it follows in two bytes.
pub(super) const LENGTH_IN_2: u8 = 126;
/// In place of a length: it follows in eight bytes.
pub(super) const LENGTH_IN_8: u8 = 127;
/// The longest header of an unmasked frame.
const HEADER_ROOM: usize = 10;
/// The longest header of any.
const MAX_HEADER: usize = 14;
/// A body up to this is copied behind its header: it costs less than a second piece.
const SHORT_BODY: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_stands_directly_before_its_body() {
        assert_eq!(&Frame::text(b"Hello").websocket()[..], b"\x81\x05Hello");
        assert_eq!(&Frame::binary(&[]).websocket()[..], b"\x82\x00");
    }

    #[test]
    fn a_length_takes_the_fewest_bytes_that_hold_it() {
        let headers: [(usize, &[u8]); 5] = [
            (125, &[0x82, 125]),
            (126, &[0x82, 126, 0, 126]),
            (0xFFFF, &[0x82, 126, 0xFF, 0xFF]),
            (0x1_0000, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
            (0x2_0304, &[0x82, 127, 0, 0, 0, 0, 0, 2, 3, 4]),
        ];
        for (length, header) in headers {
            let body = vec![7; length];
            let frame = Frame::binary(&body);
            assert_eq!(&frame.websocket()[..header.len()], header, "{length}");
            assert_eq!(frame.body(), body, "{length}");
            assert_eq!(frame.len(), header.len() + length, "{length}");
        }
    }

    #[test]
    fn a_frame_in_two_pieces_has_the_bytes_of_one_in_one() {
        for (beginning, rest) in [(1, 2), (100, 25), (100, 26), (3, 0xFFFF), (0x1_0000, 7)] {
            let whole = Frame::text(&vec![b'x'; beginning + rest]);
            let mut builder = FrameBuilder::with_capacity(beginning);
            builder.body().resize(HEADER_ROOM + beginning, b'x');
            let shared = Some(Arc::new(Bytes::from(vec![b'x'; rest])));
            let split = builder.finish_with(Opcode::Text, shared);
            assert_eq!(split.pieces().count(), 2);
            assert_eq!(split.pieces().map(Bytes::len).sum::<usize>(), split.len());
            assert_eq!(split.websocket(), whole.websocket());
            assert_eq!((split.body(), split.body_len()), (whole.body(), whole.body_len()));
        }
    }

    #[test]
    fn only_a_binary_frame_is_binary() {
        assert!(Frame::binary(b"x").is_binary());
        assert!(!Frame::text(b"x").is_binary());
    }
}
