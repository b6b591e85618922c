//! The idle limit: a connection that has said nothing for too long is closed.

use std::time::{Duration, Instant};

use super::CloseReason;

/// When a client was last heard, and how long it may stay silent. Anything a client sends counts, pings and
/// pongs too; what the server sends does not (Phoenix's `timeout` option).
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    timeout: Duration,
    last_heard: Instant,
}

impl Idle {
    /// A client that was heard `now`.
    pub fn new(timeout: Duration, now: Instant) -> Self {
        Idle { timeout, last_heard: now }
    }

    /// Takes note that the client sent something.
    pub fn heard(&mut self, now: Instant) {
        self.last_heard = now;
    }

    /// When the client will have been silent for too long, should it stay silent.
    pub fn expires(&self) -> Instant {
        self.last_heard + self.timeout
    }

    /// The reason to close, once the limit is reached.
    pub fn check(&self, now: Instant) -> Option<CloseReason> {
        (now >= self.expires()).then_some(CloseReason::Idle)
    }
}
