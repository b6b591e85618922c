//! What a client can see: one value for each row of the README's second table.
//!
//! Owns: the shape of a sight, its reading from a fixture and its decoding from the wire.
//! Not here: the order of sights ([`super::order`]) and their comparison ([`super::compare`]).
//! Source: `js-client-fixtures/README.md`, "A fixture".

use std::fmt;

use serde_json::{Map, Value, json};

/// One thing a client saw, or was recorded to have seen.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// The upgrade succeeded.
    Open,
    /// The upgrade was answered with this status and body instead.
    Refused(Answer),
    /// An answer to plain HTTP.
    Http(Answer),
    /// A pong with this payload, in lower-case hex.
    Pong(String),
    /// A binary frame, in lower-case hex.
    Binary(String),
    /// A text frame, parsed.
    Frame(Value),
    /// The connection is gone, with this close code; 1006 where no close frame came.
    Closed(u16),
    /// What no server may send: text that is no JSON, or bytes that are no WebSocket. Never recorded.
    Broken(String),
}

/// The status and the body of an HTTP answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status; long poll has its own status inside the body.
    pub status: u16,
    /// A JSON object as such, with long-poll `messages` decoded; any other body as a string.
    pub body: Value,
}

impl Seen {
    /// Reads one entry of a fixture's `see`, e.g. `{"closed": 1000}`.
    ///
    /// # Errors
    /// Says what is wrong with an entry that is not in the README's table.
    pub fn recorded(entry: &Value) -> Result<Self, String> {
        let unknown = || format!("not a thing to see: {entry}");
        let fields = entry.as_object().ok_or_else(unknown)?;
        let mut names: Vec<&str> = fields.keys().map(String::as_str).collect();
        names.sort_unstable();
        let text = |name: &str| fields[name].as_str().map(str::to_lowercase).ok_or_else(unknown);
        let code =
            |name: &str| fields[name].as_u64().and_then(|code| u16::try_from(code).ok()).ok_or_else(unknown);
        let answer =
            |name: &str| Ok::<_, String>(Answer { status: code(name)?, body: fields["body"].clone() });
        match names.as_slice() {
            ["open"] if fields["open"] == true => Ok(Self::Open),
            ["body", "refused"] => answer("refused").map(Self::Refused),
            ["body", "http"] => answer("http").map(Self::Http),
            ["pong"] => text("pong").map(Self::Pong),
            ["binary"] => text("binary").map(Self::Binary),
            ["frame"] => Ok(Self::Frame(fields["frame"].clone())),
            ["closed"] => code("closed").map(Self::Closed),
            _ => Err(unknown()),
        }
    }

    /// A text frame as it came.
    pub fn text(frame: &str) -> Self {
        serde_json::from_str(frame).map_or_else(|_| Self::Broken(format!("no JSON: {frame}")), Self::Frame)
    }

    /// The entry as a fixture would have it; the inverse of [`Seen::recorded`].
    pub fn entry(&self) -> Value {
        match self {
            Self::Open => json!({"open": true}),
            Self::Refused(answer) => json!({"refused": answer.status, "body": answer.body}),
            Self::Http(answer) => json!({"http": answer.status, "body": answer.body}),
            Self::Pong(hex) => json!({"pong": hex}),
            Self::Binary(hex) => json!({"binary": hex}),
            Self::Frame(frame) => json!({"frame": frame}),
            Self::Closed(code) => json!({"closed": code}),
            Self::Broken(what) => json!({"broken": what}),
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.entry())
    }
}

impl Answer {
    /// An answer as it came. Long-poll messages are strings that hold a frame each, and are decoded; a message
    /// that is no string, or holds no JSON, is kept apart so that it cannot pass for a decoded one.
    pub fn received(status: u16, body: &[u8]) -> Self {
        let text = || Value::String(String::from_utf8_lossy(body).into_owned());
        let Ok(Value::Object(mut body)) = serde_json::from_slice(body) else {
            return Self { status, body: text() };
        };
        if let Some(Value::Array(messages)) = body.get_mut("messages") {
            for message in messages {
                *message = decoded(message);
            }
        }
        Self { status, body: Value::Object(body) }
    }

    /// The long-poll messages; empty where the body has none.
    pub fn messages(&self) -> &[Value] {
        self.body.get("messages").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The same, to be changed; `None` where the body has none.
    pub fn messages_mut(&mut self) -> Option<&mut Vec<Value>> {
        self.body.get_mut("messages").and_then(Value::as_array_mut)
    }

    /// The long-poll token, if the body has one.
    pub fn token(&self) -> Option<&str> {
        self.body.get("token").and_then(Value::as_str)
    }
}

/// Bytes in lower-case hex, two digits each.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes that [`hex`] wrote.
///
/// # Errors
/// Names a text that is not pairs of hex digits.
pub fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok())).collect();
    match digits {
        Some(digits) if digits.len() % 2 == 0 => {
            Ok(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
        }
        _ => Err(format!("not hex: {text}")),
    }
}

fn decoded(message: &Value) -> Value {
    let undecodable = || Value::Object(Map::from_iter([("undecodable".to_owned(), message.clone())]));
    message.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(undecodable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recorded_kind_is_read_and_written_alike() {
        for entry in [
            json!({"open": true}),
            json!({"refused": 403, "body": ""}),
            json!({"http": 200, "body": {"status": 410}}),
            json!({"pong": "cafe"}),
            json!({"binary": "00ff"}),
            json!({"frame": [null, null, "t", "e", {}]}),
            json!({"closed": 1006}),
        ] {
            assert_eq!(Seen::recorded(&entry).map(|seen| seen.entry()), Ok(entry));
        }
    }

    #[test]
    fn an_unknown_kind_is_an_error_and_not_passed_over() {
        for entry in [json!({"opened": true}), json!({"closed": 70_000}), json!({"open": true, "frame": []})]
        {
            assert!(Seen::recorded(&entry).is_err(), "{entry}");
        }
    }

    #[test]
    fn text_that_is_no_json_is_broken() {
        assert!(matches!(Seen::text("{nope"), Seen::Broken(_)));
        assert_eq!(Seen::text("[1]"), Seen::Frame(json!([1])));
    }

    #[test]
    fn long_poll_messages_are_decoded_from_their_strings() {
        let answer = Answer::received(200, br#"{"status":200,"messages":["[null,\"1\"]"]}"#);
        assert_eq!(answer.messages(), [json!([null, "1"])]);
    }

    #[test]
    fn a_message_that_is_no_string_does_not_pass_for_a_decoded_one() {
        let answer = Answer::received(200, br#"{"messages":[[null,"1"],"{nope"]}"#);
        assert_eq!(answer.messages(), [json!({"undecodable": [null, "1"]}), json!({"undecodable": "{nope"})]);
    }

    #[test]
    fn a_body_that_is_no_object_is_text() {
        assert_eq!(Answer::received(200, b"ok").body, "ok");
        assert_eq!(Answer::received(200, b"[]").body, "[]");
    }

    #[test]
    fn hex_goes_both_ways() {
        assert_eq!(unhex(&hex(&[0, 0x0f, 0xff])), Ok(vec![0, 0x0f, 0xff]));
        assert!(unhex("abc").is_err());
        assert!(unhex("zz").is_err());
    }
}
