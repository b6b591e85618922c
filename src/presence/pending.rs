//! The changes of one topic that clients have not been told yet.
//!
//! Owns the rule of what cancels what. Not here: when to flush (`runtime`), how a diff is written (`diff`).
//! The rule is ours, made so that whoever folds a snapshot and the diffs after it, as phoenix.js does, ends
//! with the tracker's list: undone changes are left out, unless a snapshot has told somebody of them who is still
//! there.

use std::sync::Arc;
use std::time::Instant;

use foldhash::HashMap;

use super::diff::Diff;
use super::entry::{Entry, OwnerId};
use super::phx_ref::PhxRef;
use super::tracker::Change;

/// Changes gathered between two flushes.
///
/// A meta that comes and goes between them is in neither part of the diff. If a snapshot was taken while it was there, its
/// leave is owed to those who got it and still hear the topic, and to nobody else: there are clients that take a leave of
/// whom they do not know for a fault, and stop. The same holds for a meta that goes and comes back, as those of a node do
/// that is lost and found again.
#[derive(Debug, Default)]
pub struct Pending {
    joins: HashMap<PhxRef, Waiting>,
    leaves: HashMap<PhxRef, Waiting>,
    /// How many changes were absorbed since the last flush.
    absorbed: u64,
    /// The snapshots that were given since then, in order.
    shown: Vec<Shown>,
    /// How many of the changes that wait are [owed](Waiting::undoes).
    owed: usize,
}

/// What is told at a flush.
#[derive(Debug, Default)]
pub struct Told {
    /// To everybody who hears the topic, if there is anything.
    pub diff: Option<Diff>,
    /// But for these.
    pub instead: Vec<Instead>,
}

/// What some are told instead, who were given a snapshot since the last flush: a leave goes to those alone who were told of
/// the join, because there are clients that take any other for a fault, and stop. It may be nothing.
#[derive(Debug)]
pub struct Instead {
    /// Who.
    pub to: Vec<OwnerId>,
    /// What.
    pub diff: Diff,
    /// What makes it the same for several.
    like: (u64, bool),
}

/// A snapshot that somebody was given.
#[derive(Clone, Copy, Debug)]
struct Shown {
    by: OwnerId,
    /// How many changes were absorbed before it.
    absorbed: u64,
    is_first_behind_diffs: bool,
}

/// A change that waits for the flush.
#[derive(Debug)]
struct Waiting {
    entry: Arc<Entry>,
    /// Its change's number since the last flush, from 1; where it stands for an earlier one again, that one's.
    nth: u64,
    /// When it was made; for the join of an update, when the person came who was not told yet.
    since: Instant,
    /// The number of the change that it undoes, of which nobody knows but those who were given a snapshot between the
    /// two: it is owed to them alone.
    undoes: Option<u64>,
}

impl Pending {
    /// Takes in a change that was made `now`. Changes must come in the order in which they happened.
    pub fn absorb(&mut self, change: Change, now: Instant) {
        self.absorbed += 1;
        let mut since = now;
        for entry in change.leaves {
            if let Some(undone) = self.wait(Part::Leaves, entry, now) {
                // Whoever is updated before it was told has waited from the beginning.
                since = since.min(undone);
            }
        }
        for entry in change.joins {
            self.wait(Part::Joins, entry, since);
        }
    }

    /// Notes that somebody who hears the topic was given a snapshot holding all that was absorbed so far.
    ///
    /// `is_first_behind_diffs` says that it is their first, and that they were told diffs before it. phoenix.js keeps those
    /// and applies them to the snapshot, so whoever they name has to be told of as gone again.
    pub fn snapshot_taken(&mut self, by: OwnerId, is_first_behind_diffs: bool) {
        // What comes behind it is not in it.
        if !self.is_empty() {
            self.shown.push(Shown { by, absorbed: self.absorbed, is_first_behind_diffs });
        }
    }

    /// Notes that somebody does not hear the topic any more: what was owed to them alone need not be told.
    pub fn parted(&mut self, owner: OwnerId) {
        let before = self.shown.len();
        self.shown.retain(|shown| shown.by != owner);
        if self.owed > 0 && self.shown.len() < before {
            let Pending { joins, leaves, shown, owed, .. } = self;
            for part in [joins, leaves] {
                part.retain(|_, change| {
                    let keeps = change.undoes.is_none_or(|undone| was_shown(shown, undone, change.nth));
                    *owed -= usize::from(!keeps);
                    keeps
                });
            }
        }
    }

