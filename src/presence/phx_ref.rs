//! `phx_ref`: the name of one meta, by which clients tell metas apart.
//!
//! Owns its shape and its uniqueness within one generator. Not here: the clock, which the caller reads.
//! Contract: Phoenix.Tracker's `random_ref`, which is base64url of 12 bytes: unix time in nanoseconds, a hash
//! of who made it, and the low bits of a counter.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use smol_str::SmolStr;

/// The name of one meta: 16 characters of the URL-safe base64 alphabet, so it needs no escaping in JSON.
///
/// It is the same in states and diffs and on every node, and every update gives a new one. Its order means
/// nothing: it only breaks ties.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct PhxRef(SmolStr);

impl PhxRef {
    /// What comes before every reference.
    pub(super) fn least() -> Self {
        PhxRef(SmolStr::default())
    }

    /// The reference as clients see it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PhxRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes references, no two of them alike.
#[derive(Debug)]
pub struct PhxRefs {
    node_hash: u16,
    last_ns: u64,
    count: u16,
}

impl PhxRefs {
    /// A generator. Two generators that run at the same time need different hashes to stay apart.
    pub fn new(node_hash: u16) -> Self {
        Self { node_hash, last_ns: 0, count: 0 }
    }

    /// The next reference, made at `now_ns` (unix time in nanoseconds).
    ///
    /// A clock that stands still or steps back is taken to stand at its latest reading, and moved on by a
    /// nanosecond when the counter has gone round, so no reference comes twice.
    pub fn next(&mut self, now_ns: u64) -> PhxRef {
        self.last_ns = self.last_ns.max(now_ns);
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&self.last_ns.to_be_bytes());
        bytes[8..10].copy_from_slice(&self.node_hash.to_be_bytes());
        bytes[10..].copy_from_slice(&self.count.to_be_bytes());
        self.count = self.count.wrapping_add(1);
        if self.count == 0 {
            self.last_ns = self.last_ns.saturating_add(1);
        }

        let mut text = [0; 16];
        URL_SAFE_NO_PAD.encode_slice(bytes, &mut text).expect("12 bytes are 16 characters of base64");
        PhxRef(text.iter().map(|&byte| char::from(byte)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_reference_is_time_then_hash_then_counter_in_url_safe_base64() {
        // Seen from a live Phoenix: GOpgPa0SjD6gVQcy.
        let mut refs = PhxRefs::new(0xa055);
        assert_eq!(refs.next(0x18ea_603d_ad12_8c3e).as_str(), "GOpgPa0SjD6gVQAA");
        assert_eq!(refs.next(0x18ea_603d_ad12_8c3e).as_str(), "GOpgPa0SjD6gVQAB");
    }

    #[test]
    fn a_clock_that_steps_back_repeats_no_reference() {
        let mut refs = PhxRefs::new(7);
        let rounds = 3 * (usize::from(u16::MAX) + 1);
        let made: HashSet<PhxRef> =
            (0..rounds).map(|nth| refs.next(if nth % 2 == 0 { 1000 } else { 900 })).collect();
        assert_eq!(made.len(), rounds);
    }

    #[test]
    fn two_nodes_at_the_same_nanosecond_differ() {
        assert_ne!(PhxRefs::new(1).next(5), PhxRefs::new(2).next(5));
    }

    #[test]
    fn a_reference_takes_no_allocation() {
        assert!(!PhxRefs::new(1).next(5).0.is_heap_allocated());
    }

    #[test]
    fn a_reference_is_a_json_string() {
        let reference = PhxRefs::new(1).next(5);
        assert_eq!(serde_json::to_string(&reference).expect("serialises"), format!("\"{reference}\""));
    }
}
