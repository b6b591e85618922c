//! The times of a room.

use std::time::Duration;

/// How long a room waits for what. [`Timing::default`] has the values that suit y-protocols' clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The least time between two rounds of messages: a participant is sent one in each at most. 50 ms, which is how often
    /// the canvas sends where its pointer is.
    pub interval: Duration,
    /// When a state that stays the same is told again. 12 s: y-protocols takes whoever is silent for 30 s for gone. May
    /// come earlier by a quarter, so that many are told in one message.
    pub refresh: Duration,
    /// How long a join has to name its client id before it is told of the room anyway, and to send its sync step 1 before
    /// it may do without. 1 s.
    pub claim_wait: Duration,
    /// How long the grace period of a page goes on at least, from when the page has joined again. 10 s.
    pub rejoin_wait: Duration,
    /// How long a client id whose participant is gone is kept for its page. 60 s.
    pub hold: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            interval: Duration::from_millis(50),
            refresh: Duration::from_secs(12),
            claim_wait: Duration::from_secs(1),
            rejoin_wait: Duration::from_secs(10),
            hold: Duration::from_secs(60),
        }
    }
}
