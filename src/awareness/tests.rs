//! Rooms as stories: who joins, what they say, what each is told.
//!
//! Owns the [`World`] that all of them are told in. The rules of real clients are held in `vectors`, any sequence of
//! events in `sequences`.

mod claims;
mod fold;
mod fuzz;
mod pace;
mod returns;
mod sequences;
mod vectors;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::*;
use crate::pages::{Page, Strength};

/// A room, its clock, and what everybody was sent.
struct World {
    room: Room,
    now: Instant,
    unix_us: u64,
    sent: Vec<Sent>,
    full: BTreeSet<ParticipantId>,
}

/// One message to one participant.
#[derive(Clone, Debug)]
struct Sent {
    to: ParticipantId,
    at: Instant,
    /// Client, clock, state.
    entries: Vec<(u64, u64, Option<String>)>,
}

impl World {
    fn new() -> World {
        World {
            room: Room::new(Timing::default()),
            now: Instant::now(),
            unix_us: 1_795_353_267_177_519,
            sent: Vec::new(),
            full: BTreeSet::new(),
        }
    }

    /// A participant that has joined and sent its sync step 1.
    fn join(&mut self, id: u64, page: Option<Page>) {
        self.room.join(ParticipantId(id), page, None, self.now);
        self.room.sync_step1(ParticipantId(id));
    }

    /// One that has claimed a client id as well, and shows a state.
    fn enter(&mut self, id: u64, page: Option<Page>, client: u64) {
        self.join(id, page);
        assert!(self.say(id, client, "{\"n\":0}"));
    }

    /// A participant's message with one entry. Whether the participant speaks for that client id.
    fn say(&mut self, id: u64, client: u64, state: &str) -> bool {
        let entry = Entry { client, clock: 1, state: Some(state) };
        let received = self.room.receive(ParticipantId(id), &[entry], self.now);
        if let Some(Own::State(state)) = received.own {
            self.room.set_state(ParticipantId(id), state, &format!("user {id}"), self.now);
        }
        received.own.is_some()
    }

    /// A participant's message that says that these are gone.
    fn say_gone(&mut self, id: u64, clients: &[u64]) {
        let entries: Vec<_> = clients.iter().map(|&client| Entry { client, clock: 9, state: None }).collect();
        if self.room.receive(ParticipantId(id), &entries, self.now).own == Some(Own::Null) {
            self.room.clear_state(ParticipantId(id), self.now);
        }
    }

    fn leave(&mut self, id: u64) {
        self.room.leave(ParticipantId(id), self.now);
    }

    /// Disconnects a participant with a grace period of so many seconds.
    fn drop(&mut self, id: u64, grace: u64) {
        self.room.disconnect(ParticipantId(id), self.now + Duration::from_secs(grace), self.now);
    }

    /// Lets that much time pass, and everything happen when it is due.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.run();
        while let Some(due) = self.room.next_due().filter(|due| *due <= end) {
            self.advance_to(due.max(self.now));
            self.run();
        }
        self.advance_to(end);
    }

    fn pass_ms(&mut self, ms: u64) {
        self.pass(Duration::from_millis(ms));
    }

    fn pass_secs(&mut self, secs: u64) {
        self.pass(Duration::from_secs(secs));
    }

    fn advance_to(&mut self, at: Instant) {
        self.unix_us += (at - self.now).as_micros() as u64;
        self.now = at;
    }

    fn run(&mut self) {
        let World { room, now, unix_us, sent, full } = self;
        room.run_due(
            *now,
            *unix_us,
            |id| !full.contains(&id),
            |to, update| sent.push(Sent { to, at: *now, entries: read(&update) }),
        );
    }

    /// What a participant was sent since the last look: clients with their states, the latest of each.
    fn told(&mut self, id: u64) -> BTreeMap<u64, Option<String>> {
        let (theirs, others) = self.sent.drain(..).partition(|sent| sent.to == ParticipantId(id));
        self.sent = others;
        let theirs: Vec<Sent> = theirs;
        let entries = theirs.into_iter().flat_map(|sent| sent.entries);
        entries.map(|(client, _, state)| (client, state)).collect()
    }

    /// The same, without the states: who is there, and who is gone.
    fn seen(&mut self, id: u64) -> BTreeMap<u64, bool> {
        self.told(id).into_iter().map(|(client, state)| (client, state.is_some())).collect()
    }

    /// Forgets what was sent so far.
    fn look_away(&mut self) {
        self.sent.clear();
    }
}

