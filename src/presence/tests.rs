//! The promise of the whole folder: whoever folds a state and the diffs after it, by the rules of phoenix.js,
//! ends with the tracker's list.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;

use super::client::{Client, Folded, unordered};
use super::*;

/// Keys that have broken somebody's map, JSON or string handling.
pub(super) const EVIL_KEYS: [&str; 7] = [
    "",
    "__proto__",
    "say \"\\\n\u{1}\"",
    "zoë 🦀",
    "7",
    "constructor",
    "long key that no small string can hold",
];

/// A tracker with the references it is given, and how to ask it things in few words.
pub(super) struct World {
    pub(super) tracker: Tracker,
    /// Every reference made so far, in order.
    pub(super) made: Vec<PhxRef>,
    refs: PhxRefs,
}

impl World {
    pub(super) fn new() -> Self {
        let tracker = Tracker::new(ReplicaId { node: "here".into(), incarnation: 1 });
        Self { tracker, made: vec![], refs: PhxRefs::new(0xa055) }
    }

    /// Tracks what is not tracked yet.
    pub(super) fn track(&mut self, topic: &str, owner: u64, key: &str, json: &str) -> Change {
        let phx_ref = self.phx_ref();
        self.tracker
            .track(&topic.into(), OwnerId(owner), key.into(), &meta(json), Attributes::default(), phx_ref)
            .expect("not tracked yet")
            .change
    }

    /// Updates what is tracked.
    pub(super) fn update(&mut self, topic: &str, owner: u64, key: &str, json: &str) -> Change {
        let phx_ref = self.phx_ref();
        self.tracker.update(topic, OwnerId(owner), key, &meta(json), phx_ref).expect("tracked")
    }

    pub(super) fn untrack(&mut self, topic: &str, owner: u64, key: &str) -> Option<Change> {
        self.tracker.untrack(topic, OwnerId(owner), key)
    }

    fn phx_ref(&mut self) -> PhxRef {
        let phx_ref = self.refs.next(1_795_353_267_177_519_000);
        self.made.push(phx_ref.clone());
        phx_ref
    }
}

pub(super) fn meta(json: &str) -> Meta {
    Meta::parse(json.as_bytes()).expect("an object")
}

/// One topic as its shard sees it: what waits, who listens, and what a `handle_metas` hook was shown.
#[derive(Default)]
struct Room {
    pending: Pending,
    /// Each is the client of an owner, who may be on the topic or not.
    clients: Vec<(OwnerId, Client)>,
    accumulated: Accumulated,
}

impl Room {
    /// Sends what waits to everyone, after which everyone who has a state must have the tracker's list.
    fn flush(&mut self, topic: &str, tracker: &Tracker) {
        let was_empty = self.pending.is_empty();
        let Told { diff, instead } = self.pending.take();
        assert!(!was_empty || diff.is_none() && instead.is_empty());
        assert!(self.pending.is_empty());
        let listed = tracker.snapshot(topic).presences();
        let expected: Folded = listed.0.into_iter().map(|(key, presence)| (key, presence.metas)).collect();

        let is_told_otherwise = |owner| instead.iter().any(|own| own.to.contains(&owner));
        if let Some(diff) = diff {
            check_encoding(&diff);
            let seen = self.accumulated.apply(&topic.into(), &diff.joins(), &diff.leaves()).clone();
            assert_eq!(unordered(&seen), unordered(&expected));
            assert_eq!(self.accumulated.apply(&topic.into(), &diff.joins(), &diff.leaves()), &seen);
            for (_, client) in self.clients.iter_mut().filter(|(owner, _)| !is_told_otherwise(*owner)) {
                client.receive_diff(&diff.encode());
                if client.has_state {
                    let mut twice = client.clone();
                    twice.receive_diff(&diff.encode());
                    assert_eq!(twice.list, client.list);
                }
            }
        }
        for Instead { to, diff, .. } in &instead {
            check_encoding(diff);
            for (_, client) in self.clients.iter_mut().filter(|(owner, _)| to.contains(owner)) {
                client.receive_diff(&diff.encode());
            }
        }
        for (_, client) in self.clients.iter().filter(|(_, client)| client.has_state) {
            assert_eq!(unordered(&client.list), unordered(&expected));
            assert!(!client.was_told_a_leave_of_nobody);
        }
        self.clients.iter_mut().for_each(|(_, client)| client.is_excused = false);
    }

