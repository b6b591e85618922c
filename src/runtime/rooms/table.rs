//! The rooms of one task, and everybody in them.
//!
//! A plain struct: what was said is applied, one thing after the other, then [`Table::settle`] tells whom it concerns.
//! Owns how the pieces fit: a message is decoded, the room says what of it is the participant's own, and that is told with
//! the user in it whom Lightning named. Not here: the task, and the clock.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use foldhash::{HashMap, HashMapExt};
use smol_str::SmolStr;

use super::counters::{Dropped, RoomCounters};
use super::handle::Waiting;
use super::member::{Member, Newcomer};
use super::pings::Pings;
use crate::awareness::{self, Own, ParticipantId, Room, Timing};
use crate::gateway::{self, Identities, Unshown, User};
use crate::pages::Page;
use crate::runtime::fanout::Held;

/// What an operator sets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// How long whoever is disconnected stays.
    pub(crate) grace: Duration,
    /// The pace of the rooms, and their other times.
    pub(crate) timing: Timing,
    /// Clients are believed who they say they are.
    pub(crate) trusts_clients: bool,
}

/// What a task is told.
pub(crate) enum Op {
    Participant {
        id: ParticipantId,
        said: Said,
        /// What waits of what the client causes.
        _waits: Option<Waiting>,
    },
    /// The upstream cannot be reached, or can be again.
    Upstream { is_away: bool },
}

/// What one participant, or its connection, said.
pub(crate) enum Said {
    Joined {
        newcomer: Box<Newcomer>,
        replaces: Option<ParticipantId>,
    },
    SyncStep1,
    /// The body of a message.
    Awareness(Bytes),
    Query,
    User(Option<User>),
    Pong([u8; 8]),
    Left,
    Disconnected {
        by_upstream: bool,
    },
}

/// A room's place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RoomKey(u64);

/// One task's share of the rooms.
pub(crate) struct Table {
    settings: Settings,
    rooms: HashMap<RoomKey, Place>,
    topics: HashMap<SmolStr, RoomKey>,
    /// Who is connected to which workflow, in any of its rooms.
    workflows: HashMap<SmolStr, Vec<ParticipantId>>,
    members: HashMap<ParticipantId, Member>,
    identities: Identities<Page>,
    /// When it must be known who somebody is.
    unknown: BTreeSet<(Instant, ParticipantId)>,
    pings: Pings,
    upstream: Upstream,
    /// When which room has something to do.
    due: BTreeSet<(Instant, RoomKey)>,
    touched: Vec<RoomKey>,
    held: Held,
    next_room: u64,
    counters: Arc<RoomCounters>,
}

/// A room, and where it stands in the table.
struct Place {
    room: Room,
    topic: SmolStr,
    workflow: SmolStr,
    /// When it stands in `due`.
    due: Option<Instant>,
    is_touched: bool,
}

/// What is known of the upstream.
#[derive(Default)]
struct Upstream {
    is_away: bool,
    back_since: Option<Instant>,
    /// Whom it has disconnected, when, and where: as long as they may have more time than the grace period.
    lost: VecDeque<(Instant, ParticipantId, RoomKey)>,
}

impl Table {
    pub(super) fn new(settings: Settings, counters: Arc<RoomCounters>) -> Table {
        Table {
            settings,
            rooms: HashMap::new(),
            topics: HashMap::new(),
            workflows: HashMap::new(),
            members: HashMap::new(),
            identities: Identities::new(),
            unknown: BTreeSet::new(),
            pings: Pings::new(),
            upstream: Upstream::default(),
            due: BTreeSet::new(),
            touched: Vec::new(),
            held: Vec::new(),
            next_room: 0,
            counters,
        }
    }

    /// Takes in what was said. Nobody is told before [`settle`](Self::settle).
    pub(super) fn apply(&mut self, op: Op, now: Instant) {
        match op {
            Op::Participant { id, said, .. } => self.hear(id, said, now),
            Op::Upstream { is_away } => self.upstream_is(is_away, now),
        }
    }

