//! A loaded page: a WebSocket with its parameters, one channel, and what it is shown there.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::http::request;
use crate::support::process::Process;
use crate::support::raw::{CLOSE, Frame, PING, PONG, Raw, TEXT, frame, text};
use crate::support::{Fold, within};

/// A server, with an API on a listener of its own.
pub(super) struct Server {
    pub(super) process: Process,
    pub(super) api: SocketAddr,
}

pub(super) struct Page {
    raw: Raw,
    pub(super) fold: Fold,
    next: u64,
}

impl Page {
    /// Loads a page of this user in this workflow, and waits until it has its list.
    pub(super) async fn open(
        server: &Server,
        user: &str,
        token: Option<&str>,
        request_id: Option<&str>,
    ) -> Self {
        let mut page = Page::load(server, user, token, request_id).await;
        page.join().await;
        page
    }

    async fn load(server: &Server, user: &str, token: Option<&str>, request_id: Option<&str>) -> Self {
        let mut query = format!("2.0.0&user_id={user}");
        for (name, value) in [("token", token), ("request_id", request_id)] {
            // As phoenix.js writes what is missing.
            query += &format!("&{name}={}", value.unwrap_or("undefined").replace(' ', "+"));
        }
        Page { raw: Raw::open(server.process.address(), &query).await, fold: Fold::default(), next: 1 }
    }

    async fn join(&mut self) {
        let params = json!({"project_id": "p", "action": "edit"});
        self.say("phx_join", params).await;
        while !self.fold.is_stated() {
            self.frame().await;
        }
    }

    /// The next diff that it is sent.
    pub(super) async fn diff(&mut self) -> Value {
        loop {
            if let Some(diff) = self.frame().await {
                return diff;
            }
        }
    }

    /// Waits for a join of this user; gives the meta.
    pub(super) async fn joined(&mut self, user: &str) -> Value {
        loop {
            let diff = self.diff().await;
            if let Some(meta) = diff["joins"][user]["metas"].get(0) {
                return meta.clone();
            }
        }
    }

    /// Waits for a leave of this user.
    pub(super) async fn left(&mut self, user: &str) {
        while self.diff().await["leaves"][user].is_null() {}
    }

    /// What it is sent until the answer to a heartbeat that is sent a moment later, if anything.
    pub(super) async fn silence(&mut self) -> Option<Value> {
        self.look(Duration::from_millis(300)).await
    }

    /// Reads for so long, and answers; gives the last diff.
    pub(super) async fn look(&mut self, time: Duration) -> Option<Value> {
        let mut last = None;
        let end = Instant::now() + time;
        while let Ok(diff) = tokio::time::timeout_at(end.into(), self.frame()).await {
            last = diff.or(last);
        }
        last
    }

    /// Reads for so long, and answers pings.
    pub(super) async fn answers_for(&mut self, time: Duration) {
        self.look(time).await;
    }

    pub(super) async fn leave(&mut self) {
        self.say("phx_leave", json!({})).await;
    }

    pub(super) async fn heartbeat(&mut self) {
        self.next += 1;
        let reference = self.next.to_string();
        let message = json!([null, reference, "phoenix", "heartbeat", {}]);
        self.raw.write(&text(&message.to_string())).await;
    }

    /// Closes with a close frame, as a browser does when a page goes or phoenix.js says so.
    pub(super) async fn close(&mut self, code: Option<u16>, reason: &str) {
        let mut payload = code.map(|code| code.to_be_bytes().to_vec()).unwrap_or_default();
        payload.extend_from_slice(reason.as_bytes());
        self.raw.write(&frame(CLOSE, &payload)).await;
    }

    /// Its network is gone, and the operating system has noticed.
    pub(super) fn lose(self) {
        drop(self.raw);
    }

    pub(super) async fn write_frame(&mut self, first: u8, payload: &[u8]) {
        self.raw.write(&frame(first, payload)).await;
    }

    /// Its network swallows everything; yet here it is seen with which code the server closes.
    pub(super) async fn closed_without_answering(&mut self) -> u16 {
        loop {
            let frame = self.patient_frame().await;
            if frame.first == CLOSE {
                return u16::from_be_bytes([frame.payload[0], frame.payload[1]]);
            }
        }
    }

    pub(super) async fn closed(&mut self) -> u16 {
        self.closed_without_answering().await
    }

    /// The next control frame, whatever comes before.
    pub(super) async fn next_control(&mut self) -> Frame {
        loop {
            let frame = self.patient_frame().await;
            if frame.first != TEXT {
                return frame;
            }
        }
    }

    async fn say(&mut self, event: &str, payload: Value) {
        self.next += 1;
        let message = json!(["1", self.next.to_string(), TOPIC, event, payload]);
        self.raw.write(&text(&message.to_string())).await;
    }

    /// The next frame, for which it may have to wait longer than for an answer.
    async fn patient_frame(&mut self) -> Frame {
        let next = tokio::time::timeout(Duration::from_secs(40), self.raw.patient_frame()).await;
        next.expect("the server says something").expect("the stream goes on")
    }

    /// Takes in a frame: answers a ping, folds a message. Gives a diff.
    async fn frame(&mut self) -> Option<Value> {
        let next = self.patient_frame().await;
        if next.first == PING {
            self.raw.write(&frame(PONG, &next.payload)).await;
            return None;
        }
        assert_eq!(next.first, TEXT, "{next:?}");
        let message: Value = serde_json::from_slice(&next.payload).expect("JSON");
        let event = message[3].as_str().expect("an event is a text");
        self.fold.take_event(event, &message[4]);
        (event == "presence_diff").then(|| message[4].clone())
    }
}

impl Server {
    pub(super) async fn start() -> Self {
        let mut process = Process::start(&["--api-listen-address", "127.0.0.1:0"]).await;
        let line = process.line().await;
        let api = line.strip_prefix("API listening on ").and_then(|address| address.parse().ok());
        Server { process, api: api.unwrap_or_else(|| panic!("it printed {line:?}")) }
    }

    /// Waits until it has noticed that a stream ended: only the one who looks on is connected.
    pub(super) async fn has_noticed(&self) {
        within("the lost stream to be noticed", async {
            while self.connections().await > 1 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Closes all connections of a user, as an administrator would.
    pub(super) async fn close_connections_of(&self, user: &str) {
        let path = format!("/api/v1/users/{user}/connections");
        let answer = request(self.api, "DELETE", &path, &[], "").await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }

    async fn connections(&self) -> u64 {
        let page = request(self.api, "GET", "/metrics", &[], "").await;
        let count = page.text().lines().find_map(|line| line.strip_prefix("presenced_connections "));
        count.expect("connections are counted").parse().expect("a count is a number")
    }
}

/// What every page of the stories joins.
pub(super) const TOPIC: &str = "workflow:collaborate:pages";
pub(super) const REQUEST: &str = "GHq0pFNoCKUv4y8AAAAB";
pub(super) const OTHER_REQUEST: &str = "GHq0pFNoCKUv4y8AAAAC";