    /// Since when the change that has waited longest waits to be told; `None` if there is nothing to tell.
    pub fn waits_since(&self) -> Option<Instant> {
        self.joins.values().chain(self.leaves.values()).map(|change| change.since).min()
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.joins.is_empty() && self.leaves.is_empty()
    }

    /// What there is to tell. All is told then, and the memory it took is given back.
    pub fn take(&mut self) -> Told {
        let Self { joins, leaves, shown, owed, .. } = std::mem::take(self);
        let parts = [joins, leaves].map(|changes| {
            let (owed, all): (Vec<_>, Vec<_>) =
                changes.into_values().partition(|change| change.undoes.is_some());
            (ordered(all), ordered(owed))
        });
        let [(joins, owed_joins), (leaves, owed_leaves)] = parts;
        let mut instead: Vec<Instead> = Vec::new();
        for Shown { by, absorbed, is_first_behind_diffs } in last_of_each(shown) {
            let is_owed = |change: &&Waiting| {
                change.undoes.is_some_and(|undone| undone <= absorbed && absorbed < change.nth)
            };
            // What had left by then is not in the list that this one was given.
            let knows = |change: &&Waiting| change.nth > absorbed || is_first_behind_diffs;
            let knows_all = leaves.iter().all(|change| knows(&change));
            if knows_all
                && (owed == 0 || !owed_joins.iter().chain(&owed_leaves).any(|change| is_owed(&change)))
            {
                continue;
            }
            if let Some(same) =
                instead.last_mut().filter(|same| same.like == (absorbed, is_first_behind_diffs))
            {
                same.to.push(by);
                continue;
            }
            let joins = joins.iter().chain(owed_joins.iter().filter(is_owed));
            let leaves = leaves.iter().filter(knows);
            let leaves = leaves.chain(owed_leaves.iter().filter(is_owed));
            let diff = Diff { joins: entries(joins), leaves: entries(leaves) };
            instead.push(Instead { to: vec![by], diff, like: (absorbed, is_first_behind_diffs) });
        }
        let diff = Diff { joins: entries(joins.iter()), leaves: entries(leaves.iter()) };
        Told { diff: (!diff.is_empty()).then_some(diff), instead }
    }

    /// Lets a change wait, unless it undoes one of which nobody knows: then neither is told. Gives since when what it
    /// undoes has waited.
    fn wait(&mut self, part: Part, entry: Arc<Entry>, since: Instant) -> Option<Instant> {
        let nth = self.absorbed;
        let (waiting, undone) = match part {
            Part::Joins => (&mut self.joins, &mut self.leaves),
            Part::Leaves => (&mut self.leaves, &mut self.joins),
        };
        let undone = undone.remove(&entry.phx_ref);
        let mut change = Waiting { entry, nth, since, undoes: None };
        match &undone {
            // It undoes what was owed to a few: for all others it is what was undone first.
            Some(Waiting { undoes: Some(first), .. }) => {
                self.owed -= 1;
                change.nth = *first;
            }
            Some(undone) if was_shown(&self.shown, undone.nth, nth) => {
                self.owed += 1;
                change.undoes = Some(undone.nth);
            }
            Some(undone) => return Some(undone.since),
            None => {}
        }
        waiting.insert(change.entry.phx_ref.clone(), change);
        undone.map(|undone| undone.since)
    }
}

/// The parts of a diff.
#[derive(Clone, Copy)]
enum Part {
    Joins,
    Leaves,
}

/// Whether somebody was given a snapshot after the first of two changes and before the second.
fn was_shown(shown: &[Shown], first: u64, second: u64) -> bool {
    let after = shown.partition_point(|shown| shown.absorbed < first);
    shown.get(after).is_some_and(|shown| shown.absorbed < second)
}

/// Of each owner the latest snapshot, in the order in which they were taken.
fn last_of_each(shown: Vec<Shown>) -> Vec<Shown> {
    let mut seen = foldhash::HashSet::default();
    let mut last: Vec<_> = shown.into_iter().rev().filter(|shown| seen.insert(shown.by)).collect();
    last.reverse();
    last
}

fn ordered(mut waiting: Vec<Waiting>) -> Vec<Waiting> {
    waiting.sort_unstable_by(|one, other| one.entry.cmp(&other.entry));
    waiting
}