    /// An owner's client hears the topic from now on; the one before does no more.
    fn enter(&mut self, owner: OwnerId, client: Client) {
        self.clients.retain(|(other, _)| *other != owner);
        self.clients.push((owner, client));
    }

    /// The state that is sent to an owner's client now; everything that waits has been shown by it.
    fn state(&mut self, to: OwnerId, heard: bool, topic: &str, tracker: &Tracker) -> Bytes {
        self.pending.snapshot_taken(to, heard);
        let snapshot = tracker.snapshot(topic);
        let encoded: Value = serde_json::from_slice(&snapshot.encode()).expect("a state is JSON");
        assert_eq!(encoded, serde_json::to_value(snapshot.presences()).expect("serialises"));
        snapshot.encode()
    }
}

/// A diff is what both its encodings say, and no reference stands in both its parts.
fn check_encoding(diff: &Diff) {
    let decorated = encode_diff(&diff.joins(), &diff.leaves()).expect("serialises");
    let [plain, decorated]: [Value; 2] =
        [diff.encode(), decorated].map(|json| serde_json::from_slice(&json).expect("a diff is JSON"));
    assert_eq!(plain, decorated);
    let told = |entries: &[Arc<Entry>]| -> BTreeSet<PhxRef> {
        entries.iter().map(|entry| entry.phx_ref.clone()).collect()
    };
    assert!(told(&diff.joins).is_disjoint(&told(&diff.leaves)));
}

/// What may happen next on a topic.
#[derive(Clone, Debug)]
enum Step {
    Track {
        owner: u64,
        key: usize,
        meta: usize,
    },
    Update {
        owner: u64,
        key: usize,
        meta: usize,
    },
    Untrack {
        owner: u64,
        key: usize,
    },
    OwnerGone {
        owner: u64,
    },
    /// What waits is sent.
    Flush,
    /// Somebody subscribes and gets the state in the same moment.
    Subscribe {
        owner: u64,
    },
    /// Somebody subscribes, and diffs may come before the state.
    SubscribeEarly {
        owner: u64,
    },
    /// Whoever subscribed gets a state: the first for some, a fresh one for the others.
    SendStates,
}

fn step() -> impl Strategy<Value = Step> {
    // Few owners and keys, so that they meet often.
    let (owner, key, meta) = (0..3u64, 0..4usize, 0..METAS.len());
    let held = (owner.clone(), key, meta);
    // Who subscribes may be one of those who track, or only hear.
    let listener = 0..6u64;
    prop_oneof![
        6 => held.clone().prop_map(|(owner, key, meta)| Step::Track { owner, key, meta }),
        6 => held.clone().prop_map(|(owner, key, meta)| Step::Update { owner, key, meta }),
        4 => held.prop_map(|(owner, key, _)| Step::Untrack { owner, key }),
        2 => owner.prop_map(|owner| Step::OwnerGone { owner }),
        3 => Just(Step::Flush),
        3 => listener.clone().prop_map(|owner| Step::Subscribe { owner }),
        1 => listener.prop_map(|owner| Step::SubscribeEarly { owner }),
        1 => Just(Step::SendStates),
    ]
}

/// Who has what by the plainest of models: owner and key to the place in [`METAS`] of the latest meta.
type Model = BTreeMap<(usize, u64, usize), usize>;

/// Does what a step asks of the tracker, and checks the answer against the model.
fn change(world: &mut World, model: &mut Model, at: usize, step: &Step) -> Option<Change> {
    let topic = TOPICS[at];
    match *step {
        Step::Track { owner, key, meta: nth } => {
            let (phx_ref, meta) = (world.phx_ref(), meta(METAS[nth]));
            let change = world
                .tracker
                .track(
                    &topic.into(),
                    OwnerId(owner),
                    EVIL_KEYS[key].into(),
                    &meta,
                    Attributes::default(),
                    phx_ref,
                )
                .ok()
                .map(|tracked| tracked.change);
            assert_eq!(change.is_none(), model.contains_key(&(at, owner, key)));
            model.entry((at, owner, key)).or_insert(nth);
            change
        }
        Step::Update { owner, key, meta: nth } => {
            let (phx_ref, meta) = (world.phx_ref(), meta(METAS[nth]));
            let change = world.tracker.update(topic, OwnerId(owner), EVIL_KEYS[key], &meta, phx_ref).ok();
            assert_eq!(change.is_some(), model.contains_key(&(at, owner, key)));
            model.entry((at, owner, key)).and_modify(|known| *known = nth);
            change
        }
        Step::Untrack { owner, key } => {
            let change = world.untrack(topic, owner, EVIL_KEYS[key]);
            assert_eq!(change.is_some(), model.remove(&(at, owner, key)).is_some());
            change
        }
        Step::OwnerGone { owner } => {
            let change = world.tracker.untrack_owner(topic, OwnerId(owner));
            let before = model.len();
            model.retain(|&(there, by, _), _| (there, by) != (at, owner));
            assert_eq!(change.as_ref().map_or(0, |change| change.leaves.len()), before - model.len());
            change
        }
        Step::Flush | Step::Subscribe { .. } | Step::SubscribeEarly { .. } | Step::SendStates => None,
    }
}

