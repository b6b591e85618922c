//! The client ids of a room: who holds each, and the state that is told of it.
//!
//! Owns the versions of changes, by which it is known who has been told what. A version is the room's own count and never
//! leaves it; the numbers that clients see are given when something is told (`update`).
//! A state that is gone stays listed without one until everybody has been told, and an id whose participant is gone stays
//! held for its page for a while.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use foldhash::{HashMap, HashMapExt};

use super::participants::ParticipantId;
use crate::pages::Page;

#[derive(Debug)]
pub(super) struct Clients {
    by_id: HashMap<u64, Client>,
    /// The version of each client's last change, in order: of those who have a state, and of those whose state is gone,
    /// which somebody may still have to be told.
    present: BTreeMap<u64, u64>,
    gone: BTreeMap<u64, u64>,
    version: u64,
}

#[derive(Debug)]
pub(super) struct Client {
    /// Whose page's it is, while it is held.
    pub(super) page: Option<Page>,
    pub(super) holder: Option<ParticipantId>,
    /// JSON as it is told.
    state: Option<Box<str>>,
    /// That of the last change; 0 while there is nothing to tell.
    version: u64,
    changed_at: Instant,
    /// Somebody has been told of a state.
    was_told: bool,
    /// The room did not know it before, and has not heard a state of it.
    is_new: bool,
    /// Without a holder only its page may take it until then.
    held_until: Option<Instant>,
}

impl Client {
    fn new(now: Instant) -> Self {
        Client {
            page: None,
            holder: None,
            state: None,
            version: 0,
            changed_at: now,
            was_told: false,
            is_new: true,
            held_until: None,
        }
    }

    /// Whether it is kept for its page, although nobody speaks for it.
    pub(super) fn is_held(&self) -> bool {
        self.held_until.is_some()
    }

    pub(super) fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

/// What is to be told of one client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    pub(super) id: u64,
    pub(super) version: u64,
    pub(super) page: Option<Page>,
    pub(super) state: Option<&'a str>,
}

