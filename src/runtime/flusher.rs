//! Writes for many: the lines that shards have put something in, in the order in which they were first claimed.
//!
//! Writing is what costs, far more than telling: a call to the kernel takes as long as hundreds of lines take a frame,
//! whether it carries one frame or ten. So it comes last. A flusher writes to a few lines and then lets everything else
//! run that can: what is said meanwhile joins what still waits, and leaves in the same call. The busier the process,
//! the more frames to a call; a process at rest writes at once.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::fanout::Held;
use super::turn::Turn;
use crate::channel::node::Peer;

/// The tasks that write, as many as there are cores. They end with this value.
pub(crate) struct Flusher {
    lines: Arc<Lines>,
    _tasks: JoinSet<()>,
}

/// The lines that wait to be written.
#[derive(Default)]
pub(crate) struct Lines {
    waiting: Mutex<VecDeque<Arc<dyn Peer>>>,
    arrived: Notify,
}

impl Flusher {
    /// Starts this many tasks.
    pub(crate) fn start(tasks: usize) -> Self {
        let lines = Arc::new(Lines::default());
        let tasks = (0..tasks).map(|_| run(lines.clone())).collect();
        Flusher { lines, _tasks: tasks }
    }

    /// Where to put lines.
    pub(crate) fn lines(&self) -> Arc<Lines> {
        self.lines.clone()
    }
}

impl Lines {
    /// Lets all of these be written; leaves the list empty.
    pub(crate) fn flush(&self, held: &mut Held) {
        if held.is_empty() {
            return;
        }
        let parts = held.len().div_ceil(PART);
        self.waiting.lock().extend(held.drain(..));
        for _ in 0..parts {
            self.arrived.notify_one();
        }
    }

    fn take_part(&self, part: &mut Held) {
        let mut waiting = self.waiting.lock();
        let count = waiting.len().min(PART);
        part.extend(waiting.drain(..count));
        if waiting.is_empty() {
            waiting.shrink_to(KEPT);
        }
    }
}

async fn run(lines: Arc<Lines>) {
    let mut part = Held::with_capacity(PART);
    loop {
        lines.take_part(&mut part);
        if part.is_empty() {
            lines.arrived.notified().await;
        } else {
            let mut turn = Turn::begin();
            for peer in part.drain(..) {
                peer.flush();
                if turn.is_over() {
                    tokio::task::yield_now().await;
                    turn = Turn::begin();
                }
            }
        }
        tokio::task::yield_now().await;
    }
}

/// How many lines are written before others have their turn: about a tenth of a millisecond.
const PART: usize = 16;
/// How much room an empty list keeps.
const KEPT: usize = 1024;
