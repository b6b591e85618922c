//! The log, and what clients can do to it: forge no line, fill no disk, and put nothing of a payload there.
//!
//! Not here: whose line it is ([`spans`]); a log that cannot be written ([`unwritable`]); its forms and levels, and that tokens and frames are not in it ([`crate::process`]).
//! Source: the architecture, "Configuration, logs, metrics".

mod spans;
mod unwritable;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use presenced::server::Options;
use presenced::wire::Vsn;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::presence::{serve, watcher};
use crate::support::Client;
use crate::support::http::request;
use crate::support::process::Process;

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_forges_no_line_and_fills_no_log() {
    let process = Process::start(&[]).await;
    let long = format!("workflow:{}", "x".repeat(1000 * 1000));
    let topics =
        ["workflow:\nforged line", "workflow:\r\nforged line", "workflow:\u{1b}[2Jforged line", &long];
    for topic in topics {
        let mut client = Client::connect(process.address(), Vsn::V2, "user_id=1").await;
        assert_eq!(client.join(topic, json!({})).await.response, json!({"reason": "join crashed"}));
    }
    let log = log_of(process).await;
    assert_eq!(crashes(&log).len(), topics.len(), "each connection has its line: {log}");
    assert_eq!(crashes(&log).iter().filter(|line| line.contains("forged line")).count(), 3, "{log}");
    assert!(!log.lines().any(|line| line.trim_start().starts_with("forged")), "{log}");
    assert!(!log.contains(|character: char| character.is_control() && character != '\n'), "{log:?}");
    for line in log.lines() {
        assert!(line.len() < LINE_BYTES, "a line of {} bytes", line.len());
    }
    assert!(log.len() < (topics.len() + 4) * LINE_BYTES, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_may_not_connect_is_named_once_with_what_to_set() {
    let process = Process::start(&["--origins", "https://here.example"]).await;
    for path in ["/socket/websocket?vsn=2.0.0", "/socket/longpoll?vsn=2.0.0", "/socket/longpoll?vsn=2.0.0"] {
        request(process.address(), "GET", path, &[("origin", "https://there.example")], "").await;
    }
    let log = log_of(process).await;
    let lines: Vec<_> = log.lines().filter(|line| line.contains("https://there.example")).collect();
    assert!(lines.len() == 1 && lines[0].contains("WARN") && lines[0].contains("ORIGINS"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_crashes_a_hundred_joins_has_one_line() {
    let process = Process::start(&[]).await;
    let mut client = Client::connect(process.address(), Vsn::V2, "user_id=1").await;
    for number in 0..100 {
        let crashed = client.join(&format!("workflow:{number}"), json!({})).await;
        assert_eq!(crashed.response, json!({"reason": "join crashed"}));
    }
    drop(client);
    let mut another = Client::connect(process.address(), Vsn::V2, "user_id=2").await;
    another.join("workflow:another", json!({})).await;
    drop(another);
    let log = log_of(process).await;
    let lines = crashes(&log);
    assert_eq!(lines.len(), 2, "one for each connection: {log}");
    assert!(lines.iter().all(|line| line.contains(" WARN ")), "{log}");
    assert!(lines[0].contains("workflow:0") && lines[1].contains("workflow:another"), "{log}");
}

/// An error of a reader of JSON likes to quote what it found; none of it may get into the log, whatever the level.
#[tokio::test]
async fn a_payload_of_another_shape_is_not_quoted() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone());
    // Of this thread, which is the only one of this test's runtime.
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let server = serve(Options::default()).await;
    let payloads = [
        ("untrack", json!({"key": [SECRET]})),
        ("untrack", json!({"key": {SECRET: SECRET}})),
        ("untrack", json!({"key": SECRET_NUMBER})),
        ("untrack", json!(SECRET)),
        ("untrack", json!({"key": "k", "topic": [SECRET]})),
        ("track", json!({"key": "k", "meta": SECRET})),
        ("track", json!({"key": "k", "meta": [SECRET]})),
        ("track", json!({"key": "k", "meta": SECRET_NUMBER})),
    ];
    let count = payloads.len();
    for (event, payload) in payloads {
        let mut client = watcher(&server, TOPIC).await;
        client.push(TOPIC, event, payload).await;
        let error = client.expect(TOPIC, "phx_error").await;
        assert_eq!(error.payload, json!({"reason": "channel_crash"}));
        client.join(TOPIC, json!({"track": SECRET})).await;
        client.join(TOPIC, json!([SECRET])).await;
    }
    let log = log.text();
    assert_eq!(log.matches("a channel crashed").count(), count, "the log is on: {log}");
    assert_eq!(log.matches("a join crashed").count(), count, "{log}");
    for secret in [SECRET, &SECRET_NUMBER.to_string()] {
        let found: Vec<&str> = log.lines().filter(|line| line.contains(secret)).collect();
        assert!(found.is_empty(), "{found:#?}");
    }
}

/// Ends the process; all that it logged.
async fn log_of(process: Process) -> String {
    process.signal("TERM").await;
    process.ended().await.stderr
}

fn crashes(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.contains("crashed")).collect()
}

/// A log that is kept in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        let bytes = self.0.lock().expect("nobody panics while writing").clone();
        String::from_utf8(bytes).expect("a log is text")
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics while writing").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

const TOPIC: &str = "roster:1";
const SECRET: &str = "s3cr3t-m4rk3r";
const SECRET_NUMBER: u64 = 9_182_736_455_463;
/// The most that a line of the log may take.
const LINE_BYTES: usize = 600;
