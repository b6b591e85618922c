//! The task around a table of rooms: takes what was said in rounds, and reads the clock for it.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;

use super::counters::RoomCounters;
use super::table::{Op, Settings, Table};
use crate::runtime::flusher::Lines;

/// Runs until nobody can say anything any more.
pub(super) async fn run(
    settings: Settings,
    mut asked: mpsc::UnboundedReceiver<Op>,
    counters: Arc<RoomCounters>,
    lines: Arc<Lines>,
) {
    let mut table = Table::new(settings, counters);
    let mut round = Vec::new();
    loop {
        let due = table.next_due();
        tokio::select! {
            count = asked.recv_many(&mut round, ROUND) => if count == 0 { return },
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {}
        }
        let now = Instant::now();
        for op in round.drain(..) {
            table.apply(op, now);
        }
        table.settle(now, unix_us());
        lines.flush(table.held());
        round.shrink_to(ROUND);
    }
}

/// 0 before 1970: then the rooms' own count goes on.
fn unix_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// How much is applied before anything is told, at the most.
const ROUND: usize = 1024;