impl Clients {
    pub(super) fn new() -> Self {
        Clients { by_id: HashMap::new(), present: BTreeMap::new(), gone: BTreeMap::new(), version: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The version of the last change.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// How many have a state.
    pub(super) fn present(&self) -> usize {
        self.present.len()
    }

    pub(super) fn get(&self, id: u64) -> Option<&Client> {
        self.by_id.get(&id)
    }

    /// Lets a participant hold an id. Its state stays until there is another.
    pub(super) fn take(&mut self, id: u64, holder: ParticipantId, page: Option<Page>, now: Instant) {
        let is_new = !self.by_id.contains_key(&id);
        let client = self.by_id.entry(id).or_insert_with(|| Client::new(now));
        client.is_new = is_new;
        client.holder = Some(holder);
        client.page = page;
        client.held_until = None;
    }

    /// Sets a state. `false` if it is what was told already.
    pub(super) fn set(&mut self, id: u64, state: &str, now: Instant) -> bool {
        let Some(client) = self.by_id.get_mut(&id) else { return false };
        client.is_new = false;
        if client.state.as_deref() == Some(state) {
            return false;
        }
        client.state = Some(state.into());
        self.touch(id, now);
        true
    }

    /// Whether no state has been heard of it since the room got to know it.
    pub(super) fn is_new(&self, id: u64) -> bool {
        self.get(id).is_some_and(|client| client.is_new)
    }

    /// Takes the state away. `false` if there is none.
    pub(super) fn clear(&mut self, id: u64, now: Instant) -> bool {
        let Some(client) = self.by_id.get_mut(&id) else { return false };
        if client.state.take().is_none() {
            return false;
        }
        self.touch(id, now);
        true
    }

    /// The holder is gone, and the state with it. Says until when the id is held for the page; without one it is free.
    pub(super) fn release(&mut self, id: u64, hold: Duration, now: Instant) -> Option<Instant> {
        self.clear(id, now);
        let client = self.by_id.get_mut(&id)?;
        client.holder = None;
        client.held_until = client.page.map(|_| now + hold);
        let until = client.held_until;
        self.forget_if_nothing_is_left(id);
        until
    }

    /// Ends the time for which an id is held without a holder.
    pub(super) fn lapse(&mut self, id: u64, now: Instant) {
        if let Some(client) = self.by_id.get_mut(&id)
            && client.held_until.is_some_and(|until| until <= now)
        {
            client.held_until = None;
            self.forget_if_nothing_is_left(id);
        }
    }

    /// When a state has stayed the same for `refresh`.
    pub(super) fn refresh_due(&self, refresh: Duration) -> Option<Instant> {
        let (_, id) = self.present.first_key_value()?;
        self.get(*id).map(|client| client.changed_at + refresh)
    }

    /// Lets states that stayed the same be told again, once the first of them is due: all that would be within a quarter
    /// of that time. `false` if none is.
    pub(super) fn refresh(&mut self, refresh: Duration, now: Instant) -> bool {
        if self.refresh_due(refresh).is_none_or(|due| due > now) {
            return false;
        }
        let last = self.version;
        while self.refresh_due(refresh - refresh / 4).is_some_and(|due| due <= now)
            && let Some((&version, &id)) = self.present.first_key_value()
            && version <= last
        {
            self.touch(id, now);
        }
        true
    }

    /// What has a version above this one, in order; and every state, where all are wanted.
    pub(super) fn changes(&self, above: u64, all_states: bool) -> impl Iterator<Item = Change<'_>> {
        let states_above = if all_states { 0 } else { above };
        let present = self.present.range(states_above + 1..);
        let gone = self.gone.range(above + 1..);
        gone.chain(present).filter_map(|(&version, &id)| {
            let client = self.by_id.get(&id)?;
            Some(Change { id, version, page: client.page, state: client.state.as_deref() })
        })
    }

    /// Notes that somebody is being told of it.
    pub(super) fn told(&mut self, id: u64) {
        if let Some(client) = self.by_id.get_mut(&id) {
            client.was_told = true;
        }
    }

    /// Lets go of those who are gone, as everybody knows who is there: all know of this version.
    pub(super) fn all_know(&mut self, version: u64) {
        while let Some(entry) = self.gone.first_entry()
            && *entry.key() <= version
        {
            let id = entry.remove();
            if let Some(client) = self.by_id.get_mut(&id) {
                client.version = 0;
                client.was_told = false;
            }
            self.forget_if_nothing_is_left(id);
        }
    }

    pub(super) fn owes_a_goodbye(&self) -> bool {
        !self.gone.is_empty()
    }

    /// Gives the client's change the next version.
    fn touch(&mut self, id: u64, now: Instant) {
        let Some(client) = self.by_id.get_mut(&id) else { return };
        self.present.remove(&client.version);
        self.gone.remove(&client.version);
        client.version = 0;
        client.changed_at = now;
        if client.state.is_none() && !client.was_told {
            return;
        }
        self.version += 1;
        client.version = self.version;
        let list = if client.state.is_some() { &mut self.present } else { &mut self.gone };
        list.insert(self.version, id);
    }

    fn forget_if_nothing_is_left(&mut self, id: u64) {
        let is_needed =
            |client: &Client| client.holder.is_some() || client.held_until.is_some() || client.version != 0;
        if self.get(id).is_some_and(|client| !is_needed(client)) {
            self.by_id.remove(&id);
        }
    }
}

#[cfg(test)]
impl Clients {
    /// The table: the states by id.
    pub(super) fn table(&self) -> BTreeMap<u64, String> {
        let states =
            self.by_id.iter().filter_map(|(&id, client)| Some((id, client.state.as_deref()?.to_owned())));
        states.collect()
    }
}
