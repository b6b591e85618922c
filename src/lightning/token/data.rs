//! What a token carries.
//!
//! Owns the shapes of data that a Rust program can use. Not here: how they are written (`etf`).
//! None of it prints: the data of a token may be as good as a password.

use std::fmt;

use bytes::Bytes;

/// The data of a token: any Erlang term, the usual ones read.
#[derive(Clone, PartialEq, Eq)]
pub enum Data {
    /// A binary. Elixir's strings are binaries too; see [`Data::as_str`].
    Binary(Bytes),
    /// An integer of up to 64 bits.
    Integer(i64),
    /// Anything else: an atom, a tuple, a map, a list, a float, a larger integer.
    Term(Term),
}

impl Data {
    /// This text, as Elixir would write it.
    pub fn text(text: impl Into<String>) -> Self {
        Data::Binary(text.into().into())
    }

    /// The bytes of a binary.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Data::Binary(bytes) => Some(bytes),
            Data::Integer(_) | Data::Term(_) => None,
        }
    }

    /// The text of a binary that is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        self.as_bytes().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Data::Binary(_) => "Binary",
            Data::Integer(_) => "Integer",
            Data::Term(_) => "Term",
        })
    }
}

/// One whole term as it was in the token. It can go into another token unread.
#[derive(Clone, PartialEq, Eq)]
pub struct Term(pub(super) Bytes);

impl Term {
    /// The term in Erlang's external format, without the version byte in front.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Term")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_a_binary_that_is_utf_8() {
        assert_eq!(Data::text("José").as_str(), Some("José"));
        assert_eq!(Data::text("José").as_bytes(), Some("José".as_bytes()));
        assert_eq!(Data::Binary(Bytes::from_static(b"\xff")).as_str(), None);
        assert_eq!(Data::Integer(1).as_bytes(), None);
    }

    #[test]
    fn data_does_not_print() {
        let term = Term(Bytes::from_static(b"secret"));
        let all = [Data::text("secret"), Data::Integer(42), Data::Term(term.clone())];
        assert_eq!(format!("{all:?} {term:?}"), "[Binary, Integer, Term] Term");
    }
}
