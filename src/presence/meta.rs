//! What an application says of a presence: a JSON object, kept as it was written.
//!
//! Owns the check that it is one, and the placing of our own members (`phx_ref`, `phx_ref_prev`) in it.
//! Not here: who is tracked with it (`entry`).
//! Contract: `Phoenix.Tracker` puts `phx_ref` into the meta whatever the meta has there. Phoenix writes a
//! meta's own string key `phx_ref` beside its own; here it is replaced, for a client cannot live with two.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use thiserror::Error;

use super::phx_ref::PhxRef;

/// A meta to track or to update with. Its values' text is kept: long numbers and repeated names pass
/// untouched.
#[derive(Clone)]
pub struct Meta {
    /// The members between the braces, without the reserved ones.
    members: Box<str>,
    /// A `phx_ref_prev` that the meta came with: it stays until we have one of our own to put there.
    own_prev: Option<Box<str>>,
}

impl Meta {
    /// Reads the text of a JSON object.
    ///
    /// # Errors
    /// [`NotAnObject`] for any other JSON, and for text that could not be read back: malformed, nested deeper
    /// than 127 levels, holding a lone surrogate or a number too large for a float.
    pub fn parse(json: &[u8]) -> Result<Self, NotAnObject> {
        // Raw values are skipped over, not read: only decoding shows that they can be decoded.
        serde_json::from_slice::<Readable>(json)?;
        let Members(written) = serde_json::from_slice(json)?;

        let mut members = String::with_capacity(json.len());
        let mut own_prev = None;
        for (name, value) in written {
            let (name, value) = (name.get(), value.get());
            match &*decoded(name)? {
                PHX_REF => {}
                PHX_REF_PREV => own_prev = Some(format!("{name}:{value}").into_boxed_str()),
                _ => {
                    let comma = if members.is_empty() { "" } else { "," };
                    members.extend([comma, name, ":", value]);
                }
            }
        }
        Ok(Self { members: members.into_boxed_str(), own_prev })
    }

    /// The meta that a value serialises to.
    ///
    /// # Errors
    /// [`NotAnObject`] when the value does not serialise, or not to an object that [`Meta::parse`] takes.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, NotAnObject> {
        Self::parse(&serde_json::to_vec(value)?)
    }

    /// Since when the person is there whose meta this is, in microseconds of Unix time, where the meta says so in the
    /// usual place: an integer as its member `joined_at`.
    pub(super) fn joined_at(encoded: &[u8]) -> Option<i64> {
        #[derive(serde::Deserialize)]
        struct Joined {
            joined_at: Value,
        }
        serde_json::from_slice::<Joined>(encoded).ok()?.joined_at.as_i64()
    }

    /// The meta of an entry, as the application gave it.
    pub(super) fn of_encoded(encoded: &[u8]) -> Self {
        let meta = Self::parse(encoded).expect("it was parsed before it was encoded");
        Self { own_prev: None, ..meta }
    }

    /// The same meta, of somebody who has been there since then.
    pub(super) fn with_joined_at(&self, joined_at: i64) -> Self {
        let json = format!("{{{}}}", self.members);
        let mut members: Map<String, Value> =
            serde_json::from_str(&json).expect("it was decoded once already, when it was parsed");
        members.insert("joined_at".to_owned(), joined_at.into());
        let mut meta = Self::try_from(members).expect("it is no deeper than it was");
        meta.own_prev.clone_from(&self.own_prev);
        meta
    }

    /// The meta as clients see it: with its reference, and after an update with the reference before.
    pub(super) fn encode(&self, phx_ref: &PhxRef, prev: Option<&PhxRef>) -> Bytes {
        let prev = prev.map(|prev| format!("\"{PHX_REF_PREV}\":\"{prev}\""));
        let prev = prev.as_deref().or(self.own_prev.as_deref());
        let phx_ref = format!("\"{PHX_REF}\":\"{phx_ref}\"");
        let members = Some(&*self.members).filter(|members| !members.is_empty());

        let parts: Vec<&str> = [members, Some(&phx_ref), prev].into_iter().flatten().collect();
        // Of the exact size, for it is kept as long as the entry: two braces, and a comma between each two
        // parts.
        let size = parts.iter().map(|part| part.len() + 1).sum::<usize>() + 1;
        let mut object = String::with_capacity(size);
        for (nth, part) in parts.iter().enumerate() {
            object.push(if nth == 0 { '{' } else { ',' });
            object.push_str(part);
        }
        object.push('}');
        Bytes::from(object)
    }
}

impl TryFrom<Map<String, Value>> for Meta {
    type Error = NotAnObject;

    /// Fails only for a map nested deeper than 127 levels.
    fn try_from(map: Map<String, Value>) -> Result<Self, NotAnObject> {
        Self::of(&map)
    }
}

/// Says nothing of what it holds: metas are people's data, and must not get into logs.
impl fmt::Debug for Meta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meta").finish_non_exhaustive()
    }
}

/// A meta must be a JSON object. The error quotes nothing of what it is instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a meta must be a JSON object that can be read back; it fails at line {line} column {column}")]
pub struct NotAnObject {
    /// Counted from 1; 0 where the whole value is at fault.
    pub line: usize,
    /// In bytes.
    pub column: usize,
}

impl From<serde_json::Error> for NotAnObject {
    fn from(error: serde_json::Error) -> Self {
        NotAnObject { line: error.line(), column: error.column() }
    }
}

