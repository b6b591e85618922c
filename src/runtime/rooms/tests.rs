//! Rooms as connections see them: what they say, what they are sent, who is closed.

mod pings;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::counters::RoomCounters;
use super::handle::Rooms;
use super::line::Line;
use super::member::Newcomer;
use super::table::{Op, Said, Settings, Table};
use crate::awareness::{self, ParticipantId, Timing};
use crate::channel::node::{Mail, Peer};
use crate::gateway::User;
use crate::pages::{Page, Strength};
use crate::presence::OwnerId;
use crate::wire::{BinaryPush, Field, Frame};

/// A connection that notes what is done to it.
#[derive(Default)]
struct FakeLine(Mutex<Noted>, Notify);

#[derive(Default)]
struct Noted {
    frames: Vec<Frame>,
    pings: Vec<[u8; 8]>,
    is_full: bool,
    reads_since: Option<Instant>,
    is_closed: bool,
}

impl Peer for FakeLine {
    fn send(&self, frame: Frame) {
        self.0.lock().frames.push(frame);
        self.1.notify_one();
    }

    fn mail(&self, _: OwnerId, _: Mail) {}

    fn disconnect(&self) {}
}

impl Line for FakeLine {
    fn takes_updates(&self) -> bool {
        !self.0.lock().is_full
    }

    fn hold_update(&self, frame: Frame) -> bool {
        self.send(frame);
        true
    }

    fn ping(&self, nonce: [u8; 8]) -> bool {
        let mut noted = self.0.lock();
        if !noted.is_full {
            noted.pings.push(nonce);
        }
        !noted.is_full
    }

    fn is_behind(&self) -> bool {
        self.0.lock().is_full
    }

    fn reads_since(&self) -> Option<Instant> {
        self.0.lock().reads_since
    }

    fn close_unresponsive(&self) {
        self.0.lock().is_closed = true;
    }
}

struct World {
    table: Table,
    now: Instant,
    counters: Arc<RoomCounters>,
    lines: BTreeMap<u64, Arc<FakeLine>>,
}

const ROOM: &str = "workflow:collaborate:w";

impl World {
    fn new() -> World {
        World::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Settings)) -> World {
        let mut settings = settings();
        change(&mut settings);
        let counters = Arc::new(RoomCounters::default());
        let table = Table::new(settings, counters.clone());
        World { table, now: Instant::now(), counters, lines: BTreeMap::new() }
    }

    fn says(&mut self, id: u64, said: Said) {
        self.table.apply(Op::Participant { id: ParticipantId(id), said, _waits: None }, self.now);
        self.settle();
    }

    fn upstream(&mut self, is_away: bool) {
        self.table.apply(Op::Upstream { is_away }, self.now);
        self.settle();
    }

    fn joins(&mut self, id: u64, topic: &str, page: Option<Page>, replaces: Option<u64>) {
        let line = Arc::new(FakeLine::default());
        line.0.lock().reads_since = Some(self.now);
        self.lines.insert(id, line.clone());
        let push = BinaryPush::new(&Field::from("7"), topic, "yjs").expect("short fields");
        let newcomer = Box::new(Newcomer { workflow: "w".into(), topic: topic.into(), line, push, page });
        self.says(id, Said::Joined { newcomer, replaces: replaces.map(ParticipantId) });
        self.says(id, Said::SyncStep1);
    }

    /// Somebody who has joined, is known, and has claimed the client id of ten times its number.
    fn enters(&mut self, id: u64, page: Option<Page>, user: &str) {
        self.joins(id, ROOM, page, None);
        self.shows(id, &json!({}));
        self.is(id, user);
        self.shows(id, &json!({"n": id}));
    }

    fn is(&mut self, id: u64, user: &str) {
        self.says(id, Said::User(Some(User::new(user, &format!("Name of {user}"), "a@b"))));
    }

    fn shows(&mut self, id: u64, state: &Value) {
        self.shows_as(id, id * 10, &state.to_string());
    }

    fn shows_as(&mut self, id: u64, client: u64, state: &str) {
        self.sends(id, &message(client, state));
    }

    fn sends(&mut self, id: u64, body: &[u8]) {
        self.says(id, Said::Awareness(Bytes::copy_from_slice(body)));
    }

    fn settle(&mut self) {
        self.table.settle(self.now, 1_795_353_267_177_519);
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.table.next_due().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    fn pass_ms(&mut self, ms: u64) {
        self.pass(Duration::from_millis(ms));
    }

    /// What somebody was sent since the last look: the states by client, the latest of each.
    fn told(&mut self, id: u64) -> BTreeMap<u64, Value> {
        let frames = std::mem::take(&mut self.lines[&id].0.lock().frames);
        let mut told = BTreeMap::new();
        for frame in frames {
            let body = frame.body().into_owned();
            let payload = body.strip_prefix(&push_head(ROOM)[..]).expect("a push to this join and room");
            let (&kind, rest) = payload.split_first().expect("a message");
            assert_eq!(kind, 1);
            let length = rest.iter().position(|byte| *byte < 0x80).expect("a length") + 1;
            for entry in awareness::decode(&rest[length..]).expect("it can be read") {
                let state = entry.state.map(|state| serde_json::from_str(state).expect("a state"));
                told.insert(entry.client, state.unwrap_or_default());
            }
        }
        told
    }

    fn pings(&self, id: u64) -> Vec<[u8; 8]> {
        self.lines[&id].0.lock().pings.clone()
    }

    fn is_closed(&self, id: u64) -> bool {
        self.lines[&id].0.lock().is_closed
    }

    fn dropped(&self, label: &str) -> u64 {
        self.counters.dropped().find(|(known, _)| *known == label).expect("a reason").1
    }
}

