//! The header of one frame, and what is wrong with it by itself.
//!
//! Contract: RFC 6455, 5.1, 5.2 and 5.5.

use super::super::frame::{FIN, LENGTH_IN_2, LENGTH_IN_8, MASKED, Opcode};
use super::{MAX_CONTROL, Role, Violation};

/// A header, read and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Whether the frame is the last of its message.
    pub fin: bool,
    pub opcode: Opcode,
    /// The length of the payload in bytes, as claimed.
    pub length: u64,
    /// Zeros where the frame has none.
    pub mask: [u8; 4],
    /// The length of the header itself.
    pub size: usize,
}

impl Header {
    /// Reads a header of this sender off the front of `bytes`. `None` when it is not all there; [`MAX_HEADER`] bytes are
    /// always enough.
    ///
    /// # Errors
    /// [`Violation::Protocol`], as soon as the first two bytes show it.
    pub(super) fn read(bytes: &[u8], sender: Role) -> Result<Option<Header>, Violation> {
        let Some((&[first, second], rest)) = bytes.split_first_chunk() else { return Ok(None) };
        let opcode = Opcode::from_bits(first & OPCODE).ok_or(Violation::Protocol)?;
        let fin = first & FIN != 0;
        let short = second & !MASKED;
        let long_control = opcode.is_control() && (!fin || usize::from(short) > MAX_CONTROL);
        let is_masked = second & MASKED != 0;
        if first & RESERVED != 0 || is_masked != sender.masks() || long_control {
            return Err(Violation::Protocol);
        }
        let Some((length, rest)) = read_length(short, rest)? else { return Ok(None) };
        let (mask, rest) = match rest.split_first_chunk() {
            _ if !is_masked => ([0; 4], rest),
            Some((&mask, rest)) => (mask, rest),
            None => return Ok(None),
        };
        Ok(Some(Header { fin, opcode, length, mask, size: bytes.len() - rest.len() }))
    }
}

/// The length, which must be told in the fewest bytes that hold it, and what follows it.
fn read_length(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, Violation> {
    let (length, rest, least, most) = match short {
        LENGTH_IN_2 => match rest.split_first_chunk() {
            Some((&bytes, rest)) => (u64::from(u16::from_be_bytes(bytes)), rest, 126, u64::from(u16::MAX)),
            None => return Ok(None),
        },
        LENGTH_IN_8 => match rest.split_first_chunk() {
            Some((&bytes, rest)) => (u64::from_be_bytes(bytes), rest, 0x1_0000, u64::MAX >> 1),
            None => return Ok(None),
        },
        short => (u64::from(short), rest, 0, 125),
    };
    if (least..=most).contains(&length) { Ok(Some((length, rest))) } else { Err(Violation::Protocol) }
}

/// The longest header, that of a masked frame.
pub(super) const MAX_HEADER: usize = 14;

/// Of the first byte: what extensions would use, and the opcode.
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0F;
