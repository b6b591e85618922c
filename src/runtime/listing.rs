//! The published lists: who is on each topic, readable without asking the topic's owner.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use foldhash::HashMap;
use parking_lot::RwLock;
use smol_str::SmolStr;

use crate::presence::Snapshot;

/// The lists of one shard's topics. The shard replaces a topic's list after it changed; a reader takes the last one.
/// The lock is held for one map operation, never while a list is made, encoded or read.
#[derive(Default)]
pub(crate) struct Listings(RwLock<HashMap<SmolStr, Arc<Listing>>>);

/// One topic's list at one moment, encoded at most once, by the first who wants it so.
#[derive(Default)]
pub(crate) struct Listing {
    pub(crate) snapshot: Snapshot,
    encoded: OnceLock<Bytes>,
}

impl Listings {
    /// The last published list; an empty one for a topic where nobody is.
    pub(crate) fn get(&self, topic: &str) -> Arc<Listing> {
        self.0.read().get(topic).cloned().unwrap_or_default()
    }

    /// Publishes a topic's list.
    pub(crate) fn put(&self, topic: &SmolStr, snapshot: Snapshot) {
        if snapshot.is_empty() {
            let gone = self.0.write().remove(topic);
            drop(gone);
        } else {
            let listing = Arc::new(Listing { snapshot, encoded: OnceLock::new() });
            let replaced = self.0.write().insert(topic.clone(), listing);
            drop(replaced);
        }
    }
}

impl Listing {
    /// The list as the JSON of `presence_state`.
    pub(crate) fn encoded(&self) -> &Bytes {
        self.encoded.get_or_init(|| self.snapshot.encode())
    }
}
