//! What arrives, by kind: so that a test can tell what a gateway passed and what it kept.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderMap;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::message::Message;

/// Counts since the start.
#[derive(Default)]
pub struct Counts {
    pub connections: AtomicU64,
    pub refused: AtomicU64,
    pub joins: AtomicU64,
    pub awareness: AtomicU64,
    pub queries: AtomicU64,
    pub step1: AtomicU64,
    pub updates: AtomicU64,
    pub unknown: AtomicU64,
    events: Mutex<BTreeMap<String, u64>>,
    headers: Mutex<HeaderMap>,
}

impl Counts {
    /// One more of a kind.
    pub fn one_more(count: &AtomicU64) {
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// A binary message of the canvas.
    pub fn message(&self, message: &Message<'_>) {
        Counts::one_more(match message {
            Message::Step1(_) => &self.step1,
            Message::Step2(_) | Message::Update(_) => &self.updates,
            Message::Awareness(_) => &self.awareness,
            Message::QueryAwareness => &self.queries,
            Message::Fatal | Message::Unknown => &self.unknown,
        });
    }

    /// A message of the canvas, by its event.
    pub fn event(&self, event: &str) {
        *self.events.lock().entry(event.to_owned()).or_default() += 1;
    }

    /// The headers with which the last connection came.
    pub fn upgrade(&self, headers: &HeaderMap) {
        Counts::one_more(&self.connections);
        *self.headers.lock() = headers.clone();
    }

    /// Everything as JSON; `received` is how many messages came in all, heartbeats among them.
    pub fn to_json(&self, received: u64) -> Value {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let headers = self.headers.lock();
        let headers = headers.iter().map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]));
        json!({
            "received": received,
            "connections": count(&self.connections), "refused": count(&self.refused), "joins": count(&self.joins),
            "awareness": count(&self.awareness), "queries": count(&self.queries), "step1": count(&self.step1),
            "updates": count(&self.updates), "unknown": count(&self.unknown), "events": *self.events.lock(),
            "headers": headers.collect::<Vec<_>>(),
        })
    }
}
