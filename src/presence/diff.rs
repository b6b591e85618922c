//! What changed on one topic, as clients are told it.
//!
//! Owns the payload of `presence_diff`, plain and decorated by a hook. Not here: how changes gather into one
//! (`pending`).
//! Contract: Phoenix 1.8.12, `Phoenix.Presence`: `{"joins":{…},"leaves":{…}}`, both always present, a leave
//! repeating the whole meta. phoenix.js applies the joins first, so no reference stands in both.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use super::entry::Entry;
use super::listing;
use super::presences::Presences;

/// The changes of one topic between two flushes. Made by [`Pending::take`](super::Pending::take).
#[derive(Clone, Debug)]
pub struct Diff {
    /// Who came, in the order of entries.
    pub joins: Vec<Arc<Entry>>,
    /// Who went, in the order of entries.
    pub leaves: Vec<Arc<Entry>>,
}

impl Diff {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.joins.is_empty() && self.leaves.is_empty()
    }

    /// The payload of `presence_diff`.
    pub fn encode(&self) -> Bytes {
        let around = BEFORE_JOINS.len() + BEFORE_LEAVES.len() + 1;
        let mut json = Vec::with_capacity(listing::size(&self.joins) + listing::size(&self.leaves) + around);
        json.extend_from_slice(BEFORE_JOINS);
        listing::write(&self.joins, &mut json);
        json.extend_from_slice(BEFORE_LEAVES);
        listing::write(&self.leaves, &mut json);
        json.push(b'}');
        Bytes::from(json)
    }

    /// Who came, decoded.
    pub fn joins(&self) -> Presences {
        listing::decode(&self.joins)
    }

    /// Who went, decoded.
    pub fn leaves(&self) -> Presences {
        listing::decode(&self.leaves)
    }
}

/// The payload of `presence_diff` when a fetch hook has decorated both parts.
///
/// # Errors
/// Those of serialising; decoded JSON has none.
pub fn encode_diff(joins: &Presences, leaves: &Presences) -> serde_json::Result<Bytes> {
    #[derive(Serialize)]
    struct Decorated<'a> {
        joins: &'a Presences,
        leaves: &'a Presences,
    }

    serde_json::to_vec(&Decorated { joins, leaves }).map(Bytes::from)
}

const BEFORE_JOINS: &[u8] = b"{\"joins\":";
const BEFORE_LEAVES: &[u8] = b",\"leaves\":";

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use serde_json::{Value, json};

    use super::*;
    use crate::presence::tests::{EVIL_KEYS, World};
    use crate::presence::{OwnerId, Pending};

    #[test]
    fn an_update_is_one_diff_whose_leave_repeats_the_old_meta() {
        let mut world = World::new();
        world.track("t", 1, "u", r#"{"n":1}"#);
        let mut pending = Pending::default();
        pending.absorb(world.update("t", 1, "u", r#"{"n":5}"#), Instant::now());

        let diff = pending.take().diff.expect("a change");
        let (old, new) = (&world.made[0], &world.made[1]);
        let joined = format!(r#"{{"n":5,"phx_ref":"{new}","phx_ref_prev":"{old}"}}"#);
        let left = format!(r#"{{"n":1,"phx_ref":"{old}"}}"#);
        let metas = |meta| format!(r#"{{"u":{{"metas":[{meta}]}}}}"#);
        let (joins, leaves) = (metas(joined), metas(left));
        assert_eq!(diff.encode(), format!(r#"{{"joins":{joins},"leaves":{leaves}}}"#));
    }

    #[test]
    fn both_parts_are_there_even_if_empty() {
        let mut world = World::new();
        let mut pending = Pending::default();
        pending.absorb(world.track("t", 1, "u", "{}"), Instant::now());
        let joined: Value =
            serde_json::from_slice(&pending.take().diff.expect("a change").encode()).expect("JSON");
        assert_eq!(joined["leaves"], json!({}));
        pending.absorb(world.untrack("t", 1, "u").expect("tracked"), Instant::now());
        let left: Value =
            serde_json::from_slice(&pending.take().diff.expect("a change").encode()).expect("JSON");
        assert_eq!(left["joins"], json!({}));
        assert_eq!(left["leaves"], joined["joins"]);
    }

    #[test]
    fn a_decorated_diff_without_decoration_says_the_same() {
        let mut world = World::new();
        let mut pending = Pending::default();
        for key in EVIL_KEYS {
            world.track("t", 1, key, "{}");
        }
        pending.absorb(world.tracker.untrack_owner("t", OwnerId(1)).expect("tracked"), Instant::now());
        for key in EVIL_KEYS {
            pending.absorb(world.track("t", 2, key, r#"{"q":"\""}"#), Instant::now());
        }
        let diff = pending.take().diff.expect("changes");
        let decorated = encode_diff(&diff.joins(), &diff.leaves()).expect("serialises");
        let [plain, decorated]: [Value; 2] =
            [diff.encode(), decorated].map(|json| serde_json::from_slice(&json).expect("JSON"));
        assert_eq!(plain, decorated);
        assert_eq!(plain["joins"].as_object().expect("an object").len(), EVIL_KEYS.len());
    }

    #[test]
    fn what_a_hook_added_is_encoded() {
        let mut world = World::new();
        let mut pending = Pending::default();
        pending.absorb(world.track("t", 1, "u", "{}"), Instant::now());
        let mut joins = pending.take().diff.expect("a change").joins();
        joins.0.get_mut("u").expect("joined").extra.insert("name".into(), "Ada".into());
        let encoded = encode_diff(&joins, &Presences::default()).expect("serialises");
        let decoded: Value = serde_json::from_slice(&encoded).expect("JSON");
        assert_eq!(decoded["joins"]["u"]["name"], "Ada");
        assert_eq!(decoded["leaves"], json!({}));
    }
}
