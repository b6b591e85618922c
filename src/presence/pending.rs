//! The changes of one topic that clients have not been told yet.
//!
//! Owns the rule of what cancels what. Not here: when to flush (`runtime`), how a diff is written (`diff`).
//! The rule is ours, made so that whoever folds a snapshot and the diffs after it, as phoenix.js does, ends
//! with the tracker's list: undone changes are left out, unless a snapshot has told somebody of them who is still
//! there.

use std::sync::Arc;

use foldhash::HashMap;

use super::diff::Diff;
use super::entry::{Entry, OwnerId};
use super::phx_ref::PhxRef;
use super::tracker::Change;

/// Changes gathered between two flushes.
///
/// A meta that comes and goes between them is in neither part of the diff. If a snapshot was taken while it
/// was there, its leave is owed to those who got it, and only its join is left out; but not if the only one who got it
/// is its owner, who has gone with it. The same holds for a meta that goes and comes back, as those of a node do that
/// is lost and found again.
#[derive(Debug, Default)]
pub struct Pending {
    joins: HashMap<PhxRef, Waiting>,
    leaves: HashMap<PhxRef, Waiting>,
    /// How many changes were absorbed since the last flush.
    absorbed: u64,
    shown: Shown,
}

/// How many of the changes since the last flush were shown by snapshots.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    /// By the latest snapshot.
    latest: u64,
    /// Who got it.
    to: Option<OwnerId>,
    /// By the latest one that somebody else got.
    to_another: u64,
}

/// A change that waits for the flush.
#[derive(Debug)]
struct Waiting {
    entry: Arc<Entry>,
    /// Its change's number since the last flush, from 1.
    nth: u64,
}

impl Pending {
    /// Takes in a change. Changes must come in the order in which they happened.
    pub fn absorb(&mut self, change: Change) {
        let shown = self.shown.latest;
        self.absorb_unless_known(change, shown);
    }

    /// Takes in the leave of an owner who does not hear the topic any more: what only the owner knows need not be told.
    pub fn absorb_parting(&mut self, owner: OwnerId, change: Change) {
        let shown = self.shown.to_others_than(owner);
        self.absorb_unless_known(change, shown);
    }

    fn absorb_unless_known(&mut self, change: Change, shown: u64) {
        self.absorbed += 1;
        for entry in change.leaves {
            settle(&mut self.joins, &mut self.leaves, Waiting { entry, nth: self.absorbed }, shown);
        }
        for entry in change.joins {
            settle(&mut self.leaves, &mut self.joins, Waiting { entry, nth: self.absorbed }, shown);
        }
    }

    /// Notes that somebody was given a snapshot holding all that was absorbed so far.
    pub fn snapshot_taken(&mut self, by: OwnerId) {
        if self.shown.to != Some(by) {
            self.shown.to_another = self.shown.latest;
        }
        self.shown = Shown { latest: self.absorbed, to: Some(by), ..self.shown };
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.joins.is_empty() && self.leaves.is_empty()
    }

    /// What there is to tell, or nothing. All is told then, and the memory it took is given back.
    pub fn take(&mut self) -> Option<Diff> {
        let Self { joins, leaves, .. } = std::mem::take(self);
        let diff = Diff { joins: ordered(joins), leaves: ordered(leaves) };
        (!diff.joins.is_empty() || !diff.leaves.is_empty()).then_some(diff)
    }
}

impl Shown {
    fn to_others_than(self, owner: OwnerId) -> u64 {
        if self.to == Some(owner) { self.to_another } else { self.latest }
    }
}

/// Lets a change wait, unless it undoes one of which nobody knows: then both are dropped.
fn settle(
    undone: &mut HashMap<PhxRef, Waiting>,
    waiting: &mut HashMap<PhxRef, Waiting>,
    change: Waiting,
    shown: u64,
) {
    let unknown = undone.remove(&change.entry.phx_ref).is_some_and(|earlier| earlier.nth > shown);
    if !unknown {
        waiting.insert(change.entry.phx_ref.clone(), change);
    }
}

