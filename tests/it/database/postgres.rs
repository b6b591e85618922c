//! A PostgreSQL of the tests' own, from Debian's package.
//!
//! Owns: its data, its port, its log, and its end. A shell stands between the tests and the server: where the tests
//! end, in whatever way, the shell's input ends, and it stops the server and removes the data.
//! Not here: what is in its databases ([`super::lightning`]).

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;

use parking_lot::Mutex;
use tokio::sync::{OnceCell, watch};
use tokio_postgres::{Client, NoTls};

use crate::support::within;

/// A server, running or stopped.
pub struct Postgres {
    folder: PathBuf,
    port: u16,
    shell: Mutex<Option<Child>>,
    log: Arc<Log>,
    encrypts: bool,
}

/// What the server has written to its log.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    written: watch::Sender<usize>,
}

/// The server that all tests share which do not stop it. It speaks TLS, with [`certificate`](Postgres::certificate).
pub async fn shared() -> &'static Postgres {
    static SHARED: OnceCell<Postgres> = OnceCell::const_new();
    SHARED
        .get_or_init(|| async {
            let postgres = Postgres::create(true);
            postgres.start().await;
            postgres
        })
        .await
}

impl Postgres {
    /// A server of one's own, which does not run yet and speaks no TLS.
    pub fn stopped() -> Self {
        Postgres::create(false)
    }

    fn create(encrypts: bool) -> Self {
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("presenced-postgres-{}-{port}", std::process::id()));
        fs::create_dir(&folder).expect("the temporary folder takes folders");
        fs::write(folder.join("password"), SUPERUSER_PASSWORD).expect("a new folder takes files");
        if encrypts {
            let certificate =
                rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
            let key = folder.join("key.pem");
            fs::write(folder.join("certificate.pem"), certificate.cert.pem())
                .expect("a new folder takes files");
            fs::write(&key, certificate.signing_key.serialize_pem()).expect("a new folder takes files");
            fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("the file is ours");
        }
        give_to_postgres(&folder);
        let output = as_postgres(&folder, &format!("{BIN}/initdb"))
            .args(["--pgdata=data", "--username=postgres", "--pwfile=password", "--auth=scram-sha-256"])
            .args(["--encoding=UTF8", "--locale=C", "--no-sync"])
            .output()
            .expect("PostgreSQL is installed, as tests/run does");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Postgres { folder, port, shell: Mutex::new(None), log: Arc::default(), encrypts }
    }

    /// Starts it, and waits until it takes connections.
    pub async fn start(&self) {
        let ready_before = self.log.count(READY);
        let port = self.port.to_string();
        let mut shell = as_postgres(&self.folder, "sh");
        shell.args(["-c", KEEPER, &format!("{BIN}/postgres"), "-D", "data", "-p", &port]);
        shell.arg("-k").arg(&self.folder);
        for setting in SETTINGS {
            shell.args(["-c", setting]);
        }
        if self.encrypts {
            let files = ["certificate", "key"].map(|name| self.folder.join(format!("{name}.pem")));
            let [certificate, key] = files.map(|path| path.display().to_string());
            shell.args(["-c", "ssl=on", "-c", &format!("ssl_cert_file={certificate}")]);
            shell.args(["-c", &format!("ssl_key_file={key}")]);
        }
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut shell = shell.spawn().expect("there is a shell");
        let stderr = shell.stderr.take().expect("stderr was asked to be piped");
        let log = self.log.clone();
        thread::spawn(move || log.collect(stderr));
        *self.shell.lock() = Some(shell);
        self.log
            .until("the server to be ready", |lines| {
                lines.iter().filter(|line| line.contains(READY)).count() > ready_before
            })
            .await;
    }

    /// Ends it without a goodbye, as a power cut would, and keeps the data.
    pub fn kill(&self) {
        let mut shell = self.shell.lock().take().expect("it runs");
        let mut stdin = shell.stdin.take().expect("stdin was asked to be piped");
        stdin.write_all(b"keep\n").expect("the shell reads");
        drop(stdin);
        shell.wait().expect("it is this process's child");
    }

    /// Where it listens, on the loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its Unix socket is.
    pub fn socket_folder(&self) -> &Path {
        &self.folder
    }

    /// The certificate of `localhost`, in PEM.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }

    /// A connection of the superuser.
    pub async fn superuser(&self, database: &str) -> Client {
        let mut config = tokio_postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user("postgres")
            .password(SUPERUSER_PASSWORD)
            .dbname(database);
        let (client, connection) =
            within("PostgreSQL", config.connect(NoTls)).await.expect("the superuser may connect");
        // Its errors reach the queries.
        tokio::spawn(connection);
        client
    }

    /// What a database was asked so far, a line each.
    pub async fn questions(&self, database: &str) -> Vec<String> {
        // All go through one pipe: what was written before this is read before this.
        let mark = format!("mark {}", NEXT.fetch_add(1, Ordering::Relaxed));
        let asked = self.superuser(database).await.simple_query(&format!("SELECT '{mark}'")).await;
        asked.expect("the superuser may ask");
        let lines = self.log.until("the mark", |lines| lines.iter().any(|line| line.contains(&mark))).await;
        let prefix = format!("{database}|LOG:  execute <unnamed>: ");
        lines.iter().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        match self.shell.lock().take() {
            Some(mut shell) => {
                drop(shell.stdin.take());
                // A failure would be one of cleaning up.
                let _ = shell.wait();
            }
            None => {
                let _ = fs::remove_dir_all(&self.folder);
            }
        }
    }
}

