//! Everyone on one topic at one moment.
//!
//! Owns its list of entries, which it shares with the tracker. Not here: what changes it (`tracker`).
//! Contract: Phoenix 1.8.12, `Phoenix.Presence.list/1` and `get_by_key/2`; the payload of `presence_state`.

use std::sync::Arc;

use bytes::Bytes;

use super::entry::Entry;
use super::listing;
use super::presences::{Presence, Presences};

/// The entries of one topic, ordered by key, then by time of tracking. It never changes, and a clone shares
/// it.
#[derive(Clone, Debug, Default)]
pub struct Snapshot(Arc<[Arc<Entry>]>);

/// How many are on a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headcount {
    /// Keys, such as users.
    pub keys: usize,
    /// Metas of all keys together, such as tabs.
    pub metas: usize,
}

impl Snapshot {
    /// Of entries that are in their order.
    pub(super) fn of_ordered(entries: impl Iterator<Item = Arc<Entry>>) -> Self {
        Self(entries.collect())
    }

    /// The payload of `presence_state`: `{"key":{"metas":[…]},…}`.
    pub fn encode(&self) -> Bytes {
        let mut json = Vec::with_capacity(listing::size(&self.0));
        listing::write(&self.0, &mut json);
        Bytes::from(json)
    }

    /// The decoded form.
    pub fn presences(&self) -> Presences {
        listing::decode(&self.0)
    }

    /// The decoded form of one key.
    pub fn get(&self, key: &str) -> Option<Presence> {
        let start = self.0.partition_point(|entry| entry.key.as_str() < key);
        let count = self.0[start..].partition_point(|entry| entry.key == key);
        (count > 0).then(|| listing::presence(&self.0[start..start + count]))
    }

    /// Those who count where it is decided whose turn it is ([`Attributes::ranked`](super::Attributes::ranked)). It is a
    /// clone of this one where all do.
    pub fn ranked(&self) -> Self {
        if self.0.iter().all(|entry| entry.attributes.ranked) {
            return self.clone();
        }
        Self::of_ordered(self.0.iter().filter(|entry| entry.attributes.ranked).cloned())
    }

    /// The entries, in order.
    pub fn entries(&self) -> &[Arc<Entry>] {
        &self.0
    }

    /// Whether this is the other, or a clone of it. Two that were taken apart are not, whoever is in them.
    pub fn is_clone_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// How many entries there are, of all keys together.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How many keys and metas there are. Nothing is decoded.
    pub fn count(&self) -> Headcount {
        Headcount { keys: listing::by_key(&self.0).count(), metas: self.0.len() }
    }

    /// Whether nobody is there.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::presence::Headcount;
    use crate::presence::tests::{EVIL_KEYS, World};

    #[test]
    fn it_lists_metas_by_key_then_by_time_and_an_update_keeps_its_place() {
        let mut world = World::new();
        world.track("t", 2, "b", r#"{"n":1}"#);
        world.track("t", 1, "a", r#"{"n":2}"#);
        world.track("t", 1, "b", r#"{"n":3}"#);
        world.update("t", 2, "b", r#"{"n":4}"#);

        let [first, second, third, fourth] = &world.made[..] else { unreachable!("four were made") };
        let of_a = format!(r#"{{"n":2,"phx_ref":"{second}"}}"#);
        let updated = format!(r#"{{"n":4,"phx_ref":"{fourth}","phx_ref_prev":"{first}"}}"#);
        let later = format!(r#"{{"n":3,"phx_ref":"{third}"}}"#);
        let expected = format!(r#"{{"a":{{"metas":[{of_a}]}},"b":{{"metas":[{updated},{later}]}}}}"#);
        assert_eq!(world.tracker.snapshot("t").encode(), expected);
    }

    #[test]
    fn nobody_is_an_empty_object() {
        let snapshot = World::new().tracker.snapshot("t");
        assert_eq!(snapshot.encode(), "{}");
        assert!(snapshot.is_empty());
        assert_eq!(snapshot.get(""), None);
    }

    #[test]
    fn any_string_is_a_key() {
        let mut world = World::new();
        for key in EVIL_KEYS {
            world.track("t", 1, key, "{}");
            world.track("t", 2, key, "{}");
        }
        let snapshot = world.tracker.snapshot("t");
        let decoded: Value = serde_json::from_slice(&snapshot.encode()).expect("JSON");
        assert_eq!(decoded, serde_json::to_value(snapshot.presences()).expect("serialises"));
        assert_eq!(snapshot.len(), 2 * EVIL_KEYS.len());
        assert_eq!(snapshot.count(), Headcount { keys: EVIL_KEYS.len(), metas: 2 * EVIL_KEYS.len() });
        for key in EVIL_KEYS {
            assert_eq!(snapshot.get(key).expect("tracked").metas.len(), 2, "{key:?}");
            assert_eq!(snapshot.get(key).as_ref(), snapshot.presences().0.get(key));
        }
        assert_eq!(snapshot.get("nobody"), None);
    }

    #[test]
    fn it_stays_as_it_was_when_the_tracker_moves_on() {
        let mut world = World::new();
        world.track("t", 1, "a", "{}");
        let before = world.tracker.snapshot("t");
        let encoded = before.encode();
        world.update("t", 1, "a", r#"{"n":1}"#);
        assert_eq!(before.encode(), encoded);
    }
}
