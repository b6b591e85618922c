//! What the running side counts for whoever watches it: plain numbers, and no label that a client has a hand in.
//!
//! What happens to every message is counted in lanes, one a thread, so that no two cores write the same memory. Not
//! here: names and texts (`ops::metrics`).

use std::cell::Cell;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use http::StatusCode;

use crate::channel::Transport;
use crate::session::CloseReason;

/// The numbers of one server. They only grow, but for [`presences`](Self::presences).
pub(crate) struct Counters {
    /// Connections that were opened, by transport.
    pub(crate) opened: ByLabel<2>,
    /// Connections that have ended, by [`CloseReason::label`].
    pub(crate) closed: ByLabel<{ CloseReason::LABELS.len() }>,
    /// Connections that were not let in, by the class of their status.
    pub(crate) refused: ByLabel<3>,
    /// Joins, by what they came to.
    pub(crate) joins: ByLabel<4>,
    /// Messages that no serializer can read.
    undecodable: AtomicU64,
    /// Connections of pages whose origin may not connect; they are among the refused ones too.
    origins_refused: AtomicU64,
    presences: AtomicI64,
    lanes: [Lane; LANES],
}

/// What a join came to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum JoinResult {
    Ok,
    Refused,
    Crashed,
    /// No channel serves the topic.
    Unmatched,
}

/// What went through the connections of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) messages_in: u64,
    /// Of their content, without what WebSocket or HTTP put around it; so below.
    pub(crate) bytes_in: u64,
    pub(crate) frames_out: u64,
    pub(crate) bytes_out: u64,
    /// Calls that wrote to a socket: one may carry many frames.
    pub(crate) writes: u64,
}

/// One number for each of a fixed set of labels.
pub(crate) struct ByLabel<const N: usize> {
    labels: [&'static str; N],
    counts: [AtomicU64; N],
}

/// The traffic of one thread, in a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
struct Lane {
    messages_in: AtomicU64,
    bytes_in: AtomicU64,
    frames_out: AtomicU64,
    bytes_out: AtomicU64,
    writes: AtomicU64,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Counters {
            opened: ByLabel::new(TRANSPORTS.map(transport_label)),
            closed: ByLabel::new(CloseReason::LABELS),
            refused: ByLabel::new(REFUSALS),
            joins: ByLabel::new(JOIN_RESULTS.map(JoinResult::label)),
            undecodable: AtomicU64::new(0),
            origins_refused: AtomicU64::new(0),
            presences: AtomicI64::new(0),
            lanes: Default::default(),
        }
    }

    pub(crate) fn opened(&self, transport: Transport) {
        self.opened.count(transport_label(transport));
    }

    pub(crate) fn closed(&self, reason: CloseReason) {
        self.closed.count(reason.label());
    }

    /// A connection was answered with this status, in long poll also where that stands in JSON.
    pub(crate) fn refused(&self, status: StatusCode) {
        let [forbidden, client_error, server_error] = REFUSALS;
        self.refused.count(match status {
            StatusCode::FORBIDDEN => forbidden,
            status if status.is_server_error() => server_error,
            _ => client_error,
        });
    }

    pub(crate) fn origin_refused(&self) {
        self.origins_refused.fetch_add(1, Ordering::Relaxed);
    }

    /// How many pages were refused for their origin.
    pub(crate) fn origins_refused(&self) -> u64 {
        self.origins_refused.load(Ordering::Relaxed)
    }

    pub(crate) fn joined(&self, result: JoinResult) {
        self.joins.count(result.label());
    }

    pub(crate) fn undecodable(&self) {
        self.undecodable.fetch_add(1, Ordering::Relaxed);
    }

    /// A shard has this many presences more, or fewer.
    pub(crate) fn presences_changed(&self, by: i64) {
        if by != 0 {
            self.presences.fetch_add(by, Ordering::Relaxed);
        }
    }

