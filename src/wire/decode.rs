//! From the body of a frame to a [`Message`].
//!
//! Owns: what is malformed. Phoenix ends the connection with 1011 for any of it, and sends no error.
//!
//! The payload is a slice of the bytes that came in; only the header's fields are looked into.
//!
//! Contract: Phoenix 1.8.12, `decode!` of both serializers.

use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;
use smol_str::SmolStr;

use super::{BinaryFront, Field, Json, Message, Payload, Vsn, scan};

/// Why a frame is no message. It holds nothing of the frame, so it may be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Text, or a field of a binary header, is not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// The text is not JSON.
    #[error("not JSON")]
    NotJson,
    /// The JSON is not an object with the four keys of V1, or not an array of at least five elements in V2.
    #[error("JSON of the wrong shape")]
    WrongShape,
    /// Arrays and objects are nested more than 128 deep.
    #[error("JSON nested too deeply")]
    TooDeep,
    /// An escape is half of a surrogate pair, and so no character.
    #[error("a lone surrogate escape")]
    LoneSurrogate,
    /// A binary frame ends before its header does.
    #[error("a binary frame is cut short")]
    Truncated,
    /// A binary frame is not a push, the only kind that a client sends.
    #[error("a binary frame of kind {0}")]
    UnknownKind(u8),
}

/// Decodes a text frame, or a body of long poll.
///
/// # Errors
/// Any [`DecodeError`] but those of binary frames.
pub fn decode_text(vsn: Vsn, text: &Bytes) -> Result<Message, DecodeError> {
    let source = str::from_utf8(text).map_err(|_| DecodeError::NotUtf8)?;
    scan::check(text)?;
    let raw = match vsn {
        Vsn::V1 => serde_json::from_str::<V1Message>(source).map(|V1Message(raw)| raw),
        Vsn::V2 => serde_json::from_str::<V2Message>(source).map(|V2Message(raw)| raw),
    };
    raw.map_err(DecodeError::from)?.keep(text)
}

/// Decodes a binary frame: in V2 a push with a binary payload, whose refs are strings and never null; in V1,
/// which has no binary form, JSON as in a text frame.
///
/// # Errors
/// [`DecodeError::Truncated`], [`DecodeError::UnknownKind`] and [`DecodeError::NotUtf8`]; in V1 those of
/// [`decode_text`].
pub fn decode_binary(vsn: Vsn, bytes: &Bytes) -> Result<Message, DecodeError> {
    if vsn == Vsn::V1 {
        return decode_text(vsn, bytes);
    }
    let &kind = bytes.first().ok_or(DecodeError::Truncated)?;
    if kind != PUSH {
        return Err(DecodeError::UnknownKind(kind));
    }
    let front = BinaryFront::of_client(bytes).ok_or(DecodeError::Truncated)?;
    let field = |part| str::from_utf8(part).map(Field::from).map_err(|_| DecodeError::NotUtf8);
    Ok(Message {
        join_ref: field(front.join_ref)?,
        reference: field(front.reference)?,
        topic: field(front.topic)?,
        event: field(front.event)?,
        payload: Payload::Binary(bytes.slice_ref(front.data)),
    })
}

impl From<serde_json::Error> for DecodeError {
    fn from(error: serde_json::Error) -> Self {
        match error.classify() {
            Category::Data => DecodeError::WrongShape,
            Category::Io | Category::Syntax | Category::Eof => DecodeError::NotJson,
        }
    }
}

/// The parts of a message as they stand in the text.
struct RawMessage<'a> {
    join_ref: Option<&'a RawValue>,
    reference: &'a RawValue,
    topic: &'a RawValue,
    event: &'a RawValue,
    payload: &'a RawValue,
}

impl RawMessage<'_> {
    /// Takes the fields out, and the payload as a slice of `text`, which the parts must have been read from.
    fn keep(&self, text: &Bytes) -> Result<Message, DecodeError> {
        Ok(Message {
            join_ref: self.join_ref.map_or(Ok(Field::Null), field)?,
            reference: field(self.reference)?,
            topic: field(self.topic)?,
            event: field(self.event)?,
            payload: Payload::Json(Json::from_encoded(text.slice_ref(self.payload.get().as_bytes()))),
        })
    }
}

fn field(raw: &RawValue) -> Result<Field, DecodeError> {
    match raw.get() {
        "null" => Ok(Field::Null),
        text if text.starts_with('"') => Ok(Field::Text(serde_json::from_str::<SmolStr>(text)?)),
        other => Ok(Field::Json(other.into())),
    }
}

/// `[join_ref, ref, topic, event, payload, …]`
struct V2Message<'a>(RawMessage<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for V2Message<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(V2Visitor).map(V2Message)
    }
}

struct V2Visitor;

impl<'de> Visitor<'de> for V2Visitor {
    type Value = RawMessage<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of at least five elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<RawMessage<'de>, A::Error> {
        let mut next = |index| {
            elements.next_element::<&RawValue>()?.ok_or_else(|| A::Error::invalid_length(index, &self))
        };
        let message = RawMessage {
            join_ref: Some(next(0)?),
            reference: next(1)?,
            topic: next(2)?,
            event: next(3)?,
            payload: next(4)?,
        };
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(message)
    }
}

/// `{"topic": …, "event": …, "payload": …, "ref": …}`, and perhaps a `"join_ref"`.
struct V1Message<'a>(RawMessage<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for V1Message<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(V1Visitor).map(V1Message)
    }
}

struct V1Visitor;

impl<'de> Visitor<'de> for V1Visitor {
    type Value = RawMessage<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with topic, event, payload and ref")
    }

    /// Of a key that comes twice the last value counts, as in any Elixir map.
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<RawMessage<'de>, A::Error> {
        let (mut join_ref, mut reference, mut topic, mut event, mut payload) = (None, None, None, None, None);
        while let Some(key) = entries.next_key()? {
            let slot = match key {
                V1Key::JoinRef => &mut join_ref,
                V1Key::Ref => &mut reference,
                V1Key::Topic => &mut topic,
                V1Key::Event => &mut event,
                V1Key::Payload => &mut payload,
                V1Key::Other => {
                    entries.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *slot = Some(entries.next_value::<&RawValue>()?);
        }
        Ok(RawMessage {
            join_ref,
            reference: reference.ok_or_else(|| A::Error::missing_field("ref"))?,
            topic: topic.ok_or_else(|| A::Error::missing_field("topic"))?,
            event: event.ok_or_else(|| A::Error::missing_field("event"))?,
            payload: payload.ok_or_else(|| A::Error::missing_field("payload"))?,
        })
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum V1Key {
    JoinRef,
    Ref,
    Topic,
    Event,
    Payload,
    #[serde(other)]
    Other,
}

/// The kind of a binary push.
const PUSH: u8 = 0;

#[cfg(test)]
mod tests;