/// A name as it is meant, out of its JSON text: most are written as they are.
fn decoded(name: &str) -> Result<Cow<'_, str>, NotAnObject> {
    match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        _ => Ok(Cow::Owned(serde_json::from_str(name)?)),
    }
}

/// Any JSON that can be decoded; nothing of it is kept.
struct Readable;

impl<'de> Deserialize<'de> for Readable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Through;

        impl<'de> Visitor<'de> for Through {
            type Value = Readable;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Readable, E> {
                Ok(Readable)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Readable, E> {
                Ok(Readable)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Readable, E> {
                Ok(Readable)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Readable, E> {
                Ok(Readable)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Readable, E> {
                Ok(Readable)
            }

            fn visit_str<E>(self, _: &str) -> Result<Readable, E> {
                Ok(Readable)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Readable, A::Error> {
                while items.next_element::<Readable>()?.is_some() {}
                Ok(Readable)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Readable, A::Error> {
                while members.next_entry::<Readable, Readable>()?.is_some() {}
                Ok(Readable)
            }
        }

        deserializer.deserialize_any(Through)
    }
}

/// The members of an object, names and values as written.
struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

const PHX_REF: &str = "phx_ref";
const PHX_REF_PREV: &str = "phx_ref_prev";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::presence::PhxRefs;

    fn reference() -> PhxRef {
        PhxRefs::new(0).next(0)
    }

    fn tracked(json: &str) -> String {
        let meta = Meta::parse(json.as_bytes()).expect("an object");
        String::from_utf8(meta.encode(&reference(), None).to_vec()).expect("JSON is UTF-8")
    }

    fn updated(json: &str) -> String {
        let meta = Meta::parse(json.as_bytes()).expect("an object");
        String::from_utf8(meta.encode(&reference(), Some(&reference())).to_vec()).expect("JSON is UTF-8")
    }

    #[test]
    fn numbers_and_repeated_names_stay_as_written() {
        assert_eq!(
            tracked(r#" { "n" : 1234567890123456789.10 , "o":{"a":1, "a":2},"\u0061":"\u00e9", "n":1E2 } "#),
            r#"{"n":1234567890123456789.10,"o":{"a":1, "a":2},"\u0061":"\u00e9","n":1E2,"#.to_owned()
                + r#""phx_ref":"AAAAAAAAAAAAAAAA"}"#
        );
    }

    #[test]
    fn an_empty_meta_has_only_its_reference() {
        assert_eq!(tracked("{}"), r#"{"phx_ref":"AAAAAAAAAAAAAAAA"}"#);
    }

    #[test]
    fn a_metas_own_phx_ref_is_replaced_however_it_is_written() {
        assert_eq!(
            tracked(r#"{"phx_ref":"mine","n":1,"phx\u005fref":{},"phx_ref":null}"#),
            r#"{"n":1,"phx_ref":"AAAAAAAAAAAAAAAA"}"#
        );
    }

    #[test]
    fn a_metas_own_phx_ref_prev_is_replaced_only_when_there_is_one_of_ours() {
        let own = r#"{"n":1,"phx_ref_pre\u0076":"mine"}"#;
        assert_eq!(tracked(own), r#"{"n":1,"phx_ref":"AAAAAAAAAAAAAAAA","phx_ref_pre\u0076":"mine"}"#);
        assert_eq!(updated(own), r#"{"n":1,"phx_ref":"AAAAAAAAAAAAAAAA","phx_ref_prev":"AAAAAAAAAAAAAAAA"}"#);
    }

    #[test]
    fn a_reserved_name_inside_a_value_is_the_applications() {
        assert_eq!(tracked(r#"{"o":{"phx_ref":1}}"#), r#"{"o":{"phx_ref":1},"phx_ref":"AAAAAAAAAAAAAAAA"}"#);
    }

    #[test]
    fn only_an_object_is_a_meta() {
        for json in ["", "null", "[]", "1", "\"{}\"", "{", "{} {}", "{\"a\":}", "{a:1}", "{\"a\":1,}"] {
            assert!(Meta::parse(json.as_bytes()).is_err(), "{json}");
        }
        assert!(Meta::of(&[1, 2]).is_err());
    }

    #[test]
    fn what_could_not_be_read_back_is_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(127), "]".repeat(127));
        let surrogates = [r#"{"a":"\ud800"}"#, r#"{"\udc00":1}"#, r#"{"a":[{"b":"\ud800x"}]}"#];
        for json in surrogates.into_iter().chain([deep.as_str(), r#"{"a":1e999}"#]) {
            assert!(Meta::parse(json.as_bytes()).is_err(), "{json}");
        }
        assert!(Meta::parse(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn a_map_and_any_value_that_serialises_to_one_are_metas() {
        let Value::Object(map) = json!({"n": 1}) else { unreachable!("json! of an object") };
        for meta in [Meta::of(&json!({"n": 1})), Meta::try_from(map)] {
            let encoded = meta.expect("an object").encode(&reference(), None);
            assert_eq!(encoded, r#"{"n":1,"phx_ref":"AAAAAAAAAAAAAAAA"}"#);
        }
    }

    #[test]
    fn its_debug_form_says_nothing_of_its_content() {
        let meta = Meta::parse(br#"{"name":"Ada"}"#).expect("an object");
        assert_eq!(format!("{meta:?}"), "Meta { .. }");
    }
}
