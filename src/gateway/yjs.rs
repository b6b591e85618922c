//! What a binary `yjs` or `yjs_sync` message is, by its first bytes.
//!
//! Owns: the message types of y-protocols, and the check that no count at the head of a document message promises more
//! than the bytes that are left.
//!
//! Not here: what an awareness message says (`awareness`); documents, which are the upstream's.
//!
//! Numbers are read as lib0 reads them, overlong forms too. The upstream's reader is another one (yrs), which keeps 32
//! bits of each number. So a type or step that needs more is refused: it would be something else there.
//!
//! Contract: contract/canvas.md, F.5; y-protocols 1.0.6, `sync.js` and `awareness.js`; lib0 0.2, `decoding.js`.

use super::DropReason;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning<'a> {
    /// A question for what the sender's document lacks.
    SyncStep1,
    /// Any other message of documents.
    Sync,
    /// States of clients. The body, without its length; what stands behind it is nothing.
    Awareness(&'a [u8]),
    /// A question for the states of all clients.
    Query,
    /// A type that nobody here knows.
    Unknown,
}

/// Reads a whole message of a client.
///
/// # Errors
/// [`DropReason::Malformed`] and [`DropReason::Count`].
pub fn read(message: &[u8]) -> Result<Meaning<'_>, DropReason> {
    let mut reader = Reader(message);
    match reader.small()? {
        SYNC => sync(reader, Whole::Yes),
        AWARENESS => {
            let len = reader.number()?;
            let body = usize::try_from(len).ok().and_then(|len| reader.0.get(..len));
            // It has a count at least.
            body.filter(|body| !body.is_empty()).map(Meaning::Awareness).ok_or(DropReason::Malformed)
        }
        QUERY => Ok(Meaning::Query),
        _ => Ok(Meaning::Unknown),
    }
}

/// Reads the beginning of a message of a client that is longer than awareness may be.
///
/// # Errors
/// [`DropReason::TooLarge`] for awareness and its query, and those of [`read`].
pub fn read_head(head: &[u8]) -> Result<Meaning<'_>, DropReason> {
    let mut reader = Reader(head);
    match reader.small()? {
        SYNC => sync(reader, Whole::No),
        AWARENESS | QUERY => Err(DropReason::TooLarge),
        _ => Ok(Meaning::Unknown),
    }
}

/// Whether a message of an upstream, of which the beginning may be all that is there, is awareness or its query.
pub fn is_awareness(message: &[u8]) -> bool {
    matches!(Reader(message).number(), Ok(AWARENESS | QUERY))
}

/// Whether all of the message is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    Yes,
    No,
}

/// Reads on behind the type of a document message.
fn sync(mut reader: Reader<'_>, whole: Whole) -> Result<Meaning<'_>, DropReason> {
    let step = reader.small()?;
    let (least_entry, least_rest) = match step {
        STEP_1 => LEAST_VECTOR,
        STEP_2 | UPDATE => LEAST_UPDATE,
        _ => return Ok(Meaning::Sync),
    };
    let len = reader.small()?;
    let there = reader.0.len() as u64;
    if whole == Whole::Yes && len > there {
        return Err(DropReason::Malformed);
    }
    let mut content = Reader(&reader.0[..len.min(there) as usize]);
    let before = content.0.len();
    let count = content.number()?;
    let left = len - (before - content.0.len()) as u64;
    if count > left / least_entry {
        return Err(DropReason::Count);
    }
    if count * least_entry + least_rest > left {
        return Err(DropReason::Malformed);
    }
    Ok(if step == STEP_1 { Meaning::SyncStep1 } else { Meaning::Sync })
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    /// A varuint as lib0 reads it: any number of bytes, up to 2⁵³ − 1.
    fn number(&mut self) -> Result<u64, DropReason> {
        let (mut number, mut shift) = (0_u64, 0_u32);
        while let [byte, rest @ ..] = self.0 {
            self.0 = rest;
            let bits = u64::from(byte & 0x7F);
            if bits != 0 {
                let placed = bits.checked_shl(shift).filter(|placed| placed >> shift == bits);
                number |= placed.filter(|placed| *placed <= MAX_SAFE).ok_or(DropReason::Malformed)?;
            }
            if byte & 0x80 == 0 {
                return Ok(number);
            }
            shift = shift.saturating_add(7);
        }
        Err(DropReason::Malformed)
    }

    /// A number that any reader reads alike.
    fn small(&mut self) -> Result<u64, DropReason> {
        self.number().and_then(|number| match number <= u32::MAX.into() {
            true => Ok(number),
            false => Err(DropReason::Malformed),
        })
    }
}

/// The types of messages.
const SYNC: u64 = 0;
const AWARENESS: u64 = 1;
const QUERY: u64 = 3;

/// The steps of document messages.
const STEP_1: u64 = 0;
const STEP_2: u64 = 1;
const UPDATE: u64 = 2;

/// The fewest bytes for each of the counted, and behind all of them. Of a state vector: a client and a clock, and
/// nothing.
const LEAST_VECTOR: (u64, u64) = (2, 0);
/// Of an update: a count, a client and a clock, and the count of what is deleted.
const LEAST_UPDATE: (u64, u64) = (3, 1);

/// The greatest number that JavaScript counts to.
const MAX_SAFE: u64 = (1 << 53) - 1;

#[cfg(test)]
mod tests;
