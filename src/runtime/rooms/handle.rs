//! The way to the rooms for connections: finds the task of a workflow, and tells it.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use foldhash::fast::RandomState;
use smol_str::SmolStr;
use tokio::sync::mpsc;

use super::counters::{Dropped, RoomCounters};
use super::line::Line;
use super::member::Newcomer;
use super::table::{Op, Said, Settings};
use super::task;
use crate::awareness::ParticipantId;
use crate::gateway::User;
use crate::pages::Page;
use crate::runtime::flusher::Lines;
use crate::wire::{BinaryPush, Field};

/// All rooms of this process.
pub(crate) struct Rooms {
    tasks: Vec<mpsc::UnboundedSender<Op>>,
    hasher: RandomState,
    next_id: AtomicU64,
    counters: Arc<RoomCounters>,
}

/// A connection's participant in a room. What it is told takes effect in the order of the calls. Dropped without a word it
/// is disconnected.
pub(crate) struct Participant {
    id: ParticipantId,
    task: mpsc::UnboundedSender<Op>,
    /// How much of what its client causes waits for the task.
    waiting: Arc<AtomicUsize>,
    counters: Arc<RoomCounters>,
    has_ended: bool,
}

/// Something that a client causes and that waits for the task; no longer once this is dropped.
pub(crate) struct Waiting {
    all: Arc<AtomicUsize>,
    weight: usize,
}

impl Rooms {
    /// Starts this many tasks. They end when this value and all participants are dropped.
    pub(crate) fn start(tasks: usize, settings: Settings, lines: &Arc<Lines>) -> Rooms {
        let counters = Arc::new(RoomCounters::default());
        let tasks = (0..tasks)
            .map(|_| {
                let (ops, asked) = mpsc::unbounded_channel();
                tokio::spawn(task::run(settings, asked, counters.clone(), lines.clone()));
                ops
            })
            .collect();
        Rooms { tasks, hasher: RandomState::default(), next_id: AtomicU64::new(1), counters }
    }

    /// Somebody has joined a canvas: the reply to the join is on its way to the client. `replaces` is the participant of an
    /// earlier join of the topic on the same connection. `None` for a topic that is no canvas's, or a join that no binary
    /// push can name.
    pub(crate) fn join(
        &self,
        line: Arc<dyn Line>,
        topic: &SmolStr,
        join_ref: &Field,
        page: Option<Page>,
        replaces: Option<&Participant>,
    ) -> Option<Participant> {
        let workflow = SmolStr::new(workflow_of(topic)?);
        let push = BinaryPush::new(join_ref, topic, EVENT).ok()?;
        let hash = self.hasher.hash_one(&workflow) as usize;
        let task = self.tasks.get(hash % self.tasks.len().max(1))?.clone();
        let id = ParticipantId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let newcomer = Box::new(Newcomer { workflow, topic: topic.clone(), line, push, page });
        let participant = Participant {
            id,
            task,
            waiting: Arc::default(),
            counters: self.counters.clone(),
            has_ended: false,
        };
        participant.tell(Said::Joined { newcomer, replaces: replaces.map(|old| old.id) });
        Some(participant)
    }

    /// The upstream cannot be reached, or can be again: whom it has disconnected has more time to come back meanwhile.
    pub(crate) fn upstream(&self, is_away: bool) {
        for task in &self.tasks {
            // A task ends only with the process.
            let _ = task.send(Op::Upstream { is_away });
        }
    }

    pub(crate) fn counters(&self) -> &Arc<RoomCounters> {
        &self.counters
    }
}

impl Participant {
    /// It sent its sync step 1. Dropped, as all that a client can repeat, where the task does not keep up with it.
    pub(crate) fn sync_step1(&self) {
        self.tell_in_bounds(Said::SyncStep1, 0);
    }

    /// It sent an awareness message with this body.
    pub(crate) fn awareness(&self, body: Bytes) {
        self.counters.received();
        let bytes = body.len();
        if !self.tell_in_bounds(Said::Awareness(body), bytes) {
            self.counters.drop_some(Dropped::Busy, 1);
        }
    }

    /// It asks for everybody's state.
    pub(crate) fn query(&self) {
        self.tell_in_bounds(Said::Query, 0);
    }

    /// Who it is became known; `None` if it is nobody, or nobody can say.
    pub(crate) fn user(&self, user: Option<User>) {
        self.tell(Said::User(user));
    }

    /// Its connection answered a ping.
    pub(crate) fn pong(&self, nonce: [u8; 8]) {
        self.tell_in_bounds(Said::Pong(nonce), 0);
    }

    /// It left.
    pub(crate) fn left(mut self) {
        self.end(Said::Left);
    }

    /// It is disconnected, by the upstream or otherwise.
    pub(crate) fn disconnected(mut self, by_upstream: bool) {
        self.end(Said::Disconnected { by_upstream });
    }

    fn end(&mut self, said: Said) {
        if !std::mem::replace(&mut self.has_ended, true) {
            self.tell(said);
        }
    }

    fn tell(&self, said: Said) {
        // A task ends only with the process.
        let _ = self.task.send(Op::Participant { id: self.id, said, _waits: None });
    }

    /// Tells what the client may say as often as it likes, unless too much of it waits. Whether it was told.
    fn tell_in_bounds(&self, said: Said, bytes: usize) -> bool {
        let waits = Waiting::new(&self.waiting, bytes + size_of::<Op>());
        let is_told = waits.is_some();
        if is_told {
            // A task ends only with the process.
            let _ = self.task.send(Op::Participant { id: self.id, said, _waits: waits });
        }
        is_told
    }
}

impl Waiting {
    /// `None` where too much waits already. What comes may be as large as it likes.
    fn new(all: &Arc<AtomicUsize>, weight: usize) -> Option<Self> {
        if all.fetch_add(weight, Ordering::Relaxed) > MOST_WAITING {
            all.fetch_sub(weight, Ordering::Relaxed);
            return None;
        }
        Some(Waiting { all: all.clone(), weight })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.all.fetch_sub(self.weight, Ordering::Relaxed);
    }
}

impl Drop for Participant {
    fn drop(&mut self) {
        self.end(Said::Disconnected { by_upstream: false });
    }
}

/// The workflow that a canvas topic is of, whatever its suffix.
fn workflow_of(topic: &str) -> Option<&str> {
    topic.strip_prefix(CANVAS)?.split(':').next().filter(|id| !id.is_empty())
}

const CANVAS: &str = "workflow:collaborate:";
/// The event of everything that has to do with Yjs.
const EVENT: &str = "yjs";
/// How much of one participant may wait: a few messages of the largest size, thousands of the usual.
const MOST_WAITING: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rooms_of_a_workflow_are_found_by_its_id() {
        for suffix in ["", ":v3", ":release2", ":run:a:b"] {
            assert_eq!(workflow_of(&format!("workflow:collaborate:w-1{suffix}")), Some("w-1"));
        }
        for topic in ["workflow:collaborate:", "workflow:collaborate::v3", "run:1", "workflow:other:1", ""] {
            assert_eq!(workflow_of(topic), None, "{topic}");
        }
    }
}
