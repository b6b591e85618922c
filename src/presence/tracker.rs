//! The tracker: who tracks what on each topic.
//!
//! Owns the entries of its own replica and that replica's clock. One owner at a time changes it; it waits for
//! nothing.
//! Not here: making references and reading clocks (its caller), telling clients (`pending`, `diff`).
//! Contract: phoenix_pubsub 2.2.0, `Phoenix.Tracker.track/5`, `update/5`, `untrack/4`, and the clocks of
//! `Phoenix.Tracker.State`: a join and a leave take one each, an update two.

use std::sync::Arc;

use foldhash::HashMap;
use smol_str::SmolStr;
use thiserror::Error;

use super::entry::{Attributes, Entry, OwnerId, ReplicaId, Tag};
use super::meta::Meta;
use super::phx_ref::PhxRef;
use super::returns::{Asked, Returning};
use super::snapshot::Snapshot;
use super::topic::Topic;

/// Who is on each topic, as one replica knows it: one shard's share of the topics.
pub struct Tracker {
    replica: Arc<ReplicaId>,
    clock: u64,
    pub(super) topics: HashMap<SmolStr, Topic>,
    pub(super) len: usize,
    /// Whether connections of one page, or of one user, are anything to one another.
    knows_pages: bool,
}

/// What tracking came to.
#[derive(Clone, Debug, Default)]
pub struct Tracked {
    /// What changed.
    pub change: Change,
    /// Whom to ask for a sign of life, because of it.
    pub asked: Asked,
}

/// What one request changed on one topic.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Entries that are there now and were not before.
    pub joins: Vec<Arc<Entry>>,
    /// Entries that were there before and are not now.
    pub leaves: Vec<Arc<Entry>>,
}

/// The owner has this key on this topic already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the owner tracks this key on this topic already")]
pub struct AlreadyTracked;

/// The owner does not have this key on this topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the owner does not track this key on this topic")]
pub struct NotTracked;

impl Tracker {
    /// A tracker of nothing yet, whose first change has clock 1.
    pub fn new(replica: ReplicaId) -> Self {
        Self { replica: Arc::new(replica), clock: 0, topics: HashMap::default(), len: 0, knows_pages: false }
    }

    /// The same, where what comes back takes the place of what was lost (contract: pages.md §3). Otherwise every entry is
    /// by itself, as in Phoenix.
    pub fn knowing_pages(replica: ReplicaId) -> Self {
        Self { knows_pages: true, ..Self::new(replica) }
    }

    /// Puts `owner` on `topic` under `key`, where others may be too. It may take the place of others of its page.
    ///
    /// # Errors
    /// [`AlreadyTracked`], and nothing changes, if the owner is there under this key already.
    pub fn track(
        &mut self,
        topic: &SmolStr,
        owner: OwnerId,
        key: SmolStr,
        meta: &Meta,
        attributes: Attributes,
        phx_ref: PhxRef,
    ) -> Result<Tracked, AlreadyTracked> {
        if self.get(topic, owner, &key).is_some() {
            return Err(AlreadyTracked);
        }
        let tag = self.bump();
        let mut entry = Entry::new(tag, owner, key, meta, attributes, phx_ref, None);
        let entries = self.topics.entry(topic.clone()).or_default();
        let mut leaves = Vec::new();
        let mut asked = Asked::default();
        if self.knows_pages {
            let returning = Returning::of(&entry, entries);
            entry = returning.place(entry, meta);
            (leaves, asked) = returning.apply(entries);
        }
        let entry = Arc::new(entry);
        entries.put(Arc::clone(&entry));
        self.len += 1;
        self.len -= leaves.len();
        self.clock += leaves.len() as u64;
        Ok(Tracked { change: Change { joins: vec![entry], leaves }, asked })
    }

    /// Gives what `owner` has under `key` a wholly new meta, in the same place.
    ///
    /// # Errors
    /// [`NotTracked`], and nothing changes, if the owner has nothing under this key.
    pub fn update(
        &mut self,
        topic: &str,
        owner: OwnerId,
        key: &str,
        meta: &Meta,
        phx_ref: PhxRef,
    ) -> Result<Change, NotTracked> {
        let old = Arc::clone(self.get(topic, owner, key).ok_or(NotTracked)?);
        // The leave of the old meta has a clock of its own, as every leave.
        self.bump();
        let new = Arc::new(old.updated(self.bump(), meta, phx_ref));
        let entries = self.topics.get_mut(topic).expect("an entry of the topic was just found");
        Ok(match entries.put(Arc::clone(&new)) {
            Some(old) => Change { joins: vec![new], leaves: vec![old] },
            // It is superseded: nobody is told.
            None => Change::default(),
        })
    }