impl Log {
    fn collect(&self, stderr: impl Read) {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            self.lines.lock().push(line);
            self.written.send_modify(|written| *written += 1);
        }
    }

    fn count(&self, words: &str) -> usize {
        self.lines.lock().iter().filter(|line| line.contains(words)).count()
    }

    async fn until(&self, what: &str, holds: impl Fn(&[String]) -> bool) -> Vec<String> {
        let mut written = self.written.subscribe();
        let reached = written.wait_for(|_| holds(&self.lines.lock()));
        within(what, reached).await.unwrap_or_else(|_| panic!("the log ended before {what}"));
        self.lines.lock().clone()
    }
}

/// PostgreSQL does not run as root.
fn as_postgres(folder: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    if let Some((user, group)) = postgres_user() {
        command.uid(user).gid(group);
    }
    command
}

fn give_to_postgres(folder: &Path) {
    let Some((user, group)) = postgres_user() else { return };
    let files = fs::read_dir(folder).expect("it was just made").map(|entry| entry.expect("an entry").path());
    for path in files.chain([folder.to_owned()]) {
        chown(&path, Some(user), Some(group)).expect("root may");
    }
}

/// `None` where the tests do not run as root, and so may run it themselves.
fn postgres_user() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).output().expect("there is an id");
        String::from_utf8_lossy(&output.stdout).trim().parse::<u32>().expect("an id is a number")
    };
    (id(&["-u"]) == 0).then(|| (id(&["-u", "postgres"]), id(&["-g", "postgres"])))
}

/// Below those that the system gives to whoever asks for any: a server that was stopped finds its own again.
fn free_port() -> u16 {
    let from = u16::try_from(std::process::id() % 10_000).expect("it is small");
    loop {
        let port = 20_000 + (from + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

static NEXT: AtomicU16 = AtomicU16::new(0);

/// Runs the server until there is something to read, or nothing more.
const KEEPER: &str = r#"
"$0" "$@" <&- & server=$!
read -r word
kill -QUIT $server
wait $server
[ "$word" = keep ] || rm -rf -- "$PWD"
"#;

const SETTINGS: [&str; 8] = [
    "listen_addresses=127.0.0.1",
    "fsync=off",
    "full_page_writes=off",
    "max_connections=200",
    "log_statement=all",
    "log_line_prefix=%d|",
    "log_min_messages=log",
    "timezone=Asia/Tokyo",
];

const BIN: &str = "/usr/lib/postgresql/15/bin";
const READY: &str = "database system is ready to accept connections";
const SUPERUSER_PASSWORD: &str = "the superuser of the tests";
