//! RFC 6455 on bytes alone: a server's side, and that of a relay, which is a client to another server.
//!
//! Owns: how bytes become [`Event`]s ([`Decoder`]), control frames, what is passed on in parts, the server's half of
//! the opening handshake.
//!
//! Not here: the text and binary frames that a server sends ([`Frame`]), the stream, what to do about an event.
//! No extension is spoken, hence no compression.
//!
//! Contract: RFC 6455; limits and close codes are those of Bandit.

mod decoder;
mod handshake;
mod header;
mod relayed;
mod unmask;

pub use decoder::{CloseFrame, Decoder, Event, Limits, MAX_WHOLE, Violation};
pub use handshake::accept_key;
pub use relayed::{DataKind, Part, Role};
pub use unmask::apply as apply_mask;

use super::Frame;
use super::frame::Opcode;

/// A ping. A payload of more than 125 bytes, which no control frame can hold, is cut off there.
pub fn ping(payload: &[u8]) -> Frame {
    Frame::new(Opcode::Ping, control(payload))
}

/// The answer to a ping, with the ping's payload. What is over 125 bytes is cut off.
pub fn pong(payload: &[u8]) -> Frame {
    Frame::new(Opcode::Pong, control(payload))
}

/// A close frame. A reason of more than 123 bytes is cut off between two characters.
pub fn close(code: u16, reason: &str) -> Frame {
    let mut payload = code.to_be_bytes().to_vec();
    let mut utf8 = [0; 4];
    for character in reason.chars() {
        let bytes = character.encode_utf8(&mut utf8).as_bytes();
        if payload.len() + bytes.len() > MAX_CONTROL {
            break;
        }
        payload.extend_from_slice(bytes);
    }
    Frame::new(Opcode::Close, &payload)
}

/// The code to answer a client's close frame with: 1000 to what a client may send, else 1002.
pub fn close_reply(code: Option<u16>) -> u16 {
    match code {
        None | Some(1000..=1003 | 1007..=1011 | 3000..) => 1000,
        Some(_) => 1002,
    }
}

fn control(payload: &[u8]) -> &[u8] {
    &payload[..payload.len().min(MAX_CONTROL)]
}

/// The longest payload of a control frame, in bytes.
const MAX_CONTROL: usize = 125;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_is_answered_with_1000_unless_its_code_is_no_code_for_a_client() {
        for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 4999, u16::MAX] {
            assert_eq!(close_reply(Some(code)), 1000, "{code}");
        }
        assert_eq!(close_reply(None), 1000);
        for code in [0, 999, 1004, 1005, 1006, 1012, 1015, 2000, 2999] {
            assert_eq!(close_reply(Some(code)), 1002, "{code}");
        }
    }

    #[test]
    fn control_frames_go_out_unmasked() {
        assert_eq!(&ping(b"p").websocket()[..], b"\x89\x01p");
        assert_eq!(&pong(b"Hello").websocket()[..], b"\x8A\x05Hello");
        assert_eq!(&close(1012, "bye").websocket()[..], b"\x88\x05\x03\xF4bye");
        assert_eq!(&close(1000, "").websocket()[..], b"\x88\x02\x03\xE8");
    }

    #[test]
    fn a_control_frame_that_would_be_too_long_is_cut() {
        assert_eq!(ping(&[0; 126]).body().len(), 125);
        assert_eq!(pong(&[0; 126]).body().len(), 125);
        assert_eq!(close(1000, &"x".repeat(200)).body().len(), 125);
        let cut = close(1000, &format!("x{}", "é".repeat(100)));
        assert_eq!(cut.body().len(), 125);
        assert!(str::from_utf8(&cut.body()[2..]).is_ok(), "characters stay whole");
        assert_eq!(close(1000, &"é".repeat(100)).body().len(), 124);
    }
}
