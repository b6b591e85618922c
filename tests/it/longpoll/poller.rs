//! One long-poll client: its requests, and the token that names its session.
//!
//! Source: Phoenix 1.8.12, `Phoenix.Transports.LongPoll`.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::Running;
use crate::support::http::{self, Answer};

/// A session of a V2 client under the name `ada`.
#[derive(Clone)]
pub struct Poller {
    server: SocketAddr,
    pub token: String,
}

impl Poller {
    /// Opens a session.
    pub async fn open(server: &Running) -> Self {
        let mut poller = Poller { server: server.address(), token: String::new() };
        let opened = poller.get().await;
        assert_eq!(opened["status"], 410, "{opened}");
        poller.token = text(&opened["token"]).to_owned();
        poller
    }

    /// Opens a session that has joined this topic, and was told so.
    pub async fn enter(server: &Running, topic: &str) -> Self {
        let poller = Poller::open(server).await;
        assert_eq!(poller.post(&[message("1", topic, "phx_join", json!({}))]).await, json!({"status": 200}));
        let joined = poller.get().await;
        assert_eq!(messages(&joined)[0][4], json!({"status": "ok", "response": {}}), "{joined}");
        poller
    }

    /// The same client with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Poller { server: self.server, token: token.to_owned() }
    }

    /// Polls; the answer's JSON.
    pub async fn get(&self) -> Value {
        self.request("GET", &[], "").await.json()
    }

    /// Posts messages a line each; the answer's JSON.
    pub async fn post(&self, lines: &[String]) -> Value {
        self.post_body(&[NDJSON], &lines.join("\n")).await.json()
    }

    /// Posts a body with these headers.
    pub async fn post_body(&self, headers: &[(&str, &str)], body: &str) -> Answer {
        self.request("POST", headers, body).await
    }

    /// Any request of this session.
    pub async fn request(&self, method: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        http::request(self.server, method, &self.path(), headers, body.to_owned()).await
    }

    /// The path with the token.
    pub fn path(&self) -> String {
        format!("{PATH}&token={}", self.token)
    }
}

/// A line with a message to a topic that was joined with the ref 1.
pub fn message(reference: &str, topic: &str, event: &str, payload: Value) -> String {
    json!(["1", reference, topic, event, payload]).to_string()
}

/// A line with bytes.
pub fn binary_message(reference: &str, topic: &str, event: &str, payload: &[u8]) -> String {
    let header = ["1", reference, topic, event];
    let sizes = header.map(|field| u8::try_from(field.len()).expect("a short field"));
    STANDARD.encode([&[0], &sizes[..], header.concat().as_bytes(), payload].concat())
}

/// The messages of a poll's answer, decoded.
pub fn messages(answer: &Value) -> Vec<Value> {
    let messages = answer["messages"].as_array().unwrap_or_else(|| panic!("{answer} has no messages"));
    messages.iter().map(|message| serde_json::from_str(text(message)).expect("a message is JSON")).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// The route, with who is there.
pub const PATH: &str = "/socket/longpoll?vsn=2.0.0&user=ada";
/// The body is a message a line.
pub const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");
