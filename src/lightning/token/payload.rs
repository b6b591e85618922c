//! What a token's bytes say: the data, when it was signed, and for how long it is good.
//!
//! Owns the three shapes that Phoenix has written over the years, and the rules of age.
//! Not here: the bytes of a term (`etf`); that the payload is genuine (`signed`, `encrypted`).
//! Contract: `Plug.Crypto`'s `encode/2`, `decode/2` and `expired?/2`.

use std::time::Duration;

use super::TokenError;
use super::data::{Data, Term};
use super::etf::{self, Item, Reader, Writer};

/// How old a token may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxAge {
    /// As old as it likes.
    Infinite,
    /// This long and not a millisecond longer; what is below a millisecond does not count. A token that may
    /// be no time old has expired already when it is made.
    For(Duration),
}

impl MaxAge {
    /// One day, which Phoenix gives a token that is to have no other.
    pub const DEFAULT: MaxAge = MaxAge::seconds(86_400);

    /// This many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        MaxAge::For(Duration::from_secs(seconds))
    }
}

/// `{data, signed_at_ms, max_age_s}` in Erlang's external term format.
pub(super) fn encode(data: &Data, signed_at_ms: i64, max_age: MaxAge) -> Vec<u8> {
    let payload = Writer::new().tuple(3);
    let payload = match data {
        Data::Binary(bytes) => payload.binary(bytes),
        Data::Integer(value) => payload.integer(*value),
        Data::Term(term) => payload.term(term.as_bytes()),
    };
    let payload = payload.integer(signed_at_ms);
    match max_age {
        MaxAge::Infinite => payload.atom("infinity"),
        MaxAge::For(age) if age.subsec_nanos() == 0 => {
            payload.integer(i64::try_from(age.as_secs()).unwrap_or(i64::MAX))
        }
        MaxAge::For(age) => payload.float(age.as_secs_f64()),
    }
    .finish()
}

/// A genuine payload, not yet looked at for its age.
pub(super) struct Payload {
    data: Data,
    signed_at_ms: i64,
    max_age: MaxAge,
}

impl Payload {
    /// Takes `{data, signed_at_ms, max_age_s}`, and of older releases `{data, signed_at_ms}` and
    /// `%{data: data, signed: signed_at_ms}`.
    pub(super) fn decode(external: Vec<u8>) -> Option<Self> {
        let mut reader = Reader::new(etf::unwrap(external)?);
        let payload = match reader.item()? {
            Item::Tuple(3) => Payload {
                data: data(&mut reader)?,
                signed_at_ms: integer(&mut reader)?,
                max_age: max_age(&mut reader)?,
            },
            Item::Tuple(2) => Payload {
                data: data(&mut reader)?,
                signed_at_ms: integer(&mut reader)?,
                max_age: MaxAge::DEFAULT,
            },
            Item::Map(pairs) => map(pairs, &mut reader)?,
            _ => return None,
        };
        reader.is_at_end().then_some(payload)
    }

    /// Until when it is good, in milliseconds of Unix time, by `max_age` or its own; `None` where it always is.
    pub(super) fn good_until_ms(&self, max_age: Option<MaxAge>) -> Option<i64> {
        match max_age.unwrap_or(self.max_age) {
            MaxAge::Infinite => None,
            MaxAge::For(age) => {
                Some(self.signed_at_ms.saturating_add(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)))
            }
        }
    }

    /// The data, if at `now_ms` the payload is not older than `max_age`, or than its own.
    pub(super) fn into_data(self, max_age: Option<MaxAge>, now_ms: i64) -> Result<Data, TokenError> {
        if self.signed_at_ms > now_ms.saturating_add(CLOCK_SKEW_MS) {
            return Err(TokenError::Invalid);
        }
        let may_be_no_time_old = max_age.unwrap_or(self.max_age) == MaxAge::For(Duration::ZERO);
        let is_past = self.good_until_ms(max_age).is_some_and(|until_ms| until_ms < now_ms);
        let has_expired = may_be_no_time_old || is_past;
        if has_expired { Err(TokenError::Expired) } else { Ok(self.data) }
    }
}

fn map(pairs: u32, reader: &mut Reader) -> Option<Payload> {
    let (mut found, mut signed_at_ms) = (None, None);
    for _ in 0..pairs {
        let key = reader.term()?;
        match Reader::new(key).item()? {
            Item::Atom(name) if name == "data" => found = Some(data(reader)?),
            Item::Atom(name) if name == "signed" => signed_at_ms = Some(integer(reader)?),
            _ => drop(reader.term()?),
        }
    }
    Some(Payload { data: found?, signed_at_ms: signed_at_ms?, max_age: MaxAge::DEFAULT })
}

fn data(reader: &mut Reader) -> Option<Data> {
    let term = reader.term()?;
    Some(match Reader::new(term.clone()).item()? {
        Item::Binary(bytes) => Data::Binary(bytes),
        Item::Integer(value) => Data::Integer(value),
        _ => Data::Term(Term(term)),
    })
}

fn integer(reader: &mut Reader) -> Option<i64> {
    match reader.item()? {
        Item::Integer(value) => Some(value),
        _ => None,
    }
}

/// Seconds: an integer, a float, or the atom `infinity`.
fn max_age(reader: &mut Reader) -> Option<MaxAge> {
    Some(match reader.item()? {
        Item::Integer(seconds) => MaxAge::seconds(seconds.try_into().unwrap_or(0)),
        Item::Huge { negative } => {
            if negative {
                MaxAge::seconds(0)
            } else {
                MaxAge::Infinite
            }
        }
        // Cut to milliseconds, but what is left of a positive age is still positive.
        Item::Float(seconds) if seconds > 0.0 => {
            MaxAge::For(Duration::from_millis((seconds * 1000.0) as u64).max(Duration::from_nanos(1)))
        }
        Item::Float(_) => MaxAge::seconds(0),
        Item::Atom(name) if name == "infinity" => MaxAge::Infinite,
        _ => return None,
    })
}

/// How far ahead of ours the clock of the server that made the token may be.
const CLOCK_SKEW_MS: i64 = 60_000;

#[cfg(test)]
mod tests;
