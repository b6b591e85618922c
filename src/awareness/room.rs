//! A room: everybody who has joined one topic of a canvas, and the one table that all of them end with.
//!
//! Owns what comes of each thing that happens. Times are arguments, and results are messages for the caller to send.
//! Not here: what a state may contain, who a user is, when an ending means which of [`leave`](Room::leave) and
//! [`disconnect`](Room::disconnect) (`pages`), and everything that runs.
//!
//! In short: whoever left is gone at once; whoever is disconnected stays until the grace period ends, unless the page
//! comes back and claims its client id; then nobody is told anything. The first change of a quiet room is told at once,
//! later ones gather, and each participant is sent one message a round with the latest state of all who changed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::claims::{self, Claim};
use super::clients::Clients;
use super::codec::Entry;
use super::participants::{Participant, ParticipantId, Standing};
use super::timing::Timing;
use super::update::{Round, Update};
use crate::pages::{Page, STANDSTILL};

/// One room. Every method takes the time at which it happens; times never go back.
#[derive(Debug)]
pub struct Room {
    timing: Timing,
    clients: Clients,
    participants: BTreeMap<ParticipantId, Participant>,
    /// What is to be looked at when. What has changed meanwhile is found out then.
    timers: BTreeSet<(Instant, Timer)>,
    /// Somebody may be owed something, since then.
    owes_since: Option<Instant>,
    /// When the last round was.
    last_round: Option<Instant>,
    round: Round,
    pings: Vec<ParticipantId>,
}

/// What a participant's message says of its own client id.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Received<'a> {
    /// Its own, if that is in it.
    pub own: Option<Own<'a>>,
    /// The rest, which comes to nothing.
    pub dropped: Dropped,
}

/// What a participant says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own<'a> {
    /// Its state, as the client wrote it: the caller says what is told of it, by [`Room::set_state`].
    State(&'a str),
    /// It has none any more: the caller calls [`Room::clear_state`].
    Null,
}

/// How many entries were dropped, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// The participant is not heard at present, or not any more.
    pub unheard: u32,
    /// They claim an id that is another's.
    pub refused: u32,
    /// They are of other clients: echoes, most of all. A null for another who is there is none of these: it says that the
    /// client has forgotten them.
    pub others: u32,
}

impl Room {
    /// An empty room.
    pub fn new(timing: Timing) -> Room {
        Room {
            timing,
            clients: Clients::new(),
            participants: BTreeMap::new(),
            timers: BTreeSet::new(),
            owes_since: None,
            last_round: None,
            round: Round::default(),
            pings: Vec::new(),
        }
    }

    /// Somebody has joined: the reply to the join has been sent.
    ///
    /// `replaces` names the participant of an earlier join on the same connection. It is not heard any more, its end is no
    /// event, and its client id waits for this one to claim it; if another is claimed, it is gone.
    pub fn join(
        &mut self,
        id: ParticipantId,
        page: Option<Page>,
        replaces: Option<ParticipantId>,
        now: Instant,
    ) {
        self.leave(id, now);
        let rejoined = now + self.timing.rejoin_wait;
        let strong = page.filter(|page| page.is_strong());
        for (&past, participant) in &mut self.participants {
            // A page that has joined again has time to claim its id.
            if let Standing::Disconnected { until, .. } = participant.standing
                && strong.is_some()
                && participant.page == strong
                && until < rejoined
            {
                participant.returned_until = Some(rejoined);
                participant.standing =
                    Standing::Disconnected { until: rejoined, grace: self.timing.rejoin_wait };
                self.timers.insert((rejoined, Timer::Grace(past)));
            }
        }
        let mut participant = Participant::new(page, self.clients.version(), now);
        if let Some(old) = replaces.filter(|old| *old != id) {
            participant.replaces = self.replace(old, id, rejoined);
        }
        self.participants.insert(id, participant);
        self.timers.insert((now + self.timing.claim_wait, Timer::Hears(id)));
    }

    /// Since when somebody is owed an update; `None` while nobody is.
    pub fn owes_since(&self) -> Option<Instant> {
        self.owes_since
    }

    /// The participant has sent its sync step 1: what comes behind it is its own.
    pub fn sync_step1(&mut self, id: ParticipantId) {
        if let Some(participant) = self.participants.get_mut(&id) {
            participant.has_synced = true;
        }
    }

