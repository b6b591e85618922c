//! The promise of the whole folder: whatever happens, everybody who is there ends with the room's table, folded by the
//! rules of y-protocols; nobody is ever sent the client id that it holds, nor more than one message a round.

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::sample::Index;

use super::fold::Fold;
use super::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn everybody_ends_with_the_rooms_table(events in prop::collection::vec(event(), 1..80)) {
        let mut play = Play::new();
        events.into_iter().for_each(|event| play.happen(event));
        play.end();
    }
}

#[derive(Clone, Debug)]
enum Event {
    /// A browser's page joins; where a connection of it lives already, as a second join on that or beside it.
    Join {
        browser: Index,
        again: bool,
    },
    /// A connection that has not yet said who it is sends its sync step 1.
    Sync(Index),
    Speak {
        by: Index,
        n: u8,
    },
    /// It sends back all that it knows, or something in another's name.
    Echo(Index),
    Forge {
        by: Index,
        of: Index,
    },
    Null(Index),
    Forget {
        by: Index,
        of: Index,
    },
    Query(Index),
    Leave(Index),
    Drop {
        by: Index,
        grace: u64,
    },
    /// Its socket is full, or no more.
    Block(Index),
    Unblock(Index),
    Answer(Index),
    Pass(u64),
    /// The clock is set back by so many seconds.
    SetBack(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let who = any::<Index>;
    prop_oneof![
        4 => (who(), any::<bool>()).prop_map(|(browser, again)| Event::Join { browser, again }),
        4 => who().prop_map(Event::Sync),
        8 => (who(), 0..4_u8).prop_map(|(by, n)| Event::Speak { by, n }),
        1 => who().prop_map(Event::Echo),
        1 => (who(), who()).prop_map(|(by, of)| Event::Forge { by, of }),
        1 => who().prop_map(Event::Null),
        1 => (who(), who()).prop_map(|(by, of)| Event::Forget { by, of }),
        1 => who().prop_map(Event::Query),
        2 => who().prop_map(Event::Leave),
        2 => (who(), 0..20_u64).prop_map(|(by, grace)| Event::Drop { by, grace }),
        1 => who().prop_map(Event::Block),
        1 => who().prop_map(Event::Unblock),
        1 => who().prop_map(Event::Answer),
        6 => prop_oneof![0..100_u64, 0..3_000_u64, Just(70_000)].prop_map(Event::Pass),
        1 => (0..100_u64).prop_map(Event::SetBack),
    ]
}

/// Browsers with one page each: what the page is known by, and its client id. Two are tabs of one load, two share a token,
/// and one has nothing.
fn browsers() -> [(Option<Page>, u64); 7] {
    [
        (strong(1), 10),
        (strong(1), 11),
        (strong(2), 20),
        (strong(3), 30),
        (weak(4), 40),
        (weak(4), 41),
        (None, 50),
    ]
}

struct Play {
    world: World,
    connections: Vec<Connection>,
    /// What each browser's client remembers from its last connection.
    remembered: HashMap<usize, Fold>,
    next: u64,
    /// Whose each client id is, and its state: worked out from what was accepted alone.
    holders: HashMap<u64, ParticipantId>,
    states: BTreeMap<u64, String>,
    last_sent: HashMap<ParticipantId, Instant>,
}

struct Connection {
    id: ParticipantId,
    browser: usize,
    fold: Fold,
    holds: Option<u64>,
}

impl Play {
    fn new() -> Play {
        Play {
            world: World::new(),
            connections: Vec::new(),
            remembered: HashMap::new(),
            next: 1,
            holders: HashMap::new(),
            states: BTreeMap::new(),
            last_sent: HashMap::new(),
        }
    }

    fn happen(&mut self, event: Event) {
        let now = self.world.now;
        match event {
            Event::Join { browser, again } => self.join(browser.index(browsers().len()), again),
            Event::Pass(ms) => self.world.pass_ms(ms),
            Event::SetBack(secs) => self.world.unix_us -= secs * 1_000_000,
            _ if self.connections.is_empty() => {}
            Event::Sync(at) => self.world.room.sync_step1(self.id(at)),
            Event::Speak { by, n } => {
                let client = browsers()[self.connection(by).browser].1;
                self.say(by, &[(client, Some(format!("{{\"n\":{n}}}")))]);
            }
            Event::Echo(by) => {
                let known = self.connection(by).fold.states.clone();
                self.say(
                    by,
                    &known.into_iter().map(|(client, state)| (client, Some(state))).collect::<Vec<_>>(),
                );
            }
            Event::Forge { by, of } => {
                let (_, victim) = browsers()[of.index(browsers().len())];
                self.say(by, &[(victim, Some("{\"forged\":true}".to_owned()))]);
            }
            Event::Null(by) => {
                let client = browsers()[self.connection(by).browser].1;
                self.say(by, &[(client, None)]);
            }
            Event::Forget { by, of } => {
                let known: Vec<u64> = self.connection(by).fold.states.keys().copied().collect();
                if !known.is_empty() {
                    let forgotten = known[of.index(known.len())];
                    let at = by.index(self.connections.len());
                    self.connections[at].fold.states.remove(&forgotten);
                    self.say(by, &[(forgotten, None)]);
                }
            }
            Event::Query(by) => self.world.room.query(self.id(by), now),
            Event::Leave(by) => {
                let gone = self.hang_up(by);
                self.world.room.leave(gone, now);
            }
            Event::Drop { by, grace } => {
                let gone = self.hang_up(by);
                self.world.drop(gone.0, grace);
            }
            Event::Block(by) => drop(self.world.full.insert(self.id(by))),
            Event::Unblock(by) => drop(self.world.full.remove(&self.id(by))),
            Event::Answer(by) => self.world.room.answered(self.id(by), now),
        }
        self.world.run();
        self.deliver();
    }

