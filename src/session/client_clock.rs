//! The limits in time of a client on a WebSocket: how long it may be silent, when it is pinged, and how long it may take
//! nothing of what it is sent.
//!
//! Pings are for servers that tell a lost connection from one that was left; without them silence alone counts, as in
//! Phoenix (its `timeout` option). Anything that a client sends is a sign of life. Whoever is not read is not judged by
//! silence.
//! Contract: pages.md §2.

use std::time::{Duration, Instant};

use super::progress::Progress;
use super::{CloseReason, Liveness, Silence};
use crate::pages::STANDSTILL;

/// When what is due.
#[derive(Debug)]
pub struct ClientClock {
    idle_timeout: Duration,
    liveness: Liveness,
    pings: bool,
    is_paused: bool,
    /// There while the client takes nothing. Boxed, because few ever do.
    blocked: Option<Box<Blocked>>,
    message: Progress,
}

/// A client whose socket is full.
#[derive(Debug)]
struct Blocked {
    since: Instant,
    /// How many bytes it had taken by then.
    taken: u64,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The client is to be pinged.
    Ping,
    /// The connection is to be closed.
    Close(CloseReason),
}

impl ClientClock {
    /// A client that was heard `now`.
    pub fn new(idle_timeout: Duration, pings: bool, now: Instant) -> Self {
        ClientClock {
            idle_timeout,
            liveness: Liveness::new(now),
            pings,
            is_paused: false,
            blocked: None,
            message: Progress::default(),
        }
    }

    /// The client sent so many bytes, which end with a message's end or do not.
    pub fn heard(&mut self, bytes: usize, is_unfinished: bool, now: Instant) {
        self.liveness.heard(now);
        self.message.read(bytes, is_unfinished, || now);
    }

    /// What was read before was taken in, and ends with a message's end or does not.
    pub fn took_in(&mut self, is_unfinished: bool, now: impl Fn() -> Instant) {
        self.message.read(0, is_unfinished, now);
    }

    /// Whether the client is read just now. `true` if that goes on after a pause: its limits have begun anew.
    pub fn reads(&mut self, reads: bool, now: impl Fn() -> Instant) -> bool {
        let goes_on = self.is_paused && reads;
        self.is_paused = !reads;
        if goes_on {
            let now = now();
            self.liveness.heard(now);
            self.message.restart(now);
        }
        goes_on
    }

    /// Whether the client takes what it is sent; if not, how many bytes it has taken so far.
    pub fn is_blocked(&mut self, taken: Option<u64>, now: impl Fn() -> Instant) {
        match (taken, &self.blocked) {
            (None, None) => {}
            (None, Some(_)) => self.blocked = None,
            (Some(taken), Some(blocked)) if blocked.taken == taken => {}
            (Some(taken), _) => self.blocked = Some(Box::new(Blocked { since: now(), taken })),
        }
    }

    /// Whether the client could answer, and would be heard.
    pub fn is_judged(&self) -> bool {
        !self.is_paused && self.blocked.is_none()
    }

    /// When something is due next.
    pub fn next(&self) -> Instant {
        let next = self.next_of_silence();
        self.message.expires().map_or(next, |expires| next.min(expires))
    }

    fn next_of_silence(&self) -> Instant {
        let idle = self.liveness.last_heard() + self.idle_timeout;
        if !self.pings {
            return idle;
        }
        match &self.blocked {
            Some(blocked) => blocked.since + PROGRESS_TIMEOUT,
            // Its limits begin anew then.
            None if self.is_paused => idle,
            None => self.liveness.expires().min(idle),
        }
    }

    /// The first thing that is due. `taken` is how many bytes the client has taken so far.
    pub fn look(&mut self, now: Instant, taken: u64) -> Option<Due> {
        let next = self.next();
        if now < next {
            return None;
        }
        if now > next + STANDSTILL {
            self.begin_anew(now);
            return None;
        }
        if self.is_judged() && self.message.is_too_slow(now) {
            return Some(Due::Close(CloseReason::TooSlow));
        } else if !self.is_judged() {
            self.message.restart(now);
        }
        if now < self.next_of_silence() {
            return None;
        }
        if !self.pings {
            return Some(Due::Close(CloseReason::Idle));
        }
        if let Some(blocked) = &mut self.blocked {
            if blocked.taken == taken {
                return Some(Due::Close(CloseReason::Unresponsive));
            }
            **blocked = Blocked { since: now, taken };
            return None;
        }
        if self.is_paused {
            self.begin_anew(now);
            return None;
        }
        if now >= self.liveness.last_heard() + self.idle_timeout {
            return Some(Due::Close(CloseReason::Idle));
        }
        match self.liveness.look(now) {
            Silence::Short => None,
            Silence::Long => Some(Due::Ping),
            Silence::Dead => Some(Due::Close(CloseReason::Unresponsive)),
        }
    }

