//! What all relays of a gateway share: the upstream, the list of open connections, the bytes that wait, the counts.
//!
//! Not here: one relay (`relay`), the HTTP before it (`server/gateway`).
//! Contract: canvas.md F.6.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use tokio_util::task::TaskTracker;

use super::connections::Connections;
use super::counters::Counters;
use super::flusher::Flusher;
use super::rooms::{Rooms, Settings};
use super::upstream::{Availability, Upstream, UpstreamAddress};
use crate::gateway::DropReason;
use crate::session::CloseReason;

/// A running gateway, as its relays see it.
pub(crate) struct Gateway {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) counters: Arc<Counters>,
    /// The tasks of all relays, and of all HTTP exchanges with the upstream.
    pub(crate) tasks: TaskTracker,
    pub(crate) relayed: RelayCounters,
    pub(crate) rooms: Arc<Rooms>,
    _flusher: Flusher,
    /// Bytes that wait for either side, in all relays together.
    waiting: AtomicUsize,
    waiting_limit: usize,
    next_connection: AtomicU64,
}

/// What relays count beside what every connection does.
#[derive(Default)]
pub(crate) struct RelayCounters {
    /// Pairs of a client and an upstream connection that are open.
    pub(crate) pairs: AtomicI64,
    /// Content of messages that were passed to the upstream, in bytes.
    pub(crate) bytes_up: AtomicU64,
    /// Content of messages that were passed to clients, in bytes.
    pub(crate) bytes_down: AtomicU64,
    /// Clients that are not read, because the upstream takes nothing.
    pub(crate) paused_clients: AtomicI64,
    /// Upstream connections that are not read, because their client takes nothing.
    pub(crate) paused_upstreams: AtomicI64,
    dropped: [AtomicU64; DropReason::ALL.len()],
}

impl Gateway {
    /// A gateway in front of an upstream. Waiting bytes of all relays together are kept near `waiting_limit`.
    ///
    /// # Errors
    /// As [`Upstream::new`].
    pub(crate) fn start(
        address: UpstreamAddress,
        waiting_limit: usize,
        settings: Settings,
    ) -> io::Result<Arc<Self>> {
        let tasks = std::thread::available_parallelism().map_or(1, usize::from);
        let flusher = Flusher::start(tasks);
        let rooms = Arc::new(Rooms::start(tasks, settings, &flusher.lines()));
        let told = rooms.clone();
        let observer = move |availability| told.upstream(availability == Availability::Unavailable);
        Ok(Arc::new(Gateway {
            upstream: Upstream::new(address, observer)?,
            connections: Arc::default(),
            counters: Arc::new(Counters::new()),
            tasks: TaskTracker::new(),
            relayed: RelayCounters::default(),
            rooms,
            _flusher: flusher,
            waiting: AtomicUsize::new(0),
            waiting_limit,
            next_connection: AtomicU64::new(0),
        }))
    }

    /// A number for a connection, unique in this process.
    pub(super) fn next_connection(&self) -> u64 {
        self.next_connection.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes note that a relay has so many bytes waiting, where it had `before`.
    pub(super) fn waits(&self, before: usize, now: usize) {
        if now >= before {
            self.waiting.fetch_add(now - before, Ordering::Relaxed);
        } else {
            self.waiting.fetch_sub(before - now, Ordering::Relaxed);
        }
    }

    /// Whether so much waits in all relays together that each has to stop earlier.
    pub(super) fn is_crowded(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > self.waiting_limit
    }

    /// How many bytes wait in all relays together.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Tells every relay to close its client with 1012, those still to come too.
    pub(crate) fn close_all(&self) {
        self.connections.close_all(CloseReason::Shutdown);
    }
}

impl RelayCounters {
    pub(super) fn dropped(&self, reason: DropReason) {
        let at = DropReason::ALL.iter().position(|known| *known == reason);
        if let Some(count) = at.and_then(|at| self.dropped.get(at)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was dropped, by reason.
    pub(crate) fn drops(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.dropped.iter().map(|count| count.load(Ordering::Relaxed));
        DropReason::ALL.iter().map(|reason| reason.label()).zip(counts)
    }
}
