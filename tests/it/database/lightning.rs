//! A Lightning's database, with people in it, and servers that read it.
//!
//! Not here: PostgreSQL itself ([`super::postgres`]).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use presenced::lightning::clock::now_ms;
use presenced::lightning::token::{Data, Keys, MaxAge, SecretKeyBase};
use presenced::lightning::{
    Canvases, Database, DatabaseOptions, DatabaseUrl, Login, Tls, UserSocket, router,
};
use presenced::server::{Options, Server};
use presenced::wire::Vsn;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_postgres::Client as Superuser;
use uuid::Uuid;

use super::postgres::{Postgres, shared};
use crate::support::http::request;
use crate::support::process::Process;
use crate::support::{Client, Running, within};

/// What every secret of these tests is made from.
pub const SECRET: &str = "a secret of the tests, which is long enough to be one";
/// The role of the server, which may only read.
pub const ROLE: &str = "presenced";
/// Its password, and the same in a URL.
pub const PASSWORD: &str = "pa55:w@rd/of%presenced?#";
pub const PASSWORD_IN_URL: &str = "pa55:w%40rd%2Fof%25presenced%3F%23";

/// Users, by their rows.
pub const OWNER: &str = "00000000-0000-4000-8000-000000000001";
pub const ADMIN: &str = "00000000-0000-4000-8000-000000000002";
pub const EDITOR: &str = "00000000-0000-4000-8000-000000000003";
pub const VIEWER: &str = "00000000-0000-4000-8000-000000000004";
pub const OUTSIDER: &str = "00000000-0000-4000-8000-000000000005";
pub const SUPPORT: &str = "00000000-0000-4000-8000-000000000006";
pub const DISABLED: &str = "00000000-0000-4000-8000-000000000007";
pub const LEAVING: &str = "00000000-0000-4000-8000-000000000008";
pub const UNCONFIRMED: &str = "00000000-0000-4000-8000-000000000009";
pub const UNSURE: &str = "00000000-0000-4000-8000-000000000010";
pub const NOBODY: &str = "00000000-0000-4000-8000-000000000099";
/// Projects.
pub const OPEN: &str = "00000000-0000-4000-8000-000000000021";
pub const CLOSED: &str = "00000000-0000-4000-8000-000000000022";
pub const DOOMED: &str = "00000000-0000-4000-8000-000000000023";
/// Workflows.
pub const IN_OPEN: &str = "00000000-0000-4000-8000-000000000031";
pub const IN_CLOSED: &str = "00000000-0000-4000-8000-000000000032";
pub const IN_DOOMED: &str = "00000000-0000-4000-8000-000000000033";
pub const DELETED: &str = "00000000-0000-4000-8000-000000000034";

/// The two shapes of Lightning's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Older,
    Newer,
}

/// A database of its own for a test.
pub struct Lightning<'a> {
    pub postgres: &'a Postgres,
    pub name: String,
    pub superuser: Superuser,
}

/// A server in the test's process, and its source of people.
pub struct Served {
    pub running: Running,
    pub canvases: Arc<Canvases>,
    pub database: Arc<Database>,
    watching: JoinHandle<()>,
}

impl Lightning<'static> {
    /// A database of the shared server.
    pub async fn new(version: Version) -> Self {
        Lightning::on(shared().await, version).await
    }
}

impl<'a> Lightning<'a> {
    /// A database of this server, which runs.
    pub async fn on(postgres: &'a Postgres, version: Version) -> Self {
        let name = format!("lightning_{}", Uuid::new_v4().simple());
        let superuser = postgres.superuser("postgres").await;
        let role = format!(
            "DO $$ BEGIN CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}';
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        );
        superuser.batch_execute(&role).await.expect("the superuser may make roles");
        superuser.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("and databases");
        let superuser = postgres.superuser(&name).await;
        superuser.batch_execute(OLDER).await.expect("the tables are in order");
        superuser.batch_execute(PEOPLE).await.expect("so are their rows");
        let lightning = Lightning { postgres, name, superuser };
        if version == Version::Newer {
            lightning.upgrade().await;
        }
        lightning
    }

    /// Lightning's newer version is deployed.
    pub async fn upgrade(&self) {
        self.execute(NEWER).await;
        self.execute(&format!("UPDATE users SET support_user = true WHERE id = '{SUPPORT}'")).await;
        self.execute(&format!("UPDATE projects SET allow_support_access = true WHERE id = '{OPEN}'")).await;
    }

    /// Changes something.
    pub async fn execute(&self, sql: &str) {
        self.superuser.batch_execute(sql).await.unwrap_or_else(|error| panic!("{error:?} in {sql}"));
    }

    /// Its URL, without TLS.
    pub fn url(&self) -> String {
        format!("ecto://{ROLE}:{PASSWORD_IN_URL}@127.0.0.1:{}/{}?ssl=false", self.postgres.port(), self.name)
    }

    /// Its URL, which says nothing of TLS.
    pub fn url_with_tls(&self, host: &str) -> String {
        format!("postgres://{ROLE}:{PASSWORD_IN_URL}@{host}:{}/{}", self.postgres.port(), self.name)
    }

    /// A `presenced` that reads it, with these further variables.
    pub async fn start(&self, variables: &[(&str, &str)]) -> Process {
        let url = self.url();
        let variables = [&[("DATABASE_URL", url.as_str()), ("SECRET_KEY_BASE", SECRET)], variables].concat();
        Process::start_with(&[], &variables).await
    }

