//! The entries of one topic.
//!
//! Owns them twice: in the order in which they are listed, and by owner, so that one owner's end costs what
//! that owner had and not what the topic has. What an owner has and is not listed is superseded: another connection of
//! its page stands for it. Not here: clocks and tags (`tracker`), who supersedes whom (`returns`).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use foldhash::HashMap;
use smol_str::SmolStr;

use super::entry::{Entry, OwnerId};

/// The entries of one topic, at most one for each owner and key.
#[derive(Default)]
pub(super) struct Topic {
    ordered: BTreeSet<Arc<Entry>>,
    /// Of each owner, by key. Most have one: a sorted vector is the smallest home for it.
    by_owner: HashMap<OwnerId, Vec<Arc<Entry>>>,
    /// Owners whose connection is gone, and whose page may come back.
    pub(super) disconnected: Vec<Disconnected>,
}

/// An owner in its grace period.
pub(super) struct Disconnected {
    pub(super) owner: OwnerId,
    /// When its entries leave, unless its page comes back.
    pub(super) until: Instant,
    /// Under which name its connection could be closed, and so its entries be ended.
    pub(super) socket_id: Option<SmolStr>,
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
        let is_listed = replaced.as_ref().is_none_or(|replaced| self.ordered.remove(replaced));
        if is_listed {
            self.ordered.insert(entry);
        }
        replaced.filter(|_| is_listed)
    }

    /// Lets an owner's entry be listed no more, though the owner keeps it.
    pub(super) fn supersede(&mut self, entry: &Entry) {
        self.ordered.remove(entry);
    }

    /// Lists what an owner has and is superseded, as `anew` makes it.
    pub(super) fn restore(
        &mut self,
        owner: OwnerId,
        mut anew: impl FnMut(&Entry) -> Entry,
    ) -> Vec<Arc<Entry>> {
        let Some(held) = self.by_owner.get_mut(&owner) else { return vec![] };
        let mut restored = Vec::new();
        for entry in held {
            if self.ordered.contains(&*entry) {
                continue;
            }
            *entry = Arc::new(anew(entry));
            self.ordered.insert(Arc::clone(entry));
            restored.push(Arc::clone(entry));
        }
        restored
    }

    /// Whether an owner has anything.
    pub(super) fn has(&self, owner: OwnerId) -> bool {
        self.by_owner.contains_key(&owner)
    }

    /// Takes out what an owner has and is superseded.
    pub(super) fn forget_superseded(&mut self, owner: OwnerId) {
        let Some(held) = self.by_owner.get_mut(&owner) else { return };
        held.retain(|entry| self.ordered.contains(entry));
        if held.is_empty() {
            self.by_owner.remove(&owner);
        }
    }

    /// The entries that are listed under the key of this one, which need not be there itself.
    pub(super) fn beside(&self, entry: &Entry) -> impl Iterator<Item = &Arc<Entry>> {
        let first = entry.first_of_its_key();
        let key = entry.key.clone();
        self.ordered.range::<Entry, _>(&first..).take_while(move |other| other.key == key)
    }

    /// Ranks all that an owner has otherwise; whether anything that is listed changed.
    pub(super) fn set_ranked(&mut self, owner: OwnerId, ranked: bool) -> bool {
        let mut changed = false;
        for entry in self.by_owner.get_mut(&owner).into_iter().flatten() {
            if entry.attributes.ranked == ranked {
                continue;
            }
            let attributes = super::entry::Attributes { ranked, ..entry.attributes };
            let new = Arc::new(entry.with_attributes(attributes));
            if self.ordered.remove(&**entry) {
                self.ordered.insert(Arc::clone(&new));
                changed = true;
            }
            *entry = new;
        }
        changed
    }

    /// Whether an owner is in its grace period.
    pub(super) fn is_disconnected(&self, owner: OwnerId) -> bool {
        self.disconnected.iter().any(|lost| lost.owner == owner)
    }

    /// Takes out what `owner` has under `key`.
    pub(super) fn remove(&mut self, owner: OwnerId, key: &str) -> Option<Arc<Entry>> {
        let held = self.by_owner.get_mut(&owner)?;
        let entry = held.remove(find(held, key).ok()?);
        if held.is_empty() {
            self.by_owner.remove(&owner);
            self.forget_grace(owner);
        }
        self.ordered.remove(&entry).then_some(entry)
    }

    /// Takes out all that `owner` has, and gives what was listed of it, by key; nothing if it has nothing.
    pub(super) fn remove_owner(&mut self, owner: OwnerId) -> Vec<Arc<Entry>> {
        let mut held = self.by_owner.remove(&owner).unwrap_or_default();
        held.retain(|entry| self.ordered.remove(entry));
        self.forget_grace(owner);
        held
    }

    fn forget_grace(&mut self, owner: OwnerId) {
        if let Some(at) = self.disconnected.iter().position(|lost| lost.owner == owner) {
            self.disconnected.swap_remove(at);
            if self.disconnected.is_empty() {
                self.disconnected = Vec::new();
            }
        }
    }

    /// The entries in the order in which they are listed.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.ordered.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_owner.is_empty()
    }
}

fn find(held: &[Arc<Entry>], key: &str) -> Result<usize, usize> {
    held.binary_search_by(|entry| entry.key.as_str().cmp(key))
}
