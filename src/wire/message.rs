//! An incoming message and its parts, which go back out in replies.
//!
//! Contract: Phoenix 1.8.12, `Phoenix.Socket.Message`; refs are echoed with the JSON type they came with.

use bytes::Bytes;
use serde_json::Value;
use smol_str::SmolStr;

use super::Json;

/// A message as a client sent it.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The reference of the join that the sender means; null when it names none.
    pub join_ref: Field,
    /// What the sender will know the reply by.
    pub reference: Field,
    /// The topic, such as `room:lobby`.
    pub topic: Field,
    /// The event, such as `phx_join`.
    pub event: Field,
    /// The content.
    pub payload: Payload,
}

/// A part of a message's header. The protocol does not check its type: a ref may be a number, and is echoed as
/// one. Equality is strict: `1` is not `"1"`, and `1.0` is not `1`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Field {
    /// `null`, or absent.
    #[default]
    Null,
    /// A string, without its escapes.
    Text(SmolStr),
    /// Any other JSON, as written.
    Json(Box<str>),
}

/// The content of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// JSON, in a text frame.
    Json(Json),
    /// Bytes, in a binary frame of V2.
    Binary(Bytes),
}

impl Field {
    /// The string, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Field::Text(text) => Some(text),
            Field::Null | Field::Json(_) => None,
        }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Field::Null)
    }

    /// Its length in bytes; 0 for null.
    pub fn len(&self) -> usize {
        match self {
            Field::Null => 0,
            Field::Text(text) => text.len(),
            Field::Json(json) => json.len(),
        }
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<&str> for Field {
    fn from(text: &str) -> Self {
        Field::Text(text.into())
    }
}

impl From<SmolStr> for Field {
    fn from(text: SmolStr) -> Self {
        Field::Text(text)
    }
}

impl Payload {
    /// The empty object, `{}`.
    pub fn empty() -> Self {
        Payload::Json(Json::empty_object())
    }

    /// The JSON, if it is not binary.
    pub fn json(&self) -> Option<&Json> {
        match self {
            Payload::Json(json) => Some(json),
            Payload::Binary(_) => None,
        }
    }

    /// Whether V2 lets it be pushed and broadcast; a reply may hold any JSON.
    pub fn is_object_or_binary(&self) -> bool {
        match self {
            Payload::Json(json) => json.is_object(),
            Payload::Binary(_) => true,
        }
    }

    /// The length in bytes, of the JSON's text or of the binary.
    pub fn len(&self) -> usize {
        match self {
            Payload::Json(json) => json.as_bytes().len(),
            Payload::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether there are no bytes, which only a binary can have: the text of `{}` has two.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Json> for Payload {
    fn from(json: Json) -> Self {
        Payload::Json(json)
    }
}

impl From<Value> for Payload {
    fn from(value: Value) -> Self {
        Payload::Json(value.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_is_not_the_string_of_it() {
        assert_ne!(Field::from("1"), Field::Json("1".into()));
        assert_eq!(Field::from("1").text(), Some("1"));
        assert_eq!(Field::Json("1".into()).text(), None);
    }

    #[test]
    fn only_null_is_null() {
        assert!(Field::default().is_null());
        assert!(!Field::from("").is_null());
    }

    #[test]
    fn objects_and_binaries_may_be_pushed() {
        assert!(Payload::empty().is_object_or_binary());
        assert!(Payload::Binary(Bytes::new()).is_object_or_binary());
        assert!(!Payload::from(json!([])).is_object_or_binary());
    }

    #[test]
    fn a_length_is_that_of_the_bytes() {
        assert_eq!(Payload::empty().len(), 2);
        assert_eq!(Payload::Binary(Bytes::from_static(b"efg")).len(), 3);
        assert!(Payload::Binary(Bytes::new()).is_empty());
    }
}
