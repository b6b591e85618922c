//! From a client's bytes, cut anywhere, to events.
//!
//! Owns: what is partial. Between messages that is nothing, and no buffer is held; a buffer grows as data comes
//! and never by what a header claims.
//!
//! Contract: RFC 6455, 5 and 7; the limits are Bandit's.

use std::mem;

use bytes::Bytes;

use super::super::frame::Opcode;
use super::header::{Header, MAX_HEADER};
use super::unmask;

/// Reads the frames of one client. After a [`Violation`] or an [`Event::Close`] nothing that follows means
/// anything.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    /// The start of a header that is not all there.
    header: [u8; MAX_HEADER],
    header_len: usize,
    /// A frame whose payload is not all there.
    frame: Option<Partial>,
    /// The message under way, which may be of several frames; control frames come between them.
    message: Option<Kind>,
    /// Its bytes so far.
    data: Vec<u8>,
    /// The bytes so far of the control frame under way.
    control: Vec<u8>,
}

/// How much a client may send at once. More is a [`Violation::TooBig`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The payload of one frame, in bytes.
    pub max_frame: usize,
    /// A message put together from fragments, in bytes. One that comes in a single frame is not held to it.
    pub max_message: usize,
}

/// What a client sent. Payloads are without their mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A whole text message; it is UTF-8.
    Text(Bytes),
    /// A whole binary message.
    Binary(Bytes),
    /// To be answered with [`pong`](super::pong).
    Ping(Bytes),
    /// A sign of life.
    Pong(Bytes),
    /// The client closes, with this code if any; to be answered with [`close_reply`](super::close_reply)'s.
    Close(Option<u16>),
}

/// Why the connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Violation {
    /// The bytes break RFC 6455.
    #[error("a WebSocket protocol error")]
    Protocol,
    /// A text message, or the reason of a close frame, is not UTF-8.
    #[error("text that is not UTF-8")]
    NotUtf8,
    /// A frame or message is over its limit.
    #[error("a frame or message over the limit")]
    TooBig,
}

impl Violation {
    /// The code to close with.
    pub fn close_code(self) -> u16 {
        match self {
            Violation::Protocol => 1002,
            Violation::NotUtf8 => 1007,
            Violation::TooBig => 1009,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_frame: 10_000_000, max_message: 8_000_000 }
    }
}

impl Decoder {
    /// A decoder at the start of a stream, behind the handshake.
    pub fn new(limits: Limits) -> Self {
        Decoder {
            limits,
            header: [0; MAX_HEADER],
            header_len: 0,
            frame: None,
            message: None,
            data: Vec::new(),
            control: Vec::new(),
        }
    }

    /// Takes bytes off the front of `input` up to the end of the next event, and returns it. `None` means that
    /// all the input was taken and is kept, and more is needed.
    ///
    /// # Errors
    /// A [`Violation`], as early as the bytes so far show it; what is over a limit by its header's claim is not
    /// read.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Violation> {
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.take_header(input)? {
                    Some(header) => self.begin(header)?,
                    None => return Ok(None),
                },
            };
            let buffer = if frame.header.opcode.is_control() { &mut self.control } else { &mut self.data };
            frame.take_payload(input, buffer);
            if frame.taken < frame.header.length {
                self.frame = Some(frame);
                return Ok(None);
            }
            if let Some(event) = self.end(frame.header)? {
                return Ok(Some(event));
            }
        }
    }

    fn take_header(&mut self, input: &mut &[u8]) -> Result<Option<Header>, Violation> {
        let held = self.header_len;
        let added = input.len().min(MAX_HEADER - held);
        self.header[held..held + added].copy_from_slice(&input[..added]);
        let header = Header::read(&self.header[..held + added])?;
        match header {
            Some(header) => {
                // What was held did not make a header, so this one ends within what was added.
                *input = &input[header.size - held..];
                self.header_len = 0;
            }
            None => {
                *input = &input[added..];
                self.header_len = held + added;
            }
        }
        Ok(header)
    }

    /// Checks a header against its limits and its place in the stream, before any of its payload is taken.
    fn begin(&mut self, header: Header) -> Result<Partial, Violation> {
        match (header.opcode, self.message) {
            (Opcode::Text, None) => self.message = Some(Kind::Text),
            (Opcode::Binary, None) => self.message = Some(Kind::Binary),
            (Opcode::Continuation, Some(_)) | (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => {}
            (Opcode::Text | Opcode::Binary, Some(_)) | (Opcode::Continuation, None) => {
                return Err(Violation::Protocol);
            }
        }
        let length = usize::try_from(header.length).map_err(|_| Violation::TooBig)?;
        let fragment = !header.fin || header.opcode == Opcode::Continuation;
        if length > self.limits.max_frame
            || fragment && self.data.len().saturating_add(length) > self.limits.max_message
        {
            return Err(Violation::TooBig);
        }
        Ok(Partial { header, taken: 0 })
    }

    /// Makes an event of a frame whose payload is all there, unless its message goes on.
    fn end(&mut self, header: Header) -> Result<Option<Event>, Violation> {
        let event = match header.opcode {
            Opcode::Ping => Event::Ping(mem::take(&mut self.control).into()),
            Opcode::Pong => Event::Pong(mem::take(&mut self.control).into()),
            Opcode::Close => Event::Close(close_code(&mem::take(&mut self.control))?),
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                let Some(kind) = self.message.take_if(|_| header.fin) else { return Ok(None) };
                let data = mem::take(&mut self.data);
                match kind {
                    Kind::Text if str::from_utf8(&data).is_err() => return Err(Violation::NotUtf8),
                    Kind::Text => Event::Text(data.into()),
                    Kind::Binary => Event::Binary(data.into()),
                }
            }
        };
        Ok(Some(event))
    }
}

/// A frame of which some payload, or only the header, has come.
#[derive(Debug)]
struct Partial {
    header: Header,
    /// How much of the payload has been taken.
    taken: u64,
}

impl Partial {
    fn take_payload(&mut self, input: &mut &[u8], buffer: &mut Vec<u8>) {
        let missing = usize::try_from(self.header.length - self.taken).unwrap_or(usize::MAX);
        let (masked, rest) = input.split_at(missing.min(input.len()));
        unmask::append(buffer, masked, self.header.mask, self.taken);
        self.taken += masked.len() as u64;
        *input = rest;
    }
}

/// What a data message is by its first frame.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    Binary,
}

/// The code in a close frame's payload: none at all, or two bytes and a reason in UTF-8.
fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    match payload {
        [] => Ok(None),
        [_] => Err(Violation::Protocol),
        [high, low, reason @ ..] => {
            str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
            Ok(Some(u16::from_be_bytes([*high, *low])))
        }
    }
}

#[cfg(test)]
mod tests;
