//! What all members of a run know, and what they count together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::super::run::Bench;
use super::super::stamp::Stamps;

/// What all members know.
pub(super) struct Hall {
    pub bench: Arc<Bench>,
    /// Of each room.
    pub topics: Vec<String>,
    /// Of each room.
    pub members: u64,
    pub stamps: Stamps,
    /// Between two moves of a member.
    pub period: Duration,
    /// Whether members send again what they have taken.
    pub echoes: bool,
    pub traffic: Traffic,
    origin: Instant,
    /// In microseconds since the origin; nothing is measured before.
    measured_from: AtomicU64,
    met: AtomicU64,
    /// Moves that members were told to make, and the sightings that are owed of them.
    asked: AtomicU64,
    owed: AtomicU64,
}

/// Awareness messages, as clients see them.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    /// Moves, the warm-up's among them.
    made: AtomicU64,
    moves: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
    down_bytes: AtomicU64,
}

/// What there was of it at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    /// Without the warm-up.
    pub moves: u64,
    pub up: u64,
    pub down: u64,
    /// Of whole Phoenix messages.
    pub down_bytes: u64,
}

impl Hall {
    /// For these rooms, in each of which so many may make so many moves.
    pub(super) fn new(
        bench: Arc<Bench>,
        topics: Vec<String>,
        members: u64,
        moves: u64,
        period: Duration,
        echoes: bool,
    ) -> Self {
        let origin = Instant::now();
        Hall {
            bench,
            topics,
            members,
            stamps: Stamps::new(moves, origin),
            period,
            echoes,
            traffic: Traffic::default(),
            origin,
            measured_from: AtomicU64::new(u64::MAX),
            met: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            owed: AtomicU64::new(0),
        }
    }

    /// The clientID of a member: as long as most that Yjs makes up. In a room of this run's own nobody else has it.
    pub(super) fn client_id(&self, number: u64) -> u64 {
        FIRST_CLIENT + number
    }

    /// Members saw others for the first time.
    pub(super) fn met(&self, count: u64, now: Instant) {
        self.met.fetch_add(count, Relaxed);
        self.bench.progress.see_frames(count, now);
    }

    /// How often that happened by now.
    pub(super) fn have_met(&self) -> u64 {
        self.met.load(Relaxed)
    }

    /// A member was told to move, whom so many others are to see.
    pub(super) fn ask(&self, others: u64) {
        self.asked.fetch_add(1, Relaxed);
        self.owed.fetch_add(others, Relaxed);
    }

    /// Whether every move that was asked for has been made and seen.
    pub(super) fn is_square(&self) -> bool {
        self.traffic.made.load(Relaxed) >= self.asked.load(Relaxed)
            && self.bench.progress.received() >= self.owed.load(Relaxed)
    }

    /// A member made a move that was due then.
    pub(super) fn moved(&self, due: Instant) {
        self.traffic.made.fetch_add(1, Relaxed);
        if self.is_measured(due.saturating_duration_since(self.origin)) {
            self.traffic.moves.fetch_add(1, Relaxed);
        }
    }

    /// Measures moves that are due from now on, but for those that may be on their way already.
    pub(super) fn measure(&self) {
        let micros = (self.origin.elapsed() + UNDER_WAY).as_micros();
        self.measured_from.store(u64::try_from(micros).unwrap_or(u64::MAX), Relaxed);
    }

    /// Whether a move counts that was due so long after the origin.
    pub(super) fn is_measured(&self, due: Duration) -> bool {
        due.as_micros() >= u128::from(self.measured_from.load(Relaxed))
    }
}

impl Traffic {
    /// A message was sent.
    pub(super) fn went_up(&self) {
        self.up.fetch_add(1, Relaxed);
    }

    /// A message of so many bytes came.
    pub(super) fn came_down(&self, bytes: usize) {
        self.down.fetch_add(1, Relaxed);
        self.down_bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// What there was by now.
    pub(super) fn counted(&self) -> Counted {
        Counted {
            moves: self.moves.load(Relaxed),
            up: self.up.load(Relaxed),
            down: self.down.load(Relaxed),
            down_bytes: self.down_bytes.load(Relaxed),
        }
    }
}

impl Counted {
    /// What came behind `earlier`.
    pub(super) fn since(self, earlier: Counted) -> Counted {
        Counted {
            moves: self.moves - earlier.moves,
            up: self.up - earlier.up,
            down: self.down - earlier.down,
            down_bytes: self.down_bytes - earlier.down_bytes,
        }
    }
}

const FIRST_CLIENT: u64 = 2_000_000_000;
/// Longer than it takes until every thread knows from when on moves are measured.
const UNDER_WAY: Duration = Duration::from_millis(2);
