//! Erlang's external term format, as far as tokens need it.
//!
//! Owns reading the terms a payload is made of, passing over all others, and writing those of our own tokens.
//! Made for hostile bytes: nothing recurses, no claimed length is believed, and an inflated term is bounded.
//! Not here: what the terms mean (`payload`).
//! Rules: the external term format of Erlang/OTP; functions and ports are refused, as by
//! `Plug.Crypto.non_executable_binary_to_term`.

mod write;

use bytes::{Buf, Bytes};
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
pub(super) use write::Writer;

/// The term in `external`: the version byte taken off, a compressed term inflated.
pub(super) fn unwrap(external: Vec<u8>) -> Option<Bytes> {
    match *external.as_slice() {
        [VERSION, COMPRESSED, a, b, c, d, ref deflated @ ..] => {
            let size = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
            if size > MAX_INFLATED_BYTES {
                return None;
            }
            let inflated = decompress_to_vec_zlib_with_limit(deflated, size).ok()?;
            if inflated.len() == size { Some(inflated.into()) } else { None }
        }
        [VERSION, ..] => Some(Bytes::from(external).slice(1..)),
        _ => None,
    }
}

/// A term, or the head of a term whose elements follow it.
#[derive(PartialEq)]
#[cfg_attr(test, derive(Debug))]
pub(super) enum Item {
    Integer(i64),
    /// An integer of more than 64 bits.
    Huge {
        negative: bool,
    },
    /// Always finite.
    Float(f64),
    Binary(Bytes),
    /// The name: Latin-1 or UTF-8, which is the same for the names looked for here.
    Atom(Bytes),
    /// So many terms follow.
    Tuple(u32),
    /// So many pairs of terms follow, key and value by turns.
    Map(u32),
    /// Any other term. So many terms follow that belong to it.
    Other(u64),
}

impl Item {
    /// How many terms follow that belong to this one.
    fn elements(&self) -> u64 {
        match *self {
            Item::Integer(_) | Item::Huge { .. } | Item::Float(_) | Item::Binary(_) | Item::Atom(_) => 0,
            Item::Tuple(size) => u64::from(size),
            Item::Map(pairs) => 2 * u64::from(pairs),
            Item::Other(elements) => elements,
        }
    }
}

/// Reads terms one after another. What it returns shares its bytes. `None` is: these bytes are no such term.
#[derive(Clone)]
pub(super) struct Reader(Bytes);

impl Reader {
    pub(super) fn new(terms: Bytes) -> Self {
        Reader(terms)
    }

    /// Whether all bytes were read.
    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// The next whole term, unread.
    pub(super) fn term(&mut self) -> Option<Bytes> {
        let start = self.0.clone();
        // Each item takes at least a byte, so a claim of more elements than there are ends with the bytes.
        let mut owed = 1;
        while owed > 0 {
            owed = owed - 1 + self.item()?.elements();
        }
        Some(start.slice(..start.len() - self.0.len()))
    }

    /// The next item.
    pub(super) fn item(&mut self) -> Option<Item> {
        Some(match self.u8()? {
            SMALL_INTEGER => Item::Integer(i64::from(self.u8()?)),
            INTEGER => Item::Integer(i64::from(self.0.try_get_i32().ok()?)),
            SMALL_BIG => self.u8().and_then(|size| self.big(size.into()))?,
            LARGE_BIG => self.u32().and_then(|size| self.big(size))?,
            NEW_FLOAT => Item::Float(self.0.try_get_f64().ok().filter(|float| float.is_finite())?),
            BINARY => Item::Binary(self.u32().and_then(|size| self.bytes(size))?),
            tag @ (ATOM | SMALL_ATOM | ATOM_UTF8 | SMALL_ATOM_UTF8) => Item::Atom(self.atom(tag)?),
            SMALL_TUPLE => Item::Tuple(self.u8()?.into()),
            LARGE_TUPLE => Item::Tuple(self.u32()?),
            MAP => Item::Map(self.u32()?),
            tag => Item::Other(self.other(tag)?),
        })
    }