    /// How many questions of servers wait for a lock.
    pub async fn waiting(&self) -> usize {
        self.count_sessions("AND wait_event_type = 'Lock'").await
    }

    /// Waits until no server is connected.
    pub async fn until_nobody_reads(&self) {
        within("the servers to leave", async { while self.count_sessions("").await > 0 {} }).await;
    }

    /// Ends all connections of servers, as an administrator may.
    pub async fn end_sessions(&self) {
        let sql = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity";
        self.execute(&format!("{sql} WHERE datname = '{}' AND application_name = 'presenced'", self.name))
            .await;
    }

    async fn count_sessions(&self, which: &str) -> usize {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = '{}' AND application_name = 'presenced' {which}",
            self.name
        );
        let row = self.superuser.query_one(&sql, &[]).await.expect("the superuser may ask");
        usize::try_from(row.get::<_, i64>(0)).expect("a count")
    }

    /// A new login session of a user, and its token.
    pub async fn log_in(&self, user: &str) -> (Session, String) {
        let session = Session::new();
        let token = session.token();
        self.remember(&session, user, "session", "1 hour").await;
        (session, token)
    }

    /// Enters a token into `users_tokens` as one of this context and age.
    pub async fn remember(&self, session: &Session, user: &str, context: &str, age: &str) {
        self.execute(&format!(
            "INSERT INTO users_tokens (id, user_id, token, context, inserted_at)
             VALUES ('{}', '{user}', '\\x{}', '{context}', timezone('utc', now()) - interval '{age}')",
            session.id,
            session.hex()
        ))
        .await;
    }

    /// Serves canvases for its people.
    pub async fn serve(&self) -> Served {
        self.serve_with(|_| {}).await
    }

    /// The same with other options.
    pub async fn serve_with(&self, change: impl FnOnce(&mut DatabaseOptions)) -> Served {
        let mut options = options(&self.url());
        change(&mut options);
        Served::new(options).await
    }
}

/// What a server reads a database with.
pub fn options(url: &str) -> DatabaseOptions {
    DatabaseOptions {
        url: DatabaseUrl::parse(url).expect("a URL"),
        tls: Tls::Checked,
        keys: keys(),
        pool_size: 10,
        timeout: Duration::from_secs(15),
        signed_tokens: false,
        email_verification: false,
    }
}

impl Served {
    pub async fn new(options: DatabaseOptions) -> Self {
        let database = Arc::new(Database::new(options).expect("nothing is checked here"));
        let canvases = Canvases::new(database.clone());
        let server =
            Server::new(UserSocket::new(canvases.clone()), router(canvases.clone()), Options::default());
        let watching = watch(&database);
        Served { running: Running::serve(server).await, canvases, database, watching }
    }

    /// Has it look at its database at once, as it does now and then.
    pub fn look_again(&mut self) {
        self.watching.abort();
        self.watching = watch(&self.database);
    }

    /// What a connection with this token is answered with: 400 says that all is well but for the upgrade.
    pub async fn status(&self, token: &str) -> u16 {
        status(self.running.address(), token).await
    }

    /// Asks until a connection with this token is answered with this status.
    pub async fn until_status(&self, token: &str, expected: u16) {
        let asked = async { while self.status(token).await != expected {} };
        within(&format!("the status {expected}"), asked).await;
    }

    /// A client with this token.
    pub async fn connect(&self, token: &str) -> Client {
        Client::connect(self.running.address(), Vsn::V2, &format!("token={token}")).await
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

fn watch(database: &Arc<Database>) -> JoinHandle<()> {
    let database = database.clone();
    tokio::spawn(async move { database.watch().await })
}

/// A login session: its row's id, and the bytes that its token holds.
pub struct Session {
    pub id: Uuid,
    pub bytes: [u8; 32],
}

impl Session {
    pub fn new() -> Self {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(Uuid::new_v4().as_bytes());
        bytes[16..].copy_from_slice(Uuid::new_v4().as_bytes());
        Session { id: Uuid::new_v4(), bytes }
    }

    /// The token that Lightning's newer pages carry.
    pub fn token(&self) -> String {
        encrypted(&Data::Binary(self.bytes.to_vec().into()))
    }

    pub fn hex(&self) -> String {
        self.bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The token that Lightning's older pages carry.
pub fn signed(user: &str) -> String {
    keys().sign(&Data::text(user), now_ms(), MaxAge::DEFAULT)
}

pub fn encrypted(data: &Data) -> String {
    let mut nonce = [0; 24];
    nonce[..16].copy_from_slice(Uuid::new_v4().as_bytes());
    keys().encrypt(data, now_ms(), MaxAge::DEFAULT, nonce)
}

pub fn keys() -> Keys {
    Keys::new(&SecretKeyBase::new(SECRET).expect("long enough"), &[], Login::SALT)
}

pub async fn status(server: SocketAddr, token: &str) -> u16 {
    let path = format!("/socket/websocket?vsn=2.0.0&token={token}");
    request(server, "GET", &path, &[], "").await.status
}

/// What a join of a canvas says.
pub fn edit(project: &str) -> Value {
    json!({"project_id": project, "action": "edit"})
}

const OLDER: &str = include_str!("older.sql");
const NEWER: &str = include_str!("newer.sql");
const PEOPLE: &str = include_str!("people.sql");