/// The body of a message with one entry.
fn message(client: u64, state: &str) -> Vec<u8> {
    let mut body = vec![1];
    for mut number in [client, 1, state.len() as u64] {
        while number >= 0x80 {
            body.push(number as u8 | 0x80);
            number >>= 7;
        }
        body.push(number as u8);
    }
    body.extend_from_slice(state.as_bytes());
    body
}

fn push_head(topic: &str) -> Vec<u8> {
    [&[0, 1, topic.len() as u8, 3][..], b"7", topic.as_bytes(), b"yjs"].concat()
}

fn settings() -> Settings {
    Settings { grace: Duration::from_secs(5), timing: Timing::default(), trusts_clients: false }
}

fn strong(id: u64) -> Option<Page> {
    Some(Page { id, strength: Strength::Strong })
}

fn user_of(state: &Value) -> Option<&str> {
    state["user"]["id"].as_str()
}

#[test]
fn what_somebody_shows_is_told_with_the_user_that_lightning_named() {
    let mut world = World::new();
    world.enters(1, strong(1), "ada");
    world.enters(2, strong(2), "bob");
    world.pass_ms(100);
    world.shows(1, &json!({"user": {"id": "bob", "name": "Bob", "color": "#00ff00"}, "cursor": {"x": 1}}));
    world.pass_ms(100);
    let told = &world.told(2)[&10];
    assert_eq!(told["user"], json!({"id": "ada", "name": "Name of ada", "email": "a@b", "color": "#00ff00"}));
    assert_eq!(told["cursor"], json!({"x": 1}));
    assert_eq!(world.told(1).keys().collect::<Vec<_>>(), [&20]);
}

#[test]
fn a_state_waits_until_its_user_is_known_and_the_last_one_is_told() {
    let mut world = World::new();
    world.enters(2, strong(2), "bob");
    world.joins(1, ROOM, strong(1), None);
    for n in 0..3 {
        world.shows(1, &json!({"n": n}));
        world.pass_ms(1_000);
    }
    assert_eq!(world.told(2), BTreeMap::new());
    assert_eq!(world.counters.unknown(), 1);
    world.is(1, "ada");
    world.pass_ms(60);
    assert_eq!(world.told(2)[&10]["n"], 2);
    assert_eq!(world.counters.unknown(), 0);
}

#[test]
fn of_somebody_who_is_nobody_nothing_is_told() {
    let endings: [fn(&mut World); 2] =
        [|world| world.says(1, Said::User(None)), |world| world.pass_ms(10_001)];
    for ending in endings {
        let mut world = World::new();
        world.enters(2, strong(2), "bob");
        world.joins(1, ROOM, strong(1), None);
        world.shows(1, &json!({"n": 1}));
        ending(&mut world);
        assert_eq!(world.dropped("unknown_user"), 1);
        world.is(1, "ada");
        world.pass_ms(60);
        assert_eq!(world.told(2), BTreeMap::new(), "what waited is forgotten");
        world.shows(1, &json!({"n": 2}));
        world.pass_ms(60);
        assert_eq!(world.told(2)[&10]["n"], 2);
    }
}

#[test]
fn the_empty_state_is_not_told() {
    let mut world = World::new();
    world.enters(2, strong(2), "bob");
    world.joins(1, ROOM, strong(1), None);
    world.is(1, "ada");
    world.shows(1, &json!({}));
    world.pass_ms(1_500);
    assert_eq!(world.told(2), BTreeMap::new());
    assert_eq!(world.told(1).keys().collect::<Vec<_>>(), [&20], "it has claimed its id all the same");
}