    /// The rest of a term that no payload has a use for, up to its elements.
    fn other(&mut self, tag: u8) -> Option<u64> {
        match tag {
            NIL => return Some(0),
            // The tail is a term too.
            LIST => return Some(u64::from(self.u32()?) + 1),
            STRING => {
                let size = self.u16()?;
                self.bytes(size.into())?;
            }
            BIT_BINARY => {
                let size = self.u32()?;
                let bits_of_last = self.u8()?;
                if !(1..=8).contains(&bits_of_last) {
                    return None;
                }
                self.bytes(size)?;
            }
            NEW_PID => {
                self.node()?;
                self.bytes(12)?;
            }
            NEWER_REFERENCE => {
                let words = u32::from(self.u16()?);
                self.node()?;
                self.bytes(4 + 4 * words)?;
            }
            _ => return None,
        }
        Some(0)
    }

    /// An integer of so many bytes behind its sign, the lowest first.
    fn big(&mut self, size: u32) -> Option<Item> {
        let negative = self.u8()? != 0;
        let digits = self.bytes(size)?;
        let used = digits.iter().rposition(|&digit| digit != 0).map_or(0, |last| last + 1);
        if used > 8 {
            return Some(Item::Huge { negative });
        }
        let magnitude = digits[..used].iter().rev().fold(0, |value, &digit| (value << 8) | i128::from(digit));
        let value = if negative { -magnitude } else { magnitude };
        Some(i64::try_from(value).map_or(Item::Huge { negative }, Item::Integer))
    }

    fn atom(&mut self, tag: u8) -> Option<Bytes> {
        let size = match tag {
            ATOM | ATOM_UTF8 => self.u16()?,
            _ => self.u8()?.into(),
        };
        let name = self.bytes(size.into())?;
        let characters = match tag {
            ATOM_UTF8 | SMALL_ATOM_UTF8 => std::str::from_utf8(&name).ok()?.chars().count(),
            _ => name.len(),
        };
        (characters <= MAX_ATOM_CHARACTERS).then_some(name)
    }

    /// The node that a pid or a reference belongs to.
    fn node(&mut self) -> Option<Bytes> {
        match self.u8()? {
            tag @ (ATOM | SMALL_ATOM | ATOM_UTF8 | SMALL_ATOM_UTF8) => self.atom(tag),
            _ => None,
        }
    }

    fn bytes(&mut self, size: u32) -> Option<Bytes> {
        let size = usize::try_from(size).ok()?;
        (size <= self.0.len()).then(|| self.0.split_to(size))
    }

    fn u8(&mut self) -> Option<u8> {
        self.0.try_get_u8().ok()
    }

    fn u16(&mut self) -> Option<u16> {
        self.0.try_get_u16().ok()
    }

    fn u32(&mut self) -> Option<u32> {
        self.0.try_get_u32().ok()
    }
}

const VERSION: u8 = 131;
const COMPRESSED: u8 = 80;

// The tags, by their names in Erlang's documentation.
const NEW_FLOAT: u8 = 70;
const BIT_BINARY: u8 = 77;
const NEW_PID: u8 = 88;
const NEWER_REFERENCE: u8 = 90;
const SMALL_INTEGER: u8 = 97;
const INTEGER: u8 = 98;
const ATOM: u8 = 100;
const SMALL_TUPLE: u8 = 104;
const LARGE_TUPLE: u8 = 105;
const NIL: u8 = 106;
const STRING: u8 = 107;
const LIST: u8 = 108;
const BINARY: u8 = 109;
const SMALL_BIG: u8 = 110;
const LARGE_BIG: u8 = 111;
const SMALL_ATOM: u8 = 115;
const MAP: u8 = 116;
const ATOM_UTF8: u8 = 118;
const SMALL_ATOM_UTF8: u8 = 119;

const MAX_ATOM_CHARACTERS: usize = 255;
/// The largest token could inflate to megabytes. This is far more than the data of any token.
const MAX_INFLATED_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;