    /// What of an awareness message is the participant's own. Its first entry claims its client id, if it stands alone.
    pub fn receive<'a>(&mut self, id: ParticipantId, entries: &[Entry<'a>], now: Instant) -> Received<'a> {
        let mut received = Received::default();
        let Some(participant) = self.participants.get(&id).filter(|participant| participant.is_present())
        else {
            received.dropped.unheard = entries.len() as u32;
            return received;
        };
        if participant.client.is_none()
            && let [Entry { client, state: Some(_), .. }] = entries
            && (participant.has_synced || now >= participant.joined_at + self.timing.claim_wait)
            && !self.claim(id, *client, now)
        {
            received.dropped.refused = 1;
            return received;
        }
        let Some(participant) = self.participants.get_mut(&id) else { return received };
        let mut clock = None;
        for entry in entries {
            if participant.client == Some(entry.client) {
                // Of two entries for one client the one counts that the clients would end with.
                if clock < Some(entry.clock) || clock == Some(entry.clock) && entry.state.is_none() {
                    clock = Some(entry.clock);
                    received.own = Some(entry.state.map_or(Own::Null, Own::State));
                }
                continue;
            }
            let other = self.clients.get(entry.client).filter(|client| client.state().is_some());
            match other {
                Some(other)
                    if entry.state.is_none() && !participant.must_not_hear(entry.client, other.page) =>
                {
                    if !participant.forgot.contains(&entry.client) {
                        participant.forgot.push(entry.client);
                    }
                    self.owes_since.get_or_insert(now);
                }
                _ => received.dropped.others += 1,
            }
        }
        received
    }

    /// The participant's client has this state: JSON as all others are to read it, with the user in it. `user` is the
    /// user's id.
    ///
    /// What was told already is not told again. The first state of a client id that the room did not know ends the
    /// disconnected participants of the same user: it is their page, loaded anew.
    pub fn set_state(&mut self, id: ParticipantId, state: &str, user: &str, now: Instant) {
        let Some(participant) = self.participants.get_mut(&id) else { return };
        if participant.user.as_deref() != Some(user) {
            participant.user = Some(user.into());
        }
        let Some(client) = participant.client else { return };
        if self.clients.is_new(client) {
            self.end_disconnected(id, user, now);
        }
        if self.clients.set(client, state, now) {
            self.owes_since.get_or_insert(now);
        }
    }

    /// The participant's client has no state any more. The participant stays, and so does its id.
    pub fn clear_state(&mut self, id: ParticipantId, now: Instant) {
        let client = self.participants.get(&id).and_then(|participant| participant.client);
        if client.is_some_and(|client| self.clients.clear(client, now)) {
            self.owes_since.get_or_insert(now);
        }
    }

    /// The participant asks for the whole table.
    pub fn query(&mut self, id: ParticipantId, now: Instant) {
        self.tell_all(id, now);
    }

    /// The participant left.
    pub fn leave(&mut self, id: ParticipantId, now: Instant) {
        if self.participants.get(&id).is_some_and(|participant| participant.replaced_by.is_none()) {
            self.end(id, now);
        }
    }

    /// The participant is disconnected: it stays until the grace period ends, and its page may come back. Called again it
    /// moves the end.
    pub fn disconnect(&mut self, id: ParticipantId, until: Instant, now: Instant) {
        let Some(participant) = self.participants.get_mut(&id) else { return };
        if participant.replaced_by.is_some() {
            return;
        }
        if participant.client.is_some() && participant.standing != Standing::Silent {
            self.stays_until(id, until, now);
            return;
        }
        // It speaks for nobody; but the id of an earlier join may still be there.
        let earlier = participant.replaces.take();
        self.participants.remove(&id);
        if let Some(earlier) = earlier {
            self.stays_until(earlier, until, now);
        }
    }

    /// The participant's client has answered the ping that [`take_pings`](Self::take_pings) asked for: it lives, beside
    /// the connection that has taken its client id.
    pub fn answered(&mut self, id: ParticipantId, now: Instant) {
        if let Some(participant) = self.participants.get_mut(&id)
            && participant.standing == Standing::Silent
        {
            participant.standing = Standing::Present;
            self.owes_since.get_or_insert(now);
        }
    }

    /// The participants whose client id was taken over while they seemed to live. Each connection is to be pinged, and
    /// closed where no answer comes within 10 s.
    pub fn take_pings(&mut self) -> Vec<ParticipantId> {
        std::mem::take(&mut self.pings)
    }

    /// When [`run_due`](Self::run_due) has something to do.
    pub fn next_due(&self) -> Option<Instant> {
        let timer = self.timers.first().map(|(at, _)| *at);
        let refresh = self.clients.refresh_due(self.timing.refresh);
        let round = self.owes_since.map(|since| self.next_round().map_or(since, |next| next.max(since)));
        [timer, refresh, round].into_iter().flatten().min()
    }

    /// Does everything that is due: grace periods that end, states that are told again, changes.
    ///
    /// `unix_us` is the time in microseconds. Messages go out through `send`, one a participant at most. Who `can_take` says
    /// none to is passed over, and is owed the latest.
    pub fn run_due(
        &mut self,
        now: Instant,
        unix_us: u64,
        can_take: impl FnMut(ParticipantId) -> bool,
        send: impl FnMut(ParticipantId, Update<'_>),
    ) {
        while let Some((at, _)) = self.timers.first()
            && *at <= now
            && let Some((at, timer)) = self.timers.pop_first()
        {
            self.fire(timer, at, now);
        }
        if self.clients.refresh(self.timing.refresh, now) {
            self.owes_since.get_or_insert(now);
        }
        if self.owes_since.is_some() && self.next_round().is_none_or(|next| next <= now) {
            self.run_round(now, unix_us, can_take, send);
        }
        self.forget_the_gone();
    }

    /// Whether nothing is left to remember of the room.
    pub fn is_empty(&self) -> bool {
        self.participants.is_empty() && self.clients.is_empty()
    }

    /// How many participants there are, those who are disconnected included.
    pub fn participants(&self) -> usize {
        self.participants.len()
    }

    /// How many clients have a state.
    pub fn states(&self) -> usize {
        self.clients.present()
    }

    /// The state that is told of a participant's client.
    pub fn state_of(&self, id: ParticipantId) -> Option<&str> {
        self.clients.get(self.participants.get(&id)?.client?)?.state()
    }

    fn next_round(&self) -> Option<Instant> {
        self.last_round.map(|last| last + self.timing.interval)
    }

    /// Tells each participant what it is owed.
    fn run_round(
        &mut self,
        now: Instant,
        unix_us: u64,
        mut can_take: impl FnMut(ParticipantId) -> bool,
        mut send: impl FnMut(ParticipantId, Update<'_>),
    ) {
        let Room { participants, clients, round, .. } = self;
        let version = clients.version();
        let (mut ready, mut above, mut all) = (Vec::new(), version, false);
        let mut skipped = false;
        for (&id, participant) in participants.iter().filter(|(_, it)| it.is_owed(version)) {
            if !can_take(id) {
                skipped = true;
                continue;
            }
            ready.push(id);
            all |= participant.wants_all || !participant.forgot.is_empty();
            above = above.min(participant.knows);
        }
        let mut sent = false;
        if !ready.is_empty() {
            round.begin(unix_us);
            clients.changes(above, all).for_each(|change| round.add(change));
        }
        for id in ready {
            let Some(participant) = participants.get_mut(&id) else { continue };
            let update = round.choose(|entry| {
                let again = participant.wants_all || participant.forgot.contains(&entry.id);
                (entry.version > participant.knows || again && entry.is_present)
                    && !participant.must_not_hear(entry.id, entry.page)
            });
            if let Some(update) = update {
                send(id, update);
                sent = true;
            }
            participant.knows = version;
            participant.wants_all = false;
            participant.forgot = Vec::new();
        }
        round.end().for_each(|id| clients.told(id));
        self.owes_since = skipped.then_some(now);
        if sent || skipped {
            self.last_round = Some(now);
        }
    }

    fn fire(&mut self, timer: Timer, at: Instant, now: Instant) {
        match timer {
            Timer::Hears(id) => {
                if self.participants.get(&id).is_some_and(|participant| !participant.hears) {
                    self.tell_all(id, now);
                }
            }
            Timer::Grace(id) => {
                let standing = self.participants.get(&id).map(|participant| participant.standing);
                if let Some(Standing::Disconnected { until, grace }) = standing
                    && until <= at
                {
                    // Nobody could come back to a process that stood still.
                    let stood_still = now > at + STANDSTILL;
                    if stood_still { self.stays_until(id, now + grace, now) } else { self.end(id, now) }
                }
            }
            Timer::Hold(client) => self.clients.lapse(client, now),
        }
    }

    fn tell_all(&mut self, id: ParticipantId, now: Instant) {
        if let Some(participant) = self.participants.get_mut(&id) {
            participant.hears = true;
            participant.wants_all = true;
            self.owes_since.get_or_insert(now);
        }
    }

    /// Lets a participant speak for a client id. `false` if it is another's.
    fn claim(&mut self, id: ParticipantId, client: u64, now: Instant) -> bool {
        let Some(participant) = self.participants.get(&id) else { return false };
        let earlier = participant.replaces;
        let page = participant.page;
        let known = self.clients.get(client);
        let holder = known.and_then(|known| known.holder);
        let from = holder.and_then(|holder| self.participants.get(&holder));
        let is_replaced = holder.is_some() && holder == earlier;
        if claims::decide(participant, known, from, is_replaced) == Claim::Refused {
            return false;
        }
        if let Some(holder) = holder {
            self.give_up(holder, client);
        }
        if let Some(earlier) = earlier.filter(|earlier| Some(*earlier) != holder) {
            // It is another client that joined there.
            self.end(earlier, now);
        }
        self.clients.take(client, id, page, now);
        if let Some(participant) = self.participants.get_mut(&id) {
            participant.client = Some(client);
            participant.formerly = None;
            participant.replaces = None;
        }
        self.tell_all(id, now);
        true
    }

    /// Another speaks for this participant's client id from now on.
    fn give_up(&mut self, holder: ParticipantId, client: u64) {
        let Some(participant) = self.participants.get_mut(&holder) else { return };
        if participant.is_disconnected() {
            self.participants.remove(&holder);
            return;
        }
        participant.standing = Standing::Silent;
        participant.page = None;
        participant.client = None;
        participant.formerly = Some(client);
        self.pings.push(holder);
    }

    /// Lets an earlier participant of a connection wait for the later one to claim its id. Gives whose id waits.
    fn replace(&mut self, old: ParticipantId, new: ParticipantId, until: Instant) -> Option<ParticipantId> {
        let participant = self.participants.get(&old)?;
        let waiting = if participant.client.is_some() {
            Some(old)
        } else {
            let earlier = participant.replaces;
            self.participants.remove(&old);
            earlier
        };
        let waiting = waiting.filter(|waiting| self.participants.contains_key(waiting))?;
        if let Some(participant) = self.participants.get_mut(&waiting) {
            participant.replaced_by = Some(new);
            participant.standing = Standing::Disconnected { until, grace: self.timing.rejoin_wait };
            participant.returned_until = None;
            self.timers.insert((until, Timer::Grace(waiting)));
        }
        Some(waiting)
    }

    /// Lets a participant that is not connected stay until then.
    fn stays_until(&mut self, id: ParticipantId, until: Instant, now: Instant) {
        let Some(participant) = self.participants.get_mut(&id) else { return };
        participant.replaced_by = None;
        let until = participant.returned_until.map_or(until, |returned| returned.max(until));
        participant.standing = Standing::Disconnected { until, grace: until.saturating_duration_since(now) };
        if until <= now {
            self.end(id, now);
        } else {
            self.timers.insert((until, Timer::Grace(id)));
        }
    }

    /// Ends a participant, and what it spoke for.
    fn end(&mut self, id: ParticipantId, now: Instant) {
        let Some(participant) = self.participants.remove(&id) else { return };
        if let Some(client) = participant.client {
            if let Some(until) = self.clients.release(client, self.timing.hold, now) {
                self.timers.insert((until, Timer::Hold(client)));
            }
            self.owes_since.get_or_insert(now);
        }
        if let Some(earlier) = participant.replaces {
            self.end(earlier, now);
        }
    }

    /// Ends the disconnected participants of a user, whose page was loaded anew.
    fn end_disconnected(&mut self, anew: ParticipantId, user: &str, now: Instant) {
        let is_past = |participant: &Participant| {
            participant.is_disconnected()
                && participant.replaced_by.is_none()
                && participant.user.as_deref() == Some(user)
        };
        let past: Vec<ParticipantId> =
            self.participants.iter().filter(|(_, it)| is_past(it)).map(|(id, _)| *id).collect();
        past.into_iter().filter(|id| *id != anew).for_each(|id| self.end(id, now));
    }

    fn forget_the_gone(&mut self) {
        if !self.clients.owes_a_goodbye() {
            return;
        }
        let hearing = self.participants.values().filter(|participant| !participant.is_disconnected());
        let all_know = hearing.map(|participant| participant.knows).min().unwrap_or(u64::MAX);
        self.clients.all_know(all_know);
    }
}

/// What there is to look at at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// Whether the participant has claimed an id; it is told of the room in any case.
    Hears(ParticipantId),
    /// Whether the grace period of the participant has ended.
    Grace(ParticipantId),
    /// Whether a client id is held any more.
    Hold(u64),
}

#[cfg(test)]
impl Room {
    /// The table: the states by client id.
    pub(super) fn table(&self) -> BTreeMap<u64, String> {
        self.clients.table()
    }

    /// What a participant is to end with: the table without what it must not hear. `None` if it is not told.
    pub(super) fn table_for(&self, id: ParticipantId) -> Option<BTreeMap<u64, String>> {
        self.participants.get(&id).filter(|it| it.is_present() && it.hears)?;
        let mut table = self.table();
        table.retain(|client, _| !self.must_not_hear(id, *client));
        Some(table)
    }

    pub(super) fn must_not_hear(&self, id: ParticipantId, client: u64) -> bool {
        let page = self.clients.get(client).and_then(|client| client.page);
        self.participants.get(&id).is_some_and(|participant| participant.must_not_hear(client, page))
    }
}