#[test]
fn a_strong_page_that_comes_back_is_known_at_its_first_word() {
    let mut world = World::new();
    world.enters(1, strong(1), "ada");
    world.enters(2, strong(2), "bob");
    world.says(1, Said::Left);
    world.pass_ms(59_000);
    world.told(2);
    world.joins(3, ROOM, strong(1), None);
    world.shows_as(3, 10, "{\"n\":3}");
    world.pass_ms(60);
    assert_eq!(user_of(&world.told(2)[&10]), Some("ada"));
    // The connection's own answer replaces what was remembered.
    world.is(3, "eve");
    world.pass_ms(60);
    let told = world.told(2);
    assert_eq!((user_of(&told[&10]), &told[&10]["n"]), (Some("eve"), &json!(3)));
    // And then nothing does.
    world.is(3, "ada");
    world.pass_ms(60);
    assert_eq!(world.told(2), BTreeMap::new());
}

#[test]
fn a_weak_page_is_not_remembered() {
    let mut world = World::new();
    let weak = Some(Page { id: 1, strength: Strength::Weak });
    world.enters(1, weak, "ada");
    world.enters(2, strong(2), "bob");
    world.says(1, Said::Left);
    world.pass_ms(100);
    world.told(2);
    world.joins(3, ROOM, weak, None);
    world.shows_as(3, 10, "{\"n\":3}");
    world.pass_ms(100);
    assert_eq!(world.told(2), BTreeMap::new());
}

#[test]
fn what_cannot_be_told_is_counted_by_its_reason() {
    let mut world = World::new();
    world.enters(1, strong(1), "ada");
    world.enters(2, strong(2), "bob");
    world.pass_ms(100);
    world.told(2);
    world.sends(1, &[1, 10]);
    world.shows(1, &json!([1]));
    world.shows(1, &json!({"a": "x".repeat(4096)}));
    world.shows_as(1, 20, "{}");
    for label in ["malformed", "not_an_object", "too_large", "others"] {
        assert_eq!(world.dropped(label), 1, "{label}");
    }
    world.pass_ms(100);
    assert_eq!(world.told(2), BTreeMap::new());
}

#[test]
fn clients_that_are_trusted_say_who_they_are() {
    let mut world = World::with(|settings| settings.trusts_clients = true);
    world.joins(2, ROOM, strong(2), None);
    world.shows(2, &json!({"user": {"id": "bob", "name": "Bob", "email": "b@c"}}));
    world.joins(1, ROOM, strong(1), None);
    world.shows(1, &json!({"user": {"id": "ada", "name": "Ada\"}", "email": "a@b", "color": "red"}}));
    world.pass_ms(100);
    let told = &world.told(2)[&10]["user"];
    assert_eq!((&told["id"], &told["name"], &told["email"]), (&json!("ada"), &json!("Ada"), &json!("a@b")));
    assert!(told["color"].as_str().is_some_and(|color| color.starts_with('#')));
}

#[test]
fn whoever_joins_on_a_full_line_is_told_when_there_is_room() {
    let mut world = World::new();
    world.enters(1, strong(1), "ada");
    world.enters(2, strong(2), "bob");
    world.pass_ms(100);
    world.told(2);
    world.lines[&2].0.lock().is_full = true;
    for n in 0..10 {
        world.shows(1, &json!({"n": n}));
        world.pass_ms(100);
    }
    world.lines[&2].0.lock().is_full = false;
    world.pass_ms(60);
    assert_eq!(world.lines[&2].0.lock().frames.len(), 1);
    assert_eq!(world.told(2)[&10]["n"], 9);
}

#[test]
fn whoever_is_disconnected_stays_for_the_grace_period() {
    let mut world = World::new();
    world.enters(1, strong(1), "ada");
    world.enters(2, strong(2), "bob");
    world.pass_ms(100);
    world.told(2);
    world.says(1, Said::Disconnected { by_upstream: false });
    world.pass_ms(4_900);
    assert_eq!(world.told(2), BTreeMap::new());
    world.pass_ms(100);
    assert_eq!(world.told(2), BTreeMap::from([(10, Value::Null)]));
}

/// When somebody is told as gone whom the upstream has disconnected, in seconds; `then` is what the upstream does.
fn gone_after(then: &[(u64, bool)]) -> u64 {
    let mut world = World::new();
    world.enters(1, strong(1), "ada");
    world.enters(2, strong(2), "bob");
    world.pass_ms(1_000);
    world.says(1, Said::Disconnected { by_upstream: true });
    world.told(2);
    for second in 0.. {
        for (_, is_away) in then.iter().filter(|(at, _)| *at == second) {
            world.upstream(*is_away);
        }
        world.pass_ms(1_000);
        if world.told(2).get(&10) == Some(&Value::Null) {
            return second + 1;
        }
    }
    unreachable!("somebody stays for ever")
}

