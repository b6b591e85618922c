//! The task around a shard: takes what was asked in rounds, and reads the clock for it.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;

use super::counters::Counters;
use super::flusher::Lines;
use super::shard::{Moment, Op, Shard};
use super::turn::Turn;

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
        let mut turn = Turn::begin();
        for op in round.drain(..) {
            shard.apply(op, at);
            end_turn(&mut turn).await;
        }
        // Before anybody is told.
        let before = std::mem::replace(&mut presences, shard.presences());
        counters.presences_changed(presences as i64 - before as i64);
        shard.begin_settling(Instant::now());
        while shard.settle_next(Instant::now()) {
            end_turn(&mut turn).await;
        }
        shard.give_outcomes();
        lines.flush(shard.held());
        round.shrink_to(ROUND);
    }
}

/// Lets others have their turn, where this one is over. A round goes on afterwards: nothing of it is told before it is
/// settled.
async fn end_turn(turn: &mut Turn) {
    if turn.is_over() {
        tokio::task::yield_now().await;
        *turn = Turn::begin();
    }
}

/// 64 bits of nanoseconds last until the year 2554.
fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// How much is applied before it is published and told, at the most.
const ROUND: usize = 1024;
