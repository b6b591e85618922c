//! The task around a shard: takes what was asked in rounds, and reads the clock for it.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;

use super::counters::Counters;
use super::flusher::Lines;
use super::shard::{Moment, Op, Shard};

/// Runs a shard until nobody can ask it anything any more.
///
/// All that was asked while a round was under way makes the next one: under load rounds grow, and what a round
/// publishes and tells is shared by everything in it.
pub(crate) async fn run(
    mut shard: Shard,
    mut asked: mpsc::UnboundedReceiver<Op>,
    counters: Arc<Counters>,
    lines: Arc<Lines>,
) {
    let mut round = Vec::new();
    let mut presences = 0;
    loop {
        let due = shard.next_due();
        tokio::select! {
            count = asked.recv_many(&mut round, ROUND) => if count == 0 { return },
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {}
        }
        let at = Moment { now: Instant::now(), unix_ns: unix_ns() };
        for op in round.drain(..) {
            shard.apply(op, at);
        }
        // Before anybody is told.
        let before = std::mem::replace(&mut presences, shard.presences());
        counters.presences_changed(presences as i64 - before as i64);
        shard.settle(Instant::now());
        lines.flush(shard.held());
        round.shrink_to(ROUND);
    }
}

/// 64 bits of nanoseconds last until the year 2554.
fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// How much is applied before it is published and told, at the most.
const ROUND: usize = 1024;
