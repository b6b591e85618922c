//! The bytes of the Phoenix channels protocol, both ways: a frame becomes a [`Message`], a message becomes a
//! [`Frame`]. Beneath it, in [`websocket`], the bytes of RFC 6455 that carry them.
//!
//! Owns: the version a client speaks, the serializers V1 and V2 in text and binary, what is malformed.
//!
//! Not here: what a message means (`session`), sockets and time (`runtime`).
//!
//! Contract: Phoenix 1.8.12, `Phoenix.Socket.V1.JSONSerializer` and `Phoenix.Socket.V2.JSONSerializer`.

mod cursor;
mod decode;
mod encode;
mod excerpt;
mod frame;
mod front;
mod json;
mod message;
mod push;
mod scan;
mod vsn;
pub mod websocket;

pub use cursor::JsonCursor;
pub use decode::{DecodeError, decode_binary, decode_text};
pub use encode::{EncodeError, SharedPayload, encode_broadcast, encode_message, encode_reply};
pub use excerpt::Excerpt;
pub use frame::Frame;
pub use front::{BinaryFront, Part, TextFront};
pub use json::{Json, ParseError};
pub use message::{Field, Message, Payload};
pub use push::BinaryPush;
pub use vsn::Vsn;