    /// Gives what `owner` has on `topic` another rank. Tells whether the list is another now: no client is told of it.
    pub fn set_ranked(&mut self, topic: &str, owner: OwnerId, ranked: bool) -> bool {
        let Some(entries) = self.topics.get_mut(topic) else { return false };
        entries.set_ranked(owner, ranked)
    }

    /// What `owner` has under `key`: an update may be computed from its meta.
    pub fn get(&self, topic: &str, owner: OwnerId, key: &str) -> Option<&Arc<Entry>> {
        self.topics.get(topic)?.get(owner, key)
    }

    /// Takes `owner` off `topic` under `key`. Nothing if it was not there.
    pub fn untrack(&mut self, topic: &str, owner: OwnerId, key: &str) -> Option<Change> {
        let left = self.topics.get_mut(topic)?.remove(owner, key);
        self.gone(topic, left.into_iter().collect())
    }

    /// Takes `owner` off `topic` under all its keys, as one change. Nothing if it was not there.
    pub fn untrack_owner(&mut self, topic: &str, owner: OwnerId) -> Option<Change> {
        let left = self.topics.get_mut(topic)?.remove_owner(owner);
        self.gone(topic, left)
    }

    /// Everyone on `topic` now. It costs a pointer for each entry.
    pub fn snapshot(&self, topic: &str) -> Snapshot {
        let Some(entries) = self.topics.get(topic) else { return Snapshot::default() };
        Snapshot::of_ordered(entries.iter().cloned())
    }

    /// Whose entries these are.
    pub fn replica(&self) -> &Arc<ReplicaId> {
        &self.replica
    }

    /// The clock of the latest change; 0 before the first.
    pub fn clock(&self) -> u64 {
        self.clock
    }

    /// How many topics have anybody on them.
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// How many entries there are on all topics together.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nobody is on any topic.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Counts listed entries that were taken out, and forgets the topic if nothing is left of it.
    pub(super) fn gone(&mut self, topic: &str, leaves: Vec<Arc<Entry>>) -> Option<Change> {
        self.clock += leaves.len() as u64;
        self.len -= leaves.len();
        if self.topics.get(topic).is_some_and(Topic::is_empty) {
            self.topics.remove(topic);
        }
        (!leaves.is_empty()).then(|| Change { joins: vec![], leaves })
    }

