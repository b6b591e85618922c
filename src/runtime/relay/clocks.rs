//! The limits of a relay in time: who is pinged, who is given up, when the upstream is sent a heartbeat.
//!
//! Whoever is not read is not judged by silence; its limits begin anew when reading goes on. After a pause of the whole
//! process nobody is judged.
//! Contract: canvas.md F.6, pages.md §2.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::super::gateway::RelayCounters;
use crate::pages::STANDSTILL;
use crate::session::progress::Progress;
use crate::session::{Liveness, Silence};

/// When what is due.
pub(super) struct Clocks {
    client: Liveness,
    /// Since when the client is not read.
    client_paused: Option<Instant>,
    upstream_is_paused: bool,
    /// No silence of the upstream counts before.
    upstream_counts_from: Instant,
    /// Since when the client takes nothing, and how much it had taken by then.
    blocked: Option<(Instant, u64)>,
    heartbeat: Instant,
    owes_heartbeat: bool,
    message: Progress,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    PingClient,
    Heartbeat,
    ClientUnresponsive,
    ClientTooSlow,
    UpstreamStalled,
    UpstreamSilent,
}

impl Clocks {
    pub(super) fn new(now: Instant) -> Self {
        Clocks {
            client: Liveness::new(now),
            client_paused: None,
            upstream_is_paused: false,
            upstream_counts_from: now,
            blocked: None,
            heartbeat: now + HEARTBEAT_INTERVAL,
            owes_heartbeat: false,
            message: Progress::default(),
        }
    }

    /// The client sent so many bytes, which end with a message's end or do not.
    pub(super) fn heard_client(&mut self, bytes: usize, is_unfinished: bool, now: Instant) {
        self.client.heard(now);
        self.message.read(bytes, is_unfinished, || now);
    }

    /// What was read before was taken in, and ends with a message's end or does not.
    pub(super) fn took_in(&mut self, is_unfinished: bool) {
        self.message.read(0, is_unfinished, Instant::now);
    }

    /// Whether the client is read just now. Tells whether that has changed.
    pub(super) fn client_is_paused(&mut self, is_paused: bool, counters: &RelayCounters) -> bool {
        if is_paused == self.client_paused.is_some() {
            return false;
        }
        counters.paused_clients.fetch_add(if is_paused { 1 } else { -1 }, Ordering::Relaxed);
        let now = Instant::now();
        self.client_paused = is_paused.then_some(now);
        self.client.heard(now);
        self.message.restart(now);
        true
    }

    /// Whether the upstream is read just now.
    pub(super) fn upstream_is_paused(&mut self, is_paused: bool, counters: &RelayCounters) {
        if is_paused == self.upstream_is_paused {
            return;
        }
        counters.paused_upstreams.fetch_add(if is_paused { 1 } else { -1 }, Ordering::Relaxed);
        self.upstream_is_paused = is_paused;
        self.upstream_counts_from = Instant::now();
    }

    /// Whether the client takes what it is sent; if not, how much it has taken so far.
    pub(super) fn client_is_blocked(&mut self, taken: Option<u64>) {
        match (taken, self.blocked) {
            (Some(taken), Some((_, before))) if taken == before => {}
            (Some(taken), _) => self.blocked = Some((Instant::now(), taken)),
            (None, Some(_)) => {
                self.blocked = None;
                self.client.heard(Instant::now());
            }
            (None, None) => {}
        }
    }

    /// A heartbeat has to wait for the end of a message.
    pub(super) fn owe_heartbeat(&mut self) {
        self.owes_heartbeat = true;
    }

    /// Whether one has waited.
    pub(super) fn take_owed_heartbeat(&mut self) -> bool {
        std::mem::take(&mut self.owes_heartbeat)
    }

    /// Nobody is paused any more, because the relay has ended.
    pub(super) fn resume(&mut self, counters: &RelayCounters) {
        self.client_is_paused(false, counters);
        self.upstream_is_paused(false, counters);
    }

    /// When something is due next, where the upstream was last heard at `upstream_heard`.
    pub(super) fn next(&self, upstream_heard: Instant) -> Instant {
        let limits = [
            self.client_expires(),
            self.client_paused.map(|since| since + STALL_TIMEOUT),
            self.blocked.map(|(since, _)| since + PROGRESS_TIMEOUT),
            self.upstream_expires(upstream_heard),
            self.message.expires().filter(|_| self.client_paused.is_none()),
        ];
        limits.into_iter().flatten().fold(self.heartbeat, Instant::min)
    }

    /// The first thing that is due. `taken` is how much the client has taken so far.
    pub(super) fn look(&mut self, now: Instant, upstream_heard: Instant, taken: u64) -> Option<Due> {
        if now > self.next(upstream_heard) + STANDSTILL {
            self.begin_anew(now);
            return None;
        }
        if now >= self.heartbeat {
            self.heartbeat = now + HEARTBEAT_INTERVAL;
            return Some(Due::Heartbeat);
        }
        if self.client_paused.is_none() && self.message.is_too_slow(now) {
            return Some(Due::ClientTooSlow);
        }
        if let Some((since, before)) = self.blocked
            && now >= since + PROGRESS_TIMEOUT
        {
            if taken == before {
                return Some(Due::ClientUnresponsive);
            }
            self.blocked = Some((now, taken));
        }
        if self.client_paused.is_some_and(|since| now >= since + STALL_TIMEOUT) {
            return Some(Due::UpstreamStalled);
        }
        if self.upstream_expires(upstream_heard).is_some_and(|expires| now >= expires) {
            return Some(Due::UpstreamSilent);
        }
        self.client_expires()?;
        match self.client.look(now) {
            Silence::Short => None,
            Silence::Long => Some(Due::PingClient),
            Silence::Dead => Some(Due::ClientUnresponsive),
        }
    }

