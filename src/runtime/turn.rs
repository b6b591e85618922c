//! How long a task works before others of its thread have their turn.
//!
//! tokio lets a task run for as long as it has something to do, and looks at the sockets between two tasks only now and
//! then. A client that sends without pause always gives its task something to do: without an end of its turn everybody else
//! would wait. The program sets its runtime's `event_interval` so that this time and that count are at most ten
//! milliseconds together.

use std::time::{Duration, Instant};

/// A task's turn.
#[derive(Clone, Copy)]
pub(crate) struct Turn(Instant);

/// The same, looked at after every few messages, because most of them take less than to look.
pub(crate) struct Glance {
    turn: Turn,
    messages: u8,
}

impl Glance {
    /// At the end of a message: whether others should have their turn.
    pub(crate) fn is_over(&mut self) -> bool {
        self.messages = self.messages.wrapping_add(1);
        self.messages.is_multiple_of(MESSAGES) && self.turn.is_over()
    }
}

impl Turn {
    /// It begins now.
    pub(crate) fn begin() -> Self {
        Turn(Instant::now())
    }

    /// For a row of messages.
    pub(crate) fn glance(self) -> Glance {
        Glance { turn: self, messages: 0 }
    }

    /// Whether others should have theirs.
    pub(crate) fn is_over(self) -> bool {
        self.0.elapsed() >= LENGTH
    }
}

/// About what three hundred messages take, or as many lines that are written to.
const LENGTH: Duration = Duration::from_micros(300);
/// The most expensive ones, joins that fail, take a twentieth of a turn or more.
const MESSAGES: u8 = 8;
/// After how many tasks a thread has to look at its sockets, so that none waits for more than ten milliseconds, however
/// many tasks have a turn before: for `tokio::runtime::Builder::event_interval`.
pub const EVENT_INTERVAL: u32 = 31;
