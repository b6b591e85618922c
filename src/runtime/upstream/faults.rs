//! What goes wrong with an upstream that takes connections: counted by kind, and told to the operator.
//!
//! Whatever a thousand clients run into is one fault: the log has each kind once a minute at the most.
//! Not here: an upstream that refuses connections, which is told once when it begins and once when it ends.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;
use parking_lot::Mutex;
use tracing::warn;

use super::UpstreamAddress;

/// One thing that went wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// A connection could not be opened, or TLS failed.
    #[error("it cannot be reached: {0}")]
    Unreachable(#[source] io::Error),
    /// No connection came about in time.
    #[error("no connection within {} s", .0.as_secs())]
    ConnectTimedOut(Duration),
    /// The connection was taken, and nothing was answered on it.
    #[error("no answer to a request within {} s", .0.as_secs())]
    NoAnswer(Duration),
    /// What came is no answer.
    #[error("its answer is not HTTP: {0}")]
    NotHttp(String),
    /// 101 to something else than an upgrade to a WebSocket, or without its headers.
    #[error("it answered 101 without agreeing to a WebSocket")]
    NotWebSocket,
    /// The client asked for an upgrade, and the upstream did not notice.
    #[error("it answered {0} to an upgrade: does a proxy in front of it pass upgrades on?")]
    NoUpgrade(StatusCode),
    /// It, or a proxy in front of it, fails.
    #[error("it answered {0}")]
    ServerError(StatusCode),
    /// The request had been here before.
    #[error("requests come back: the address of the upstream leads to this gateway")]
    Loop,
    /// It takes nothing of what a client sends.
    #[error("it took nothing for {} s, and the client was closed", .0.as_secs())]
    Stalled(Duration),
    /// It says nothing, not even to heartbeats.
    #[error("it said nothing for {} s, and the client was closed", .0.as_secs())]
    Silent(Duration),
}

/// The faults of one upstream.
#[derive(Default)]
pub(super) struct Faults {
    kinds: [Kind; Fault::LABELS.len()],
}

#[derive(Default)]
struct Kind {
    count: AtomicU64,
    /// When one was told last, and how many there were by then.
    told: Mutex<Option<(Instant, u64)>>,
}

impl Fault {
    /// What each kind is counted under.
    pub(crate) const LABELS: [&str; 10] = [
        "unreachable",
        "connect_timed_out",
        "no_answer",
        "not_http",
        "not_websocket",
        "no_upgrade",
        "server_error",
        "loop",
        "stalled",
        "silent",
    ];

    /// The place of its label.
    fn kind(&self) -> usize {
        match self {
            Fault::Unreachable(_) => 0,
            Fault::ConnectTimedOut(_) => 1,
            Fault::NoAnswer(_) => 2,
            Fault::NotHttp(_) => 3,
            Fault::NotWebSocket => 4,
            Fault::NoUpgrade(_) => 5,
            Fault::ServerError(_) => 6,
            Fault::Loop => 7,
            Fault::Stalled(_) => 8,
            Fault::Silent(_) => 9,
        }
    }
}

impl Faults {
    /// Counts a fault, and tells it unless one of its kind was told within the last minute.
    pub(super) fn note(&self, upstream: &UpstreamAddress, fault: &Fault) {
        if let Some(untold) = self.count(fault, Instant::now()) {
            warn!(%upstream, error = %fault, untold, "upstream fault");
        }
    }

    /// How many there were of each kind.
    pub(super) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.kinds.iter().map(|kind| kind.count.load(Ordering::Relaxed));
        Fault::LABELS.into_iter().zip(counts)
    }

    /// Counts a fault. Where it is to be told: how many there were since the last that was.
    fn count(&self, fault: &Fault, now: Instant) -> Option<u64> {
        let kind = self.kinds.get(fault.kind())?;
        let count = kind.count.fetch_add(1, Ordering::Relaxed) + 1;
        let mut told = kind.told.lock();
        let (last, before) = told.unzip();
        if last.is_some_and(|last| now < last + TOLD_EVERY) {
            return None;
        }
        *told = Some((now, count));
        Some(count.saturating_sub(before.unwrap_or_default() + 1))
    }
}

/// How often each kind is told, at the most.
const TOLD_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_told_once_a_minute_with_how_many_were_not() {
        let (faults, start) = (Faults::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(faults.count(&Fault::Loop, at(0)), Some(0));
        assert_eq!(faults.count(&Fault::NotWebSocket, at(1)), Some(0), "another kind");
        assert_eq!(faults.count(&Fault::Loop, at(2)), None);
        assert_eq!(faults.count(&Fault::Loop, at(59)), None);
        assert_eq!(faults.count(&Fault::Loop, at(60)), Some(2));
        assert_eq!(faults.count(&Fault::Loop, at(300)), Some(0));
        let counts: Vec<_> = faults.counts().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counts, [("not_websocket", 1), ("loop", 5)]);
    }
}
