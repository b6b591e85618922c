//! What a shard's subscribers are sent, at chosen moments: whoever folds it has the shard's list.

mod visits;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::*;
use crate::channel::context::{Before, Seat};
use crate::channel::node::{Asked, Mail, Node, Parting, Peer};
use crate::channel::{Handle, Owner};
use crate::presence::client::{Client, Folded, unordered};
use crate::presence::{Attributes, Presence, ReplicaId, Snapshot};
use crate::runtime::fanout::Role;
use crate::wire::{Frame, Vsn};

/// A client on one topic, behind nothing but the shard, and its channel, which observes.
struct Listener {
    seat: Arc<Seat>,
    inbox: Arc<Inbox>,
    client: Client,
    /// How often it was told something.
    frames: usize,
    /// How often the channel was told of a list.
    lists: usize,
    /// A diff came before the state. The client folds it behind the state, which may hold what came after it, and is
    /// right again only with the next diff.
    early: bool,
}

/// As what a client of these tests hears [`TOPIC`].
#[derive(Clone, Copy, Debug)]
enum Hears {
    /// As a channel of the topic.
    Itself,
    /// As a channel of another one.
    FromOther,
    /// As code outside channels.
    Watching,
}

/// What a client was sent: frames, or the mail of a watch.
#[derive(Default)]
struct Inbox(Mutex<Vec<Told>>);

enum Told {
    Frame(Frame),
    Mail(Mail),
}

impl Peer for Inbox {
    fn send(&self, frame: Frame) {
        self.0.lock().push(Told::Frame(frame));
    }
    fn mail(&self, _: OwnerId, mail: Mail) {
        self.0.lock().push(Told::Mail(mail));
    }
    fn disconnect(&self) {}
}

/// A process without shards: the tests hand operations to theirs directly.
struct Nowhere;

impl Node for Nowhere {
    fn new_owner(&self) -> OwnerId {
        OwnerId(0)
    }
    fn broadcast(&self, _: Broadcast) -> Asked<()> {
        nothing()
    }
    fn track(
        &self,
        _: SmolStr,
        _: OwnerId,
        _: SmolStr,
        _: Meta,
        _: Attributes,
    ) -> Asked<Result<PhxRef, AlreadyTracked>> {
        nothing()
    }
    fn update(
        &self,
        _: SmolStr,
        _: OwnerId,
        _: SmolStr,
        _: Meta,
        _: Option<PhxRef>,
    ) -> Asked<Result<PhxRef, UpdateRefused>> {
        nothing()
    }
    fn untrack(&self, _: SmolStr, _: OwnerId, _: SmolStr) -> Asked<()> {
        nothing()
    }
    fn entry(&self, _: SmolStr, _: OwnerId, _: SmolStr) -> Asked<Option<Arc<Entry>>> {
        nothing()
    }
    fn rank(&self, _: SmolStr, _: OwnerId, _: bool) {}
    fn gone(&self, _: SmolStr, _: OwnerId, _: Parting) -> Asked<()> {
        nothing()
    }
    fn revoke(&self, _: &str) -> Asked<()> {
        nothing()
    }
    fn push_state(&self, _: SmolStr, _: &Arc<Seat>) -> Asked<()> {
        nothing()
    }
    fn follow(&self, _: SmolStr, _: &Arc<Seat>) {}
    fn observe(&self, _: SmolStr, _: OwnerId) {}
    fn watch(&self, _: SmolStr, _: &Arc<Seat>) {}
    fn list(&self, _: SmolStr) -> BoxFuture<'static, Presences> {
        futures::future::ready(Presences::default()).boxed()
    }
    fn list_encoded(&self, _: SmolStr) -> BoxFuture<'static, bytes::Bytes> {
        futures::future::ready(bytes::Bytes::new()).boxed()
    }
    fn get_by_key(&self, _: SmolStr, _: SmolStr) -> BoxFuture<'static, Option<Presence>> {
        nothing()
    }
    fn snapshot(&self, _topic: &str) -> Snapshot {
        unreachable!()
    }
    fn count(&self, _topic: &str) -> crate::presence::Headcount {
        unreachable!()
    }

    fn fetches_done(&self) -> BoxFuture<'static, ()> {
        futures::future::ready(()).boxed()
    }
}

