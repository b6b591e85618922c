//! Text that differs from client to client: `{i}` is a client's number, `{g}` that of its group.

use std::str::FromStr;

use memchr::memmem::Finder;
use serde::Serialize;
use thiserror::Error;

/// A text with `{i}` and `{g}` in it, or without.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Pattern(String);

impl Pattern {
    /// The text for one client.
    pub(super) fn fill(&self, client: u64, group: u64) -> String {
        self.0.replace("{i}", &client.to_string()).replace("{g}", &group.to_string())
    }

    /// Whether there is no text.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        Pattern(text.to_owned())
    }
}

/// The keys under which the clients appear in presence: one `{i}`, with text around it. Client 7 is `user-7` by
/// `user-{i}`.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
    suffix: String,
    metas: Finder<'static>,
}

/// A pattern by which clients could not be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must hold {{i}} once, by which the clients are told apart")]
pub(super) struct NotOneNumber;

impl FromStr for Keys {
    type Err = NotOneNumber;

    fn from_str(pattern: &str) -> Result<Self, NotOneNumber> {
        let (prefix, suffix) = pattern.split_once("{i}").ok_or(NotOneNumber)?;
        if suffix.contains("{i}") {
            return Err(NotOneNumber);
        }
        Ok(Keys { prefix: prefix.to_owned(), suffix: suffix.to_owned(), metas: Finder::new(METAS) })
    }
}

impl Serialize for Keys {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}{{i}}{}", self.prefix, self.suffix))
    }
}

impl Keys {
    /// The numbers of the clients that a `presence_state` or `presence_diff` names, in its order. A key is known by its
    /// value, which begins with its metas, as Phoenix writes it.
    pub(super) fn numbers<'a>(&'a self, frame: &'a [u8]) -> impl Iterator<Item = u64> + 'a {
        self.metas.find_iter(frame).filter_map(|end| self.number(&frame[..end]))
    }

    /// The number in the key at the end of `text`.
    fn number(&self, text: &[u8]) -> Option<u64> {
        let text = text.strip_suffix(self.suffix.as_bytes())?;
        let digits = text.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let (text, digits) = text.split_at(text.len() - digits);
        if digits.is_empty() || !text.strip_suffix(self.prefix.as_bytes())?.ends_with(b"\"") {
            return None;
        }
        digits
            .iter()
            .try_fold(0_u64, |number, digit| number.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
    }
}

/// What stands between a presence key and its metas.
const METAS: &[u8] = br#"":{"metas""#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_numbers_are_filled_in() {
        assert_eq!(Pattern::from("a{g}:{i}:{i}").fill(7, 3), "a3:7:7");
        assert_eq!(Pattern::from("room:fan").fill(7, 3), "room:fan");
    }

    #[test]
    fn keys_are_found_by_their_whole_pattern() {
        let frame = br#"["1",null,"t","presence_diff",{"joins":{"u-7":{"metas":[{"user":{"id":"u-9"}}]},
            "u-12":{"metas":[]},"x-1":{"metas":[]},"u-":{"metas":[]},"xu-3":{"metas":[]}},"leaves":{}}]"#;
        let keys: Keys = "u-{i}".parse().expect("a pattern");
        assert_eq!(keys.numbers(frame).collect::<Vec<_>>(), [7, 12]);
        let bare: Keys = "{i}".parse().expect("a pattern");
        assert_eq!(bare.numbers(frame).count(), 0);
        let both: Keys = "u{i}@x".parse().expect("a pattern");
        assert_eq!(both.numbers(br#"{"u5@x":{"metas":[{"#).collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn a_number_too_large_is_nobody() {
        let bare: Keys = "{i}".parse().expect("a pattern");
        let frame = format!(r#"{{"{}9":{{"metas":[]}}}}"#, u64::MAX);
        assert_eq!(bare.numbers(frame.as_bytes()).count(), 0);
    }

    #[test]
    fn keys_need_one_number() {
        assert!("user".parse::<Keys>().is_err());
        assert!("{i}{i}".parse::<Keys>().is_err());
    }
}