    /// Whoever is not read is not judged, and a full socket takes no ping.
    fn client_expires(&self) -> Option<Instant> {
        let is_judged = self.client_paused.is_none() && self.blocked.is_none();
        is_judged.then(|| self.client.expires())
    }

    fn upstream_expires(&self, heard: Instant) -> Option<Instant> {
        (!self.upstream_is_paused).then(|| heard.max(self.upstream_counts_from) + SILENCE_TIMEOUT)
    }

    fn begin_anew(&mut self, now: Instant) {
        self.client.heard(now);
        self.message.restart(now);
        self.client_paused = self.client_paused.map(|_| now);
        self.blocked = self.blocked.map(|(_, taken)| (now, taken));
        self.upstream_counts_from = now;
        self.heartbeat = self.heartbeat.min(now + HEARTBEAT_INTERVAL).max(now);
    }
}

/// How often the upstream is sent a heartbeat: Phoenix closes what is silent for a minute.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(25);
/// How long the upstream may be silent, which answers heartbeats.
pub(super) const SILENCE_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a client may stay unread because the upstream takes nothing.
pub(super) const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a client may take nothing of what it is sent.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that is looked at whenever something is due, for so long; gives what was due, with the second.
    fn due(clocks: &mut Clocks, start: Instant, seconds: u64, heard: Instant) -> Vec<(u64, Due)> {
        let end = start + Duration::from_secs(seconds);
        let mut seen = Vec::new();
        for _ in 0..1000 {
            let now = clocks.next(heard);
            if now > end {
                return seen;
            }
            if let Some(due) = clocks.look(now, heard, 0) {
                seen.push(((now - start).as_secs(), due));
                if matches!(due, Due::ClientUnresponsive | Due::UpstreamStalled | Due::UpstreamSilent) {
                    return seen;
                }
            }
        }
        panic!("the clock goes round: {seen:?}");
    }

    #[test]
    fn a_silent_client_is_pinged_and_then_given_up() {
        let start = Instant::now();
        let mut clocks = Clocks::new(start);
        let expected = [(15, Due::PingClient), (25, Due::Heartbeat), (25, Due::ClientUnresponsive)];
        assert_eq!(due(&mut clocks, start, 60, start), expected);
    }

    #[test]
    fn a_message_that_does_not_go_on_ends_the_relay() {
        let start = Instant::now();
        let mut clocks = Clocks::new(start);
        clocks.heard_client(100_000, true, start);
        let late = start + Duration::from_secs(5);
        assert_eq!(clocks.next(start), late);
        assert_eq!(clocks.look(late, start, 0), Some(Due::ClientTooSlow));
    }

    #[test]
    fn a_client_that_is_not_read_is_not_pinged_but_closed_after_a_minute() {
        let (start, counters) = (Instant::now(), RelayCounters::default());
        let mut clocks = Clocks::new(start);
        clocks.client_is_paused(true, &counters);
        let seen = due(&mut clocks, start, 90, start);
        assert_eq!(seen.last(), Some(&(60, Due::UpstreamStalled)), "{seen:?}");
        assert!(!seen.iter().any(|(_, due)| *due == Due::PingClient), "{seen:?}");
        assert_eq!(counters.paused_clients.load(Ordering::Relaxed), 1);
        clocks.resume(&counters);
        assert_eq!(counters.paused_clients.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_client_that_takes_nothing_is_closed_after_half_a_minute_and_one_that_takes_something_is_not() {
        let start = Instant::now();
        let mut clocks = Clocks::new(start);
        clocks.client_is_blocked(Some(7));
        let late = Instant::now() + PROGRESS_TIMEOUT;
        clocks.heartbeat = late + HEARTBEAT_INTERVAL;
        assert_eq!(clocks.look(late, late, 8), None, "it has taken a byte");
        let later = late + PROGRESS_TIMEOUT;
        clocks.heartbeat = later + HEARTBEAT_INTERVAL;
        assert_eq!(clocks.look(later, later, 8), Some(Due::ClientUnresponsive));
    }

    #[test]
    fn a_silent_upstream_is_given_up_unless_it_is_not_read() {
        let (start, counters) = (Instant::now(), RelayCounters::default());
        for is_paused in [false, true] {
            let mut clocks = Clocks::new(start);
            clocks.upstream_is_paused(is_paused, &counters);
            let mut ended = None;
            for second in 0..200 {
                let now = start + Duration::from_secs(second);
                clocks.heard_client(2, false, now);
                while ended.is_none() && clocks.next(start) <= now {
                    ended =
                        clocks.look(now, start, 0).filter(|due| *due == Due::UpstreamSilent).map(|_| second);
                }
            }
            assert_eq!(ended, (!is_paused).then_some(120));
            clocks.resume(&counters);
        }
    }

    #[test]
    fn after_the_process_stood_still_nobody_is_judged() {
        let start = Instant::now();
        let mut clocks = Clocks::new(start);
        let awake = start + Duration::from_secs(3600);
        assert_eq!(clocks.look(awake, start, 0), None);
        assert_eq!(clocks.look(awake, start, 0), Some(Due::Heartbeat));
        assert_eq!(clocks.look(awake, start, 0), None);
        assert_eq!(clocks.next(start), awake + Duration::from_secs(15));
    }
}
