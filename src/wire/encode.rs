//! From a message to a [`Frame`].
//!
//! A binary payload makes a binary frame, JSON a text frame; what the request was does not matter.
//!
//! Contract: Phoenix 1.8.12, `encode!` and `fastlane!` of both serializers.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use super::frame::{Frame, FrameBuilder, Opcode};
use super::{Field, Json, Payload, Vsn};

/// Why a message cannot be put into a frame. Phoenix crashes the process that tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A field of a binary header, whose size is told in one byte, is longer than 255 bytes.
    #[error("{field} of {len} bytes is too long for a binary frame")]
    FieldTooLong {
        /// `join_ref`, `ref`, `topic`, `event` or `status`.
        field: &'static str,
        /// Its length in bytes.
        len: usize,
    },
    /// V1 has no binary form.
    #[error("a binary payload cannot be sent to a V1 client")]
    BinaryOnV1,
    /// A push or broadcast of V2 needs an object, or a binary.
    #[error("the payload is neither an object nor binary")]
    NotAnObject,
}

/// Encodes a message to one member of a topic. The `reference` is null for a push, and the join_ref for
/// `phx_close` and `phx_error`. V1 does not show the `join_ref`, and a binary push not the `reference`.
///
/// # Errors
/// [`EncodeError::NotAnObject`] in V2, [`EncodeError::BinaryOnV1`], [`EncodeError::FieldTooLong`] of a binary.
pub fn encode_message(
    vsn: Vsn,
    join_ref: &Field,
    reference: &Field,
    topic: &Field,
    event: &str,
    payload: &Payload,
) -> Result<Frame, EncodeError> {
    let topic = FieldRef::from(topic);
    match (vsn, payload) {
        (Vsn::V1, Payload::Json(json)) => Ok(v1(topic, event, Content::Plain(json), reference.into())),
        (Vsn::V1, Payload::Binary(_)) => Err(EncodeError::BinaryOnV1),
        (Vsn::V2, Payload::Json(json)) if json.is_object() => {
            Ok(v2(join_ref.into(), reference.into(), topic, event, Content::Plain(json)))
        }
        (Vsn::V2, Payload::Json(_)) => Err(EncodeError::NotAnObject),
        (Vsn::V2, Payload::Binary(bytes)) => {
            let header = [("join_ref", join_ref.into()), ("topic", topic), ("event", FieldRef::Text(event))];
            binary(PUSH, header, bytes)
        }
    }
}

/// Encodes a message to all members of a topic. It names no join, so one frame serves everybody who speaks
/// the same version.
///
/// # Errors
/// Those of [`encode_message`].
pub fn encode_broadcast(vsn: Vsn, topic: &str, event: &str, payload: &Payload) -> Result<Frame, EncodeError> {
    let topic = FieldRef::Text(topic);
    match (vsn, payload) {
        (Vsn::V1, Payload::Json(json)) => Ok(v1(topic, event, Content::Plain(json), FieldRef::Null)),
        (Vsn::V1, Payload::Binary(_)) => Err(EncodeError::BinaryOnV1),
        (Vsn::V2, Payload::Json(json)) if json.is_object() => {
            Ok(v2(FieldRef::Null, FieldRef::Null, topic, event, Content::Plain(json)))
        }
        (Vsn::V2, Payload::Json(_)) => Err(EncodeError::NotAnObject),
        (Vsn::V2, Payload::Binary(bytes)) => {
            binary(BROADCAST, [("topic", topic), ("event", FieldRef::Text(event))], bytes)
        }
    }
}

/// A payload that many are sent, each in a message of its own.
#[derive(Clone, Debug)]
pub struct SharedPayload {
    payload: Payload,
    /// What ends such a message in V2, where it is worth sharing: the payload and the bracket behind it.
    tail: Option<Arc<Bytes>>,
}

impl SharedPayload {
    /// Costs one copy of a long payload, and none for each who is sent it.
    pub fn new(payload: Payload) -> Self {
        let tail = match &payload {
            Payload::Json(json) if json.is_object() && json.as_bytes().len() >= WORTH_SHARING => {
                Some(Arc::new(Bytes::from([json.as_bytes(), b"]"].concat())))
            }
            _ => None,
        };
        SharedPayload { payload, tail }
    }

    /// The payload itself.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// Encodes it as [`encode_message`] does; in V2 a long one is not copied.
    ///
    /// # Errors
    /// Those of [`encode_message`].
    pub fn encode_message(
        &self,
        vsn: Vsn,
        join_ref: &Field,
        reference: &Field,
        topic: &Field,
        event: &str,
    ) -> Result<Frame, EncodeError> {
        match (vsn, &self.tail) {
            (Vsn::V2, Some(tail)) => {
                let head = v2_head(join_ref.into(), reference.into(), topic.into(), event, 0);
                Ok(head.finish_with(Opcode::Text, Some(tail.clone())))
            }
            _ => encode_message(vsn, join_ref, reference, topic, event, &self.payload),
        }
    }
}

