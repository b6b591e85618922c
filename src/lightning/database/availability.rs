//! Whether the database answers: while it does not, nobody waits for it.
//!
//! Owns the two states and what leads from one to the other. A question that is lost, or has no answer in time, makes it
//! *away*; one that PostgreSQL itself refuses fails alone, and has a look decide. A look at every table that succeeds
//! makes it *available*. So a server that is there and yet too slow is away
//! as well, as soon as one question ran out of time, and nothing piles up behind it.

use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_postgres::Row;
use tracing::{info, warn};

use super::super::people::Unavailable;
use super::link::{Failure, Link, Parameters};
use super::schema::{Found, Schema};

/// A link, and whether it is worth asking.
pub(super) struct Availability {
    link: Link,
    limit: Duration,
    state: watch::Sender<State>,
    doubt: Notify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody has looked yet.
    Unknown,
    Available(Schema),
    Away,
}

impl Availability {
    pub(super) fn new(link: Link, limit: Duration) -> Self {
        Availability { link, limit, state: watch::Sender::new(State::Unknown), doubt: Notify::new() }
    }

    pub(super) fn is_available(&self) -> bool {
        matches!(*self.state.borrow(), State::Available(_))
    }

    /// The schema of a database that is available. Only the first look is waited for.
    pub(super) async fn schema(&self) -> Result<Schema, Unavailable> {
        let mut state = self.state.subscribe();
        let known = state.wait_for(|state| *state != State::Unknown);
        let known =
            tokio::time::timeout(self.limit, known).await.map_err(|_| Failure::TimedOut(self.limit))?;
        match known.as_deref() {
            Ok(State::Available(schema)) => Ok(*schema),
            Ok(State::Unknown | State::Away) | Err(_) => Err(away()),
        }
    }

    /// Asks a question within the time limit. Where the database goes away meanwhile the answer is not waited for.
    pub(super) async fn ask(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, Unavailable> {
        let mut state = self.state.subscribe();
        let failure = tokio::select! {
            biased;
            _ = state.wait_for(|state| *state == State::Away) => return Err(away()),
            answer = self.link.query(self.limit, sql, parameters) => match answer {
                Ok(rows) => return Ok(rows),
                Err(failure) => failure,
            },
        };
        if !failure.is_of_one_question() {
            self.went(&failure);
        }
        self.doubt.notify_one();
        Err(failure.into())
    }

    /// What is there, whatever the state.
    pub(super) async fn look(&self) -> Result<Found, Unavailable> {
        Ok(Found::look(&self.link, self.limit).await?)
    }

    /// Looks again and again, for ever: now and then while the database is available, at once when a question failed,
    /// and every second while it is away.
    pub(super) async fn watch(&self) {
        loop {
            // One that has not answered for so long is not to be waited for any longer than this.
            let limit = if self.is_available() { self.limit } else { self.limit.min(LOOK_LIMIT) };
            match Found::look(&self.link, limit).await {
                Ok(found) if found.missing.is_empty() => self.came(&found),
                Ok(found) => self.went(&Failure::Lacking(found.missing.join(", "))),
                Err(failure) => self.went(&failure),
            }
            if self.is_available() {
                tokio::select! {
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    () = self.doubt.notified() => {}
                }
            } else {
                tokio::time::sleep(TRY_AGAIN_EVERY).await;
            }
        }
    }

    fn came(&self, Found { server_version, schema, .. }: &Found) {
        let now = State::Available(*schema);
        let before = self.state.send_replace(now);
        if before != now {
            info!(server_version, %schema, "the database is available");
        }
    }

    fn went(&self, reason: &Failure) {
        if self.state.send_replace(State::Away) != State::Away {
            warn!(%reason, "the database is away; new connections are refused with 503 until it is back");
        }
    }
}

impl From<Failure> for Unavailable {
    fn from(failure: Failure) -> Self {
        Unavailable(failure.to_string())
    }
}

fn away() -> Unavailable {
    Unavailable("the database is away".to_owned())
}

/// How soon a change of the schema is noticed, or that the database is away while nobody asks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const TRY_AGAIN_EVERY: Duration = Duration::from_secs(1);
const LOOK_LIMIT: Duration = Duration::from_secs(5);
