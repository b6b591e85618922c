//! The people source of a deployment: Lightning's own PostgreSQL, which is only read.
//!
//! Owns which look-ups may be answered from the last moments' answers, and when an older token counts. Not here: the
//! SQL and its rules (`questions`), tokens (`proof`), connections (`link`), and what is known of the server
//! (`availability`).
//! Rules: Lightning 2.13, `LightningWeb.UserSocket`, `Lightning.Accounts` and `Lightning.Policies`.

mod availability;
mod link;
mod proof;
mod questions;
mod recent;
mod schema;
mod tls;
mod url;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::StatusCode;
use smol_str::SmolStr;
use tracing::{debug, warn};
use uuid::Uuid;

use self::availability::Availability;
use self::link::Link;
use self::proof::{Proof, row_id};
use self::questions::Questions;
use self::recent::Recent;
pub use self::schema::{Found, Generation, Schema};
pub use self::tls::{NoRootCertificates, Tls};
pub use self::url::{BadDatabaseUrl, DatabaseUrl};
use super::clock::now_ms;
use super::people::{Access, Account, Answer, People, Project, Run, Unavailable, Workflow};
use super::token::Keys;
use super::user::User;
use crate::channel::{ConnectInfo, Refusal};

/// Lightning's database, and by which rules it is read.
#[derive(Debug)]
pub struct DatabaseOptions {
    /// Where it is.
    pub url: DatabaseUrl,
    /// Whether the way there is encrypted. It is not where the URL turns TLS off.
    pub tls: Tls,
    /// The keys of user tokens.
    pub keys: Keys,
    /// How many questions are asked at a time, each on a connection of its own.
    pub pool_size: usize,
    /// How long a question may take; the wait for a connection is part of it.
    pub timeout: Duration,
    /// Whether signed tokens, of a user's id, count although Lightning's newer versions refuse them.
    pub signed_tokens: bool,
    /// Whether Lightning locks out those who do not confirm their address.
    pub email_verification: bool,
}

/// People out of Lightning's database. Until [`watch`](Database::watch) runs, nobody is found.
pub struct Database {
    options: DatabaseOptions,
    questions: Arc<Questions>,
    accounts: Recent<AccountKey, Option<Account>>,
    access: Recent<(Uuid, Uuid), Option<Access>>,
    workflows: Recent<Uuid, Option<Workflow>>,
    snapshots: Recent<(Uuid, i64), bool>,
    viewers: Recent<Uuid, Arc<[String]>>,
    /// The log has it that a signed token was refused.
    told_of_signed_token: AtomicBool,
}

/// By what an account is looked up.
#[derive(PartialEq, Eq, Hash)]
enum AccountKey {
    /// The SHA-256 of a login session's token.
    Session([u8; 32]),
    User(Uuid),
}

impl Database {
    /// A source of people that has not been asked for anything yet.
    ///
    /// # Errors
    /// [`NoRootCertificates`], where the server's certificate is to be checked.
    pub fn new(mut options: DatabaseOptions) -> Result<Self, NoRootCertificates> {
        if options.url.without_tls {
            options.tls = Tls::Off;
        }
        let link = Link::new(&options.url, options.tls, options.pool_size, options.timeout)?;
        let availability = Availability::new(link, options.timeout);
        let questions = Questions { availability, email_verification: options.email_verification };
        Ok(Database {
            options,
            questions: Arc::new(questions),
            accounts: Recent::default(),
            access: Recent::default(),
            workflows: Recent::default(),
            snapshots: Recent::default(),
            viewers: Recent::default(),
            told_of_signed_token: AtomicBool::new(false),
        })
    }

    /// Where it is and how it is read.
    pub fn options(&self) -> &DatabaseOptions {
        &self.options
    }

    /// Whether the server answers and has what is needed, as far as is known. While it is not, new connections are
    /// refused with 503 at once, and those who are connected stay.
    pub fn is_ready(&self) -> bool {
        self.questions.availability.is_available()
    }

    /// Keeps looking whether the database answers, for ever, and says in the log when that changes.
    pub async fn watch(&self) {
        self.questions.availability.watch().await;
    }

    /// Looks at the server and Lightning's tables now.
    ///
    /// # Errors
    /// [`Unavailable`], where it cannot be reached, or not read.
    pub async fn look(&self) -> Result<Found, Unavailable> {
        self.questions.availability.look().await
    }

    async fn log_in(&self, info: &ConnectInfo) -> Result<Option<Account>, Unavailable> {
        let token = info.auth_token.as_deref().or_else(|| info.params.get("token"));
        let Some(proof) = token.and_then(|token| Proof::open(&self.options.keys, token, now_ms())) else {
            debug!("a connection without a good token is refused");
            return Ok(None);
        };
        let schema = self.questions.availability.schema().await?;
        let questions = self.questions.clone();
        let account = match proof {
            Proof::Session(token) => {
                let login = AccountKey::Session(token.digest());
                self.accounts.answer(login, async move { questions.by_session(&token).await }).await?
            }
            Proof::User(_) if !self.takes_signed_tokens(schema) => {
                // Its signature is good: either somebody has an old page open, or the tables were taken for newer ones.
                if self.told_of_signed_token.swap(true, Ordering::Relaxed) {
                    debug!("a connection with a signed token is refused, as this Lightning makes none");
                } else {
                    warn!(
                        "a connection with a good signed token is refused, as this Lightning makes none by its tables; \
                         SIGNED_TOKENS=true takes them"
                    );
                }
                return Ok(None);
            }
            Proof::User(id) => {
                self.accounts.answer(AccountKey::User(id), async move { questions.by_id(id).await }).await?
            }
        };
        if account.is_none() {
            debug!("a connection is refused: its login has ended, or its user may not come");
        }
        Ok(account)
    }