    pub(crate) fn received(&self, bytes: usize) {
        let lane = self.lane();
        lane.messages_in.fetch_add(1, Ordering::Relaxed);
        lane.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn sent(&self, frames: usize, bytes: usize) {
        let lane = self.lane();
        lane.frames_out.fetch_add(frames as u64, Ordering::Relaxed);
        lane.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A call wrote to a socket, and so completed these.
    pub(crate) fn wrote(&self, frames: usize, bytes: usize) {
        self.sent(frames, bytes);
        self.lane().writes.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn undecodable_messages(&self) -> u64 {
        self.undecodable.load(Ordering::Relaxed)
    }

    /// How many presences there are on all topics together.
    pub(crate) fn presences(&self) -> i64 {
        self.presences.load(Ordering::Relaxed)
    }

    pub(crate) fn traffic(&self) -> Traffic {
        self.lanes.iter().fold(Traffic::default(), |sum, lane| Traffic {
            messages_in: sum.messages_in + lane.messages_in.load(Ordering::Relaxed),
            bytes_in: sum.bytes_in + lane.bytes_in.load(Ordering::Relaxed),
            frames_out: sum.frames_out + lane.frames_out.load(Ordering::Relaxed),
            bytes_out: sum.bytes_out + lane.bytes_out.load(Ordering::Relaxed),
            writes: sum.writes + lane.writes.load(Ordering::Relaxed),
        })
    }

    fn lane(&self) -> &Lane {
        &self.lanes[LANE.get()]
    }
}

impl<const N: usize> ByLabel<N> {
    fn new(labels: [&'static str; N]) -> Self {
        ByLabel { labels, counts: [const { AtomicU64::new(0) }; N] }
    }

    /// Every label with its number.
    pub(crate) fn read(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.labels.iter().zip(&self.counts).map(|(label, count)| (*label, count.load(Ordering::Relaxed)))
    }

    fn count(&self, label: &str) {
        let at = self.labels.iter().position(|known| *known == label);
        debug_assert!(at.is_some(), "{label} is not among {:?}", self.labels);
        if let Some(count) = at.and_then(|at| self.counts.get(at)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl JoinResult {
    fn label(self) -> &'static str {
        match self {
            JoinResult::Ok => "ok",
            JoinResult::Refused => "refused",
            JoinResult::Crashed => "crashed",
            JoinResult::Unmatched => "unmatched",
        }
    }
}

fn transport_label(transport: Transport) -> &'static str {
    match transport {
        Transport::WebSocket => "websocket",
        Transport::LongPoll => "longpoll",
    }
}

thread_local! {
    static LANE: Cell<usize> = Cell::new(NEXT_LANE.fetch_add(1, Ordering::Relaxed) % LANES);
}

static NEXT_LANE: AtomicUsize = AtomicUsize::new(0);

const TRANSPORTS: [Transport; 2] = [Transport::WebSocket, Transport::LongPoll];
/// Of the second are all that are neither 403 nor the server's.
const REFUSALS: [&str; 3] = ["403", "4xx", "5xx"];
const JOIN_RESULTS: [JoinResult; 4] =
    [JoinResult::Ok, JoinResult::Refused, JoinResult::Crashed, JoinResult::Unmatched];
/// More threads than these share lanes, which costs time and no number.
const LANES: usize = 32;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_threads_count_adds_up() {
        let counters = Arc::new(Counters::new());
        let threads: Vec<_> = (0..LANES + 3)
            .map(|_| {
                let counters = counters.clone();
                std::thread::spawn(move || {
                    for _ in 0..1000 {
                        counters.received(3);
                        counters.wrote(2, 5);
                        counters.presences_changed(1);
                        counters.presences_changed(-1);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
        let count = 1000 * (LANES as u64 + 3);
        let expected = Traffic {
            messages_in: count,
            bytes_in: 3 * count,
            frames_out: 2 * count,
            bytes_out: 5 * count,
            writes: count,
        };
        assert_eq!((counters.traffic(), counters.presences()), (expected, 0));
    }

    #[test]
    fn every_label_is_counted_for_itself() {
        let counters = Counters::new();
        JOIN_RESULTS.iter().for_each(|result| counters.joined(*result));
        counters.joined(JoinResult::Crashed);
        let read: Vec<_> = counters.joins.read().collect();
        assert_eq!(read, [("ok", 1), ("refused", 1), ("crashed", 2), ("unmatched", 1)]);
    }
}
