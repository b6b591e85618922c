//! Pings that must be answered: the client of a connection is asked whether it lives.
//!
//! What was read before a ping proves nothing, so each has a nonce of its own. One is on its way at a time: whatever comes
//! up meanwhile is asked once it is answered.
//! Not here: the pings that every quiet connection is sent (`client_clock`), and what an answer means (`runtime`).
//! Contract: pages.md §2 and §3.

use std::time::{Duration, Instant};

use crate::pages::STANDSTILL;

/// What one connection is asked. `T` is why.
#[derive(Debug)]
pub struct Probes<T> {
    count: u64,
    /// The ping that is on its way: since when, and why, each with its limit.
    asked: Option<(Instant, Vec<(Duration, T)>)>,
    next: Vec<(Duration, T)>,
}

impl<T> Default for Probes<T> {
    fn default() -> Self {
        Probes { count: 0, asked: None, next: Vec::new() }
    }
}

impl<T: PartialEq> Probes<T> {
    /// Asks for an answer within a limit. Gives the nonce of a ping to send, if one is to be sent now.
    pub fn ask(&mut self, limit: Duration, why: T, now: Instant) -> Option<[u8; 8]> {
        if !self.next.iter().any(|(_, other)| *other == why) {
            self.next.push((limit, why));
        }
        self.begin(now)
    }

    /// A pong came. Gives what it answers, and the nonce of the next ping, if there is one to be sent.
    pub fn answered(&mut self, nonce: &[u8], now: Instant) -> (Vec<T>, Option<[u8; 8]>) {
        if nonce != self.count.to_be_bytes() {
            return (Vec::new(), None);
        }
        self.all_answered(now)
    }

    /// The client has shown in another way that it lives.
    pub fn all_answered(&mut self, now: Instant) -> (Vec<T>, Option<[u8; 8]>) {
        let Some((_, answered)) = self.asked.take() else { return (Vec::new(), None) };
        (answered.into_iter().map(|(_, why)| why).collect(), self.begin(now))
    }

    /// When the client will have had its time; `None` where it owes no answer.
    pub fn expires(&self) -> Option<Instant> {
        let (since, why) = self.asked.as_ref()?;
        why.iter().map(|(limit, _)| *since + *limit).min()
    }

    /// The time begins anew: the client could not answer, or was not read.
    pub fn restart(&mut self, now: Instant) {
        if let Some((since, _)) = &mut self.asked {
            *since = now;
        }
    }

    /// Whether the client has had its time and did not answer. After a standstill it begins anew.
    pub fn is_over(&mut self, now: Instant) -> bool {
        let Some(expires) = self.expires().filter(|expires| *expires <= now) else { return false };
        if expires + STANDSTILL < now {
            self.restart(now);
            return false;
        }
        true
    }

    fn begin(&mut self, now: Instant) -> Option<[u8; 8]> {
        if self.asked.is_some() || self.next.is_empty() {
            return None;
        }
        self.count += 1;
        self.asked = Some((now, std::mem::take(&mut self.next)));
        Some(self.count.to_be_bytes())
    }
}

/// How long a connection has whose user joined elsewhere.
pub const TWIN_LIMIT: Duration = Duration::from_secs(2);
/// How long a connection has whose page joined again.
pub const SUPERSEDED_LIMIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn only_a_pong_to_the_ping_itself_is_an_answer() {
        let start = Instant::now();
        let mut probes = Probes::default();
        let nonce = probes.ask(TWIN_LIMIT, "twin", start).expect("nothing was asked yet");
        for other in [&b""[..], b"other", &[0; 8]] {
            assert_eq!(probes.answered(other, start), (vec![], None));
        }
        assert!(!probes.is_over(after(start, 1)));
        assert!(probes.is_over(after(start, 2)));
        assert_eq!(probes.answered(&nonce, start), (vec!["twin"], None));
        assert_eq!(probes.expires(), None);
        assert!(!probes.is_over(after(start, 3)));
    }

    #[test]
    fn what_comes_up_while_a_ping_is_on_its_way_is_asked_once_by_the_next() {
        let start = Instant::now();
        let mut probes = Probes::default();
        let first = probes.ask(SUPERSEDED_LIMIT, "superseded", start).expect("nothing was asked yet");
        for _ in 0..200 {
            assert_eq!(probes.ask(TWIN_LIMIT, "twin", start), None);
        }
        assert_eq!(probes.expires(), Some(after(start, 10)));
        let (answered, second) = probes.answered(&first, after(start, 1));
        assert_eq!(answered, ["superseded"]);
        let second = second.expect("the twin is still to be asked");
        assert_ne!(first, second);
        assert_eq!(probes.answered(&first, after(start, 1)), (vec![], None), "an answer given before");
        assert_eq!(probes.expires(), Some(after(start, 3)));
        assert_eq!(probes.answered(&second, after(start, 2)), (vec!["twin"], None));
    }

    #[test]
    fn time_begins_anew_after_a_pause_and_a_standstill() {
        let start = Instant::now();
        let mut probes = Probes::default();
        probes.ask(TWIN_LIMIT, (), start);
        probes.restart(after(start, 1));
        assert!(!probes.is_over(after(start, 2)));
        assert!(!probes.is_over(after(start, 60)), "the process stood still");
        assert!(probes.is_over(after(start, 62)));
    }
}