fn entries<'a>(changes: impl Iterator<Item = &'a Waiting>) -> Vec<Arc<Entry>> {
    let mut entries: Vec<_> = changes.map(|change| Arc::clone(&change.entry)).collect();
    // Sorted already, but for what is owed.
    entries.sort_unstable();
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::tests::World;

    /// The references that a diff tells of: joins, then leaves.
    type Refs = (Vec<PhxRef>, Vec<PhxRef>);

    fn refs(diff: Diff) -> Refs {
        let refs = |entries: Vec<Arc<Entry>>| entries.iter().map(|entry| entry.phx_ref.clone()).collect();
        (refs(diff.joins), refs(diff.leaves))
    }

    /// What all are told, who have heard everything so far.
    fn told(pending: &mut Pending) -> Option<Refs> {
        pending.take().diff.map(refs)
    }

    /// What each of these is told instead, where all others are told nothing.
    fn told_alone(pending: &mut Pending) -> Vec<(OwnerId, Refs)> {
        let told = pending.take();
        assert!(told.diff.is_none());
        let of = |Instead { to, diff, .. }: Instead| {
            let refs = refs(diff);
            to.into_iter().map(move |owner| (owner, refs.clone()))
        };
        told.instead.into_iter().flat_map(of).collect()
    }

    fn absorb(pending: &mut Pending, change: Change) {
        pending.absorb(change, Instant::now());
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
        absorb(&mut pending, world.track("t", 1, "k", "{}"));
        assert!(!pending.is_empty());
        absorb(&mut pending, world.untrack("t", 1, "k").expect("tracked"));
        assert!(pending.is_empty());
        assert_eq!(told(&mut pending), None);
    }

    #[test]
    fn what_a_snapshot_has_shown_is_owed_its_leave() {
        let (mut world, mut pending) = (World::new(), Pending::default());
        absorb(&mut pending, world.track("t", 1, "k", "{}"));
        pending.snapshot_taken(SOMEBODY, false);
        absorb(&mut pending, world.untrack("t", 1, "k").expect("tracked"));
        let owed = (SOMEBODY, (vec![], vec![world.made[0].clone()]));
        assert_eq!(told_alone(&mut pending), [owed], "nobody else was told that it came");
    }

    #[test]
    fn what_is_owed_is_owed_for_as_long_as_one_of_those_who_were_shown_it_is_there() {
        let (owner, another) = (OwnerId(1), OwnerId(98));
        let told_after = |shown: &[OwnerId], parted: &[OwnerId]| {
            let (mut world, mut pending) = (World::new(), Pending::default());
            absorb(&mut pending, world.track("t", 1, "k", "{}"));
            shown.iter().for_each(|by| pending.snapshot_taken(*by, false));
            absorb(&mut pending, world.untrack("t", 1, "k").expect("tracked"));
            parted.iter().for_each(|owner| pending.parted(*owner));
            assert_eq!(pending.owed, usize::from(!pending.is_empty()));
            let owed = told_alone(&mut pending);
            assert!(owed.iter().all(|(to, _)| shown.contains(to) && !parted.contains(to)));
            !owed.is_empty()
        };
        assert!(!told_after(&[], &[owner]));
        assert!(!told_after(&[owner, owner], &[owner]));
        assert!(!told_after(&[owner, SOMEBODY, another], &[another, owner, SOMEBODY]));
        for shown in [[SOMEBODY, owner, another], [owner, another, SOMEBODY], [another, SOMEBODY, owner]] {
            assert!(told_after(&shown, &[owner, another]), "{shown:?}");
        }
    }

    #[test]
    fn what_everybody_is_to_be_told_is_told_whoever_parts() {
        let (mut world, mut pending) = a_is_known();
        pending.snapshot_taken(SOMEBODY, false);
        absorb(&mut pending, world.untrack("t", 1, "k").expect("tracked"));
        absorb(&mut pending, world.track("t", 2, "k", "{}"));
        pending.snapshot_taken(SOMEBODY, false);
        pending.parted(SOMEBODY);
        assert_eq!(told(&mut pending), Some((vec![world.made[1].clone()], vec![world.made[0].clone()])));
    }

    #[test]
    fn what_goes_again_after_it_was_missed_by_a_snapshot_is_told() {
        let (mut world, mut pending) = a_is_known();
        let gone = world.untrack("t", 1, "k").expect("tracked");
        let back = Change { joins: gone.leaves.clone(), leaves: vec![] };
        absorb(&mut pending, gone.clone());
        pending.snapshot_taken(SOMEBODY, false);
        absorb(&mut pending, back);
        absorb(&mut pending, gone);
        pending.parted(SOMEBODY);
        assert_eq!(told(&mut pending), Some((vec![], vec![world.made[0].clone()])));
    }

    #[test]
    fn what_is_undone_again_and_again_is_owed_to_those_who_saw_it_once() {
        let (mut world, mut pending) = (World::new(), Pending::default());
        let came = world.track("t", 1, "k", "{}");
        let gone = Change { joins: vec![], leaves: came.joins.clone() };
        absorb(&mut pending, came.clone());
        pending.snapshot_taken(SOMEBODY, false);
        absorb(&mut pending, gone.clone());
        absorb(&mut pending, came);
        absorb(&mut pending, gone);
        assert_eq!(told_alone(&mut pending), [(SOMEBODY, (vec![], vec![world.made[0].clone()]))]);
    }

    #[test]
    fn whoever_is_updated_before_it_was_told_has_waited_since_it_came() {
        let (mut world, mut pending) = (World::new(), Pending::default());
        let came = Instant::now();
        pending.absorb(world.track("t", 1, "k", "{}"), came);
        for later in 1..5 {
            pending.absorb(world.update("t", 1, "k", "{}"), came + std::time::Duration::from_secs(later));
            assert_eq!(pending.waits_since(), Some(came));
        }
    }

    #[test]
    fn a_snapshot_is_remembered_only_for_what_it_has_shown() {
        let (mut world, mut pending) = a_is_known();
        pending.snapshot_taken(SOMEBODY, false);
        assert!(pending.shown.is_empty());
        absorb(&mut pending, world.track("t", 2, "k", "{}"));
        pending.snapshot_taken(SOMEBODY, false);
        assert_eq!(pending.shown.len(), 1);
    }

    #[test]
    fn the_longest_wait_is_that_of_a_change_that_is_still_to_be_told() {
        let (mut world, mut pending) = (World::new(), Pending::default());
        let at = |nth| Instant::now() + std::time::Duration::from_secs(nth);
        let moments = [at(1), at(2), at(3)];
        assert_eq!(pending.waits_since(), None);
        pending.absorb(world.track("t", 1, "k", "{}"), moments[0]);
        pending.absorb(world.track("t", 2, "k", "{}"), moments[1]);
        assert_eq!(pending.waits_since(), Some(moments[0]));
        pending.absorb(world.untrack("t", 1, "k").expect("tracked"), moments[2]);
        assert_eq!(pending.waits_since(), Some(moments[1]));
    }

    #[test]
    fn an_owner_who_stays_is_owed_the_leave_of_what_it_was_shown() {
        let (mut world, mut pending) = (World::new(), Pending::default());
        absorb(&mut pending, world.track("t", 1, "k", "{}"));
        pending.snapshot_taken(OwnerId(1), false);
        absorb(&mut pending, world.untrack("t", 1, "k").expect("tracked"));
        assert_eq!(told_alone(&mut pending)[0].0, OwnerId(1));
    }

    #[test]
    fn a_snapshot_from_before_it_came_owes_nothing() {
        let (mut world, mut pending) = (World::new(), Pending::default());
        absorb(&mut pending, world.track("t", 1, "other", "{}"));
        pending.snapshot_taken(SOMEBODY, false);
        absorb(&mut pending, world.track("t", 1, "k", "{}"));
        absorb(&mut pending, world.untrack("t", 1, "k").expect("tracked"));
        assert_eq!(told(&mut pending), Some((vec![world.made[0].clone()], vec![])));
    }

    #[test]
    fn a_snapshot_from_before_the_flush_owes_nothing_after_it() {
        let (mut world, mut pending) = (World::new(), Pending::default());
        absorb(&mut pending, world.track("t", 1, "other", "{}"));
        pending.snapshot_taken(SOMEBODY, false);
        assert!(told(&mut pending).is_some());
        absorb(&mut pending, world.track("t", 1, "k", "{}"));
        absorb(&mut pending, world.untrack("t", 1, "k").expect("tracked"));
        assert_eq!(told(&mut pending), None);
    }

    #[test]
    fn whoever_was_given_a_list_without_somebody_is_not_told_that_they_left() {
        let (mut world, mut pending) = a_is_known();
        absorb(&mut pending, world.untrack("t", 1, "k").expect("tracked"));
        let (first, second) = (OwnerId(91), OwnerId(92));
        for owner in [first, second, SOMEBODY] {
            pending.snapshot_taken(owner, false);
        }
        absorb(&mut pending, world.track("t", 2, "k", "{}"));
        pending.snapshot_taken(SOMEBODY, false);
        let Told { diff, instead } = pending.take();
        let [left, came] = &world.made[..] else { unreachable!("two were made") };
        assert_eq!(diff.map(refs), Some((vec![came.clone()], vec![left.clone()])));
        let owners: Vec<_> = instead.iter().map(|own| own.to.clone()).collect();
        assert_eq!(owners, [vec![first, second], vec![SOMEBODY]]);
        for own in instead {
            assert_eq!(refs(own.diff), (vec![came.clone()], vec![]));
        }
    }

    #[test]
    fn an_update_keeps_its_leave_and_its_join_together() {
        let (mut world, mut pending) = a_is_known();
        absorb(&mut pending, world.update("t", 1, "k", "{}"));
        assert_eq!(told(&mut pending), Some((vec![world.made[1].clone()], vec![world.made[0].clone()])));
    }

    #[test]
    fn two_updates_tell_the_first_leave_and_the_last_join() {
        let (mut world, mut pending) = a_is_known();
        absorb(&mut pending, world.update("t", 1, "k", "{}"));
        absorb(&mut pending, world.update("t", 1, "k", "{}"));
        assert_eq!(told(&mut pending), Some((vec![world.made[2].clone()], vec![world.made[0].clone()])));
    }

    #[test]
    fn two_updates_with_a_snapshot_between_tell_each_the_leave_of_what_it_knows() {
        let (mut world, mut pending) = a_is_known();
        absorb(&mut pending, world.update("t", 1, "k", "{}"));
        pending.snapshot_taken(SOMEBODY, false);
        absorb(&mut pending, world.update("t", 1, "k", "{}"));
        let [first, second, third] = &world.made[..] else { unreachable!("three were made") };
        let Told { diff, mut instead } = pending.take();
        assert_eq!(diff.map(refs), Some((vec![third.clone()], vec![first.clone()])));
        let own = instead.pop().expect("somebody knows the second");
        assert_eq!((own.to, refs(own.diff)), (vec![SOMEBODY], (vec![third.clone()], vec![second.clone()])));
    }

    #[test]
    fn a_join_and_its_update_are_one_join() {
        let (mut world, mut pending) = (World::new(), Pending::default());
        absorb(&mut pending, world.track("t", 1, "k", "{}"));
        absorb(&mut pending, world.update("t", 1, "k", "{}"));
        assert_eq!(told(&mut pending), Some((vec![world.made[1].clone()], vec![])));
    }

    #[test]
    fn what_goes_and_comes_back_is_not_told() {
        let (mut world, mut pending) = a_is_known();
        let gone = world.untrack("t", 1, "k").expect("tracked");
        absorb(&mut pending, gone.clone());
        absorb(&mut pending, Change { joins: gone.leaves, leaves: vec![] });
        assert_eq!(told(&mut pending), None);
    }

    #[test]
    fn what_was_missing_from_a_snapshot_is_owed_its_join() {
        let (mut world, mut pending) = a_is_known();
        let gone = world.untrack("t", 1, "k").expect("tracked");
        absorb(&mut pending, gone.clone());
        pending.snapshot_taken(SOMEBODY, false);
        absorb(&mut pending, Change { joins: gone.leaves, leaves: vec![] });
        assert_eq!(told_alone(&mut pending), [(SOMEBODY, (vec![world.made[0].clone()], vec![]))]);
    }

    #[test]
    fn a_diff_is_ordered_by_key_then_time_whatever_came_first() {
        let (mut world, mut pending) = (World::new(), Pending::default());
        for (owner, key) in [(1, "b"), (2, "b"), (1, "a"), (3, "b"), (3, "a")] {
            absorb(&mut pending, world.track("t", owner, key, "{}"));
        }
        let ordered = [2, 4, 0, 1, 3].map(|nth| world.made[nth].clone());
        assert_eq!(told(&mut pending), Some((ordered.to_vec(), vec![])));
    }
}