fn nothing<T: Send + 'static>() -> Asked<T> {
    futures::future::ready(None).boxed()
}

/// A shard with its listeners, at a moment of the test's choosing.
struct World {
    shard: Shard,
    listings: Arc<Listings>,
    now: Instant,
    listeners: Vec<Listener>,
    next_owner: u64,
}

impl World {
    fn new(window: Duration) -> Self {
        let listings = Arc::new(Listings::default());
        let (back, _) = mpsc::unbounded_channel();
        let hooks = ShardHooks { fetcher: None, changes: None, back: back.downgrade() };
        let tracker = Tracker::knowing_pages(ReplicaId { node: "test".into(), incarnation: 1 });
        let shard = Shard::new(tracker, PhxRefs::new(7), hooks, listings.clone(), window, GRACE);
        World { shard, listings, now: Instant::now(), listeners: Vec::new(), next_owner: 100 }
    }

    fn apply(&mut self, op: Op) {
        self.shard.apply(op, Moment { now: self.now, unix_ns: 1_700_000_000_000_000_000 });
    }

    /// Ends a round, and lets every client fold what it was sent in it.
    fn settle(&mut self) {
        self.shard.settle(self.now);
        self.listeners.iter_mut().for_each(Listener::read);
    }

    fn pass(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
        self.settle();
    }

    /// A client that hears [`TOPIC`] from now on.
    fn subscribe(&mut self, hears: Hears) -> usize {
        self.next_owner += 1;
        let (own, role) = match hears {
            Hears::Itself => (TOPIC, Role::Member { intercepts: &[] }),
            Hears::FromOther => (OTHER, Role::Follower { under: OTHER }),
            Hears::Watching => (TOPIC, Role::Watcher),
        };
        let inbox = Arc::new(Inbox::default());
        let owner = Owner::new(OwnerId(self.next_owner), Handle::new(Arc::new(Nowhere)));
        let seat = Seat::new(own, "1".into(), Vsn::V2, owner, inbox.clone(), Before::Nothing);
        let subscriber = Subscriber::new(inbox.clone(), Vsn::V2, role);
        self.apply(Op::Subscribe { topic: TOPIC, id: seat.id(), subscriber });
        if !matches!(hears, Hears::Watching) {
            self.apply(Op::Observe { topic: TOPIC, channel: seat.id() });
        }
        self.listeners.push(Listener {
            seat,
            inbox,
            client: Client::default(),
            frames: 0,
            lists: 0,
            early: false,
        });
        self.listeners.len() - 1
    }

    fn push_state(&mut self, listener: usize) {
        let seat = self.listeners[listener].seat.clone();
        let (done, _) = oneshot::channel();
        self.apply(Op::PushState { topic: TOPIC, to: StateFor { seat, done } });
    }

    fn track(&mut self, owner: u64, key: &str) {
        let (answer, _) = oneshot::channel();
        let meta = Meta::of(&json!({"n": owner})).expect("an object");
        let what = Tracking { key: key.into(), meta, attributes: Attributes::default() };
        self.apply(Op::Track { topic: TOPIC, owner: OwnerId(owner), what, answer });
    }

    fn update(&mut self, owner: u64, key: &str) {
        let (answer, _) = oneshot::channel();
        let meta = Meta::of(&json!({"updated": owner})).expect("an object");
        let (owner, key) = (OwnerId(owner), key.into());
        self.apply(Op::Update { topic: TOPIC, owner, key, meta, expected: None, answer });
    }

    fn untrack(&mut self, owner: u64, key: &str) {
        let (answer, _) = oneshot::channel();
        self.apply(Op::Untrack { topic: TOPIC, owner: OwnerId(owner), key: key.into(), answer });
    }

    fn gone(&mut self, owner: OwnerId) {
        let (gone, _) = oneshot::channel();
        self.apply(Op::Gone { topic: TOPIC, owner, parting: Parting::LEFT, gone });
    }