/// Reads a message as a client does.
fn read(update: &Update<'_>) -> Vec<(u64, u64, Option<String>)> {
    let mut message = Vec::new();
    update.write_to(&mut message);
    assert_eq!(message.len(), update.len());
    assert_eq!(message[0], 1, "awareness");
    let mut body = &message[1..];
    assert_eq!(codec::take_number(&mut body), Ok(body.len() as u64));
    let entries = decode(body).expect("what is told can be read");
    assert_eq!(entries.len(), update.entries());
    entries.iter().map(|entry| (entry.client, entry.clock, entry.state.map(str::to_owned))).collect()
}

/// Pages by number.
fn strong(id: u64) -> Option<Page> {
    Some(Page { id, strength: Strength::Strong })
}

fn weak(id: u64) -> Option<Page> {
    Some(Page { id, strength: Strength::Weak })
}

/// Who is there, and who is gone.
fn seen<const N: usize>(clients: [(u64, bool); N]) -> BTreeMap<u64, bool> {
    BTreeMap::from(clients)
}

#[test]
fn whoever_claims_is_sent_all_others_and_all_others_are_sent_the_newcomer() {
    let mut world = World::new();
    world.enter(1, strong(1), 10);
    world.enter(2, strong(2), 20);
    world.pass_ms(60);
    assert_eq!(world.seen(1), seen([(20, true)]));
    assert_eq!(world.seen(2), seen([(10, true)]));
    world.enter(3, strong(3), 30);
    world.pass_ms(60);
    assert_eq!(world.seen(3), seen([(10, true), (20, true)]));
    assert_eq!((world.seen(1), world.seen(2)), (seen([(30, true)]), seen([(30, true)])));
}

#[test]
fn nothing_is_told_before_the_claim_and_after_a_second_everything_is() {
    let mut world = World::new();
    world.enter(1, strong(1), 10);
    world.join(2, strong(2));
    world.say(1, 10, "{\"n\":1}");
    world.pass_ms(990);
    assert_eq!(world.seen(2), seen([]));
    world.pass_ms(20);
    assert_eq!(world.told(2), BTreeMap::from([(10, Some("{\"n\":1}".to_owned()))]));
}

#[test]
fn a_query_is_answered_with_everybody_however_often_it_is_asked() {
    let mut world = World::new();
    world.enter(1, strong(1), 10);
    world.join(2, strong(2));
    for _ in 0..3 {
        world.room.query(ParticipantId(2), world.now);
        world.pass_ms(60);
        assert_eq!(world.seen(2), seen([(10, true)]));
    }
}

#[test]
fn in_an_empty_room_nothing_is_sent() {
    let mut world = World::new();
    world.enter(1, strong(1), 10);
    world.room.query(ParticipantId(1), world.now);
    world.pass_secs(60);
    assert!(world.sent.is_empty());
}

#[test]
fn whoever_leaves_is_gone_at_once() {
    let mut world = World::new();
    world.enter(1, strong(1), 10);
    world.enter(2, strong(2), 20);
    world.pass_secs(1);
    world.look_away();
    world.leave(1);
    world.pass_ms(1);
    assert_eq!(world.seen(2), seen([(10, false)]));
}

#[test]
fn its_own_null_takes_the_state_away_and_the_participant_stays() {
    let mut world = World::new();
    world.enter(1, strong(1), 10);
    world.enter(2, strong(2), 20);
    world.pass_secs(1);
    world.look_away();
    world.say_gone(1, &[10]);
    world.pass_ms(60);
    assert_eq!(world.seen(2), seen([(10, false)]));
    world.say(2, 20, "{\"n\":1}");
    world.pass_ms(60);
    assert_eq!(world.seen(1), seen([(20, true)]), "it goes on hearing");
    // What it says next is told, even if it is what it said before.
    assert!(world.say(1, 10, "{\"n\":0}"));
    world.pass_ms(60);
    assert_eq!(world.seen(2), seen([(10, true)]));
}

