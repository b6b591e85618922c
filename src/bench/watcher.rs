//! A client that joins a topic and looks who is there.
//!
//! It is owed sightings: the first sight of each member of its group, itself among them.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use super::channel::{Joined, Ready, Topic};
use super::client::Client;
use super::incoming::Incoming;
use super::pattern::Keys;
use super::run::Bench;
use super::seen::Seen;
use super::tally::Reconciled;
use super::trouble::Trouble;

/// A client on one topic.
pub(super) struct Watcher {
    pub client: Client,
    topic: Topic,
    params: String,
    sight: Sight,
}

/// What it has seen.
struct Sight {
    bench: Arc<Bench>,
    keys: Keys,
    seen: Seen,
    frames: u64,
    bytes: u64,
    /// Sightings since the counters were last told.
    shown: u64,
    last_at: Instant,
    complete_at: Option<Instant>,
    trouble: Option<Trouble>,
}

impl Watcher {
    /// A client that is to join a topic, where it is to see this group.
    pub(super) fn new(
        client: Client,
        bench: &Arc<Bench>,
        topic: Topic,
        params: String,
        keys: &Keys,
        group: Range<u64>,
    ) -> Self {
        let sight = Sight {
            bench: bench.clone(),
            keys: keys.clone(),
            seen: Seen::none_of(group),
            frames: 0,
            bytes: 0,
            shown: 0,
            last_at: Instant::now(),
            complete_at: None,
            trouble: None,
        };
        Watcher { client, topic, params, sight }
    }

    /// Joins, and looks meanwhile.
    pub(super) async fn join(&mut self, ready: &Ready) -> Result<Joined, Trouble> {
        let Watcher { client, topic, params, sight } = self;
        let joined = client.join(topic, params, ready, &mut |frame, now| sight.note(frame, now)).await?;
        sight.tell();
        Ok(joined)
    }

    /// Looks, until the channel or the connection ends.
    pub(super) async fn watch(&mut self) -> Result<(), Trouble> {
        let Watcher { client, topic, sight, .. } = self;
        loop {
            client
                .receive(&mut |frame, now| {
                    sight.note(frame, now);
                    let message = Incoming::read(frame);
                    let trouble = message.and_then(|message| message.trouble(topic.written()));
                    sight.trouble = sight.trouble.take().or(trouble);
                })
                .await?;
            sight.tell();
            if let Some(trouble) = sight.trouble.take() {
                return Err(trouble);
            }
        }
    }

    /// What it was owed and has seen.
    pub(super) fn account(&self) -> Reconciled {
        let group = self.sight.seen.group();
        Reconciled::of(group, group - self.sight.seen.missing())
    }

    /// When it had seen all.
    pub(super) fn complete_at(&self) -> Option<Instant> {
        self.sight.complete_at
    }

    /// The frames that it got, and their bytes without headers.
    pub(super) fn got(&self) -> (u64, u64) {
        (self.sight.frames, self.sight.bytes)
    }
}

impl Sight {
    fn note(&mut self, frame: &[u8], now: Instant) {
        self.frames += 1;
        self.bytes += frame.len() as u64;
        let new = self.seen.note(&self.keys, frame);
        if new > 0 && self.seen.missing() == 0 {
            self.complete_at = Some(now);
        }
        self.shown += new;
        self.last_at = now;
    }

    fn tell(&mut self) {
        if self.shown > 0 {
            self.bench.progress.receive(std::mem::take(&mut self.shown), self.last_at);
        }
    }
}
