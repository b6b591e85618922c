//! The identity of a loaded page, made of what it sends at every connect.
//!
//! Owns what counts and how it is condensed. Not here: who returns into whose place, which compares more than pages.
//! phoenix.js keeps its parameters over reconnects. Lightning's page has a token with a nonce and a `request_id` of its
//! own, so a reload is another page. A page is not unique among the living: the browser's Back, "Duplicate Tab" and a
//! second socket of one page bring the same one twice.

use sha2::{Digest, Sha256};

/// What one loaded page sends again at every connect, on one topic.
///
/// The user is no part of it, and nothing that was sent can be read from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Page {
    /// The first 64 bits of SHA-256 over the topic with its length, and the digest of its [`Credentials`].
    pub id: u64,
    /// How sure it is that this is one page.
    pub strength: Strength,
}

/// How much a page's identity proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Strength {
    /// It has a `request_id`, which is made for each load of a page.
    Strong,
    /// It has a token alone, which other applications give to many tabs.
    Weak,
}

/// What a connection was opened with, as far as it tells one loaded page from another. It is kept for as long as the
/// connection may join topics, and is far smaller than what was sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// The first 64 bits of SHA-256 over token and `request_id`, each with its length.
    digest: u64,
    strength: Strength,
}

impl Credentials {
    /// Of a connection with these parameters. `None` where it has neither a token nor a usable `request_id`: then nobody
    /// can say whether its page came back.
    ///
    /// A `request_id` counts from 20 to 200 bytes. Empty texts, and the `undefined` and `null` that JavaScript writes for
    /// what is missing, are none.
    pub fn of(token: Option<&str>, request_id: Option<&str>) -> Option<Credentials> {
        let token = token.filter(|token| is_given(token));
        let request_id = request_id.filter(|id| is_given(id) && REQUEST_ID_BYTES.contains(&id.len()));
        let strength = match (token, request_id) {
            (_, Some(_)) => Strength::Strong,
            (Some(_), None) => Strength::Weak,
            (None, None) => return None,
        };
        let mut hash = Sha256::new();
        for part in [token.unwrap_or_default(), request_id.unwrap_or_default()] {
            update_with(&mut hash, part);
        }
        Some(Credentials { digest: first_64_bits(hash), strength })
    }

    /// The page that joined this topic, with its suffix.
    pub fn page(self, topic: &str) -> Page {
        let mut hash = Sha256::new();
        update_with(&mut hash, topic);
        hash.update(self.digest.to_be_bytes());
        Page { id: first_64_bits(hash), strength: self.strength }
    }
}

/// What was sent cannot be read from it; but whoever knows two could tell whether they are the same.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("strength", &self.strength).finish_non_exhaustive()
    }
}

impl Page {
    /// The page that joined this topic over a connection with these parameters: see [`Credentials::of`].
    pub fn of(topic: &str, token: Option<&str>, request_id: Option<&str>) -> Option<Page> {
        Credentials::of(token, request_id).map(|credentials| credentials.page(topic))
    }

    /// Whether it is surely one page, so that its newest connection stands for all others.
    pub fn is_strong(self) -> bool {
        self.strength == Strength::Strong
    }
}

fn first_64_bits(hash: Sha256) -> u64 {
    let whole: [u8; 32] = hash.finalize().into();
    whole.iter().take(8).fold(0, |bits, &byte| bits << 8 | u64::from(byte))
}

/// With the lengths no two lists of texts are the same bytes.
fn update_with(hash: &mut Sha256, part: &str) {
    hash.update((part.len() as u64).to_be_bytes());
    hash.update(part.as_bytes());
}

fn is_given(text: &str) -> bool {
    !["", "undefined", "null"].contains(&text)
}

/// How long a `request_id` is that is made for one page. Lightning's has 20 bytes or a few more.
const REQUEST_ID_BYTES: std::ops::RangeInclusive<usize> = 20..=200;

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: &str = "workflow:collaborate:1";
    const ID: &str = "GHq0pFNoCKUv4y8AAAAB";

    #[test]
    fn the_same_parameters_are_the_same_page_and_any_other_is_another() {
        let page = Page::of(TOPIC, Some("token"), Some(ID));
        assert_eq!(page, Page::of(TOPIC, Some("token"), Some(ID)));
        let others = [
            Page::of("workflow:collaborate:1:v3", Some("token"), Some(ID)),
            Page::of(TOPIC, Some("token2"), Some(ID)),
            Page::of(TOPIC, Some("token"), Some("GHq0pFNoCKUv4y8AAAAC")),
            Page::of(TOPIC, Some("token"), None),
            Page::of(TOPIC, None, Some(ID)),
        ];
        for other in others {
            assert!(other.is_some());
            assert_ne!(other, page);
        }
    }

    #[test]
    fn where_one_part_ends_and_the_next_begins_makes_a_difference() {
        let id = "x".repeat(20);
        assert_ne!(Page::of("ab", Some("c"), Some(&id)), Page::of("a", Some("bc"), Some(&id)));
        assert_ne!(Page::of("t", Some("ax"), Some(&id)), Page::of("t", Some("a"), Some(&format!("x{id}"))));
    }

    #[test]
    fn a_request_id_makes_it_strong_and_a_token_alone_weak() {
        let strength = |token, id| Page::of(TOPIC, token, id).map(|page| page.strength);
        assert_eq!(strength(Some("token"), Some(ID)), Some(Strength::Strong));
        assert_eq!(strength(None, Some(ID)), Some(Strength::Strong));
        assert_eq!(strength(Some("token"), None), Some(Strength::Weak));
        for none in [None, Some(""), Some("undefined"), Some("null")] {
            assert_eq!(strength(none, none), None);
            assert_eq!(strength(Some("token"), none), Some(Strength::Weak));
        }
    }

    #[test]
    fn a_request_id_has_from_20_to_200_bytes() {
        for (length, strength) in
            [(19, Strength::Weak), (20, Strength::Strong), (200, Strength::Strong), (201, Strength::Weak)]
        {
            let page = Page::of(TOPIC, Some("token"), Some(&"a".repeat(length)));
            assert_eq!(page.map(|page| page.strength), Some(strength), "{length}");
        }
    }

    #[test]
    fn the_identity_is_that_of_every_version_of_this_server() {
        // credentials: printf '\0\0\0\0\0\0\0\1k\0\0\0\0\0\0\0\0' | sha256sum | head -c 16
        // page: (printf '\0\0\0\0\0\0\0\1t'; echo <credentials> | xxd -r -p) | sha256sum
        let page = Page::of("t", Some("k"), None).expect("it has a token");
        assert_eq!(format!("{:016x}", page.id), "a94600298c41d9f6");
    }
}
