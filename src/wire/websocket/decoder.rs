//! From one end's bytes, cut anywhere, to events.
//!
//! Owns: what is partial. Between messages that is nothing, and no buffer is held; a buffer grows as data comes
//! and never by what a header claims. A relay keeps no long message whole: it comes in parts.
//!
//! Contract: RFC 6455, 5 and 7; the limits are Bandit's.

use std::mem;

use bytes::Bytes;

use super::super::frame::Opcode;
use super::header::{Header, MAX_HEADER};
use super::{DataKind, Part, Role, unmask};

/// Reads the frames of one end. After a [`Violation`] or an [`Event::Close`] nothing that follows means
/// anything.
#[derive(Debug)]
pub struct Decoder {
    sender: Role,
    limits: Limits,
    /// The start of a header that is not all there.
    header: [u8; MAX_HEADER],
    header_len: usize,
    /// A frame whose payload is not all there.
    frame: Option<Partial>,
    /// The message under way, which may be of several frames; control frames come between them.
    message: Option<DataKind>,
    /// Whether the beginning of that message was given as a part.
    is_parted: bool,
    /// Its bytes so far, but for those of its parts.
    data: Vec<u8>,
    /// The bytes so far of the control frame under way.
    control: Vec<u8>,
}

/// How much may be sent at once. More is a [`Violation::TooBig`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The payload of one frame, in bytes.
    pub max_frame: usize,
    /// A message put together from fragments, in bytes. One that comes in a single frame is not held to it.
    pub max_message: usize,
    /// A message of more bytes than this is given in parts, as it comes. Its text is not checked to be UTF-8, nor is
    /// that of any other message then: whoever reads it in the end will.
    pub max_whole: usize,
}

/// What was sent. Payloads are without their mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A whole text message; it is UTF-8, unless messages come in parts.
    Text(Bytes),
    /// A whole binary message.
    Binary(Bytes),
    /// A part of a message over [`Limits::max_whole`].
    Part(Part),
    /// To be answered with [`pong`](super::pong).
    Ping(Bytes),
    /// A sign of life.
    Pong(Bytes),
    /// The other end closes; to be answered with [`close_reply`](super::close_reply)'s code.
    Close(Option<CloseFrame>),
}

/// What a close frame says, if it says anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// The code as it came.
    pub code: u16,
    /// The reason, often empty.
    pub reason: Box<str>,
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
        Limits { max_frame: 10_000_000, max_message: 8_000_000, max_whole: usize::MAX }
    }
}

impl Limits {
    /// For a relay: of any size, in parts from [`MAX_WHOLE`] on.
    pub const RELAYED: Limits =
        Limits { max_frame: usize::MAX, max_message: usize::MAX, max_whole: MAX_WHOLE };
}

impl Decoder {
    /// A decoder at the start of a client's stream, behind the handshake.
    pub fn new(limits: Limits) -> Self {
        Decoder::of(Role::Client, limits)
    }

    /// A decoder of what this end sends.
    pub fn of(sender: Role, limits: Limits) -> Self {
        Decoder {
            sender,
            limits,
            header: [0; MAX_HEADER],
            header_len: 0,
            frame: None,
            message: None,
            is_parted: false,
            data: Vec::new(),
            control: Vec::new(),
        }
    }

    /// How many bytes are kept of what is unfinished; `None` between messages.
    pub fn unfinished(&self) -> Option<usize> {
        let is_between = self.frame.is_none() && self.message.is_none() && self.header_len == 0;
        (!is_between).then(|| self.header_len + self.data.len() + self.control.len())
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
                let part = if self.is_long(&frame) { self.take_part() } else { None };
                self.frame = Some(frame);
                return Ok(part.map(Event::Part));
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
        let header = Header::read(&self.header[..held + added], self.sender)?;
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
            (Opcode::Text, None) => self.message = Some(DataKind::Text),
            (Opcode::Binary, None) => self.message = Some(DataKind::Binary),
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
            Opcode::Close => Event::Close(close_frame(&mem::take(&mut self.control))?),
            Opcode::Continuation | Opcode::Text | Opcode::Binary if self.is_parted => {
                self.is_parted = !header.fin;
                self.message.take_if(|_| header.fin);
                Event::Part(Part { begins: None, ends: header.fin, data: mem::take(&mut self.data).into() })
            }
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                if self.data.len() > self.limits.max_whole {
                    return Ok(self.end_first_part(header.fin).map(Event::Part));
                }
                let Some(kind) = self.message.take_if(|_| header.fin) else { return Ok(None) };
                let data = mem::take(&mut self.data);
                match kind {
                    DataKind::Text if self.checks_text() && str::from_utf8(&data).is_err() => {
                        return Err(Violation::NotUtf8);
                    }
                    DataKind::Text => Event::Text(data.into()),
                    DataKind::Binary => Event::Binary(data.into()),
                }
            }
        };
        Ok(Some(event))
    }

    /// Whether text has to be UTF-8; in parts a character may be cut.
    fn checks_text(&self) -> bool {
        self.limits.max_whole == usize::MAX
    }

    /// Whether a frame that is not all there belongs to a message that is given in parts.
    fn is_long(&self, frame: &Partial) -> bool {
        let missing = usize::try_from(frame.header.length - frame.taken).unwrap_or(usize::MAX);
        let known = self.data.len().saturating_add(missing);
        !frame.header.opcode.is_control() && (self.is_parted || known > self.limits.max_whole)
    }

    /// What there is of a long message, once it is enough.
    fn take_part(&mut self) -> Option<Part> {
        let least = if self.is_parted { 1 } else { LEAST_FIRST_PART };
        if self.data.len() < least {
            return None;
        }
        let begins = self.message.filter(|_| !self.is_parted);
        self.is_parted = true;
        Some(Part { begins, ends: false, data: mem::take(&mut self.data).into() })
    }

    /// The first part of a message that was too long by the end of one of its frames only.
    fn end_first_part(&mut self, ends: bool) -> Option<Part> {
        let begins = self.message;
        self.is_parted = !ends;
        self.message.take_if(|_| ends);
        Some(Part { begins, ends, data: mem::take(&mut self.data).into() })
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

/// A close frame's payload: nothing at all, or a code in two bytes and a reason in UTF-8.
fn close_frame(payload: &[u8]) -> Result<Option<CloseFrame>, Violation> {
    match payload {
        [] => Ok(None),
        [_] => Err(Violation::Protocol),
        [high, low, reason @ ..] => {
            let reason = str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
            Ok(Some(CloseFrame { code: u16::from_be_bytes([*high, *low]), reason: reason.into() }))
        }
    }
}

/// The longest message that a relay is given whole, in bytes.
pub const MAX_WHOLE: usize = 64 * 1024;
/// The first part of a long message has at least so many bytes: enough to tell what the message is.
const LEAST_FIRST_PART: usize = 4096;

#[cfg(test)]
mod tests;
