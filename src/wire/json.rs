//! JSON that is kept as text.
//!
//! A payload that only passes through is neither parsed nor built again: its numbers, duplicate keys and
//! whitespace reach the other side as they were written.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

/// One JSON value as text. Cheap to clone; equal to another when the texts are equal.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Json(Bytes);

/// JSON of another shape than was asked for. It tells where, and nothing of what is there: a payload must not reach a
/// log with the error that it causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not the JSON that was expected, at line {line} column {column}")]
pub struct ParseError {
    /// Counted from 1; 0 where the whole value is at fault.
    pub line: usize,
    /// In bytes.
    pub column: usize,
}

impl From<serde_json::Error> for ParseError {
    fn from(error: serde_json::Error) -> Self {
        ParseError { line: error.line(), column: error.column() }
    }
}

impl Json {
    /// Encodes a value.
    ///
    /// # Errors
    /// When the value's own `Serialize` fails, or a map of it has keys that are not strings.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Json, serde_json::Error> {
        serde_json::to_vec(value).map(|text| Json(text.into()))
    }

    /// Takes text that is known to be one valid JSON value, because this program encoded it. It is trusted:
    /// bytes from elsewhere would break the frames they are put into.
    pub fn from_encoded(bytes: Bytes) -> Json {
        debug_assert!(serde_json::from_slice::<&serde_json::value::RawValue>(&bytes).is_ok(), "not JSON");
        Json(bytes)
    }

    /// Reads the text as a `T`, which may borrow from it.
    ///
    /// # Errors
    /// When the value has another shape than `T`. The error names the place and quotes nothing.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ParseError> {
        serde_json::from_slice(&self.0).map_err(ParseError::from)
    }

    /// The text. Costs a look at every byte.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("every constructor takes JSON, which is UTF-8")
    }

    /// The text's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text's bytes, to share.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// Whether the value is an object, Elixir's map.
    pub fn is_object(&self) -> bool {
        self.0.trim_ascii_start().first() == Some(&b'{')
    }

    /// `{}`, without an allocation.
    pub(super) const fn empty_object() -> Json {
        Json(Bytes::from_static(b"{}"))
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Json(value.to_string().into())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_encoded_is_read_back() {
        let json = Json::of(&[("é\"", 1)]).expect("strings and numbers encode");
        assert_eq!(json.as_str(), r#"[["é\"",1]]"#);
        assert_eq!(json.parse::<Vec<(String, i32)>>().expect("the same shape"), [("é\"".to_owned(), 1)]);
        assert!(json.parse::<Vec<i32>>().is_err());
    }

    #[test]
    fn equality_is_of_the_text() {
        let written = |text: &'static str| Json::from_encoded(Bytes::from_static(text.as_bytes()));
        assert_eq!(Json::from(json!({"a": 1})), written(r#"{"a":1}"#));
        assert_ne!(written("1.0"), written("1"));
    }

    #[test]
    fn an_object_is_told_by_its_first_brace() {
        let is_object =
            |text: &'static str| Json::from_encoded(Bytes::from_static(text.as_bytes())).is_object();
        assert!(is_object("{}"));
        assert!(is_object(" \n{}"));
        for other in ["[{}]", "null", "\"{\"", "1"] {
            assert!(!is_object(other), "{other}");
        }
    }

    #[test]
    fn debug_and_display_show_the_text() {
        let json = Json::from(json!([null]));
        assert_eq!(format!("{json} {json:?}"), "[null] [null]");
    }
}