/// Encodes the reply to a message, a `phx_reply`. The `response` may be any JSON; the status is `ok`, `error`
/// or a channel's own.
///
/// # Errors
/// [`EncodeError::BinaryOnV1`], [`EncodeError::FieldTooLong`] of a binary.
pub fn encode_reply(
    vsn: Vsn,
    join_ref: &Field,
    reference: &Field,
    topic: &Field,
    status: &str,
    response: &Payload,
) -> Result<Frame, EncodeError> {
    let (join_ref, reference, topic) = (join_ref.into(), reference.into(), topic.into());
    match (vsn, response) {
        (Vsn::V1, Payload::Json(json)) => {
            Ok(v1(topic, "phx_reply", Content::Reply { status, response: json }, reference))
        }
        (Vsn::V1, Payload::Binary(_)) => Err(EncodeError::BinaryOnV1),
        (Vsn::V2, Payload::Json(json)) => {
            Ok(v2(join_ref, reference, topic, "phx_reply", Content::Reply { status, response: json }))
        }
        (Vsn::V2, Payload::Binary(bytes)) => {
            let status = FieldRef::Text(status);
            let header = [("join_ref", join_ref), ("ref", reference), ("topic", topic), ("status", status)];
            binary(REPLY, header, bytes)
        }
    }
}

/// A field of the header, from wherever it is kept.
#[derive(Clone, Copy)]
enum FieldRef<'a> {
    Null,
    Text(&'a str),
    Json(&'a str),
}

impl<'a> From<&'a Field> for FieldRef<'a> {
    fn from(field: &'a Field) -> Self {
        match field {
            Field::Null => FieldRef::Null,
            Field::Text(text) => FieldRef::Text(text),
            Field::Json(json) => FieldRef::Json(json),
        }
    }
}

impl<'a> FieldRef<'a> {
    fn write_json(self, out: &mut Vec<u8>) {
        match self {
            FieldRef::Null => out.extend_from_slice(b"null"),
            FieldRef::Text(text) => write_string(out, text),
            FieldRef::Json(json) => out.extend_from_slice(json.as_bytes()),
        }
    }

    /// What stands for it in a binary header: a null is empty, a number is printed.
    fn printed(self) -> &'a str {
        match self {
            FieldRef::Null => "",
            FieldRef::Text(text) | FieldRef::Json(text) => text,
        }
    }
}

/// What stands in the place of the payload.
#[derive(Clone, Copy)]
enum Content<'a> {
    Plain(&'a Json),
    Reply { status: &'a str, response: &'a Json },
}

impl Content<'_> {
    fn write(self, out: &mut Vec<u8>) {
        match self {
            Content::Plain(json) => out.extend_from_slice(json.as_bytes()),
            Content::Reply { status, response } => {
                out.extend_from_slice(b"{\"status\":");
                write_string(out, status);
                out.extend_from_slice(b",\"response\":");
                out.extend_from_slice(response.as_bytes());
                out.push(b'}');
            }
        }
    }

    fn len(self) -> usize {
        match self {
            Content::Plain(json) => json.as_bytes().len(),
            Content::Reply { status, response } => status.len() + response.as_bytes().len(),
        }
    }
}

fn v1(topic: FieldRef<'_>, event: &str, content: Content<'_>, reference: FieldRef<'_>) -> Frame {
    let fields = topic.printed().len() + event.len() + reference.printed().len();
    let mut frame = FrameBuilder::with_capacity(fields + content.len() + PUNCTUATION);
    let out = frame.body();
    out.extend_from_slice(b"{\"topic\":");
    topic.write_json(out);
    out.extend_from_slice(b",\"event\":");
    write_string(out, event);
    out.extend_from_slice(b",\"payload\":");
    content.write(out);
    out.extend_from_slice(b",\"ref\":");
    reference.write_json(out);
    out.push(b'}');
    frame.finish(Opcode::Text)
}

fn v2(
    join_ref: FieldRef<'_>,
    reference: FieldRef<'_>,
    topic: FieldRef<'_>,
    event: &str,
    content: Content<'_>,
) -> Frame {
    let mut frame = v2_head(join_ref, reference, topic, event, content.len());
    content.write(frame.body());
    frame.body().push(b']');
    frame.finish(Opcode::Text)
}

/// All that stands before the content, with room for so many bytes of it.
fn v2_head(
    join_ref: FieldRef<'_>,
    reference: FieldRef<'_>,
    topic: FieldRef<'_>,
    event: &str,
    content: usize,
) -> FrameBuilder {
    let refs = join_ref.printed().len() + reference.printed().len();
    let fields = refs + topic.printed().len() + event.len();
    let mut frame = FrameBuilder::with_capacity(fields + content + PUNCTUATION);
    let out = frame.body();
    out.push(b'[');
    for field in [join_ref, reference, topic, FieldRef::Text(event)] {
        field.write_json(out);
        out.push(b',');
    }
    frame
}

/// The kind, the size of each field, the fields, the data.
fn binary<const N: usize>(
    kind: u8,
    fields: [(&'static str, FieldRef<'_>); N],
    data: &[u8],
) -> Result<Frame, EncodeError> {
    let length: usize = fields.iter().map(|(_, field)| field.printed().len()).sum();
    let mut frame = FrameBuilder::with_capacity(1 + N + length + data.len());
    let out = frame.body();
    out.push(kind);
    for (name, field) in fields {
        let len = field.printed().len();
        out.push(u8::try_from(len).map_err(|_| EncodeError::FieldTooLong { field: name, len })?);
    }
    for (_, field) in fields {
        out.extend_from_slice(field.printed().as_bytes());
    }
    out.extend_from_slice(data);
    Ok(frame.finish(Opcode::Binary))
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    text.serialize(&mut serde_json::Serializer::new(out)).expect("a string is JSON, and memory takes it");
}

/// Room for the quotes, commas and keys of a text frame.
const PUNCTUATION: usize = 64;

/// From so many bytes on a copy for each recipient costs more than a second piece to write.
const WORTH_SHARING: usize = 4096;

/// The kinds of binary frames from a server.
const PUSH: u8 = 0;
const REPLY: u8 = 1;
const BROADCAST: u8 = 2;

#[cfg(test)]
mod tests;
