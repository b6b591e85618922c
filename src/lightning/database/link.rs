//! The connections to PostgreSQL: a pool of them, and one question at a time on each.
//!
//! Owns the settings of its sessions, which can only read, and the time limit of a question. Not here: what is asked
//! (`questions`), and whether it is worth asking now (`availability`).

use std::error::Error as _;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Connect, Manager, ManagerConfig, Object, Pool, PoolError};
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Row};
use tokio_postgres_rustls::MakeRustlsConnect;
use tracing::debug;

use super::tls::{NoRootCertificates, Tls};
use super::url::DatabaseUrl;

/// The way to a database.
pub(super) struct Link {
    pool: Pool,
    /// When PostgreSQL last refused a further connection, as there were too many.
    refused: Mutex<Option<Instant>>,
    given_back: Notify,
}

/// Parameters, each with its type: so that a question takes one round trip, and leaves no prepared statement behind
/// that a change of the schema would break.
pub(super) type Parameters<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

/// Why a question has no answer. It says what PostgreSQL said, and nothing of the parameters.
#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error("there was no answer within {0:?}")]
    TimedOut(Duration),
    #[error("there is no connection: {0}")]
    Connect(Words),
    #[error("{0}")]
    Question(Words),
    #[error("the database lacks {0}")]
    Lacking(String),
}

impl Link {
    /// Nothing is connected until something is asked.
    pub(super) fn new(
        url: &DatabaseUrl,
        tls: Tls,
        size: usize,
        limit: Duration,
    ) -> Result<Self, NoRootCertificates> {
        let connector = tls.connector()?;
        let mut config = url.config.clone();
        config.ssl_mode(if tls == Tls::Off { SslMode::Disable } else { SslMode::Require });
        config.application_name("presenced");
        // At the start of the session and not by SET: a pooler in between would hand a SET on to Lightning.
        let milliseconds = limit.as_millis();
        config.options(format!("-c statement_timeout={milliseconds} -c default_transaction_read_only=on"));
        config.tcp_user_timeout(limit);
        config.keepalives_idle(KEEPALIVE_AFTER);
        let manager = Manager::from_connect(config, Connector { tls: connector }, ManagerConfig::default());
        let pool = Pool::builder(manager).max_size(size).build();
        let pool = pool.expect("a pool without time limits of its own needs no runtime");
        Ok(Link { pool, refused: Mutex::new(None), given_back: Notify::new() })
    }

    /// The rows of an answer. A connection that had died while nobody used it says nothing of the server, so a
    /// question that it was lost with is asked once more.
    pub(super) async fn query(
        &self,
        limit: Duration,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, Failure> {
        let asked = async {
            match self.ask(sql, parameters).await {
                Err(Failure::Question(words)) if words.lost => self.ask(sql, parameters).await,
                answer => answer,
            }
        };
        tokio::time::timeout(limit, asked).await.unwrap_or(Err(Failure::TimedOut(limit)))
    }

    /// A connection of the pool, or a new one. Where PostgreSQL grants no more, one that another question gives back:
    /// that there are fewer than hoped for makes it slower, and does not make it fail.
    async fn connection(&self) -> Result<Object, Failure> {
        loop {
            if self.is_crowded() {
                // One that is given back to somebody who then gives up wakes nobody else.
                let _ = tokio::time::timeout(SEE_AGAIN_AFTER, self.given_back.notified()).await;
                if self.is_crowded() {
                    continue;
                }
            }
            match self.pool.get().await {
                Err(PoolError::Backend(error)) if error.code() == Some(&SqlState::TOO_MANY_CONNECTIONS) => {
                    *self.refused.lock() = Some(Instant::now());
                    if self.pool.status().size == 0 {
                        return Err(PoolError::Backend(error).into());
                    }
                }
                connection => return Ok(connection?),
            }
        }
    }

    /// Whether all connections are in use and another was refused a moment ago.
    fn is_crowded(&self) -> bool {
        let pool = self.pool.status();
        let lately = self.refused.lock().is_some_and(|at| at.elapsed() < REFUSED_FOR);
        lately && pool.size > 0 && pool.available == 0
    }

    async fn ask(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, Failure> {
        let lease = Lease { connection: Some(self.connection().await?), given_back: &self.given_back };
        let answer = lease.query_typed(sql, parameters).await;
        match answer {
            Ok(rows) => {
                lease.give_back();
                Ok(rows)
            }
            Err(error) => {
                self.pool.retain(|connection, _| !connection.is_closed());
                Err(error.into())
            }
        }
    }
}

/// A connection of the pool. Unless its answer has come in full it is closed, and not given back: the next question
/// would wait behind this one.
struct Lease<'a> {
    connection: Option<Object>,
    /// Told when it ends, in whatever way.
    given_back: &'a Notify,
}

impl Lease<'_> {
    fn give_back(mut self) {
        self.connection.take();
    }
}

impl Deref for Lease<'_> {
    type Target = ClientWrapper;

    fn deref(&self) -> &ClientWrapper {
        self.connection.as_ref().expect("it is there until it is given back")
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(Object::take(connection));
        }
        self.given_back.notify_one();
    }
}

/// Makes connections, and is quiet where they end: that the server is away is said once, and not once for each.
struct Connector {
    tls: MakeRustlsConnect,
}

impl Connect for Connector {
    fn connect(
        &self,
        config: &Config,
    ) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), tokio_postgres::Error>> {
        let config = config.clone();
        async move {
            let (client, connection) = config.connect(self.tls.clone()).await?;
            let task = tokio::spawn(async move {
                if let Err(error) = connection.await {
                    debug!(reason = %Words::from(error), "a connection to the database ended");
                }
            });
            Ok((client, task))
        }
        .boxed()
    }
}

/// What the driver or PostgreSQL said, on one line.
#[derive(Debug)]
pub(super) struct Words {
    text: String,
    /// The connection was lost, which another one need not be.
    lost: bool,
    /// PostgreSQL said it, of this question or of one connection more, and goes on.
    goes_on: bool,
}

impl Failure {
    /// Whether it says nothing of other questions: PostgreSQL is there, and answered that it does not do this one.
    pub(super) fn is_of_one_question(&self) -> bool {
        match self {
            Failure::Question(words) | Failure::Connect(words) => words.goes_on,
            Failure::TimedOut(_) | Failure::Lacking(_) => false,
        }
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<tokio_postgres::Error> for Words {
    /// Of what PostgreSQL says the message alone: its details may quote rows.
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(said) = error.as_db_error() {
            let ended = [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::IDLE_SESSION_TIMEOUT];
            let lost = ended.contains(said.code());
            return Words {
                text: format!("{} ({})", said.message(), said.code().code()),
                lost,
                goes_on: !lost && *said.code() != SqlState::CANNOT_CONNECT_NOW,
            };
        }
        let causes = std::iter::successors(error.source(), |&cause| cause.source());
        let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
        Words { text, lost: true, goes_on: false }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Failure::Question(error.into())
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        Failure::Connect(match error {
            PoolError::Backend(error) => error.into(),
            other => Words { text: other.to_string(), lost: false, goes_on: false },
        })
    }
}

/// A firewall that forgets a silent connection is noticed before somebody waits for it.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
/// How long a refusal of a further connection is taken to hold.
const REFUSED_FOR: Duration = Duration::from_secs(1);
const SEE_AGAIN_AFTER: Duration = Duration::from_millis(100);