    fn join(&mut self, browser: usize, again: bool) {
        let (page, _) = browsers()[browser];
        let id = ParticipantId(self.next);
        self.next += 1;
        let old = self.connections.iter().position(|connection| connection.browser == browser);
        let old = old.filter(|_| again).map(|at| self.connections.swap_remove(at));
        let last = old.as_ref().map(|old| &old.fold).or(self.remembered.get(&browser));
        let mut fold = last.cloned().unwrap_or_default();
        fold.forget_others();
        self.world.room.join(id, page, old.map(|old| old.id), self.world.now);
        // No client id is its own: what it holds it must not be told, by whatever rule.
        let fold = Fold { client: u64::MAX, ..fold };
        self.connections.push(Connection { id, browser, fold, holds: None });
    }

    fn say(&mut self, by: Index, entries: &[(u64, Option<String>)]) {
        let id = self.id(by);
        let entries: Vec<Entry<'_>> = entries
            .iter()
            .map(|(client, state)| Entry { client: *client, clock: 5, state: state.as_deref() })
            .collect();
        let own = self.world.room.receive(id, &entries, self.world.now).own;
        let at = by.index(self.connections.len());
        if let Some(own) = own {
            let client = *self.connections[at].holds.get_or_insert(entries[0].client);
            if let Some(before) = self.holders.insert(client, id).filter(|before| *before != id)
                && let Some(before) = self.connections.iter_mut().find(|connection| connection.id == before)
            {
                before.holds = None;
            }
            match own {
                Own::State(state) => {
                    self.states.insert(client, state.to_owned());
                    self.world.room.set_state(
                        id,
                        state,
                        &format!("user {}", self.connections[at].browser % 2),
                        self.world.now,
                    );
                }
                Own::Null => {
                    self.states.remove(&client);
                    self.world.room.clear_state(id, self.world.now);
                }
            }
        }
    }

    fn hang_up(&mut self, by: Index) -> ParticipantId {
        let at = by.index(self.connections.len());
        let connection = self.connections.swap_remove(at);
        self.world.full.remove(&connection.id);
        self.remembered.insert(connection.browser, connection.fold);
        connection.id
    }

    fn deliver(&mut self) {
        for sent in std::mem::take(&mut self.world.sent) {
            let before = self.last_sent.insert(sent.to, sent.at);
            assert!(before.is_none_or(|before| sent.at >= before + Duration::from_millis(50)), "too often");
            let Some(connection) = self.connections.iter_mut().find(|connection| connection.id == sent.to)
            else {
                continue;
            };
            assert!(sent.entries.iter().all(|(client, ..)| Some(*client) != connection.holds), "its own id");
            let entries: Vec<Entry<'_>> = sent
                .entries
                .iter()
                .map(|(client, clock, state)| Entry {
                    client: *client,
                    clock: *clock,
                    state: state.as_deref(),
                })
                .collect();
            connection.fold.apply(&entries);
        }
    }

    /// Lets everything settle, and compares.
    fn end(mut self) {
        self.world.full.clear();
        // Long enough for every snapshot, and too short for a refresh to cover what was lost.
        self.world.pass_ms(1_200);
        self.deliver();
        self.compare();
        self.world.pass_secs(100);
        self.deliver();
        self.compare();
        let is_there = |id: &ParticipantId| self.connections.iter().any(|connection| connection.id == *id);
        let mut expected = self.states.clone();
        expected.retain(|client, _| self.holders.get(client).is_some_and(is_there));
        assert_eq!(self.world.room.table(), expected);
        for by in std::mem::take(&mut self.connections) {
            self.world.leave(by.id.0);
        }
        self.world.pass_secs(100);
        assert!(self.world.room.is_empty(), "something is remembered for ever");
    }

    fn compare(&self) {
        for connection in &self.connections {
            let Some(table) = self.world.room.table_for(connection.id) else { continue };
            let mut known = connection.fold.states.clone();
            known.retain(|client, _| !self.world.room.must_not_hear(connection.id, *client));
            assert_eq!(known, table, "what {:?} knows, and what there is", connection.id);
            if let Some(own) = connection.holds {
                let mut others = self.world.room.table();
                others.remove(&own);
                assert_eq!(table, others, "whoever holds an id is owed all others");
            }
        }
    }

    fn connection(&self, at: Index) -> &Connection {
        at.get(&self.connections)
    }

    fn id(&self, at: Index) -> ParticipantId {
        self.connection(at).id
    }
}
