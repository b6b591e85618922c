//! What waits for one connection: frames for its client, mail for its channels.
//!
//! Anyone may put something in; the connection's own task takes it out. Bounded in bytes: a client that reads too
//! slowly loses its connection, never a single frame, because phoenix.js cannot repair a lost `presence_diff`.
//! A push locks for the length of a queue operation and wakes the task only where the queue was empty.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use parking_lot::Mutex;

use crate::channel::node::{Mail, Peer};
use crate::presence::OwnerId;
use crate::session::CloseReason;
use crate::wire::Frame;

/// The line to one connection.
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    waker: AtomicWaker,
    limit: usize,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    close: Option<CloseReason>,
}

/// One thing that waits.
enum Item {
    Frame(Frame),
    Mail(Addressed),
}

/// Mail, and whose it is. Boxed, because frames are many and mail is rare.
pub(crate) type Addressed = Box<(OwnerId, Mail)>;

impl Outbox {
    /// An empty line that closes the connection when something is put behind more than `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Outbox { queue: Mutex::default(), waker: AtomicWaker::new(), limit }
    }

    /// Asks the connection to end. The first reason counts, and nothing is taken in behind it.
    pub(crate) fn close(&self, reason: CloseReason) {
        let mut queue = self.queue.lock();
        queue.close(reason);
        drop(queue);
        self.waker.wake();
    }

    /// Takes up to `most` items, frames to the one side and mail to the other; `Pending` when there is nothing to
    /// take, and the task is woken when there is.
    ///
    /// # Errors
    /// The reason to end, once somebody gave one.
    pub(crate) fn poll_take(
        &self,
        cx: &mut Context<'_>,
        most: usize,
        frames: &mut VecDeque<Frame>,
        mail: &mut Vec<Addressed>,
    ) -> Poll<Result<(), CloseReason>> {
        if let Poll::Ready(taken) = self.take(most, frames, mail) {
            return Poll::Ready(taken);
        }
        self.waker.register(cx.waker());
        self.take(most, frames, mail)
    }

    /// Whether somebody gave a reason to end, for a connection that can take nothing now; the task is woken when one
    /// is given.
    pub(crate) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        self.waker.register(cx.waker());
        self.queue.lock().close.map_or(Poll::Pending, Poll::Ready)
    }

    /// Whether a good part of the limit is used.
    pub(crate) fn has_much(&self) -> bool {
        self.queue.lock().bytes > self.limit / 4
    }

    /// How many bytes may wait.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// The frames that still wait, when the connection has ended: what was said before its end is still sent, unless
    /// it was too much.
    pub(crate) fn rest(&self) -> Vec<Frame> {
        let items = std::mem::take(&mut self.queue.lock().items);
        let frame = |item| match item {
            Item::Frame(frame) => Some(frame),
            Item::Mail(_) => None,
        };
        items.into_iter().filter_map(frame).collect()
    }

    fn take(
        &self,
        most: usize,
        frames: &mut VecDeque<Frame>,
        mail: &mut Vec<Addressed>,
    ) -> Poll<Result<(), CloseReason>> {
        let mut queue = self.queue.lock();
        if let Some(reason) = queue.close {
            return Poll::Ready(Err(reason));
        }
        if queue.items.is_empty() {
            return Poll::Pending;
        }
        let Queue { items, bytes, .. } = &mut *queue;
        for item in items.drain(..most.min(items.len())) {
            *bytes -= item.weight();
            match item {
                Item::Frame(frame) => frames.push_back(frame),
                Item::Mail(addressed) => mail.push(addressed),
            }
        }
        if items.is_empty() {
            items.shrink_to(KEPT_ITEMS);
        }
        Poll::Ready(Ok(()))
    }

    fn put(&self, item: Item) {
        let mut queue = self.queue.lock();
        if queue.close.is_some() {
            return;
        }
        let was_empty = queue.items.is_empty();
        // What counts is what waits already: a single item may be as large as it likes.
        let overflows = queue.bytes > self.limit;
        if overflows {
            queue.close(CloseReason::Overflow);
            // It would only hold memory for a client that does not read it.
            queue.items = VecDeque::new();
        } else {
            queue.bytes += item.weight();
            queue.items.push_back(item);
        }
        drop(queue);
        if was_empty || overflows {
            self.waker.wake();
        }
    }
}

impl Queue {
    fn close(&mut self, reason: CloseReason) {
        self.close.get_or_insert(reason);
    }
}

impl Peer for Outbox {
    fn send(&self, frame: Frame) {
        self.put(Item::Frame(frame));
    }

    fn mail(&self, channel: OwnerId, mail: Mail) {
        self.put(Item::Mail(Box::new((channel, mail))));
    }

    fn disconnect(&self) {
        self.close(CloseReason::Disconnected);
    }
}

impl Item {
    /// The bytes an item counts for: its content, and its place in the line.
    fn weight(&self) -> usize {
        let content = match self {
            Item::Frame(frame) => frame.len(),
            Item::Mail(mail) => mail.1.weight(),
        };
        content + size_of::<Item>()
    }
}

/// How many places an empty line keeps: enough that a quiet topic's next frame allocates nothing.
const KEPT_ITEMS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(outbox: &Outbox) -> Poll<Result<usize, CloseReason>> {
        let (mut frames, mut mail) = (VecDeque::new(), Vec::new());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        outbox.poll_take(&mut cx, 64, &mut frames, &mut mail).map_ok(|()| frames.len())
    }

    #[test]
    fn what_was_put_in_comes_out_once() {
        let outbox = Outbox::new(1000);
        assert!(frames(&outbox).is_pending());
        outbox.send(Frame::text(b"{}"));
        outbox.send(Frame::text(b"{}"));
        assert_eq!(frames(&outbox), Poll::Ready(Ok(2)));
        assert!(frames(&outbox).is_pending());
    }

    #[test]
    fn a_line_that_is_taken_from_never_overflows() {
        let outbox = Outbox::new(1000);
        for _ in 0..100 {
            outbox.send(Frame::text(&[b' '; 500]));
            assert_eq!(frames(&outbox), Poll::Ready(Ok(1)));
        }
    }

    #[test]
    fn more_than_the_limit_ends_the_connection_and_frees_the_line() {
        let outbox = Outbox::new(1000);
        for _ in 0..3 {
            assert!(outbox.queue.lock().close.is_none());
            outbox.send(Frame::text(&[b' '; 500]));
        }
        assert_eq!(frames(&outbox), Poll::Ready(Err(CloseReason::Overflow)));
        outbox.send(Frame::text(b"{}"));
        assert!(outbox.queue.lock().items.is_empty());
    }

    #[test]
    fn a_single_frame_may_be_larger_than_the_limit() {
        let outbox = Outbox::new(1000);
        outbox.send(Frame::text(&[b' '; 5000]));
        assert_eq!(frames(&outbox), Poll::Ready(Ok(1)));
    }

    #[test]
    fn the_first_reason_to_close_counts() {
        let outbox = Outbox::new(1000);
        outbox.close(CloseReason::Disconnected);
        outbox.close(CloseReason::Shutdown);
        assert_eq!(frames(&outbox), Poll::Ready(Err(CloseReason::Disconnected)));
    }

    #[test]
    fn what_was_said_before_the_end_is_still_there() {
        let outbox = Outbox::new(1000);
        outbox.send(Frame::text(b"{}"));
        outbox.close(CloseReason::Disconnected);
        outbox.send(Frame::text(b"{}"));
        assert_eq!(outbox.rest().len(), 1);
    }
}