/// The tracker has what the model has, no more and no less.
fn agree(tracker: &Tracker, model: &Model) {
    assert_eq!(tracker.len(), model.len());
    let topics: BTreeSet<usize> = model.keys().map(|&(at, ..)| at).collect();
    assert_eq!(tracker.topic_count(), topics.len());
    for (&(at, owner, key), &nth) in model {
        let entry = tracker.get(TOPICS[at], OwnerId(owner), EVIL_KEYS[key]).expect("tracked in the model");
        let mut meta = entry.meta_value();
        meta.remove("phx_ref");
        meta.remove("phx_ref_prev");
        assert_eq!(Value::from(meta), serde_json::from_str::<Value>(METAS[nth]).expect("JSON"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whoever_folds_a_state_and_the_diffs_after_it_ends_with_the_trackers_list(
        steps in prop::collection::vec((0..TOPICS.len(), step()), 0..80),
    ) {
        let (mut world, mut model) = (World::new(), Model::new());
        let mut rooms: Vec<Room> = TOPICS.iter().map(|_| Room::default()).collect();
        for (room, topic) in rooms.iter_mut().zip(TOPICS) {
            let (owner, mut from_the_start) = (OwnerId(6), Client::default());
            from_the_start.receive_state(&room.state(owner, false, topic, &world.tracker));
            room.clients.push((owner, from_the_start));
        }

        for (at, step) in &steps {
            let (topic, room) = (TOPICS[*at], &mut rooms[*at]);
            if let Some(change) = change(&mut world, &mut model, *at, step) {
                room.pending.absorb(change, Instant::now());
            }
            if let Step::OwnerGone { owner } = step {
                room.pending.parted(OwnerId(*owner));
            }
            agree(&world.tracker, &model);
            match step {
                Step::Flush => room.flush(topic, &world.tracker),
                Step::Subscribe { owner } => {
                    let (owner, mut client) = (OwnerId(*owner), Client::default());
                    client.receive_state(&room.state(owner, false, topic, &world.tracker));
                    room.enter(owner, client);
                }
                Step::SubscribeEarly { owner } => room.enter(OwnerId(*owner), Client::default()),
                Step::SendStates => {
                    let mut clients = std::mem::take(&mut room.clients);
                    for (owner, client) in &mut clients {
                        let heard = client.has_queued();
                        client.receive_state(&room.state(*owner, heard, topic, &world.tracker));
                    }
                    room.clients = clients;
                }
                // Whoever goes hears no more.
                Step::OwnerGone { owner } => room.clients.retain(|(client, _)| client.0 != *owner),
                _ => {}
            }
        }

        for (room, topic) in rooms.iter_mut().zip(TOPICS) {
            let mut clients = std::mem::take(&mut room.clients);
            for (owner, client) in clients.iter_mut().filter(|(_, client)| !client.has_state) {
                let heard = client.has_queued();
                client.receive_state(&room.state(*owner, heard, topic, &world.tracker));
            }
            room.clients = clients;
            room.flush(topic, &world.tracker);
        }
    }
}

const TOPICS: [&str; 2] = ["room:1", "a topic with a name that no small string can hold"];

const METAS: [&str; 4] =
    ["{}", r#"{"n":1}"#, r#"{"n":2,"o":{"q":"\"\\ 🦀"}}"#, r#"{"n":12345678901234567890.5,"a":[null,true]}"#];
