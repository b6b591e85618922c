//! Plays a fixture, step by step.
//!
//! Owns: the clients of one fixture, the long-poll token, the refs, and the only clock of the replayer.
//! Not here: how sights are ordered and compared ([`super::order`], [`super::compare`]).
//! Source: `js-client-fixtures/README.md`, "A fixture" and "Order".

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout};

use super::compare::Refs;
use super::failure::{Failure, Mismatch, Problem};
use super::fixture::{Action, Deed, Fixture, NOBODY, Request, SocketDeed, Step};
use super::http::{self, Handshake, HttpError};
use super::order::{canonical, only_the_end};
use super::seen::{Answer, Seen};
use super::socket::{Arrival, NO_CLOSE_FRAME, Socket};

/// Where a fixture is played. A single address is both.
#[derive(Clone, Copy, Debug)]
pub struct Servers {
    /// What serves `/socket`.
    pub sockets: SocketAddr,
    /// What serves everything else.
    pub other: SocketAddr,
}

impl From<SocketAddr> for Servers {
    fn from(server: SocketAddr) -> Self {
        Servers { sockets: server, other: server }
    }
}

impl Servers {
    fn of(self, path: &str) -> SocketAddr {
        if path.starts_with("/socket") { self.sockets } else { self.other }
    }
}

/// Plays a fixture against these servers, up to the first step that goes otherwise than recorded.
/// Connections that the fixture leaves open are cut in the end.
///
/// # Errors
/// Tells that step, and what was recorded and seen in it.
pub async fn replay(fixture: &Fixture, servers: impl Into<Servers>) -> Result<(), Failure> {
    let mut player = Player::new(servers.into());
    let mut outcome = Ok(());
    for (index, step) in fixture.steps.iter().enumerate() {
        outcome = player.play(step).await.map_err(|problem| Failure {
            fixture: fixture.name.clone(),
            step: index + 1,
            say: step.say.clone(),
            problem,
        });
        if outcome.is_err() {
            break;
        }
    }
    for socket in player.sockets.into_values() {
        socket.cut().await;
    }
    outcome
}

struct Player {
    servers: Servers,
    /// The clients that are connected; whatever else a client does, it does nothing while it is not in here.
    sockets: BTreeMap<String, Socket>,
    /// How many sockets were opened so far.
    opened: usize,
    arrivals: UnboundedReceiver<Arrival>,
    reports: UnboundedSender<Arrival>,
    /// The last long-poll token that anyone received.
    token: String,
    refs: Refs,
}

impl Player {
    fn new(servers: Servers) -> Self {
        let (reports, arrivals) = unbounded_channel();
        let (sockets, token, refs) = (BTreeMap::new(), String::new(), Refs::default());
        Self { servers, sockets, opened: 0, arrivals, reports, token, refs }
    }

    async fn play(&mut self, step: &Step) -> Result<(), Problem> {
        let mut events = Events::default();
        for action in &step.actions {
            while let Ok(arrival) = self.arrivals.try_recv() {
                self.note(arrival, &mut events);
            }
            self.act(action, step, &mut events).await?;
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.until_quiet(&mut events).await;
            match self.judge(step, &events) {
                Ok(()) => return Ok(()),
                // What is recorded may still be under way on a loaded machine.
                Err(_) if events.lacks(step) && Instant::now() < deadline => {}
                Err(mismatches) => return Err(Problem::Mismatch(mismatches)),
            }
        }
    }

    async fn act(&mut self, action: &Action, step: &Step, events: &mut Events) -> Result<(), Problem> {
        let client = action.client.as_str();
        match &action.deed {
            Deed::Connect { path, headers } => self.connect(client, path, headers, events).await,
            Deed::Http(request) => self.request(client, request, step, events).await,
            Deed::Drop => {
                if let Some(socket) = self.sockets.remove(client) {
                    socket.cut().await;
                    events.add(client, Seen::Closed(NO_CLOSE_FRAME));
                    events.leave(client);
                }
                Ok(())
            }
            Deed::OnSocket(deed) => {
                if let Some(socket) = self.sockets.get_mut(client) {
                    if matches!(deed, SocketDeed::Close(_)) {
                        events.leave(client);
                    }
                    socket.act(deed).await;
                }
                Ok(())
            }
        }
    }

    async fn connect(
        &mut self,
        client: &str,
        path: &str,
        headers: &http::Headers,
        events: &mut Events,
    ) -> Result<(), Problem> {
        match answered(client, http::handshake(self.servers.of(path), path, headers)).await? {
            Handshake::Refused(answer) => events.add(client, Seen::Refused(answer)),
            Handshake::Open(connection) => {
                events.add(client, Seen::Open);
                self.opened += 1;
                let socket = Socket::open(self.opened, client, connection, self.reports.clone()).await;
                if let Some(former) = self.sockets.insert(client.to_owned(), socket) {
                    former.cut().await;
                }
            }
        }
        Ok(())
    }

