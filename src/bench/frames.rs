//! The frames that a server sends, found in place: nothing is copied.
//!
//! Not here: reading ([`super::client`]). Fragments are refused: no server of the protocol sends any.
//! Contract: RFC 6455, 5.2, from the client's side.

use bytes::{BufMut, BytesMut};

use super::trouble::Trouble;
use crate::wire::websocket;

/// One whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    Text(&'a [u8]),
    Binary(&'a [u8]),
    /// With its code, 1005 where it has none.
    Close(u16),
    Ping(&'a [u8]),
    Pong,
}

/// Takes the first frame off the front of `bytes`; `None` when it is not all there.
///
/// # Errors
/// [`Trouble::BrokenFrame`], as soon as the header shows it.
pub(super) fn take<'a>(bytes: &mut &'a [u8]) -> Result<Option<Frame<'a>>, Trouble> {
    let Some(header) = Header::read(bytes)? else { return Ok(None) };
    let Some(frame) = bytes.get(..header.frame) else { return Ok(None) };
    *bytes = &bytes[header.frame..];
    let payload = &frame[header.size..];
    Ok(Some(match header.opcode {
        TEXT => Frame::Text(payload),
        BINARY => Frame::Binary(payload),
        CLOSE => Frame::Close(payload.first_chunk().map_or(NO_CODE, |code| u16::from_be_bytes(*code))),
        PING => Frame::Ping(payload),
        PONG => Frame::Pong,
        _ => return Err(Trouble::BrokenFrame),
    }))
}

/// How many bytes the frame at the front has in all, header and payload, as far as its header is there.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    Header::read(bytes).ok().flatten().map(|header| header.frame)
}

/// A client's frame around a text, appended to `out`.
pub(super) fn put_text(out: &mut BytesMut, text: &[u8]) {
    put(out, TEXT, text);
}

/// The same around bytes.
pub(super) fn put_binary(out: &mut BytesMut, bytes: &[u8]) {
    put(out, BINARY, bytes);
}

/// The answer to a ping.
pub(super) fn put_pong(out: &mut BytesMut, payload: &[u8]) {
    put(out, PONG, payload);
}

fn put(out: &mut BytesMut, opcode: u8, payload: &[u8]) {
    out.reserve(MAX_HEADER + payload.len());
    out.put_u8(FIN | opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..LENGTH_IN_2), _) => out.put_u8(MASKED | length),
        (_, Ok(length)) => {
            out.put_u8(MASKED | LENGTH_IN_2);
            out.put_u16(length);
        }
        _ => {
            out.put_u8(MASKED | LENGTH_IN_8);
            out.put_u64(payload.len() as u64);
        }
    }
    out.put_slice(&MASK);
    let start = out.len();
    out.put_slice(payload);
    websocket::apply_mask(&mut out[start..], MASK);
}

struct Header {
    opcode: u8,
    /// Its own length.
    size: usize,
    /// The length of header and payload.
    frame: usize,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Option<Header>, Trouble> {
        let Some((&[first, second], rest)) = bytes.split_first_chunk() else { return Ok(None) };
        if first & !OPCODE != FIN || second & MASKED != 0 {
            return Err(Trouble::BrokenFrame);
        }
        let (size, payload) = match second {
            LENGTH_IN_2 => match rest.first_chunk() {
                Some(&length) => (4, u64::from(u16::from_be_bytes(length))),
                None => return Ok(None),
            },
            LENGTH_IN_8 => match rest.first_chunk() {
                Some(&length) => (10, u64::from_be_bytes(length)),
                None => return Ok(None),
            },
            length => (2, u64::from(length)),
        };
        let frame = usize::try_from(payload).ok().and_then(|payload| payload.checked_add(size));
        let frame = frame.ok_or(Trouble::BrokenFrame)?;
        Ok(Some(Header { opcode: first & OPCODE, size, frame }))
    }
}

const FIN: u8 = 0x80;
/// Of the first byte; the three bits between are for extensions, and none is spoken.
const OPCODE: u8 = 0x0F;
/// Of the second byte: a server's frames never are.
const MASKED: u8 = 0x80;
const LENGTH_IN_2: u8 = 126;
const LENGTH_IN_8: u8 = 127;
/// Of a client's frame.
const MAX_HEADER: usize = 14;

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// Always the same, because nothing here has to be hidden from anybody; not zero, because a server could pass over that.
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// How a close without a code is called.
const NO_CODE: u16 = 1005;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::websocket::{Decoder, Event, Limits};

    #[test]
    fn frames_of_every_length_are_found_wherever_they_are_cut() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; length];
            let mut bytes = crate::wire::Frame::text(&payload).websocket().to_vec();
            let whole = bytes.len();
            bytes.extend_from_slice(b"\x81\x01y");
            let mut rest = &bytes[..];
            assert_eq!(take(&mut rest), Ok(Some(Frame::Text(&payload))));
            assert_eq!(take(&mut rest), Ok(Some(Frame::Text(b"y"))));
            assert!(rest.is_empty());
            for cut in [0, 1, 2, 3, 5, 9, whole - 1].into_iter().filter(|cut| *cut < whole) {
                assert_eq!(take(&mut &bytes[..cut]), Ok(None), "{length} cut at {cut}");
            }
            assert_eq!(self::length(&bytes[..whole.min(10)]), Some(whole));
        }
    }

    #[test]
    fn control_frames_are_told_apart() {
        let frames = [websocket::ping(b"p"), websocket::pong(b""), websocket::close(1012, "bye")];
        let bytes: Vec<u8> = frames.iter().flat_map(|frame| frame.websocket().to_vec()).collect();
        let mut rest = &bytes[..];
        assert_eq!(take(&mut rest), Ok(Some(Frame::Ping(b"p"))));
        assert_eq!(take(&mut rest), Ok(Some(Frame::Pong)));
        assert_eq!(take(&mut rest), Ok(Some(Frame::Close(1012))));
        assert_eq!(take(&mut &b"\x88\x00"[..]), Ok(Some(Frame::Close(1005))));
    }

    #[test]
    fn what_no_server_sends_is_refused() {
        for broken in [b"\x01\x00", b"\x80\x00", b"\xC1\x00", b"\x81\x80", b"\x83\x00"] {
            assert_eq!(take(&mut &broken[..]), Err(Trouble::BrokenFrame), "{broken:x?}");
        }
    }

    #[test]
    fn a_server_reads_what_is_put_into_frames() {
        for length in [0, 125, 126, 65_535, 65_536] {
            let mut bytes = BytesMut::from(&b"before"[..]);
            let payload = vec![b'x'; length];
            put_text(&mut bytes, &payload);
            let mut decoder = Decoder::new(Limits::default());
            let mut rest = &bytes["before".len()..];
            let event = decoder.decode(&mut rest);
            assert!(matches!(event, Ok(Some(Event::Text(text))) if text == payload), "{length}");
        }
    }
}