fn ordered(waiting: HashMap<PhxRef, Waiting>) -> Vec<Arc<Entry>> {
    let mut entries: Vec<_> = waiting.into_values().map(|change| change.entry).collect();
    entries.sort_unstable();
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::tests::World;

    /// The references that a diff tells of: joins, then leaves.
    fn told(pending: &mut Pending) -> Option<(Vec<PhxRef>, Vec<PhxRef>)> {
        let refs = |entries: Vec<Arc<Entry>>| entries.iter().map(|entry| entry.phx_ref.clone()).collect();
        pending.take().map(|diff| (refs(diff.joins), refs(diff.leaves)))
    }

    const SOMEBODY: OwnerId = OwnerId(99);

    /// Somebody tracked as A, and nothing waiting.
    fn a_is_known() -> (World, Pending) {
        let mut world = World::new();
        world.track("t", 1, "k", "{}");
        (world, Pending::default())
    }

    #[test]
    fn what_comes_and_goes_within_one_flush_is_not_told() {
        let (mut world, mut pending) = (World::new(), Pending::default());
        pending.absorb(world.track("t", 1, "k", "{}"));
        assert!(!pending.is_empty());
        pending.absorb(world.untrack("t", 1, "k").expect("tracked"));
        assert!(pending.is_empty());
        assert_eq!(told(&mut pending), None);
    }

    #[test]
    fn what_a_snapshot_has_shown_is_owed_its_leave() {
        let (mut world, mut pending) = (World::new(), Pending::default());
        pending.absorb(world.track("t", 1, "k", "{}"));
        pending.snapshot_taken(SOMEBODY);
        pending.absorb(world.untrack("t", 1, "k").expect("tracked"));
        assert_eq!(told(&mut pending), Some((vec![], vec![world.made[0].clone()])));
    }

    #[test]
    fn what_only_its_owner_was_shown_is_not_told_once_the_owner_has_gone() {
        let owner = OwnerId(1);
        let parted = |snapshots: &[OwnerId]| {
            let (mut world, mut pending) = (World::new(), Pending::default());
            pending.absorb(world.track("t", 1, "k", "{}"));
            snapshots.iter().for_each(|by| pending.snapshot_taken(*by));
            pending.absorb_parting(owner, world.untrack("t", 1, "k").expect("tracked"));
            told(&mut pending).is_some()
        };
        assert!(!parted(&[]));
        assert!(!parted(&[owner, owner]));
        for shown in
            [vec![SOMEBODY], vec![SOMEBODY, owner], vec![owner, SOMEBODY], vec![SOMEBODY, owner, owner]]
        {
            assert!(parted(&shown), "{shown:?}");
        }
    }

    #[test]
    fn an_owner_who_stays_is_owed_the_leave_of_what_it_was_shown() {
        let (mut world, mut pending) = (World::new(), Pending::default());
        pending.absorb(world.track("t", 1, "k", "{}"));
        pending.snapshot_taken(OwnerId(1));
        pending.absorb(world.untrack("t", 1, "k").expect("tracked"));
        assert!(told(&mut pending).is_some());
    }

    #[test]
    fn a_snapshot_from_before_it_came_owes_nothing() {
        let (mut world, mut pending) = (World::new(), Pending::default());
        pending.absorb(world.track("t", 1, "other", "{}"));
        pending.snapshot_taken(SOMEBODY);
        pending.absorb(world.track("t", 1, "k", "{}"));
        pending.absorb(world.untrack("t", 1, "k").expect("tracked"));
        assert_eq!(told(&mut pending), Some((vec![world.made[0].clone()], vec![])));
    }

    #[test]
    fn a_snapshot_from_before_the_flush_owes_nothing_after_it() {
        let (mut world, mut pending) = (World::new(), Pending::default());
        pending.absorb(world.track("t", 1, "other", "{}"));
        pending.snapshot_taken(SOMEBODY);
        assert!(pending.take().is_some());
        pending.absorb(world.track("t", 1, "k", "{}"));
        pending.absorb(world.untrack("t", 1, "k").expect("tracked"));
        assert_eq!(told(&mut pending), None);
    }

    #[test]
    fn an_update_keeps_its_leave_and_its_join_together() {
        let (mut world, mut pending) = a_is_known();
        pending.absorb(world.update("t", 1, "k", "{}"));
        assert_eq!(told(&mut pending), Some((vec![world.made[1].clone()], vec![world.made[0].clone()])));
    }

    #[test]
    fn two_updates_tell_the_first_leave_and_the_last_join() {
        let (mut world, mut pending) = a_is_known();
        pending.absorb(world.update("t", 1, "k", "{}"));
        pending.absorb(world.update("t", 1, "k", "{}"));
        assert_eq!(told(&mut pending), Some((vec![world.made[2].clone()], vec![world.made[0].clone()])));
    }

    #[test]
    fn two_updates_with_a_snapshot_between_tell_both_leaves() {
        let (mut world, mut pending) = a_is_known();
        pending.absorb(world.update("t", 1, "k", "{}"));
        pending.snapshot_taken(SOMEBODY);
        pending.absorb(world.update("t", 1, "k", "{}"));
        let (joins, mut leaves) = told(&mut pending).expect("changes");
        leaves.sort();
        let mut both = vec![world.made[0].clone(), world.made[1].clone()];
        both.sort();
        assert_eq!((joins, leaves), (vec![world.made[2].clone()], both));
    }

    #[test]
    fn a_join_and_its_update_are_one_join() {
        let (mut world, mut pending) = (World::new(), Pending::default());
        pending.absorb(world.track("t", 1, "k", "{}"));
        pending.absorb(world.update("t", 1, "k", "{}"));
        assert_eq!(told(&mut pending), Some((vec![world.made[1].clone()], vec![])));
    }

    #[test]
    fn what_goes_and_comes_back_is_not_told() {
        let (mut world, mut pending) = a_is_known();
        let gone = world.untrack("t", 1, "k").expect("tracked");
        pending.absorb(gone.clone());
        pending.absorb(Change { joins: gone.leaves, leaves: vec![] });
        assert_eq!(told(&mut pending), None);
    }

    #[test]
    fn what_was_missing_from_a_snapshot_is_owed_its_join() {
        let (mut world, mut pending) = a_is_known();
        let gone = world.untrack("t", 1, "k").expect("tracked");
        pending.absorb(gone.clone());
        pending.snapshot_taken(SOMEBODY);
        pending.absorb(Change { joins: gone.leaves, leaves: vec![] });
        assert_eq!(told(&mut pending), Some((vec![world.made[0].clone()], vec![])));
    }

    #[test]
    fn a_diff_is_ordered_by_key_then_time_whatever_came_first() {
        let (mut world, mut pending) = (World::new(), Pending::default());
        for (owner, key) in [(1, "b"), (2, "b"), (1, "a"), (3, "b"), (3, "a")] {
            pending.absorb(world.track("t", owner, key, "{}"));
        }
        let ordered = [2, 4, 0, 1, 3].map(|nth| world.made[nth].clone());
        assert_eq!(told(&mut pending), Some((ordered.to_vec(), vec![])));
    }
}
