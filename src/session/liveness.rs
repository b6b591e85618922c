//! Whether the other end of a connection still answers: it is pinged when it is silent, and given up when it stays so.
//!
//! Contract: pages.md §2.

use std::time::{Duration, Instant};

/// When an end was last heard, and since when it owes an answer. Anything it sends is a sign of life.
#[derive(Clone, Copy, Debug)]
pub struct Liveness {
    heard: Instant,
    pinged: Option<Instant>,
}

/// What is to be done about an end's silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Nothing yet.
    Short,
    /// It has to be pinged now.
    Long,
    /// It has had its time to answer.
    Dead,
}

impl Liveness {
    /// An end that was heard `now`.
    pub fn new(now: Instant) -> Self {
        Liveness { heard: now, pinged: None }
    }

    /// It sent something; or every limit begins anew, because nobody read what it sent.
    pub fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.pinged = None;
    }

    /// When it sent something last, as far as its limits go.
    pub fn last_heard(&self) -> Instant {
        self.heard
    }

    /// When its silence is to be looked at next.
    pub fn expires(&self) -> Instant {
        match self.pinged {
            Some(pinged) => pinged + ANSWER_TIMEOUT,
            None => self.heard + QUIET,
        }
    }

    /// Looks at its silence. [`Silence::Long`] comes once; the caller pings.
    pub fn look(&mut self, now: Instant) -> Silence {
        if now < self.expires() {
            return Silence::Short;
        }
        if self.pinged.is_some() {
            return Silence::Dead;
        }
        self.pinged = Some(now);
        Silence::Long
    }
}

/// How long an end may be silent before it is pinged.
const QUIET: Duration = Duration::from_secs(15);
/// How long it then has to send anything at all.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_silent_end_is_pinged_once_and_then_given_up() {
        let start = Instant::now();
        let mut liveness = Liveness::new(start);
        assert_eq!(liveness.look(after(start, 14)), Silence::Short);
        assert_eq!(liveness.look(after(start, 15)), Silence::Long);
        assert_eq!(liveness.look(after(start, 24)), Silence::Short);
        assert_eq!(liveness.look(after(start, 25)), Silence::Dead);
    }

    #[test]
    fn whatever_it_sends_is_a_sign_of_life() {
        let start = Instant::now();
        let mut liveness = Liveness::new(start);
        assert_eq!(liveness.look(after(start, 15)), Silence::Long);
        liveness.heard(after(start, 24));
        assert_eq!(liveness.expires(), after(start, 39));
        assert_eq!(liveness.look(after(start, 25)), Silence::Short);
    }
}
