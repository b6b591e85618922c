//! A log that cannot be written: nobody reads the pipe, its reader is gone, or the disk is full.
//!
//! The server goes on serving and stops as ever; what is lost is counted, and told when the log can be written again.

use std::fs::OpenOptions;
use std::io::{ErrorKind, pipe};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures::future::join_all;
use presenced::wire::Vsn;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe::{Receiver, pipe as async_pipe};
use tokio::process::Command;

use crate::support::http::request;
use crate::support::process::Process;
use crate::support::{Client, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_that_nobody_reads_holds_up_neither_the_server_nor_its_end() {
    let (_reader, stderr) = full_pipe().await;
    let server = Server::start(stderr).await;
    server.log_a_lot().await;
    assert!(server.dropped().await > 0, "the log was more than can wait");
    server.serves_and_stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_lines_and_nothing_else() {
    let full = OpenOptions::new().write(true).open("/dev/full").expect("Linux has a device for this");
    let server = Server::start(full).await;
    server.log_a_line().await;
    server.drops_lines().await;
    server.serves_and_stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_costs_lines_and_nothing_else() {
    let (reader, stderr) = pipe().expect("there are descriptors");
    let server = Server::start(stderr).await;
    server.log_a_line().await;
    drop(reader);
    server.log_a_line().await;
    server.drops_lines().await;
    server.serves_and_stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_comes_back_is_told_how_many_lines_it_missed() {
    let (reader, stderr) = full_pipe().await;
    let server = Server::start(stderr).await;
    server.log_a_lot().await;
    assert!(server.dropped().await > 0, "the log was more than can wait");
    let mut lines = Lines(BufReader::new(reader).lines());
    lines
        .until(|line| line["message"].as_str().is_some_and(|said| said.starts_with("for development")))
        .await;
    let notice = lines.until(|line| !line["lines"].is_null()).await;
    assert_eq!((&notice["lines"], &notice["level"]), (&json!(server.dropped().await), &json!("WARN")));
    server.log_a_line().await;
    lines.until(|line| line["message"] == "connection closed").await;
    server.process.signal("TERM").await;
    lines.until(|line| line["message"] == "stopped").await;
    assert_eq!(server.process.ended().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_that_nobody_reads_does_not_hold_up_a_bad_configuration() {
    let (_reader, stderr) = full_pipe().await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_presenced"));
    command.env_clear().env("PORT", "abc").stderr(stderr).kill_on_drop(true);
    let status = within("the process to end", command.status()).await.expect("the program starts");
    assert_eq!(status.code(), Some(78));
}

/// A process with this standard error, and its API's listener.
struct Server {
    process: Process,
    address: SocketAddr,
    api: SocketAddr,
}

impl Server {
    async fn start(stderr: impl Into<Stdio>) -> Self {
        let flags =
            ["--api-listen-address", "127.0.0.1:0", "--log", "presenced=debug", "--log-format", "json"];
        let mut process = Process::start_logging_to(stderr, &flags).await;
        let line = process.line().await;
        let api = line.strip_prefix("API listening on ").and_then(|address| address.parse().ok());
        let api = api.unwrap_or_else(|| panic!("it printed {line:?}"));
        Server { address: process.address(), process, api }
    }

    /// More than the queue holds, from many clients at once.
    async fn log_a_lot(&self) {
        let query = format!("user_id=1&request_id={}", "x".repeat(200));
        for _ in 0..LOTS / 100 {
            join_all((0..100).map(|_| async {
                let mut client = Client::connect(self.address, Vsn::V2, &query).await;
                client.send_text("[").await;
                assert_eq!(client.closed().await, 1011);
            }))
            .await;
        }
    }

    async fn log_a_line(&self) {
        Client::connect(self.address, Vsn::V2, "user_id=1").await.heartbeat().await;
    }

    /// What the metric says.
    async fn dropped(&self) -> u64 {
        let page = request(self.api, "GET", "/metrics", &[], "").await;
        let count =
            page.text().lines().find_map(|line| line.strip_prefix("presenced_log_lines_dropped_total "));
        count.expect("it is on the page").parse().expect("a number")
    }

    /// Waits until the metric counts.
    async fn drops_lines(&self) {
        within("lines to be dropped", async { while self.dropped().await == 0 {} }).await;
    }

    async fn serves_and_stops(self) {
        let mut client = Client::connect(self.address, Vsn::V2, "user_id=1").await;
        client.enter("workflow:presence:w").await;
        assert_eq!(
            client.join("workflow:nothing", json!({})).await.response,
            json!({"reason": "join crashed"})
        );
        assert_eq!(request(self.address, "GET", "/health", &[], "").await.status, 200);
        let asked = Instant::now();
        self.process.signal("TERM").await;
        assert_eq!(client.closed().await, 1012);
        drop(client);
        assert_eq!(self.process.ended().await.code, Some(0));
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    }
}

/// The lines of a log that can be read again.
struct Lines(tokio::io::Lines<BufReader<Receiver>>);

impl Lines {
    /// Reads until there is such a line.
    async fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = within("a line", self.0.next_line()).await.expect("a log is text");
            match line.expect("the pipe is open").as_str() {
                // What the pipe was full of.
                "" => {}
                line => {
                    let line = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
                    if is_it(&line) {
                        return line;
                    }
                }
            }
        }
    }
}

/// A pipe that takes nothing more until it is read.
async fn full_pipe() -> (Receiver, OwnedFd) {
    let (sender, receiver) = async_pipe().expect("there are descriptors");
    within("a pipe that takes something", sender.writable()).await.expect("a pipe can be written");
    loop {
        match sender.try_write(&b"\n".repeat(4096)) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    (receiver, sender.into_blocking_fd().expect("it is a pipe"))
}

/// Each logs three lines of 400 bytes.
const LOTS: usize = 2000;
