//! Who takes whose place, by itself and in every order.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::{PhxRefs, ReplicaId, Tracked};
use super::*;
use crate::pages::Page;

const TOPIC: &str = "t";
const GRACE: Duration = Duration::from_secs(5);

struct World {
    tracker: Tracker,
    refs: PhxRefs,
    start: Instant,
    /// What everybody was told: the refs that are there.
    told: BTreeMap<PhxRef, Arc<Entry>>,
    next_owner: u64,
}

#[derive(Clone, Copy, Debug)]
enum Params {
    Unknown,
    Token,
    Request(u8),
}

impl Params {
    fn page(self) -> Option<Page> {
        match self {
            Params::Unknown => None,
            Params::Token => Page::of(TOPIC, Some("token"), None),
            Params::Request(nth) => Page::of(TOPIC, None, Some(&format!("request number {nth} is long"))),
        }
    }
}

impl World {
    fn new() -> Self {
        let tracker = Tracker::knowing_pages(ReplicaId { node: "here".into(), incarnation: 1 });
        World { tracker, refs: PhxRefs::new(7), start: Instant::now(), told: BTreeMap::new(), next_owner: 0 }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    /// Somebody joins; the meta says since when, in seconds.
    fn join(&mut self, key: &str, params: Params, second: i64) -> (OwnerId, Tracked) {
        self.next_owner += 1;
        let owner = OwnerId(self.next_owner);
        let meta = Meta::parse(format!(r#"{{"joined_at":{second},"n":1}}"#).as_bytes()).expect("an object");
        let attributes = Attributes { page: params.page(), ranked: true };
        let phx_ref = self.refs.next(1);
        let tracked = self.tracker.track(&TOPIC.into(), owner, key.into(), &meta, attributes, phx_ref);
        let tracked = tracked.expect("an owner that is new");
        self.tell(Some(tracked.change.clone()));
        (owner, tracked)
    }

    fn lose(&mut self, owner: OwnerId, second: u64) {
        let until = self.at(second) + GRACE;
        self.tracker.disconnect(TOPIC, owner, until, Some("socket".into()));
    }

    fn leave(&mut self, owner: OwnerId) {
        let change = self.tracker.untrack_owner(TOPIC, owner);
        self.tell(change);
    }

    fn expire(&mut self, second: u64) -> Option<Instant> {
        let (change, next) = self.tracker.expire(TOPIC, self.at(second), GRACE);
        self.tell(change);
        next
    }

    fn restore(&mut self, owner: OwnerId) -> bool {
        let refs = &mut self.refs;
        let change = self.tracker.restore(TOPIC, owner, || refs.next(1));
        self.tell(change.clone());
        change.is_some()
    }

    /// Everybody folds a change, and has the tracker's list then.
    fn tell(&mut self, change: Option<Change>) {
        let Change { joins, leaves } = change.unwrap_or_default();
        for entry in joins {
            assert!(self.told.insert(entry.phx_ref.clone(), entry).is_none(), "told twice");
        }
        for entry in leaves {
            assert!(self.told.remove(&entry.phx_ref).is_some(), "a leave of what was never told");
        }
        let list = self.tracker.snapshot(TOPIC);
        let mut told: Vec<_> = self.told.values().cloned().collect();
        told.sort_unstable();
        assert_eq!(told, list.entries());
        assert_eq!(self.tracker.len(), list.len());
    }

    /// Since when each is there who is listed under a key.
    fn since(&self, key: &str) -> Vec<i64> {
        let list = self.tracker.snapshot(TOPIC);
        let of_key = list.entries().iter().filter(|entry| entry.key == key);
        of_key.map(|entry| Meta::joined_at(entry.encoded()).expect("it says so")).collect()
    }
}

#[test]
fn a_page_that_comes_back_takes_its_place_and_its_turn() {
    for params in [Params::Request(1), Params::Token] {
        let mut world = World::new();
        let (first, _) = world.join("ada", params, 1);
        world.lose(first, 10);
        let (_, tracked) = world.join("ada", params, 12);
        let (joined, left) = (&tracked.change.joins[0], &tracked.change.leaves[0]);
        assert_eq!(joined.phx_ref_prev.as_ref(), Some(&left.phx_ref));
        assert_eq!(world.since("ada"), [1]);
        assert_eq!(tracked.asked, Asked::default());
        assert_eq!(world.expire(15), None, "its grace period is over");
        assert_eq!(world.since("ada"), [1]);
    }
}

#[test]
fn only_a_request_id_lets_a_page_take_the_place_of_a_connection_that_is_open() {
    for params in [Params::Unknown, Params::Token] {
        let mut world = World::new();
        let (first, _) = world.join("ada", params, 1);
        let (_, tracked) = world.join("ada", params, 2);
        assert_eq!(tracked.asked, Asked { superseded: vec![], twins: vec![first] });
        assert_eq!(world.since("ada"), [1, 2]);
    }
    let mut world = World::new();
    let (first, _) = world.join("ada", Params::Request(1), 1);
    let (_, tracked) = world.join("ada", Params::Request(1), 2);
    assert_eq!(tracked.asked, Asked { superseded: vec![first], twins: vec![] });
    assert_eq!(world.since("ada"), [1]);
}

#[test]
fn who_was_superseded_and_lives_is_told_anew_without_a_page() {
    let mut world = World::new();
    let (first, _) = world.join("ada", Params::Request(1), 1);
    let (second, _) = world.join("ada", Params::Request(1), 2);
    assert!(world.restore(first));
    assert!(!world.restore(first), "it is there");
    assert_eq!(world.since("ada"), [1, 1]);
    let (_, tracked) = world.join("ada", Params::Request(1), 3);
    assert_eq!(tracked.asked, Asked { superseded: vec![second], twins: vec![first] });
}

#[test]
fn the_late_end_of_a_superseded_entry_is_no_event() {
    let mut world = World::new();
    let (first, _) = world.join("ada", Params::Request(1), 1);
    let (second, _) = world.join("ada", Params::Request(1), 2);
    world.lose(first, 3);
    assert_eq!(world.expire(30), None);
    let (third, _) = world.join("ada", Params::Request(1), 40);
    world.leave(second);
    assert_eq!(world.since("ada"), [1]);
    world.leave(third);
    assert_eq!((world.tracker.topic_count(), world.tracker.len()), (0, 0));
}

#[test]
fn a_join_ends_what_else_of_the_user_is_disconnected_and_takes_nothing_of_it() {
    let mut world = World::new();
    let (lost, _) = world.join("ada", Params::Request(1), 1);
    let (open, _) = world.join("ada", Params::Request(2), 2);
    let (bob, _) = world.join("bob", Params::Request(1), 3);
    world.lose(lost, 4);
    world.lose(bob, 4);
    let (_, tracked) = world.join("ada", Params::Request(3), 5);
    assert_eq!(tracked.change.leaves.len(), 1);
    assert_eq!(tracked.asked, Asked { superseded: vec![], twins: vec![open] });
    assert_eq!((world.since("ada"), world.since("bob")), (vec![2, 5], vec![3]));
}

#[test]
fn a_grace_period_that_is_looked_at_far_too_late_begins_anew() {
    let mut world = World::new();
    let (ada, _) = world.join("ada", Params::Request(1), 1);
    world.lose(ada, 0);
    assert_eq!(world.expire(4), Some(world.at(5)));
    assert_eq!(world.expire(70), Some(world.at(75)), "the process stood still");
    assert_eq!(world.since("ada"), [1]);
    assert_eq!(world.expire(76), None);
    assert!(world.since("ada").is_empty());
}

#[test]
fn whoever_is_shown_out_is_gone_from_every_grace_period() {
    let mut world = World::new();
    let (ada, _) = world.join("ada", Params::Request(1), 1);
    world.lose(ada, 0);
    assert!(world.tracker.revoke("another").is_empty());
    let ended = world.tracker.revoke("socket");
    for (_, change) in ended {
        world.tell(Some(change));
    }
    assert!(world.since("ada").is_empty());
    assert_eq!(world.expire(5), None);
}

#[test]
fn where_pages_are_not_told_apart_every_entry_is_by_itself() {
    let mut tracker = Tracker::new(ReplicaId { node: "here".into(), incarnation: 1 });
    let mut refs = PhxRefs::new(1);
    let meta = Meta::parse(b"{}").expect("an object");
    let attributes = Attributes { page: Params::Request(1).page(), ranked: true };
    for owner in [1, 2] {
        let tracked =
            tracker.track(&TOPIC.into(), OwnerId(owner), "ada".into(), &meta, attributes, refs.next(1));
        assert_eq!(tracked.expect("it is new").asked, Asked::default());
    }
    assert_eq!(tracker.len(), 2);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Join(usize, Params),
    Lose(usize),
    Leave(usize),
    Restore(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let params = prop_oneof![Just(Params::Unknown), Just(Params::Token), (0..2_u8).prop_map(Params::Request)];
    prop_oneof![
        4 => (0..2_usize, params).prop_map(|(key, params)| Step::Join(key, params)),
        2 => (0..8_usize).prop_map(Step::Lose),
        1 => (0..8_usize).prop_map(Step::Leave),
        2 => (0..8_usize).prop_map(Step::Restore),
        1 => (1..4_u64).prop_map(Step::Pass),
    ]
}

proptest! {
    /// In every order: of one surely known page there is one, nobody is told twice or never, and nobody who is gone is
    /// listed after the grace period.
    #[test]
    fn nobody_is_there_twice_or_for_ever(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        let mut open: Vec<OwnerId> = Vec::new();
        let mut lost: BTreeMap<OwnerId, u64> = BTreeMap::new();
        let mut second = 0;
        for step in steps {
            let picked = |nth: usize| open.get(nth % open.len().max(1)).copied();
            match step {
                Step::Join(key, params) => {
                    let (owner, tracked) = world.join(["ada", "bob"][key], params, second as i64);
                    open.push(owner);
                    for asked in tracked.asked.superseded.iter().chain(&tracked.asked.twins) {
                        prop_assert!(open.contains(asked), "whoever is asked is connected");
                    }
                }
                Step::Lose(nth) => if let Some(owner) = picked(nth) {
                    open.retain(|other| *other != owner);
                    world.lose(owner, second);
                    lost.insert(owner, second);
                },
                Step::Leave(nth) => if let Some(owner) = picked(nth) {
                    open.retain(|other| *other != owner);
                    world.leave(owner);
                },
                Step::Restore(nth) => if let Some(owner) = picked(nth) {
                    world.restore(owner);
                },
                Step::Pass(seconds) => {
                    for _ in 0..seconds {
                        second += 1;
                        world.expire(second);
                    }
                }
            }
            let list = world.tracker.snapshot(TOPIC);
            let mut pages = Vec::new();
            for entry in list.entries() {
                let page = entry.attributes.page.filter(|page| page.is_strong());
                prop_assert!(page.is_none() || !pages.contains(&(&entry.key, page)), "one page twice");
                pages.push((&entry.key, page));
                let is_open = open.contains(&entry.owner);
                let is_in_grace = lost.get(&entry.owner).is_some_and(|since| second < since + GRACE.as_secs());
                prop_assert!(is_open || is_in_grace, "a ghost");
            }
        }
        for owner in open {
            world.leave(owner);
        }
        for _ in 0..=GRACE.as_secs() {
            second += 1;
            world.expire(second);
        }
        prop_assert_eq!((world.tracker.len(), world.tracker.topic_count()), (0, 0));
    }
}
