//! One tracked presence, and the names of those who track.
//!
//! Owns the order of entries within a topic. Not here: where entries are kept (`topic`, `tracker`).
//! Contract: the tags `{replica, clock}` of phoenix_pubsub's `Phoenix.Tracker.State`. The order inside
//! `metas`, which Phoenix leaves open, is by time of tracking.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};
use smol_str::SmolStr;

use super::meta::Meta;
use super::phx_ref::PhxRef;
use crate::pages::Page;

/// Who tracks: it stands where Phoenix has the pid of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnerId(pub u64);

/// One tracker's life. A node that starts anew is another replica.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplicaId {
    /// The node's name.
    pub node: SmolStr,
    /// Grows with every start of the node's tracker.
    pub incarnation: u64,
}

/// Which change of which replica made an entry: unique among all replicas.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tag {
    /// Whose entry it is. Only this replica may change or remove it.
    pub replica: Arc<ReplicaId>,
    /// The replica's own count of changes, from 1.
    pub clock: u64,
}

/// What is known of an entry beside its meta. No client is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// The page that it belongs to; `None` where nobody can say whether that came back.
    pub page: Option<Page>,
    /// Whether it counts where it is decided whose turn it is.
    pub ranked: bool,
}

impl Default for Attributes {
    fn default() -> Self {
        Attributes { page: None, ranked: true }
    }
}

/// One tracked presence. It never changes: an update is another entry.
///
/// Entries are ordered by key, then by time of tracking, then by reference; two with the same three are
/// equal.
pub struct Entry {
    /// The change that made it.
    pub tag: Tag,
    /// Who tracks it.
    pub owner: OwnerId,
    /// What it is listed under. Many owners may share a key.
    pub key: SmolStr,
    /// The name of this meta.
    pub phx_ref: PhxRef,
    /// The name of the meta that this one took the place of.
    pub phx_ref_prev: Option<PhxRef>,
    /// The clock of the first tracking, which updates keep.
    pub since: u64,
    /// What is known of it beside its meta.
    pub attributes: Attributes,
    meta: Bytes,
}

impl Entry {
    /// A newly tracked entry. It may take the place of another, which `phx_ref_prev` names.
    pub(super) fn new(
        tag: Tag,
        owner: OwnerId,
        key: SmolStr,
        meta: &Meta,
        attributes: Attributes,
        phx_ref: PhxRef,
        phx_ref_prev: Option<PhxRef>,
    ) -> Self {
        let (since, meta) = (tag.clock, meta.encode(&phx_ref, phx_ref_prev.as_ref()));
        Self { tag, owner, key, phx_ref, phx_ref_prev, since, attributes, meta }
    }

    /// The entry that an update puts in the place of this one.
    pub(super) fn updated(&self, tag: Tag, meta: &Meta, phx_ref: PhxRef) -> Self {
        let meta = meta.encode(&phx_ref, Some(&self.phx_ref));
        let phx_ref_prev = Some(self.phx_ref.clone());
        let (owner, key) = (self.owner, self.key.clone());
        Self { tag, owner, key, phx_ref, phx_ref_prev, since: self.since, attributes: self.attributes, meta }
    }

    /// The same entry with other attributes, of which no client is told.
    pub(super) fn with_attributes(&self, attributes: Attributes) -> Self {
        Self {
            tag: self.tag.clone(),
            owner: self.owner,
            key: self.key.clone(),
            phx_ref: self.phx_ref.clone(),
            phx_ref_prev: self.phx_ref_prev.clone(),
            since: self.since,
            attributes,
            meta: self.meta.clone(),
        }
    }

    /// The meta as clients see it: the text of a JSON object with its `phx_ref`.
    pub fn encoded(&self) -> &Bytes {
        &self.meta
    }

    /// The meta, decoded. Numbers become integers or floats of 64 bits; of repeated names the last one
    /// stands.
    pub fn meta_value(&self) -> Map<String, Value> {
        serde_json::from_slice(&self.meta).expect("a meta was decoded once already, when it was parsed")
    }

    /// What stands before every entry of this one's key.
    pub(super) fn first_of_its_key(&self) -> Self {
        Self {
            tag: self.tag.clone(),
            owner: self.owner,
            key: self.key.clone(),
            phx_ref: PhxRef::least(),
            phx_ref_prev: None,
            since: 0,
            attributes: Attributes::default(),
            meta: Bytes::new(),
        }
    }

    fn place(&self) -> (&str, u64, &PhxRef) {
        (&self.key, self.since, &self.phx_ref)
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Entry {}

/// Names the entry and leaves its key and meta out: they are people's data, and must not get into logs.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("clock", &self.tag.clock)
            .field("owner", &self.owner)
            .field("phx_ref", &self.phx_ref)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::PhxRefs;

    fn entry(clock: u64, key: &str, phx_ref: PhxRef) -> Entry {
        let replica = Arc::new(ReplicaId { node: "here".into(), incarnation: 1 });
        let meta = Meta::parse(br#"{"name":"Ada"}"#).expect("an object");
        let attributes = Attributes::default();
        Entry::new(Tag { replica, clock }, OwnerId(1), key.into(), &meta, attributes, phx_ref, None)
    }

    #[test]
    fn an_update_keeps_the_place_and_names_the_meta_before() {
        let mut refs = PhxRefs::new(0);
        let (old, later) = (entry(1, "k", refs.next(1)), entry(2, "k", refs.next(2)));
        let meta = Meta::parse(br#"{"name":"Grace"}"#).expect("an object");
        let new = old.updated(Tag { clock: 3, ..old.tag.clone() }, &meta, refs.next(3));

        assert!(new < later);
        assert_eq!((new.tag.clock, new.since, new.owner, &new.key), (3, 1, old.owner, &old.key));
        assert_eq!(new.phx_ref_prev.as_ref(), Some(&old.phx_ref));
        let meta = new.meta_value();
        assert_eq!(meta["name"], "Grace");
        assert_eq!(meta["phx_ref"], new.phx_ref.as_str());
        assert_eq!(meta["phx_ref_prev"], old.phx_ref.as_str());
    }

    #[test]
    fn entries_are_ordered_by_key_then_time_then_reference() {
        let mut refs = PhxRefs::new(0);
        let (first, second) = (refs.next(1), refs.next(2));
        assert!(entry(9, "a", second.clone()) < entry(1, "b", first.clone()));
        assert!(entry(1, "a", second.clone()) < entry(2, "a", first.clone()));
        assert!(entry(1, "a", first.clone()) < entry(1, "a", second));
        assert!(entry(1, "a", first.clone()) == entry(1, "a", first));
    }

    #[test]
    fn its_debug_form_says_nothing_of_key_and_meta() {
        let shown = format!("{:?}", entry(1, "ada@example.org", PhxRefs::new(0).next(1)));
        assert!(!shown.contains("ada") && !shown.contains("Ada"), "{shown}");
    }

    #[test]
    fn an_entry_stays_lean() {
        assert!(size_of::<Entry>() <= 160, "{}", size_of::<Entry>());
    }
}
