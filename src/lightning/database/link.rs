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
use thiserror::Error;
use tokio::task::JoinHandle;
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
        Ok(Link { pool: pool.expect("a pool without time limits of its own needs no runtime") })
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

    async fn ask(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, Failure> {
        let lease = Lease(Some(self.pool.get().await?));
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
struct Lease(Option<Object>);

impl Lease {
    fn give_back(mut self) {
        self.0.take();
    }
}

impl Deref for Lease {
    type Target = ClientWrapper;

    fn deref(&self) -> &ClientWrapper {
        self.0.as_ref().expect("it is there until it is given back")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(Object::take(connection));
        }
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
            return Words {
                text: format!("{} ({})", said.message(), said.code().code()),
                lost: ended.contains(said.code()),
            };
        }
        let causes = std::iter::successors(error.source(), |&cause| cause.source());
        let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
        Words { text, lost: true }
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
            other => Words { text: other.to_string(), lost: false },
        })
    }
}

/// A firewall that forgets a silent connection is noticed before somebody waits for it.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
