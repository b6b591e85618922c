//! The fields that requests are made of: what is taken for each, and how that is documented.
//!
//! Owns the reading of JSON into them, which names every field that is at fault, and not only the first.
//! Not here: bytes and media types (`request`); what the requests are (`sessions`, `workflows`).

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use super::problem::{Fault, Problem};

/// A value that can be read from JSON.
pub(super) trait Field: Sized {
    /// `None` where a fault was noted; `at` is the field's name in it.
    fn read(value: Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self>;
}

/// Reads a whole body.
///
/// # Errors
/// [`Problem::Invalid`] with all faults, up to a bound.
pub(super) fn read<T: Field>(body: Value) -> Result<T, Problem> {
    let mut faults = Vec::new();
    let read = T::read(body, "", &mut faults);
    match read {
        Some(read) if faults.is_empty() => Ok(read),
        _ => {
            faults.truncate(MOST_FAULTS);
            Err(Problem::Invalid(faults))
        }
    }
}

/// The fields of an object.
pub(super) struct Fields<'a> {
    values: Map<String, Value>,
    at: &'a str,
    faults: &'a mut Vec<Fault>,
}

impl<'a> Fields<'a> {
    /// `None` where the value is no object, which was noted.
    pub(super) fn of(value: Value, at: &'a str, faults: &'a mut Vec<Fault>) -> Option<Self> {
        match value {
            Value::Object(values) => Some(Fields { values, at, faults }),
            _ => {
                faults.push(Fault::new(at, "must be an object"));
                None
            }
        }
    }

    /// A field that must be there.
    pub(super) fn required<T: Field>(&mut self, name: &str) -> Option<T> {
        match self.values.remove(name) {
            Some(value) => T::read(value, &below(self.at, name), self.faults),
            None => {
                self.faults.push(Fault::new(below(self.at, name), "is required"));
                None
            }
        }
    }

    /// A field that may be absent or null: `Some(None)`.
    pub(super) fn optional<T: Field>(&mut self, name: &str) -> Option<Option<T>> {
        match self.values.remove(name) {
            None | Some(Value::Null) => Some(None),
            Some(value) => T::read(value, &below(self.at, name), self.faults).map(Some),
        }
    }

    /// Notes the fields that nobody asked for.
    pub(super) fn no_others(self) {
        for name in self.values.keys() {
            self.faults.push(Fault::new(below(self.at, name), "is unknown"));
        }
    }
}

/// An id of Lightning's, in a path or a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Id(pub(super) String);

/// The form of a viewer's id in a query: an [`Id`], or nothing, which names nobody.
pub(super) struct Viewer;

/// A user's name or address.
pub(super) struct Name(pub(super) String);

/// How long a lease lasts, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LeaseSeconds(pub(super) u16);

/// A time, in microseconds of Unix time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UnixMicros(pub(super) i64);

impl Id {
    /// What may be one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn check(text: String) -> Result<Self, String> {
        let length = text.chars().count();
        match (1..=MOST_CHARACTERS).contains(&length) && !text.contains(char::is_control) {
            true => Ok(Id(text)),
            false => {
                Err(format!("must be a text of 1 to {MOST_CHARACTERS} characters without control characters"))
            }
        }
    }

    /// Reads a segment of a path.
    ///
    /// # Errors
    /// [`Problem::Invalid`], which calls it `name`.
    pub(super) fn of_segment(name: &str, segment: &str) -> Result<Self, Problem> {
        let decoded = percent_decode_str(segment).decode_utf8().map_err(|_| "must be UTF-8".to_owned());
        let id = decoded.and_then(|decoded| Id::check(decoded.into_owned()));
        id.map_err(|message| Problem::Invalid(vec![Fault::new(name, message)]))
    }
}

impl Field for Id {
    fn read(value: Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        let text = text(value, at, faults)?;
        note(at, Id::check(text), faults)
    }
}

impl Field for Name {
    fn read(value: Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        let text = text(value, at, faults)?;
        let fits = text.chars().count() <= MOST_CHARACTERS;
        let name = if fits {
            Ok(Name(text))
        } else {
            Err(format!("must have at most {MOST_CHARACTERS} characters"))
        };
        note(at, name, faults)
    }
}

