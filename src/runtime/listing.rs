//! The published lists: who is on each topic, readable without asking the topic's owner.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use foldhash::fast::RandomState;
use papaya::HashMap;
use seize::Collector;
use smol_str::SmolStr;

use crate::presence::Snapshot;

/// The lists of one shard's topics. The shard replaces a topic's list after it changed; a reader takes the last one, and
/// neither waits for the other.
pub(crate) struct Listings(HashMap<SmolStr, Arc<Listing>, RandomState>);

/// One topic's list at one moment, encoded at most once, by the first who wants it so.
#[derive(Default)]
pub(crate) struct Listing {
    pub(crate) snapshot: Snapshot,
    encoded: OnceLock<Bytes>,
}

impl Listings {
    /// The last published list; an empty one for a topic where nobody is.
    pub(crate) fn get(&self, topic: &str) -> Arc<Listing> {
        self.0.pin().get(topic).cloned().unwrap_or_default()
    }

    /// Publishes a topic's list.
    pub(crate) fn put(&self, topic: &SmolStr, snapshot: Snapshot) {
        let lists = self.0.pin();
        if snapshot.is_empty() {
            lists.remove(topic);
        } else {
            lists.insert(topic.clone(), Arc::new(Listing { snapshot, encoded: OnceLock::new() }));
        }
    }
}

impl Default for Listings {
    fn default() -> Self {
        // What was replaced is freed at once where nobody reads it, and with what is replaced next where somebody does;
        // it is not kept until there is more of it.
        let collector = Collector::new().batch_size(1);
        Listings(HashMap::builder().hasher(RandomState::default()).collector(collector).build())
    }
}

impl Listing {
    /// The list as the JSON of `presence_state`.
    pub(crate) fn encoded(&self) -> &Bytes {
        self.encoded.get_or_init(|| self.snapshot.encode())
    }
}