#[test]
fn what_came_and_went_within_a_round_is_told_to_nobody() {
    let mut world = World::new();
    world.enter(1, strong(1), 10);
    world.enter(2, strong(2), 20);
    world.pass_secs(1);
    world.look_away();
    world.enter(3, strong(3), 30);
    world.leave(3);
    world.pass_secs(1);
    assert!(world.sent.is_empty(), "{:?}", world.sent);
}

#[test]
fn entries_of_others_come_to_nothing() {
    let mut world = World::new();
    world.enter(1, strong(1), 10);
    world.enter(2, strong(2), 20);
    world.pass_secs(1);
    world.look_away();
    let echo = [
        Entry { client: 10, clock: 1 << 50, state: Some("{\"forged\":true}") },
        Entry { client: 77, clock: 1, state: Some("{}") },
        Entry { client: 20, clock: 1, state: Some("{\"n\":5}") },
        Entry { client: 78, clock: 1, state: None },
    ];
    let received = world.room.receive(ParticipantId(2), &echo, world.now);
    assert_eq!(received.own, Some(Own::State("{\"n\":5}")));
    assert_eq!(received.dropped, Dropped { others: 3, ..Dropped::default() });
    world.pass_secs(1);
    assert_eq!(world.room.table().get(&10).map(String::as_str), Some("{\"n\":0}"));
}

#[test]
fn of_two_entries_for_its_own_client_the_one_counts_that_clients_would_keep() {
    let mut world = World::new();
    world.enter(1, strong(1), 10);
    let entry = |clock, state| Entry { client: 10, clock, state };
    let own = |world: &mut World, entries: &[Entry<'static>]| {
        world.room.receive(ParticipantId(1), entries, world.now).own
    };
    assert_eq!(own(&mut world, &[entry(3, Some("3")), entry(2, Some("2"))]), Some(Own::State("3")));
    assert_eq!(own(&mut world, &[entry(2, Some("2")), entry(3, Some("3"))]), Some(Own::State("3")));
    assert_eq!(own(&mut world, &[entry(3, Some("3")), entry(3, Some("4"))]), Some(Own::State("3")));
    assert_eq!(own(&mut world, &[entry(3, Some("3")), entry(3, None)]), Some(Own::Null));
}

#[test]
fn a_client_that_has_forgotten_others_is_told_of_them_again_and_alone() {
    let mut world = World::new();
    for id in 1..=4 {
        world.enter(id, strong(id), id * 10);
    }
    world.pass_secs(1);
    world.look_away();
    world.say_gone(1, &[20, 30, 77]);
    world.pass_ms(60);
    assert_eq!(world.seen(1), seen([(20, true), (30, true)]));
    assert!(world.sent.is_empty());
}

#[test]
fn what_is_told_again_has_a_higher_number() {
    let mut world = World::new();
    world.enter(1, strong(1), 10);
    world.enter(2, strong(2), 20);
    let mut numbers = Vec::new();
    for time in [0, 50, 50, 20_000] {
        world.pass_ms(time + 60);
        world.room.query(ParticipantId(2), world.now);
        // A clock that stands still, or steps back, makes no difference.
        world.unix_us -= 40_000_000;
    }
    world.leave(1);
    world.pass_secs(1);
    for sent in world.sent.iter().filter(|sent| sent.to == ParticipantId(2)) {
        numbers.extend(sent.entries.iter().map(|(_, number, _)| *number));
    }
    assert!(numbers.len() >= 5 && numbers.is_sorted_by(|before, after| before < after), "{numbers:?}");
}

#[test]
fn a_clock_that_is_wrong_leaves_numbers_that_clients_can_hold() {
    let mut world = World::new();
    world.unix_us = u64::MAX - 1_000_000_000;
    world.enter(1, strong(1), 10);
    world.enter(2, strong(2), 20);
    world.pass_secs(100);
    assert!(world.sent.iter().flat_map(|sent| &sent.entries).all(|(_, number, _)| *number < 1 << 53));
}

#[test]
fn a_room_that_everybody_left_is_remembered_for_a_minute_and_then_not_at_all() {
    let mut world = World::new();
    world.enter(1, strong(1), 10);
    world.enter(2, None, 20);
    world.pass_secs(2);
    world.leave(1);
    world.drop(2, 5);
    world.pass_secs(59);
    assert!(!world.room.is_empty());
    world.pass_secs(2);
    assert!(world.room.is_empty());
    assert_eq!(world.room.next_due(), None);
}