    fn listed(&self) -> Folded {
        folded(&self.listings.get(&TOPIC).snapshot)
    }
}

impl Listener {
    fn read(&mut self) {
        let told = std::mem::take(&mut *self.inbox.0.lock());
        let mut lists: Vec<Mail> = Vec::new();
        let frames_before = self.frames;
        for told in told {
            let (event, payload) = match told {
                Told::Frame(frame) => {
                    let frame: Value = serde_json::from_slice(&frame.body()).expect("frames are JSON");
                    assert_eq!(frame[2], self.seat.topic.as_str(), "a client hears its own topic only");
                    (frame[3].as_str().expect("an event is a text").to_owned(), frame[4].to_string())
                }
                Told::Mail(Mail::Out { event, payload: Payload::Json(payload) }) => {
                    (event.to_string(), payload.to_string())
                }
                // The connection's own to answer.
                Told::Mail(Mail::Probe(_)) => continue,
                Told::Mail(mail) => {
                    assert!(self.frames > frames_before, "the client hears it first");
                    lists.push(mail);
                    continue;
                }
            };
            self.frames += 1;
            match event.as_str() {
                "presence_state" => self.client.receive_state(payload.as_bytes()),
                "presence_diff" => {
                    self.early |= !self.client.has_state;
                    self.client.receive_diff(payload.as_bytes());
                }
                other => panic!("a shard sends no {other:?}"),
            }
        }
        lists.iter().for_each(|mail| self.hear(mail));
    }

    /// The channel is told what its client knows already, neither more nor less.
    fn hear(&mut self, mail: &Mail) {
        let Mail::Presence(observation) = mail else { panic!("a shard mails nothing else") };
        let list = observation.take().expect("a list waits, or there would be no mail");
        self.lists += 1;
        if self.client.has_state && !self.early {
            assert_eq!(unordered(&self.client.list), unordered(&folded(&list)));
        }
    }
}

fn folded(list: &Snapshot) -> Folded {
    list.presences().0.into_iter().map(|(key, presence)| (key, presence.metas)).collect()
}

const TOPIC: SmolStr = SmolStr::new_static("room:1");
const OTHER: SmolStr = SmolStr::new_static("room:other");
const GRACE: Duration = Duration::from_secs(5);
const WINDOW: Duration = Duration::from_millis(5);

#[test]
fn the_first_change_of_a_quiet_topic_is_told_at_once() {
    let mut world = World::new(WINDOW);
    world.subscribe(Hears::Itself);
    world.track(1, "a");
    world.settle();
    assert_eq!(world.listeners[0].frames, 1);
    assert_eq!(world.shard.next_due(), None);
}

#[test]
fn what_follows_within_the_window_is_told_as_one_at_its_end() {
    let mut world = World::new(WINDOW);
    world.subscribe(Hears::Itself);
    let start = world.now;
    for owner in 1..=10 {
        world.track(owner, "a");
        world.settle();
    }
    assert_eq!(world.listeners[0].frames, 1);
    assert_eq!(world.shard.next_due(), Some(start + WINDOW));
    world.pass(4);
    assert_eq!(world.listeners[0].frames, 1);
    world.pass(1);
    assert_eq!(world.listeners[0].frames, 2);
    world.pass(5);
    assert_eq!(world.listeners[0].frames, 2);
}

#[test]
fn a_long_list_is_kept_once_for_all_who_are_sent_it() {
    let mut world = World::new(WINDOW);
    let listeners = [(); 2].map(|()| world.subscribe(Hears::Itself));
    (1..=100).for_each(|owner| world.track(owner, &format!("user {owner}")));
    listeners.iter().for_each(|listener| world.push_state(*listener));
    world.shard.settle(world.now);
    let shared = listeners.map(|listener| {
        let told = world.listeners[listener].inbox.0.lock();
        told.iter().find_map(|told| match told {
            Told::Frame(frame) => frame.pieces().nth(1).map(|list| list.as_ptr()),
            Told::Mail(_) => None,
        })
    });
    assert!(shared[0].is_some());
    assert_eq!(shared[0], shared[1]);
}

