//! A topic's presence for code outside channels: the list, then every change of it.
//!
//! Owns the line in which lists and diffs wait for whoever watches. It is bounded in bytes, and overflow ends the
//! watch: a lost diff would never be repaired, a new watch begins with a new list.
//! Not here: what a channel's client is sent ([`Presence::push_state`](super::Presence::push_state)); the order of
//! lists and diffs, which the topic's shard keeps.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use parking_lot::Mutex;
use smol_str::SmolStr;

use super::context::{Before, Seat};
use super::node::{Mail, Node, Peer};
use super::owner::Owner;
use crate::presence::OwnerId;
use crate::wire::{Field, Frame, Json, Payload, Vsn};

/// Hears the presence of one topic, until it is dropped.
pub struct Watch {
    line: Arc<Line>,
    /// Its owner's end ends the subscription.
    _seat: Arc<Seat>,
}

/// What a watch is told. Whoever folds it by `phx_ref`, as phoenix.js does, always has the topic's list: a diff may
/// name a join that the list holds already.
#[derive(Clone, Debug, PartialEq)]
pub enum Watched {
    /// Everyone on the topic, `{key: {"metas": […]}}`: the first that is told, and told once.
    State(Json),
    /// Who came and who went, `{"joins": …, "leaves": …}`, both of the list's shape.
    Diff(Json),
}

impl Watch {
    pub(super) fn start(topic: SmolStr, owner: Owner, most_bytes: usize) -> Self {
        let line = Arc::new(Line { queue: Mutex::default(), waker: AtomicWaker::new(), most_bytes });
        let seat = Seat::new(topic.clone(), Field::Null, Vsn::V2, owner, line.clone(), Before::Nothing);
        seat.owner.touch(topic.clone(), |topic| seat.owner.handle().node().watch(topic, &seat));
        // It takes effect without being waited for: the list comes through the line.
        drop(seat.owner.ask(topic, |node: &dyn Node, topic| node.push_state(topic, &seat)));
        Watch { line, _seat: seat }
    }

    /// What comes next; `None` once more was waiting than may.
    pub async fn next(&mut self) -> Option<Watched> {
        poll_fn(|cx| self.line.poll_take(cx)).await
    }

    /// What the topic's shard holds of it.
    #[cfg(test)]
    pub(crate) fn subscription(&self) -> std::sync::Weak<dyn Peer> {
        let line: std::sync::Weak<Line> = Arc::downgrade(&self.line);
        line
    }
}

impl Watched {
    fn read(event: &str, payload: Payload) -> Option<Self> {
        match (event, payload) {
            (PRESENCE_STATE, Payload::Json(list)) => Some(Watched::State(list)),
            (PRESENCE_DIFF, Payload::Json(diff)) => Some(Watched::Diff(diff)),
            _ => None,
        }
    }

    /// The name that phoenix.js has for it.
    pub fn event(&self) -> &'static str {
        match self {
            Watched::State(_) => PRESENCE_STATE,
            Watched::Diff(_) => PRESENCE_DIFF,
        }
    }

    /// What is told.
    pub fn payload(&self) -> &Json {
        match self {
            Watched::State(payload) | Watched::Diff(payload) => payload,
        }
    }

    /// The bytes it counts for while it waits: its text, and the place it takes.
    fn weight(&self) -> usize {
        self.payload().as_bytes().len() + size_of::<Watched>()
    }
}

/// What waits for whoever watches.
struct Line {
    queue: Mutex<Queue>,
    waker: AtomicWaker,
    most_bytes: usize,
}

#[derive(Default)]
struct Queue {
    told: VecDeque<Watched>,
    bytes: usize,
    /// The list has come. What is told before it is in it.
    stated: bool,
    overflown: bool,
}

impl Line {
    fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Watched>> {
        self.waker.register(cx.waker());
        let mut queue = self.queue.lock();
        match queue.told.pop_front() {
            Some(told) => {
                queue.bytes -= told.weight();
                Poll::Ready(Some(told))
            }
            None if queue.overflown => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn put(&self, told: Watched) {
        let mut queue = self.queue.lock();
        queue.stated |= matches!(told, Watched::State(_));
        if queue.overflown || !queue.stated {
            return;
        }
        // What counts is what waits already: a single list may be as large as it likes.
        if queue.bytes > self.most_bytes {
            // What waits would only hold memory for a reader that is behind for good.
            *queue = Queue { overflown: true, ..Queue::default() };
        } else {
            queue.bytes += told.weight();
            queue.told.push_back(told);
        }
        drop(queue);
        self.waker.wake();
    }
}

impl Peer for Line {
    /// There is no client that a frame could be for.
    fn send(&self, _: Frame) {}

    fn mail(&self, _: OwnerId, mail: Mail) {
        if let Mail::Out { event, payload } = mail
            && let Some(told) = Watched::read(&event, payload)
        {
            self.put(told);
        }
    }

    /// A watch has no socket id by which it could be told to.
    fn disconnect(&self) {}
}

const PRESENCE_STATE: &str = "presence_state";
const PRESENCE_DIFF: &str = "presence_diff";

#[cfg(test)]
mod tests {
    use super::*;

    fn line(most_bytes: usize) -> Line {
        Line { queue: Mutex::default(), waker: AtomicWaker::new(), most_bytes }
    }

    fn take(line: &Line) -> Poll<Option<Watched>> {
        line.poll_take(&mut Context::from_waker(std::task::Waker::noop()))
    }

    /// A line that has told the list already.
    fn begun(most_bytes: usize) -> Line {
        let line = line(most_bytes);
        line.put(Watched::State(serde_json::json!({}).into()));
        assert!(matches!(take(&line), Poll::Ready(Some(Watched::State(_)))));
        line
    }

    fn diff(bytes: usize) -> Watched {
        Watched::Diff(serde_json::json!("x".repeat(bytes)).into())
    }

    #[test]
    fn nothing_is_told_before_the_list() {
        let line = line(100);
        line.put(diff(1));
        assert!(take(&line).is_pending());
        let list = Watched::State(serde_json::json!({}).into());
        line.put(list.clone());
        line.put(diff(2));
        assert_eq!(take(&line), Poll::Ready(Some(list)));
        assert_eq!(take(&line), Poll::Ready(Some(diff(2))));
    }

    #[test]
    fn what_is_told_comes_out_in_its_order_and_once() {
        let line = begun(100);
        line.put(diff(1));
        line.put(diff(2));
        assert_eq!(take(&line), Poll::Ready(Some(diff(1))));
        assert_eq!(take(&line), Poll::Ready(Some(diff(2))));
        assert!(take(&line).is_pending());
    }

    #[test]
    fn a_line_that_is_read_never_overflows() {
        let line = begun(100);
        for _ in 0..100 {
            line.put(diff(90));
            assert!(matches!(take(&line), Poll::Ready(Some(_))));
        }
    }

    #[test]
    fn a_line_that_is_not_read_ends_and_keeps_nothing() {
        let line = begun(100);
        for _ in 0..3 {
            line.put(diff(90));
        }
        assert_eq!(take(&line), Poll::Ready(None));
        line.put(diff(1));
        assert_eq!(take(&line), Poll::Ready(None), "nothing comes behind the end");
    }
}
