//! The entries of one topic.
//!
//! Owns them twice: in the order in which they are listed, and by owner, so that one owner's end costs what
//! that owner had and not what the topic has. Not here: clocks and tags (`tracker`).

use std::collections::BTreeSet;
use std::sync::Arc;

use foldhash::HashMap;

use super::entry::{Entry, OwnerId};

/// The entries of one topic, at most one for each owner and key.
#[derive(Default)]
pub(super) struct Topic {
    ordered: BTreeSet<Arc<Entry>>,
    /// Of each owner, by key. Most have one: a sorted vector is the smallest home for it.
    by_owner: HashMap<OwnerId, Vec<Arc<Entry>>>,
}

impl Topic {
    /// What `owner` has under `key`.
    pub(super) fn get(&self, owner: OwnerId, key: &str) -> Option<&Arc<Entry>> {
        let held = self.by_owner.get(&owner)?;
        find(held, key).ok().map(|at| &held[at])
    }

    /// Puts in an entry, and gives back the one of the same owner and key that it took the place of.
    pub(super) fn put(&mut self, entry: Arc<Entry>) -> Option<Arc<Entry>> {
        let held = self.by_owner.entry(entry.owner).or_insert_with(|| Vec::with_capacity(1));
        let replaced = match find(held, &entry.key) {
            Ok(at) => Some(std::mem::replace(&mut held[at], Arc::clone(&entry))),
            Err(at) => {
                held.insert(at, Arc::clone(&entry));
                None
            }
        };
        if let Some(replaced) = &replaced {
            self.ordered.remove(replaced);
        }
        self.ordered.insert(entry);
        replaced
    }

    /// Takes out what `owner` has under `key`.
    pub(super) fn remove(&mut self, owner: OwnerId, key: &str) -> Option<Arc<Entry>> {
        let held = self.by_owner.get_mut(&owner)?;
        let entry = held.remove(find(held, key).ok()?);
        if held.is_empty() {
            self.by_owner.remove(&owner);
        }
        self.ordered.remove(&entry);
        Some(entry)
    }

    /// Takes out all that `owner` has, by key; nothing if it has nothing.
    pub(super) fn remove_owner(&mut self, owner: OwnerId) -> Vec<Arc<Entry>> {
        let held = self.by_owner.remove(&owner).unwrap_or_default();
        for entry in &held {
            self.ordered.remove(entry);
        }
        held
    }

    /// The entries in the order in which they are listed.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.ordered.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ordered.is_empty()
    }
}

fn find(held: &[Arc<Entry>], key: &str) -> Result<usize, usize> {
    held.binary_search_by(|entry| entry.key.as_str().cmp(key))
}