impl Field for LeaseSeconds {
    fn read(value: Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        let seconds = whole_number(&value, 1, MOST_LEASE_SECONDS.into());
        let seconds = seconds.map(|seconds| u16::try_from(seconds).expect("the range is that of a u16"));
        note(at, seconds.map(LeaseSeconds), faults)
    }
}

impl Field for UnixMicros {
    fn read(value: Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        note(at, whole_number(&value, 0, MOST_MICROS).map(UnixMicros), faults)
    }
}

impl Field for bool {
    fn read(value: Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        note(at, value.as_bool().ok_or_else(|| "must be true or false".to_owned()), faults)
    }
}

/// At most as many as a request may ask about.
impl Field for Vec<Id> {
    fn read(value: Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        match value {
            Value::Array(items) if items.len() <= MOST_IDS => {
                let read = |(nth, item)| Id::read(item, &below(at, &format!("{nth}")), faults);
                items.into_iter().enumerate().map(read).collect()
            }
            _ => note(at, Err(format!("must be an array of at most {MOST_IDS} ids")), faults),
        }
    }
}

impl PartialSchema for Id {
    fn schema() -> RefOr<Schema> {
        string().min_length(Some(1)).max_length(Some(MOST_CHARACTERS)).pattern(Some(NO_CONTROLS)).into()
    }
}

impl PartialSchema for Viewer {
    fn schema() -> RefOr<Schema> {
        string().max_length(Some(MOST_CHARACTERS)).pattern(Some(NO_CONTROLS_OR_NOTHING)).into()
    }
}

impl PartialSchema for Name {
    fn schema() -> RefOr<Schema> {
        string().max_length(Some(MOST_CHARACTERS)).into()
    }
}

impl PartialSchema for LeaseSeconds {
    fn schema() -> RefOr<Schema> {
        integer(KnownFormat::Int32).minimum(Some(1)).maximum(Some(i64::from(MOST_LEASE_SECONDS))).into()
    }
}

impl PartialSchema for UnixMicros {
    fn schema() -> RefOr<Schema> {
        integer(KnownFormat::Int64).minimum(Some(0)).maximum(Some(MOST_MICROS)).into()
    }
}

impl ToSchema for Id {}
impl ToSchema for Viewer {}
impl ToSchema for Name {}
impl ToSchema for LeaseSeconds {}
impl ToSchema for UnixMicros {}

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn integer(format: KnownFormat) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).format(Some(SchemaFormat::KnownFormat(format)))
}

fn text(value: Value, at: &str, faults: &mut Vec<Fault>) -> Option<String> {
    let text = match value {
        Value::String(text) => Ok(text),
        _ => Err("must be a text".to_owned()),
    };
    note(at, text, faults)
}

/// A number without a fraction. `1.0` is one too: JSON has no other kind of number.
fn whole_number(value: &Value, least: i64, most: i64) -> Result<i64, String> {
    let whole = |number: f64| (number.fract() == 0.0).then_some(number as i64);
    let number = value.as_i64().or_else(|| value.as_f64().and_then(whole));
    match number.ok_or("must be a whole number")? {
        number if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("must be between {least} and {most}")),
    }
}

fn note<T>(at: &str, read: Result<T, String>, faults: &mut Vec<Fault>) -> Option<T> {
    read.map_err(|message| faults.push(Fault::new(at, message))).ok()
}

fn below(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}

/// The most workflows that one request may ask about.
pub(super) const MOST_IDS: usize = 1000;
/// Of an id and of a name, as in Lightning's columns.
const MOST_CHARACTERS: usize = 255;
/// The most seconds of a lease.
const MOST_LEASE_SECONDS: u16 = 3600;
/// What JavaScript can hold, 2^53 − 1: in the year 2255.
const MOST_MICROS: i64 = 9_007_199_254_740_991;
/// No character of Unicode's category Cc.
const NO_CONTROLS: &str = r"^[^\u0000-\u001F\u007F-\u009F]+$";
const NO_CONTROLS_OR_NOTHING: &str = r"^[^\u0000-\u001F\u007F-\u009F]*$";
/// The most faults that one answer tells of.
const MOST_FAULTS: usize = 20;