    /// Does everything that is due. `unix_us` is the time in microseconds.
    pub(super) fn settle(&mut self, now: Instant, unix_us: u64) {
        self.identities.forget_due(now);
        self.give_up_on_the_unknown(now);
        let most = AWAY_AT_MOST.max(self.settings.grace);
        while self.upstream.lost.pop_front_if(|(at, ..)| *at + most <= now).is_some() {}
        while let Some(&(due, key)) = self.due.first()
            && due <= now
        {
            self.due.remove(&(due, key));
            if let Some(place) = self.rooms.get_mut(&key) {
                place.due = None;
            }
            self.touch(key);
        }
        let mut touched = std::mem::take(&mut self.touched);
        // Who has waited longest comes first, because a connection takes one update at a time, of whichever room.
        touched.sort_by_key(|key| self.rooms.get(key).and_then(|place| place.room.owes_since()));
        for key in touched {
            self.settle_room(key, now, unix_us);
        }
        let members = &self.members;
        let line = |id: ParticipantId| members.get(&id).map(|member| &*member.line);
        for id in self.pings.judge(now, line) {
            if let Some(line) = line(id) {
                line.close_unresponsive();
            }
        }
    }

    /// When [`settle`](Self::settle) has something to do.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let rooms = self.due.first().map(|(due, _)| *due);
        let unknown = self.unknown.first().map(|(due, _)| *due);
        [rooms, unknown, self.pings.next_due(), self.identities.next_due()].into_iter().flatten().min()
    }

    /// The lines that are to be flushed.
    pub(super) fn held(&mut self) -> &mut Held {
        &mut self.held
    }

    fn hear(&mut self, id: ParticipantId, said: Said, now: Instant) {
        match said {
            Said::Joined { newcomer, replaces } => self.join(id, *newcomer, replaces, now),
            Said::SyncStep1 => self.in_room(id, |room| room.sync_step1(id)),
            Said::Awareness(body) => self.receive(id, &body, now),
            Said::Query => self.in_room(id, |room| room.query(id, now)),
            Said::User(user) => self.user(id, user, now),
            Said::Pong(nonce) => {
                if self.pings.answer(id, nonce) {
                    self.in_room(id, |room| room.answered(id, now));
                }
            }
            Said::Left => {
                self.in_room(id, |room| room.leave(id, now));
                self.remove(id, now);
            }
            Said::Disconnected { by_upstream } => {
                let until = self.stays_until(by_upstream, now);
                self.in_room(id, |room| room.disconnect(id, until, now));
                if let Some(room) = self.remove(id, now).filter(|_| by_upstream) {
                    self.upstream.lost.push_back((now, id, room));
                }
            }
        }
    }

    fn join(&mut self, id: ParticipantId, newcomer: Newcomer, replaces: Option<ParticipantId>, now: Instant) {
        let Newcomer { workflow, topic, line, push, page } = newcomer;
        let key = self.room(topic, &workflow);
        self.workflows.entry(workflow).or_default().push(id);
        self.in_place(key, |room| room.join(id, page, replaces, now));
        let page = page.filter(|page| page.is_strong());
        if let Some(page) = page {
            self.identities.enter(page);
        }
        let member = Member {
            room: key,
            line,
            push,
            page,
            user: None,
            user_is_own: false,
            kept: None,
            is_nobody: false,
        };
        self.members.insert(id, member);
        self.unknown.insert((now + KNOWN_WITHIN, id));
        self.counters.participants_changed(1);
        self.counters.unknown_changed(1);
        if let Some(user) = page.and_then(|page| self.identities.user(page)).cloned() {
            self.is_known(id, user, now);
        }
    }

    /// Takes an awareness message.
    fn receive(&mut self, id: ParticipantId, body: &[u8], now: Instant) {
        let Some(place) = self.members.get(&id).map(|member| member.room) else { return };
        let Ok(entries) = awareness::decode(body) else {
            self.counters.drop_some(Dropped::Malformed, 1);
            return;
        };
        let mut own = None;
        self.in_place(place, |room| own = Some(room.receive(id, &entries, now)));
        let Some(received) = own else { return };
        self.counters.drop_some(Dropped::Unheard, received.dropped.unheard);
        self.counters.drop_some(Dropped::Refused, received.dropped.refused);
        self.counters.drop_some(Dropped::Others, received.dropped.others);
        match received.own {
            Some(Own::State(state)) => self.say(id, state, now),
            Some(Own::Null) => {
                if let Some(member) = self.members.get_mut(&id) {
                    member.kept = None;
                }
                self.counters.took_update();
                self.in_place(place, |room| room.clear_state(id, now));
            }
            None => {}
        }
    }

    /// Tells a participant's state, once it is known whose it is.
    fn say(&mut self, id: ParticipantId, state: &str, now: Instant) {
        // The page has it before it knows its user, and nobody shows it.
        if gateway::is_empty_state(state) {
            return;
        }
        if self.settings.trusts_clients
            && let Some(user) = User::claimed(state)
            && self.members.get(&id).is_some_and(|member| member.user.as_ref() != Some(&user))
        {
            self.is_known(id, user, now);
        }
        let Some(member) = self.members.get_mut(&id) else { return };
        let Some(user) = &member.user else {
            if state.len() > LONGEST_KEPT {
                self.counters.drop_some(Dropped::TooLarge, 1);
                return;
            }
            member.kept = Some((now, state.into()));
            if member.is_nobody {
                self.counters.drop_some(Dropped::UnknownUser, 1);
            }
            return;
        };
        match gateway::restate(state, user) {
            Ok(told) => {
                self.counters.took_update();
                let (place, user) = (member.room, user.clone());
                self.in_place(place, |room| room.set_state(id, &told, user.id(), now));
            }
            Err(Unshown::NotAnObject) => self.counters.drop_some(Dropped::NotAnObject, 1),
            Err(Unshown::TooLarge) => self.counters.drop_some(Dropped::TooLarge, 1),
        }
    }

    /// The connection's own answer says who the participant is.
    fn user(&mut self, id: ParticipantId, user: Option<User>, now: Instant) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let Some(user) = user else {
            // What is remembered of the page stands: it was said to the same login.
            if member.user.is_none() {
                self.is_nobody(id, now);
            }
            return;
        };
        // Once known it is the same for good.
        if member.user_is_own && member.user.as_ref().is_some_and(|known| known.id() != user.id()) {
            return;
        }
        member.user_is_own = true;
        if let Some(page) = member.page {
            self.identities.learn(page, Some(user.clone()));
        }
        if member.user.as_ref() != Some(&user) {
            self.is_known(id, user, now);
        }
    }

    /// From now on the participant is this user.
    fn is_known(&mut self, id: ParticipantId, user: User, now: Instant) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let before = member.user.replace(user.clone());
        let kept = member.kept.take().filter(|(at, _)| now < *at + KEPT_FOR);
        let place = member.room;
        if before.is_none() {
            self.counters.unknown_changed(-1);
        }
        if before.is_none_or(|before| before.id() != user.id()) {
            self.ping_twins(id, user.id(), now);
        }
        let told = self.rooms.get(&place).and_then(|place| place.room.state_of(id)).map(str::to_owned);
        if let Some(state) = kept.map(|(_, state)| state.into_string()).or(told)
            && let Ok(told) = gateway::restate(&state, &user)
        {
            self.in_place(place, |room| room.set_state(id, &told, user.id(), now));
        }
    }

    /// Asks the user's other connections to this workflow whether they live.
    fn ping_twins(&mut self, id: ParticipantId, user: &str, now: Instant) {
        let Some(member) = self.members.get(&id) else { return };
        let Some(place) = self.rooms.get(&member.room) else { return };
        for twin in self.workflows.get(&place.workflow).into_iter().flatten().filter(|twin| **twin != id) {
            if let Some(other) = self.members.get(twin)
                && other.user.as_ref().is_some_and(|other| other.id() == user)
                // Of the same page the newest takes the place, and the room asks.
                && (member.page.is_none() || other.page != member.page)
                && !Arc::ptr_eq(&other.line, &member.line)
            {
                self.pings.ask(*twin, &*other.line, false, now);
            }
        }
    }

    /// Gives up on those of whom nobody has said in time who they are.
    fn give_up_on_the_unknown(&mut self, now: Instant) {
        while let Some(&(due, id)) = self.unknown.first()
            && due <= now
        {
            self.unknown.remove(&(due, id));
            if self.members.get(&id).is_some_and(|member| member.user.is_none()) {
                self.is_nobody(id, now);
            }
        }
    }

    /// Nobody can say who somebody is: what was kept is not told, nor any more what was told of whoever was there before.
    fn is_nobody(&mut self, id: ParticipantId, now: Instant) {
        let Some(member) = self.members.get_mut(&id) else { return };
        member.is_nobody = true;
        if member.kept.take().is_some() {
            self.counters.drop_some(Dropped::UnknownUser, 1);
        }
        self.in_room(id, |room| room.clear_state(id, now));
    }

    /// Until when somebody stays who is disconnected now.
    fn stays_until(&self, by_upstream: bool, now: Instant) -> Instant {
        let until = now + self.settings.grace;
        match self.upstream.back_since {
            _ if !by_upstream => until,
            _ if self.upstream.is_away => until.max(now + AWAY_AT_MOST),
            Some(back) => until.max(back + AFTER_AWAY),
            None => until,
        }
    }

    /// Moves the ends of those whom the upstream has disconnected: while it is away they have a minute, and once it is
    /// back, ten seconds.
    fn upstream_is(&mut self, is_away: bool, now: Instant) {
        if self.upstream.is_away == is_away {
            return;
        }
        self.upstream.is_away = is_away;
        self.upstream.back_since = (!is_away).then_some(now);
        let lost = std::mem::take(&mut self.upstream.lost);
        for &(at, id, place) in &lost {
            let least = at + self.settings.grace;
            let most = least.max(at + AWAY_AT_MOST);
            let until = if is_away { most } else { (now + AFTER_AWAY).max(least).min(most) };
            self.in_place(place, |room| room.disconnect(id, until, now));
        }
        self.upstream.lost = lost;
    }

    /// Nobody is connected there any more. Says where that was.
    fn remove(&mut self, id: ParticipantId, now: Instant) -> Option<RoomKey> {
        let member = self.members.remove(&id)?;
        self.pings.gone(id);
        self.counters.participants_changed(-1);
        if member.user.is_none() {
            self.counters.unknown_changed(-1);
        }
        if let Some(page) = member.page {
            self.identities.leave(page, now);
        }
        if let Some(place) = self.rooms.get(&member.room)
            && let Some(there) = self.workflows.get_mut(&place.workflow)
        {
            there.retain(|other| *other != id);
            if there.is_empty() {
                self.workflows.remove(&place.workflow);
            }
        }
        Some(member.room)
    }

    fn settle_room(&mut self, key: RoomKey, now: Instant, unix_us: u64) {
        let Table { rooms, members, held, counters, pings, due, topics, .. } = self;
        let Some(place) = rooms.get_mut(&key) else { return };
        place.is_touched = false;
        let can_take = |id| members.get(&id).is_some_and(|member: &Member| member.line.takes_updates());
        place.room.run_due(now, unix_us, can_take, |id, update| {
            let Some(member) = members.get(&id) else { return };
            let frame = member.push.encode(update.len(), |out| update.write_to(out));
            counters.sent(update.entries());
            if member.line.hold_update(frame) {
                held.push(member.line.clone());
            }
        });
        for id in place.room.take_pings() {
            if let Some(member) = members.get(&id) {
                pings.ask(id, &*member.line, true, now);
            }
        }
        if let Some(before) = place.due.take() {
            due.remove(&(before, key));
        }
        if place.room.is_empty() {
            topics.remove(&place.topic);
            rooms.remove(&key);
        } else if let Some(at) = place.room.next_due() {
            place.due = Some(at);
            due.insert((at, key));
        }
    }

    /// The room of a topic, which is made where there is none.
    fn room(&mut self, topic: SmolStr, workflow: &SmolStr) -> RoomKey {
        if let Some(key) = self.topics.get(&topic) {
            return *key;
        }
        let key = RoomKey(self.next_room);
        self.next_room += 1;
        let room = Room::new(self.settings.timing);
        let place =
            Place { room, topic: topic.clone(), workflow: workflow.clone(), due: None, is_touched: false };
        self.rooms.insert(key, place);
        self.topics.insert(topic, key);
        key
    }

    fn in_room(&mut self, id: ParticipantId, act: impl FnOnce(&mut Room)) {
        if let Some(key) = self.members.get(&id).map(|member| member.room) {
            self.in_place(key, act);
        }
    }

    fn in_place(&mut self, key: RoomKey, act: impl FnOnce(&mut Room)) {
        if let Some(place) = self.rooms.get_mut(&key) {
            act(&mut place.room);
            self.touch(key);
        }
    }

    /// Lets a room be settled.
    fn touch(&mut self, key: RoomKey) {
        if let Some(place) = self.rooms.get_mut(&key)
            && !std::mem::replace(&mut place.is_touched, true)
        {
            self.touched.push(key);
        }
    }
}

#[cfg(test)]
impl Table {
    /// Whether nothing of anybody is remembered.
    pub(super) fn is_empty(&self) -> bool {
        let rooms = self.rooms.is_empty() && self.topics.is_empty() && self.workflows.is_empty();
        rooms && self.members.is_empty() && self.identities.is_empty() && self.upstream.lost.is_empty()
    }
}

/// How long a page has to say who its user is.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);
/// How long a state waits for that.
const KEPT_FOR: Duration = Duration::from_secs(10);
/// A longer state is never told.
const LONGEST_KEPT: usize = 4096;
/// How long whoever was disconnected by an upstream that is away may take to come back.
const AWAY_AT_MOST: Duration = Duration::from_secs(60);
/// How long they have once it is back: phoenix.js tries again every 5 s.
const AFTER_AWAY: Duration = Duration::from_secs(10);