#[test]
fn who_comes_to_a_quiet_topic_is_not_told_what_was_before() {
    let mut world = World::new(WINDOW);
    world.track(1, "a");
    world.pass(0);
    world.pass(5);
    world.gone(OwnerId(1));
    world.subscribe(Hears::Itself);
    world.settle();
    assert_eq!(world.listeners[0].frames, 0);
}

#[test]
fn the_leaver_is_not_told_of_its_leave() {
    let mut world = World::new(WINDOW);
    let leaver = world.subscribe(Hears::Itself);
    let stays = world.subscribe(Hears::Itself);
    let id = world.listeners[leaver].seat.id();
    world.track(id.0, "a");
    world.pass(5);
    world.gone(id);
    world.pass(5);
    assert_eq!((world.listeners[leaver].frames, world.listeners[stays].frames), (1, 2));
}

#[test]
fn a_joiner_gets_a_list_that_holds_itself_and_the_diff_of_its_join() {
    let mut world = World::new(WINDOW);
    let joiner = world.subscribe(Hears::FromOther);
    world.track(1, "a");
    world.push_state(joiner);
    world.settle();
    assert_eq!(world.listeners[joiner].frames, 2);
    assert_eq!(unordered(&world.listeners[joiner].client.list), unordered(&world.listed()));
}

#[test]
fn who_observes_is_told_with_each_state_and_diff_but_once_while_nobody_listens() {
    let mut world = World::new(WINDOW);
    let listener = world.subscribe(Hears::FromOther);
    world.push_state(listener);
    world.settle();
    world.track(1, "a");
    world.settle();
    assert_eq!(world.listeners[listener].lists, 2);
    for owner in 2..5 {
        world.now += WINDOW;
        world.track(owner, "a");
        world.shard.settle(world.now);
    }
    let inbox = world.listeners[listener].inbox.0.lock();
    let mail = inbox.iter().filter(|item| matches!(item, Told::Mail(_))).count();
    assert_eq!((inbox.len() - mail, mail), (3, 1));
}

#[test]
fn a_watch_hears_presence_and_no_broadcast_until_it_is_gone() {
    let mut world = World::new(WINDOW);
    let watch = world.subscribe(Hears::Watching);
    world.push_state(watch);
    world.track(1, "a");
    world.pass(5);
    assert_eq!(unordered(&world.listeners[watch].client.list), unordered(&world.listed()));
    let (sent, _) = oneshot::channel();
    let message = Broadcast { topic: TOPIC, event: "said".into(), payload: Payload::empty(), except: None };
    world.apply(Op::Broadcast { message, sent });
    world.settle();
    let heard = world.listeners[watch].frames;
    world.gone(world.listeners[watch].seat.id());
    world.gone(OwnerId(1));
    world.pass(5);
    assert_eq!(world.listeners[watch].frames, heard);
    assert!(world.shard.topics.is_empty(), "nothing is kept for it");
}

#[test]
fn a_hushed_shard_tells_nothing_more() {
    let mut world = World::new(WINDOW);
    world.subscribe(Hears::Itself);
    world.track(1, "a");
    world.pass(5);
    let (done, _) = oneshot::channel();
    world.apply(Op::Hush { done });
    world.gone(OwnerId(1));
    world.pass(100);
    assert_eq!(world.listeners[0].frames, 1);
}

#[test]
fn a_topic_that_nobody_hears_and_nobody_is_on_is_forgotten() {
    let mut world = World::new(WINDOW);
    let listener = world.subscribe(Hears::Itself);
    world.track(1, "a");
    world.settle();
    world.gone(OwnerId(1));
    world.gone(world.listeners[listener].seat.id());
    world.pass(5);
    world.pass(5);
    assert!(world.shard.topics.is_empty() && world.shard.due.is_empty() && world.listed().is_empty());
}