    fn begin_anew(&mut self, now: Instant) {
        self.liveness.heard(now);
        self.message.restart(now);
        if let Some(blocked) = &mut self.blocked {
            blocked.since = now;
        }
    }
}

/// How long a client may take nothing of what it is sent.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// What is due in so many seconds, for whoever looks in time, with the second.
    fn due(clock: &mut ClientClock, start: Instant, seconds: u64, taken: u64) -> Vec<(u64, Due)> {
        let mut seen = Vec::new();
        while clock.next() <= start + Duration::from_secs(seconds) && seen.len() < 100 {
            let now = clock.next();
            if let Some(due) = clock.look(now, taken) {
                seen.push(((now - start).as_secs(), due));
                if let Due::Close(_) = due {
                    break;
                }
            }
        }
        seen
    }

    #[test]
    fn a_silent_client_is_pinged_and_then_given_up() {
        let start = Instant::now();
        let mut clock = ClientClock::new(MINUTE, true, start);
        let expected = [(15, Due::Ping), (25, Due::Close(CloseReason::Unresponsive))];
        assert_eq!(due(&mut clock, start, 60, 0), expected);
    }

    #[test]
    fn without_pings_only_the_idle_limit_counts() {
        let start = Instant::now();
        let mut clock = ClientClock::new(MINUTE, false, start);
        assert_eq!(due(&mut clock, start, 120, 0), [(60, Due::Close(CloseReason::Idle))]);
    }

    #[test]
    fn a_client_that_answers_pings_and_nothing_else_stays() {
        let start = Instant::now();
        let mut clock = ClientClock::new(MINUTE, true, start);
        for round in 1..=100 {
            let now = start + Duration::from_secs(15 * round);
            assert_eq!(clock.look(now, 0), Some(Due::Ping));
            clock.heard(2, false, now);
        }
    }

    #[test]
    fn an_idle_limit_below_the_time_of_a_ping_still_closes() {
        let start = Instant::now();
        let mut clock = ClientClock::new(Duration::from_secs(3), true, start);
        assert_eq!(due(&mut clock, start, 60, 0), [(3, Due::Close(CloseReason::Idle))]);
    }

    #[test]
    fn a_message_that_is_sent_byte_by_byte_closes_the_connection_and_one_that_goes_on_does_not() {
        let start = Instant::now();
        let mut clock = ClientClock::new(MINUTE, true, start);
        clock.heard(100, true, start);
        clock.heard(20_000, true, start);
        assert_eq!(clock.look(start + Duration::from_secs(5), 0), None);
        clock.heard(1, true, start + Duration::from_secs(9));
        let late = start + Duration::from_secs(10);
        assert_eq!(clock.look(late, 0), Some(Due::Close(CloseReason::TooSlow)));
    }

    #[test]
    fn whoever_is_not_read_is_not_judged() {
        let start = Instant::now();
        let mut clock = ClientClock::new(MINUTE, true, start);
        clock.reads(false, || start);
        assert_eq!(due(&mut clock, start, 600, 0), []);
        assert!(clock.reads(true, || start + MINUTE * 10));
        assert_eq!(clock.next(), start + MINUTE * 10 + Duration::from_secs(15));
    }

    #[test]
    fn a_client_that_takes_nothing_is_closed_after_half_a_minute_and_one_that_takes_something_is_not() {
        let start = Instant::now();
        let mut clock = ClientClock::new(MINUTE, true, start);
        clock.reads(false, || start);
        clock.is_blocked(Some(7), || start);
        assert_eq!(clock.look(start + PROGRESS_TIMEOUT, 8), None, "it has taken a byte");
        let late = start + PROGRESS_TIMEOUT * 2;
        assert_eq!(clock.look(late, 8), Some(Due::Close(CloseReason::Unresponsive)));
        clock.is_blocked(None, || late);
        assert!(!clock.is_judged(), "it is not read yet");
    }

    #[test]
    fn after_the_process_stood_still_nobody_is_judged() {
        let start = Instant::now();
        for pings in [true, false] {
            let mut clock = ClientClock::new(MINUTE, pings, start);
            let awake = start + MINUTE * 60;
            assert_eq!(clock.look(awake, 0), None);
            assert!(clock.next() > awake);
        }
    }
}