#[test]
fn while_the_upstream_is_away_those_it_has_disconnected_may_come_back() {
    assert_eq!(gone_after(&[]), 5);
    // Away at once, or found to be a moment later.
    assert_eq!(gone_after(&[(0, true)]), 60);
    assert_eq!(gone_after(&[(2, true), (20, false)]), 30);
    assert_eq!(gone_after(&[(2, true), (55, false)]), 60);
    assert_eq!(gone_after(&[(1, true), (2, false)]), 12);
    // Just before, it was.
    let mut world = World::new();
    world.enters(1, strong(1), "ada");
    world.enters(2, strong(2), "bob");
    world.upstream(true);
    world.upstream(false);
    world.pass_ms(3_000);
    world.says(1, Said::Disconnected { by_upstream: true });
    world.told(2);
    world.pass_ms(6_900);
    assert_ne!(world.told(2).get(&10), Some(&Value::Null));
    world.pass_ms(200);
    assert_eq!(world.told(2).get(&10), Some(&Value::Null));
}

#[test]
fn a_second_join_on_a_connection_is_no_event_for_others() {
    let mut world = World::new();
    world.enters(1, None, "ada");
    world.enters(2, strong(2), "bob");
    world.pass_ms(100);
    world.told(2);
    world.joins(3, ROOM, None, Some(1));
    world.says(1, Said::Disconnected { by_upstream: false });
    world.shows_as(3, 10, "{}");
    world.is(3, "ada");
    world.shows_as(3, 10, "{\"n\":1}");
    world.pass_ms(8_000);
    assert_eq!(world.told(2), BTreeMap::new());
    assert_eq!((world.counters.participants(), world.counters.unknown()), (2, 0));
}

#[test]
fn when_everybody_is_gone_nothing_is_left() {
    let mut world = World::new();
    world.enters(1, strong(1), "ada");
    world.enters(2, None, "bob");
    world.says(1, Said::Left);
    world.says(2, Said::Disconnected { by_upstream: true });
    world.pass_ms(121_000);
    assert_eq!((world.counters.participants(), world.counters.unknown()), (0, 0));
    assert_eq!(world.table.next_due(), None);
    assert!(world.table.is_empty());
}

#[tokio::test]
async fn connections_reach_the_room_of_their_topic_and_each_other() {
    let rooms = Rooms::start(3, settings(), &Arc::default());
    let lines = [0, 1, 2].map(|_| Arc::new(FakeLine::default()));
    let topics = [ROOM, ROOM, "workflow:collaborate:other"];
    let participants: Vec<_> = (1..)
        .zip(topics.iter().zip(&lines))
        .map(|(id, (topic, line))| {
            let joined = rooms.join(line.clone(), &(*topic).into(), &Field::from("7"), strong(id), None);
            let participant = joined.expect("a canvas");
            participant.sync_step1();
            participant.user(Some(User::new(&id.to_string(), "Somebody", "a@b")));
            participant.awareness(message(id * 10, "{\"n\":1}").into());
            participant
        })
        .collect();
    // Each of the two in one room is sent the other.
    for line in &lines[..2] {
        line.1.notified().await;
        assert!(line.0.lock().frames[0].body().starts_with(&push_head(ROOM)));
    }
    lines[0].0.lock().frames.clear();
    let mut participants = participants.into_iter();
    let (first, second) = (participants.next(), participants.next());
    second.expect("it joined").left();
    lines[0].1.notified().await;
    let goodbye = lines[0].0.lock().frames[0].body().into_owned();
    assert!(goodbye.ends_with(b"null"));
    assert!(lines[2].0.lock().frames.is_empty());
    drop(first);
    assert_eq!(rooms.counters().messages(), 3);
    assert!(rooms.join(lines[0].clone(), &"run:1".into(), &Field::from("1"), None, None).is_none());
}

#[tokio::test]
async fn of_a_participant_that_says_too_much_at_once_the_rest_is_dropped() {
    let rooms = Rooms::start(1, settings(), &Arc::default());
    let line = Arc::new(FakeLine::default());
    let joined = rooms.join(line, &ROOM.into(), &Field::from("7"), strong(1), None);
    let participant = joined.expect("a canvas");
    let flood = || (0..20).for_each(|_| participant.awareness(Bytes::from(vec![b'x'; 64 << 10])));
    let dropped =
        |label: &str| rooms.counters().dropped().find(|(known, _)| *known == label).map(|(_, count)| count);
    flood();
    assert_eq!(dropped("busy"), Some(16));
    // The task takes what waits, and then there is room again.
    while dropped("malformed") != Some(4) {
        tokio::task::yield_now().await;
    }
    flood();
    assert_eq!(dropped("busy"), Some(32));
}
