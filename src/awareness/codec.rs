//! The body of an awareness message: bytes ⇄ entries.
//!
//! Owns how numbers and texts are read, and what is refused. Not here: whose an entry may be (`claims`), the message
//! around the body, which whoever reads frames takes apart.
//! Contract: y-protocols 1.0.6, `applyAwarenessUpdate`; lib0 0.2.120, `decoding.js`. What they would throw at is refused
//! whole, where they take the entries before it. Every count and length is held against the bytes that are left before
//! anything is done for it.

use thiserror::Error;

use super::json;

/// What a message says of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The client's id, below 2^53.
    pub client: u64,
    /// The clock under which it is said, below 2^53.
    pub clock: u64,
    /// JSON as it was written, blanks included; `None` for null, which says that the client is gone.
    pub state: Option<&'a str>,
}

/// Why a body is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// There are fewer bytes than a count or a length says, or a number goes on behind the end.
    #[error("awareness message ends early")]
    EndsEarly,
    /// A number that JavaScript cannot hold.
    #[error("number above 2^53 - 1 in awareness message")]
    NumberTooLarge,
    /// A state that is no UTF-8.
    #[error("awareness state is not UTF-8")]
    NotUtf8,
    /// A state at which `JSON.parse` throws.
    #[error("awareness state is not JSON")]
    NotJson,
}

/// Reads a body. Bytes behind the last entry are not looked at, as the clients do not.
///
/// # Errors
/// [`Malformed`], if anything in it is: then none of it counts.
pub fn decode(body: &[u8]) -> Result<Vec<Entry<'_>>, Malformed> {
    let mut rest = body;
    let count = take_number(&mut rest)?;
    // No entry is shorter, so a count that lies costs nothing.
    if count > (rest.len() / LEAST_ENTRY) as u64 {
        return Err(Malformed::EndsEarly);
    }
    (0..count).map(|_| take_entry(&mut rest)).collect()
}

/// Appends an entry; a state of `None` as null.
pub(super) fn put_entry(buffer: &mut Vec<u8>, client: u64, clock: u64, state: Option<&str>) {
    let state = state.unwrap_or("null");
    put_number(buffer, client);
    put_number(buffer, clock);
    put_number(buffer, state.len() as u64);
    buffer.extend_from_slice(state.as_bytes());
}

/// Appends a number in the fewest bytes, seven bits in each, the lowest first.
pub(super) fn put_number(buffer: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        buffer.push(number as u8 | 0x80);
        number >>= 7;
    }
    buffer.push(number as u8);
}

/// How many bytes [`put_number`] takes.
pub(super) fn number_len(number: u64) -> usize {
    (64 - number.leading_zeros() as usize).max(1).div_ceil(7)
}

fn take_entry<'a>(rest: &mut &'a [u8]) -> Result<Entry<'a>, Malformed> {
    let client = take_number(rest)?;
    let clock = take_number(rest)?;
    let length = usize::try_from(take_number(rest)?).map_err(|_| Malformed::EndsEarly)?;
    let (state, tail) = rest.split_at_checked(length).ok_or(Malformed::EndsEarly)?;
    *rest = tail;
    let state = str::from_utf8(state).map_err(|_| Malformed::NotUtf8)?;
    if !json::is_json(state) {
        return Err(Malformed::NotJson);
    }
    Ok(Entry { client, clock, state: (json::trimmed(state) != "null").then_some(state) })
}

/// Takes a number as lib0 reads it: it may have more bytes than it needs, but not so many that JavaScript's own
/// arithmetic would give up.
pub(super) fn take_number(rest: &mut &[u8]) -> Result<u64, Malformed> {
    let mut number = 0_u64;
    for place in 0.. {
        let (&byte, tail) = rest.split_first().ok_or(Malformed::EndsEarly)?;
        *rest = tail;
        let bits = u64::from(byte & 0x7F);
        if bits > 0 {
            // Eight bytes hold 56 bits; what a later one says is above them.
            if place >= 8 {
                return Err(Malformed::NumberTooLarge);
            }
            number |= bits << (7 * place);
            if number > LARGEST {
                return Err(Malformed::NumberTooLarge);
            }
        }
        if byte < 0x80 {
            return Ok(number);
        }
        if place == MOST_PLACES {
            break;
        }
    }
    Err(Malformed::NumberTooLarge)
}

/// The largest integer that JavaScript holds exactly.
pub(super) const LARGEST: u64 = (1 << 53) - 1;
/// A client, a clock, a length, and a state of one byte.
const LEAST_ENTRY: usize = 4;
/// The last place of a number: 128 to the power of the next one is infinite in JavaScript.
const MOST_PLACES: u32 = 146;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_takes_as_many_bytes_as_it_says() {
        for number in (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit]).chain([u64::MAX]) {
            let mut buffer = Vec::new();
            put_number(&mut buffer, number);
            assert_eq!(buffer.len(), number_len(number), "{number}");
            let read = take_number(&mut &buffer[..]);
            let expected = if number <= LARGEST { Ok(number) } else { Err(Malformed::NumberTooLarge) };
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn a_number_may_be_overlong_for_as_long_as_javascript_can_multiply() {
        let overlong = |zeros: usize| [&[0x85][..], &vec![0x80; zeros], &[0x00]].concat();
        assert_eq!(take_number(&mut &overlong(0)[..]), Ok(5));
        assert_eq!(take_number(&mut &overlong(145)[..]), Ok(5));
        assert_eq!(take_number(&mut &overlong(146)[..]), Err(Malformed::NumberTooLarge));
        assert_eq!(take_number(&mut &overlong(145)[..146]), Err(Malformed::EndsEarly));
    }

    #[test]
    fn a_count_is_held_against_the_bytes_that_are_left() {
        let one = [1, 5, 1, 2, b'{', b'}'];
        assert_eq!(decode(&one), Ok(vec![Entry { client: 5, clock: 1, state: Some("{}") }]));
        let two = [&[2], &one[1..]].concat();
        assert_eq!(decode(&two), Err(Malformed::EndsEarly));
    }

    #[test]
    fn an_entry_is_read_back_as_it_was_put() {
        let entries = [
            Entry { client: LARGEST, clock: 0, state: Some(" {\"a\" : 1 }") },
            Entry { client: 0, clock: LARGEST, state: None },
        ];
        let mut body = vec![2];
        entries.iter().for_each(|entry| put_entry(&mut body, entry.client, entry.clock, entry.state));
        assert_eq!(decode(&body), Ok(entries.to_vec()));
    }
}