    async fn request(
        &mut self,
        client: &str,
        request: &Request,
        step: &Step,
        events: &mut Events,
    ) -> Result<(), Problem> {
        let messages = events.next_messages(client, step);
        let request = request.with_token(&self.token);
        let answer = match request.method.as_str() {
            "GET" if messages > 0 => {
                answered(client, http::poll(self.servers.of(&request.path), &request, messages)).await?
            }
            _ => answered(client, http::request(self.servers.of(&request.path), &request)).await?,
        };
        if let Some(token) = answer.token() {
            self.token = token.to_owned();
        }
        if client != NOBODY {
            events.add(client, Seen::Http(answer));
        }
        Ok(())
    }

    /// Collects what comes in, until nobody has got anything for as long as [`QUIET`].
    async fn until_quiet(&mut self, events: &mut Events) {
        while let Ok(Some(arrival)) = timeout(QUIET, self.arrivals.recv()).await {
            self.note(arrival, events);
        }
    }

    fn note(&mut self, arrival: Arrival, events: &mut Events) {
        let is_current = |socket: &Socket| socket.id() == arrival.socket;
        if matches!(arrival.seen, Seen::Closed(_))
            && self.sockets.get(&arrival.client).is_some_and(is_current)
        {
            self.sockets.remove(&arrival.client);
        }
        events.add(&arrival.client, arrival.seen);
    }

    /// Compares the step's events with the recorded ones; remembers the refs if they agree.
    fn judge(&mut self, step: &Step, events: &Events) -> Result<(), Vec<Mismatch>> {
        let mut refs = self.refs.clone();
        let mut mismatches = vec![];
        let clients: BTreeSet<&String> = step.see.keys().chain(events.seen.keys()).collect();
        for client in clients {
            let recorded = canonical(events.compared(client, &step.see));
            let seen = canonical(events.compared(client, &events.seen));
            if let Err(difference) = refs.compare(&recorded, &seen) {
                mismatches.push(Mismatch { client: client.clone(), recorded, seen, difference });
            }
        }
        if mismatches.is_empty() {
            self.refs = refs;
            return Ok(());
        }
        Err(mismatches)
    }
}

/// What happened in a step so far.
#[derive(Default)]
struct Events {
    seen: Sights,
    /// The clients that closed or dropped by themselves.
    gone: BTreeSet<String>,
}

/// What each client sees.
type Sights = BTreeMap<String, Vec<Seen>>;

impl Events {
    fn add(&mut self, client: &str, seen: Seen) {
        self.seen.entry(client.to_owned()).or_default().push(seen);
    }

    fn leave(&mut self, client: &str) {
        self.gone.insert(client.to_owned());
    }

    /// What is compared of a client's sights, seen or recorded.
    fn compared(&self, client: &str, sights: &Sights) -> Vec<Seen> {
        let sights = of(client, sights).to_vec();
        if self.gone.contains(client) { only_the_end(sights) } else { sights }
    }

    /// Whether some client has seen fewer things than it was recorded to see.
    fn lacks(&self, step: &Step) -> bool {
        let count = |client, sights| self.compared(client, sights).len();
        step.see.keys().any(|client| count(client, &self.seen) < count(client, &step.see))
    }

    /// How many long-poll messages the next HTTP answer of this client is recorded to hold.
    fn next_messages(&self, client: &str, step: &Step) -> usize {
        let answered = answers(of(client, &self.seen)).count();
        answers(of(client, &step.see)).nth(answered).map_or(0, |answer| answer.messages().len())
    }
}

fn of<'a>(client: &str, sights: &'a Sights) -> &'a [Seen] {
    sights.get(client).map_or(&[], Vec::as_slice)
}

fn answers(sights: &[Seen]) -> impl Iterator<Item = &Answer> {
    sights.iter().filter_map(|seen| match seen {
        Seen::Http(answer) => Some(answer),
        _ => None,
    })
}

/// Waits for an answer, but not for ever.
async fn answered<T>(client: &str, answer: impl Future<Output = Result<T, HttpError>>) -> Result<T, Problem> {
    let client = || client.to_owned();
    let answer = timeout(SILENCE, answer).await.map_err(|_| Problem::Silence { client: client() })?;
    answer.map_err(|error| Problem::Http { client: client(), error })
}

/// As long as this without anything for anyone, and a step is over.
const QUIET: Duration = Duration::from_millis(150);

/// How long to wait for things that are recorded but have not come.
const PATIENCE: Duration = Duration::from_secs(5);

/// Several long-poll windows of the conformance server.
const SILENCE: Duration = Duration::from_secs(15);
