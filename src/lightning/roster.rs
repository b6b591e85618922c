//! A list of who is in. Whoever is entered is on it until its place is dropped.

use std::sync::Arc;

use indexmap::IndexMap;
use parking_lot::Mutex;

/// Entries in no order.
pub(super) struct Roster<T>(Arc<Mutex<Entries<T>>>);

struct Entries<T> {
    list: IndexMap<u64, Arc<T>>,
    next: u64,
}

/// An entry, for as long as it is held.
pub(super) struct Place<T> {
    roster: Arc<Mutex<Entries<T>>>,
    number: u64,
}

impl<T> Roster<T> {
    pub(super) fn enter(&self, entry: T) -> Place<T> {
        let mut entries = self.0.lock();
        let number = entries.next;
        entries.next += 1;
        entries.list.insert(number, Arc::new(entry));
        Place { roster: self.0.clone(), number }
    }

    /// Everybody who is in now.
    pub(super) fn entries(&self) -> Vec<Arc<T>> {
        self.0.lock().list.values().cloned().collect()
    }
}

impl<T> Default for Roster<T> {
    fn default() -> Self {
        Roster(Arc::new(Mutex::new(Entries { list: IndexMap::new(), next: 0 })))
    }
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        // What is dropped may itself hold places: not under the lock.
        let entry = self.roster.lock().list.swap_remove(&self.number);
        drop(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_on_the_list_until_its_place_is_dropped() {
        let roster = Roster::default();
        let (ada, bob) = (roster.enter("ada"), roster.enter("bob"));
        drop(ada);
        assert_eq!(roster.entries(), [Arc::new("bob")]);
        drop(bob);
        assert!(roster.entries().is_empty());
    }
}