/// What may happen next.
#[test]
fn the_more_are_to_be_told_the_longer_changes_gather_but_never_for_longer_than_a_quarter_of_a_second() {
    let mut topic = Topic::default();
    let mut windows = Vec::new();
    for count in [1, 400, 3_000, 30_000] {
        while topic.subscribers.len() < count {
            let id = OwnerId(topic.subscribers.len() as u64);
            let subscriber = Subscriber::new(Arc::new(Inbox::default()), Vsn::V2, Role::Watcher);
            topic.subscribers.insert(id, subscriber);
        }
        windows.push(topic.window(WINDOW).as_millis());
        assert_eq!(topic.window(Duration::ZERO), Duration::ZERO, "where nothing is to gather nothing does");
    }
    assert_eq!(windows, [5, 5, 36, 250]);
}

#[derive(Clone, Debug)]
enum Step {
    Track {
        owner: u64,
        key: usize,
    },
    Update {
        owner: u64,
        key: usize,
    },
    Untrack {
        owner: u64,
        key: usize,
    },
    Gone {
        owner: u64,
    },
    /// A client subscribes; its list follows in the same round, or later.
    Subscribe {
        hears: Hears,
        list_at_once: bool,
    },
    /// A client that has no list yet asks for it, or one that has for a fresh one.
    PushState {
        listener: usize,
    },
    Unsubscribe {
        listener: usize,
    },
    Settle,
    Pass {
        milliseconds: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let held = (0..3u64, 0..KEYS.len());
    prop_oneof![
        6 => held.clone().prop_map(|(owner, key)| Step::Track { owner, key }),
        6 => held.clone().prop_map(|(owner, key)| Step::Update { owner, key }),
        4 => held.prop_map(|(owner, key)| Step::Untrack { owner, key }),
        2 => (0..3u64).prop_map(|owner| Step::Gone { owner }),
        3 => (hears(), any::<bool>()).prop_map(|(hears, list_at_once)| Step::Subscribe { hears, list_at_once }),
        2 => (0..4usize).prop_map(|listener| Step::PushState { listener }),
        1 => (0..4usize).prop_map(|listener| Step::Unsubscribe { listener }),
        6 => Just(Step::Settle),
        4 => (0..7u64).prop_map(|milliseconds| Step::Pass { milliseconds }),
    ]
}

fn hears() -> impl Strategy<Value = Hears> {
    prop_oneof![Just(Hears::Itself), Just(Hears::FromOther), Just(Hears::Watching)]
}

fn take(world: &mut World, step: &Step) {
    match *step {
        Step::Track { owner, key } => world.track(owner, KEYS[key]),
        Step::Update { owner, key } => world.update(owner, KEYS[key]),
        Step::Untrack { owner, key } => world.untrack(owner, KEYS[key]),
        Step::Gone { owner } => world.gone(OwnerId(owner)),
        Step::Subscribe { hears, list_at_once } => {
            let listener = world.subscribe(hears);
            if list_at_once {
                world.push_state(listener);
            }
        }
        Step::PushState { listener } if listener < world.listeners.len() => world.push_state(listener),
        Step::Unsubscribe { listener } if listener < world.listeners.len() => {
            world.settle();
            let gone = world.listeners.swap_remove(listener);
            world.gone(gone.seat.id());
        }
        Step::PushState { .. } | Step::Unsubscribe { .. } => {}
        Step::Settle => world.settle(),
        Step::Pass { milliseconds } => world.pass(milliseconds),
    }
}

const KEYS: [&str; 3] = ["a", "__proto__", "a key that is too long to be stored in place"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whoever_folds_what_a_shard_sends_ends_with_its_list_and_who_observes_is_never_ahead(steps in prop::collection::vec(step(), 0..80)) {
        let mut world = World::new(WINDOW);
        steps.iter().for_each(|step| take(&mut world, step));
        for listener in 0..world.listeners.len() {
            if !world.listeners[listener].client.has_state {
                world.push_state(listener);
            }
        }
        world.pass(5);
        world.pass(5);
        let listed = world.listed();
        for listener in &world.listeners {
            assert_eq!(unordered(&listener.client.list), unordered(&listed));
        }
    }
}