    pub(super) fn bump(&mut self) -> Tag {
        self.clock += 1;
        Tag { replica: Arc::clone(&self.replica), clock: self.clock }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::PhxRefs;
    use crate::presence::tests::{World, meta};

    #[test]
    fn tracking_joins_and_untracking_leaves_with_the_same_reference() {
        let mut world = World::new();
        let joined = world.track("t", 1, "k", r#"{"n":1}"#);
        assert_eq!((joined.joins.len(), joined.leaves.len()), (1, 0));
        let left = world.untrack("t", 1, "k").expect("tracked");
        assert!(left.joins.is_empty());
        assert_eq!(left.leaves[0].phx_ref, joined.joins[0].phx_ref);
        assert_eq!(left.leaves[0].encoded(), joined.joins[0].encoded());
        assert!(world.untrack("t", 1, "k").is_none());
    }

    #[test]
    fn the_same_owner_topic_and_key_twice_changes_nothing() {
        let mut world = World::new();
        world.track("t", 1, "k", r#"{"n":1}"#);
        let before = world.tracker.snapshot("t").encode();
        let again = world.tracker.track(
            &"t".into(),
            OwnerId(1),
            "k".into(),
            &meta("{}"),
            Attributes::default(),
            PhxRefs::new(9).next(9),
        );
        assert_eq!(again.expect_err("tracked"), AlreadyTracked);
        assert_eq!(world.tracker.snapshot("t").encode(), before);
        assert_eq!((world.tracker.clock(), world.tracker.len()), (1, 1));
    }

    #[test]
    fn an_owner_may_have_other_keys_and_topics_and_a_key_other_owners() {
        let mut world = World::new();
        world.track("t", 1, "k", "{}");
        world.track("t", 1, "other", "{}");
        world.track("other", 1, "k", "{}");
        world.track("t", 2, "k", "{}");
        assert_eq!((world.tracker.len(), world.tracker.topic_count()), (4, 2));
        assert_eq!(world.tracker.snapshot("t").get("k").expect("tracked").metas.len(), 2);
    }

    #[test]
    fn an_update_replaces_the_whole_meta_and_names_the_one_before() {
        let mut world = World::new();
        world.track("t", 1, "k", r#"{"n":1,"gone":true}"#);
        let change = world.update("t", 1, "k", r#"{"n":2}"#);
        assert_eq!(change.leaves[0].phx_ref, world.made[0]);
        assert_eq!(change.joins[0].phx_ref_prev.as_ref(), Some(&world.made[0]));
        let listed = world.tracker.snapshot("t").get("k").expect("tracked").metas;
        assert_eq!(listed, [change.joins[0].meta_value()]);
        assert!(!listed[0].contains_key("gone"));
        assert_eq!(world.tracker.len(), 1);
    }

    #[test]
    fn an_update_may_be_computed_from_the_current_meta() {
        let mut world = World::new();
        world.track("t", 1, "k", r#"{"n":1}"#);
        let mut current = world.tracker.get("t", OwnerId(1), "k").expect("tracked").meta_value();
        assert_eq!(current["phx_ref"], world.made[0].as_str());
        current.insert("n".into(), 2.into());
        let text = serde_json::to_string(&current).expect("serialises");
        let change = world.update("t", 1, "k", &text);
        assert_eq!(change.joins[0].meta_value()["n"], 2);
        assert_eq!(change.joins[0].meta_value()["phx_ref"], world.made[1].as_str());
    }

    #[test]
    fn what_is_not_tracked_cannot_be_updated() {
        let mut world = World::new();
        world.track("t", 1, "k", "{}");
        for (topic, owner, key) in [("t", 1, "other"), ("t", 2, "k"), ("other", 1, "k")] {
            let refused =
                world.tracker.update(topic, OwnerId(owner), key, &meta("{}"), PhxRefs::new(9).next(9));
            assert_eq!(refused.expect_err("not tracked"), NotTracked);
            assert!(world.untrack(topic, owner, key).is_none());
        }
        assert_eq!((world.tracker.clock(), world.tracker.len(), world.tracker.topic_count()), (1, 1, 1));
    }

    #[test]
    fn a_gone_owner_leaves_one_topic_in_one_change() {
        let mut world = World::new();
        for (topic, owner, key) in [("t", 1, "b"), ("t", 1, "a"), ("t", 2, "a"), ("other", 1, "a")] {
            world.track(topic, owner, key, "{}");
        }
        let change = world.tracker.untrack_owner("t", OwnerId(1)).expect("tracked");
        assert!(change.joins.is_empty());
        assert_eq!(change.leaves.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(world.tracker.untrack_owner("t", OwnerId(1)).is_none());
        assert_eq!((world.tracker.snapshot("t").len(), world.tracker.snapshot("other").len()), (1, 1));
        assert_eq!(world.tracker.len(), 2);
    }

    #[test]
    fn a_topic_is_forgotten_with_its_last_entry() {
        let mut world = World::new();
        world.track("t", 1, "a", "{}");
        world.track("t", 1, "b", "{}");
        world.track("u", 1, "a", "{}");
        world.untrack("t", 1, "a");
        assert_eq!(world.tracker.topic_count(), 2);
        world.untrack("t", 1, "b");
        world.tracker.untrack_owner("u", OwnerId(1));
        assert_eq!(world.tracker.topic_count(), 0);
        assert!(world.tracker.is_empty());
    }

    #[test]
    fn a_join_and_a_leave_take_one_clock_and_an_update_two() {
        // Seen between live Phoenix nodes: track = 1, update = 2 and 3, exit = 4.
        let mut world = World::new();
        let tracked = world.track("t", 1, "a", "{}");
        let updated = world.update("t", 1, "a", "{}");
        assert_eq!((tracked.joins[0].tag.clock, updated.joins[0].tag.clock), (1, 3));
        world.untrack("t", 1, "a");
        assert_eq!(world.tracker.clock(), 4);

        world.track("t", 1, "a", "{}");
        world.track("t", 1, "b", "{}");
        world.tracker.untrack_owner("t", OwnerId(1));
        assert_eq!(world.tracker.clock(), 8);
        assert_eq!(tracked.joins[0].tag.replica, *world.tracker.replica());
    }
}