    /// Whether a signed token of a user's id counts with a Lightning of this schema.
    pub fn takes_signed_tokens(&self, schema: Schema) -> bool {
        self.options.signed_tokens || schema.generation == Generation::Older
    }

    /// `None` where there is no such project.
    async fn access_to(&self, project: &str, user: &str) -> Result<Option<Access>, Unavailable> {
        let schema = self.questions.availability.schema().await?;
        let (Some(project), Some(user)) = (row_id(project), row_id(user)) else { return Ok(None) };
        let questions = self.questions.clone();
        let look_up = async move {
            let found = questions.access(schema, &[(Some(user), Some(project))]).await?;
            Ok(found.first().copied().flatten())
        };
        self.access.answer((project, user), look_up).await
    }
}

impl People for Database {
    fn account<'a>(&'a self, info: &'a ConnectInfo) -> BoxFuture<'a, Result<Account, Refusal>> {
        async move {
            match self.log_in(info).await {
                Ok(account) => account.ok_or(Refusal::FORBIDDEN),
                Err(error) => {
                    debug!(%error, "a connection is refused with 503");
                    Err(Refusal::with_status(StatusCode::SERVICE_UNAVAILABLE))
                }
            }
        }
        .boxed()
    }

    fn project<'a>(&'a self, id: &'a str, user: &'a User) -> Answer<'a, Option<Project>> {
        async move {
            let access = self.access_to(id, &user.id).await?;
            Ok(access.map(|access| Project { id: id.to_owned(), access }))
        }
        .boxed()
    }

    fn workflow<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Workflow>> {
        async move {
            self.questions.availability.schema().await?;
            let Some(id) = row_id(id) else { return Ok(None) };
            let questions = self.questions.clone();
            self.workflows.answer(id, async move { questions.workflow(id).await }).await
        }
        .boxed()
    }

    fn has_snapshot<'a>(&'a self, workflow: &'a str, version: i64) -> Answer<'a, bool> {
        async move {
            self.questions.availability.schema().await?;
            let Some(id) = row_id(workflow) else { return Ok(false) };
            let questions = self.questions.clone();
            let look_up = async move { questions.has_snapshot(id, version).await };
            self.snapshots.answer((id, version), look_up).await
        }
        .boxed()
    }

    fn run<'a>(&'a self, workflow: &'a str, run: &'a str) -> Answer<'a, Run> {
        async move {
            let schema = self.questions.availability.schema().await?;
            match (row_id(workflow), row_id(run)) {
                // Few look at runs, so nothing is remembered.
                (Some(workflow), Some(run)) if schema.runs => self.questions.run(workflow, run).await,
                _ => Ok(Run::Unknown),
            }
        }
        .boxed()
    }

    fn viewers<'a>(&'a self, project: &'a str) -> Answer<'a, Arc<[String]>> {
        async move {
            self.questions.availability.schema().await?;
            let Some(id) = row_id(project) else { return Ok(Arc::default()) };
            let questions = self.questions.clone();
            self.viewers.answer(id, async move { questions.viewers(id).await }).await
        }
        .boxed()
    }

    fn workflows<'a>(&'a self, ids: &'a [SmolStr]) -> Answer<'a, Vec<Option<Workflow>>> {
        async move {
            self.questions.availability.schema().await?;
            self.questions.workflows(&ids.iter().map(|id| row_id(id)).collect::<Vec<_>>()).await
        }
        .boxed()
    }

    fn viewers_of<'a>(&'a self, projects: &'a [SmolStr]) -> Answer<'a, Vec<Arc<[String]>>> {
        async move {
            self.questions.availability.schema().await?;
            self.questions.viewers_of(&projects.iter().map(|id| row_id(id)).collect::<Vec<_>>()).await
        }
        .boxed()
    }

    /// Where somebody is found out, the answers that would let the same person in again are forgotten.
    fn still_in<'a>(&'a self, accounts: &'a [Account]) -> Answer<'a, Vec<bool>> {
        async move {
            let signed_tokens = self.takes_signed_tokens(self.questions.availability.schema().await?);
            let asked = accounts.iter().map(|account| match account.login_session {
                None if !signed_tokens => (None, None),
                session => (row_id(&account.user.id), session),
            });
            let still_in = self.questions.still_in(&asked.collect::<Vec<_>>()).await?;
            if still_in.contains(&false) {
                self.accounts.forget();
            }
            Ok(still_in)
        }
        .boxed()
    }

    fn access<'a>(&'a self, pairs: &'a [(SmolStr, SmolStr)]) -> Answer<'a, Vec<Access>> {
        async move {
            let schema = self.questions.availability.schema().await?;
            let asked = pairs.iter().map(|(user, project)| (row_id(user), row_id(project)));
            let access = self.questions.access(schema, &asked.collect::<Vec<_>>()).await?;
            let access: Vec<_> = access.into_iter().map(|access| access.unwrap_or(Access::None)).collect();
            if access.contains(&Access::None) {
                self.access.forget();
            }
            Ok(access)
        }
        .boxed()
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("url", &self.options.url).finish_non_exhaustive()
    }
}
