//! What waits for one connection: frames for its client, mail for its channels.
//!
//! Anyone may put something in. Mail is taken out by the connection's own task. Frames are written by whoever comes
//! first: the task, or the shard that has told many at once and then writes for all of them ([`Outbox::hold`],
//! [`Outbox::flush`]), which wakes no task and lets what was told meanwhile leave in the same call. Where the socket
//! takes no more, it is the task that waits for it.
//!
//! A relay has a second line for what is not passed on but said here: it goes first, as soon as no message is under way
//! (`frames` holds parts of messages then), and can say "not now" ([`Outbox::takes_updates`]).
//!
//! Bounded in bytes: a client that reads too slowly loses its connection, never a single frame, because phoenix.js
//! cannot repair a lost `presence_diff`. Putting something in locks for the length of a queue operation.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::Arc;
use std::task::{Context, Waker};

use bytes::Bytes;
use parking_lot::Mutex;
use tracing::trace;

use super::counters::Counters;
use super::input_budget::Evict;
use super::stream::Stream;
use super::turn::Turn;
use super::unwritten::FRAMES_A_WRITE;
use super::writer::Writer;
use crate::channel::node::{Mail, Peer};
use crate::presence::OwnerId;
use crate::session::CloseReason;
use crate::wire::Frame;
use crate::wire::websocket::Violation;

/// The line to one connection.
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    /// `None` without a socket: then the frames are for the task as well. Locked before the queue, where both are.
    writer: Mutex<Option<Writer>>,
    counters: Arc<Counters>,
    limit: usize,
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Frame>,
    /// What goes before those, once no message is under way.
    ahead: VecDeque<Frame>,
    /// How many of them are control frames; they come first.
    ahead_controls: usize,
    /// The last frame that was handed to the writer has not ended its message.
    is_amid: bool,
    mail: VecDeque<Addressed>,
    bytes: usize,
    close: Option<CloseReason>,
    /// Access was revoked, whatever the reason is that counts.
    is_revoked: bool,
    /// The task, where it sleeps.
    asleep: Option<Waker>,
    /// There is a socket that others may write to.
    has_socket: bool,
    /// Somebody is going to write what is there.
    claimed: bool,
    /// The socket takes no more, and the task waits for it.
    blocked: bool,
}

/// Mail, and whose it is. Boxed, because most connections have none waiting.
pub(crate) type Addressed = Box<(OwnerId, Mail)>;

/// How far a flush has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Everything that was there is written.
    All,
    /// The socket takes no more.
    Blocked,
    /// The turn is over, and there is more.
    Part,
}

impl Outbox {
    /// An empty line that closes the connection when something is put behind more than `limit` bytes.
    pub(crate) fn new(limit: usize, counters: Arc<Counters>) -> Self {
        Outbox { queue: Mutex::default(), writer: Mutex::default(), counters, limit }
    }

    /// From now on frames are written to this stream.
    pub(crate) fn attach(&self, stream: Arc<Stream>) {
        *self.writer.lock() = Some(Writer::new(stream));
        self.queue.lock().has_socket = true;
    }

    /// Asks the connection to end. The first reason counts, and nothing is taken in behind it.
    pub(crate) fn close(&self, reason: CloseReason) {
        let mut queue = self.queue.lock();
        queue.close.get_or_insert(reason);
        queue.is_revoked |= reason == CloseReason::Disconnected;
        let task = queue.asleep.take();
        drop(queue);
        wake(task);
    }

    /// Whether it was asked to end because access was revoked.
    pub(crate) fn is_revoked(&self) -> bool {
        self.queue.lock().is_revoked
    }

    /// Takes mail for the channels; none where the socket is full, because a client that does not read is not worked
    /// for.
    ///
    /// # Errors
    /// The reason to end, once somebody gave one.
    pub(crate) fn take_mail(&self) -> Result<VecDeque<Addressed>, CloseReason> {
        let mut queue = self.queue.lock();
        if let Some(reason) = queue.close {
            return Err(reason);
        }
        if queue.blocked || queue.mail.is_empty() {
            return Ok(VecDeque::new());
        }
        let mail = std::mem::take(&mut queue.mail);
        queue.bytes -= mail.iter().map(mail_weight).sum::<usize>();
        Ok(mail)
    }

    /// Takes all frames, for a connection without a socket.
    pub(crate) fn take_frames(&self) -> VecDeque<Frame> {
        let mut queue = self.queue.lock();
        queue.bytes -= queue.frames.iter().map(frame_weight).sum::<usize>();
        std::mem::take(&mut queue.frames)
    }

    /// Whether there is something to write that nobody else is going to write soon.
    pub(crate) fn is_due(&self) -> bool {
        self.queue.lock().is_due(self.limit)
    }

    /// Lets the task sleep until it is needed. `false` if it is needed already; `true` if it will be woken for a
    /// reason to end, and, where it `looks` further, for mail and frames.
    pub(crate) fn sleep(&self, cx: &Context<'_>, looks: bool) -> bool {
        let mut queue = self.queue.lock();
        if queue.close.is_some() || looks && (!queue.mail.is_empty() || queue.is_due(self.limit)) {
            return false;
        }
        if !queue.asleep.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            queue.asleep = Some(cx.waker().clone());
        }
        true
    }

    /// Writes what is there, many frames to one call, as far as the turn goes.
    ///
    /// # Errors
    /// [`CloseReason::Lost`], which the connection is told as well.
    pub(crate) fn flush(&self, turn: Turn) -> Result<Flushed, CloseReason> {
        let mut writer = self.writer.lock();
        let Some(writer) = writer.as_mut() else { return Ok(Flushed::All) };
        let mut more = true;
        loop {
            if writer.is_empty() && more {
                more = self.refill(writer);
            }
            if writer.is_empty() {
                return Ok(Flushed::All);
            }
            if let Err(error) = writer.write(&self.counters) {
                if error.kind() == ErrorKind::WouldBlock {
                    self.block();
                    return Ok(Flushed::Blocked);
                }
                trace!(%error, "the stream failed");
                self.close(CloseReason::Lost);
                return Err(CloseReason::Lost);
            }
            if more && turn.is_over() {
                return Ok(Flushed::Part);
            }
        }
    }

    /// Whether so much is to be sent that it should be, before the client's next message adds to it: a client that
    /// reads must not overflow its own line.
    pub(crate) fn has_much(&self) -> bool {
        self.queue.lock().has_much(self.limit)
    }

    /// How many bytes may wait.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Lets go of the stream; nobody writes to it any more. Gives what is still to be written: what was said before the
    /// end is sent. After an overflow that is nothing but the rest of a frame that was begun, without which the close
    /// frame would be taken for it.
    pub(crate) fn detach(&self) -> Vec<Bytes> {
        let writer = self.writer.lock().take();
        let mut queue = self.queue.lock();
        let mut unsent = Vec::new();
        if let Some(writer) = writer {
            unsent.extend(writer.into_rest(queue.close == Some(CloseReason::Overflow)));
        }
        while let Some(frame) = queue.pop() {
            unsent.extend(frame.pieces().cloned());
        }
        unsent
    }

    /// Puts something of ours in line, before what is passed on. The bytes of both lines count together.
    pub(crate) fn send_ahead(&self, frame: Frame) {
        self.put_in(frame, false, Queue::push_ahead);
    }

    /// As [`send_ahead`](Self::send_ahead); whether the caller now owes a [`flush`](Self::flush).
    pub(crate) fn hold_ahead(&self, frame: Frame) -> bool {
        self.put_in(frame, true, Queue::push_ahead)
    }

    /// Whether something waits that was put ahead, or may wait in the socket.
    pub(crate) fn has_ahead(&self) -> bool {
        let queue = self.queue.lock();
        queue.blocked || !queue.ahead.is_empty()
    }

    /// Whether an update may be put in line that a later one would make worthless. Not now, while an earlier one waits
    /// or the socket is full.
    pub(crate) fn takes_updates(&self) -> bool {
        let queue = self.queue.lock();
        queue.close.is_none() && !queue.blocked && queue.ahead.is_empty()
    }

    /// How many bytes wait, but for those that are next to be written.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.queue.lock().bytes
    }

    /// How many frames wait that were not put ahead, but for those that are next to be written.
    pub(crate) fn waiting_frames(&self) -> usize {
        self.queue.lock().frames.len()
    }

    /// How many bytes were written in all: while it grows, the client takes what it is sent.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.writer.lock().as_ref().map_or(0, Writer::written)
    }

    /// Puts a frame in line; whether the caller now owes a [`flush`](Self::flush).
    fn put(&self, frame: Frame, flushes: bool) -> bool {
        self.put_in(frame, flushes, |queue, frame| queue.frames.push_back(frame))
    }

    fn put_in(&self, frame: Frame, flushes: bool, push: impl FnOnce(&mut Queue, Frame)) -> bool {
        let mut queue = self.queue.lock();
        let weight = frame_weight(&frame);
        let mut task = None;
        let mut owes = false;
        if !queue.admits(weight, self.limit) {
            task = queue.asleep.take();
        } else {
            push(&mut queue, frame);
            if flushes && queue.has_socket {
                owes = !queue.claimed && !queue.blocked && queue.can_write();
                queue.claimed |= owes;
            }
            // Where the socket is full the task waits for it, and not for more.
            if !queue.blocked && queue.is_due(self.limit) {
                task = queue.asleep.take();
            }
        }
        drop(queue);
        wake(task);
        owes
    }

    /// Hands the writer what waits; whether there is more.
    fn refill(&self, writer: &mut Writer) -> bool {
        let mut queue = self.queue.lock();
        queue.refill(writer);
        let more = queue.can_write();
        queue.claimed &= more;
        queue.blocked = false;
        more
    }

    /// Whoever was going to write what is there does not.
    fn disclaim(&self) {
        let mut queue = self.queue.lock();
        queue.claimed = false;
        let task = queue.asleep.take();
        drop(queue);
        wake(task);
    }

    fn block(&self) {
        let mut queue = self.queue.lock();
        queue.blocked = true;
        let task = queue.asleep.take();
        drop(queue);
        wake(task);
    }
}

impl Queue {
    /// Makes room for something of this weight. `false` if nothing is taken in any more, or from now on.
    ///
    /// What counts is what waits already: a single item may be as large as it likes.
    fn admits(&mut self, weight: usize, limit: usize) -> bool {
        if self.close.is_some() {
            return false;
        }
        if self.bytes > limit {
            self.close = Some(CloseReason::Overflow);
            // They would only hold memory for a client that does not read them.
            self.frames = VecDeque::new();
            (self.ahead, self.ahead_controls) = (VecDeque::new(), 0);
            self.mail = VecDeque::new();
            return false;
        }
        self.bytes += weight;
        true
    }

    /// Hands an empty writer what one call may write.
    fn refill(&mut self, writer: &mut Writer) {
        if self.ahead.is_empty() && self.frames.len() <= FRAMES_A_WRITE && self.bytes <= BYTES_A_WRITE {
            // The usual case. The two lines change places: then no frame is moved.
            if let Some(ends) = self.frames.iter().rev().find_map(Frame::ends_message) {
                self.is_amid = !ends;
            }
            writer.take_all(&mut self.frames);
            self.bytes -= writer.frames().map(frame_weight).sum::<usize>();
            return;
        }
        let mut bytes = 0;
        while bytes <= BYTES_A_WRITE
            && let Some(frame) = self.pop()
        {
            bytes += frame_weight(&frame);
            if !writer.take(frame) {
                break;
            }
        }
    }

    /// Puts a frame ahead of those that are passed on. Control frames come before all others: they may go into the middle
    /// of a message (RFC 6455, 5.4), and do not wait for its end.
    fn push_ahead(&mut self, frame: Frame) {
        if frame.ends_message().is_some() {
            return self.ahead.push_back(frame);
        }
        self.ahead.insert(self.ahead_controls, frame);
        self.ahead_controls += 1;
    }

    /// Whether the first frame that was put ahead may be written now.
    fn ahead_may_go(&self) -> bool {
        self.ahead_controls > 0 || !self.is_amid && !self.ahead.is_empty()
    }

    /// The next frame to be written: what is said here goes first, but no message into the middle of another.
    fn pop(&mut self) -> Option<Frame> {
        let is_ahead = self.ahead_may_go();
        let line = if is_ahead { &mut self.ahead } else { &mut self.frames };
        let frame = line.pop_front()?;
        match frame.ends_message() {
            Some(ends) => self.is_amid = !ends,
            None if is_ahead => self.ahead_controls -= 1,
            None => {}
        }
        self.bytes -= frame_weight(&frame);
        Some(frame)
    }

    /// Whether there is something that may be written now.
    fn can_write(&self) -> bool {
        !self.frames.is_empty() || self.ahead_may_go()
    }

    /// Whether the task is to write. So much that the line might overflow does not wait for whoever has claimed it.
    fn is_due(&self, limit: usize) -> bool {
        self.blocked || self.can_write() && (!self.claimed || self.has_much(limit))
    }

    fn has_much(&self, limit: usize) -> bool {
        self.bytes > limit / 4
    }
}

impl Evict for Outbox {
    fn evict(&self) {
        self.close(CloseReason::Violation(Violation::TooBig));
    }
}

impl Peer for Outbox {
    fn send(&self, frame: Frame) {
        self.put(frame, false);
    }

    fn hold(&self, frame: Frame) -> bool {
        self.put(frame, true)
    }

    fn flush(&self) {
        // The task hears of a lost stream by itself.
        if Outbox::flush(self, Turn::begin()) == Ok(Flushed::Part) {
            // The rest is the task's.
            self.disclaim();
        }
    }

    fn mail(&self, channel: OwnerId, mail: Mail) {
        let addressed = Box::new((channel, mail));
        let mut queue = self.queue.lock();
        if queue.admits(mail_weight(&addressed), self.limit) {
            queue.mail.push_back(addressed);
        }
        let task = queue.asleep.take();
        drop(queue);
        wake(task);
    }

    fn disconnect(&self) {
        self.close(CloseReason::Disconnected);
    }
}

/// About as many bytes as one call hands to the kernel; what is next to be written is not counted as waiting.
const BYTES_A_WRITE: usize = 128 * 1024;

/// Outside the lock, because the task begins at once on another core.
fn wake(task: Option<Waker>) {
    if let Some(task) = task {
        task.wake();
    }
}

/// The bytes that something counts for: its content, and its place in the line.
fn frame_weight(frame: &Frame) -> usize {
    frame.len() + size_of::<Frame>()
}

fn mail_weight(mail: &Addressed) -> usize {
    mail.1.weight() + size_of::<Addressed>()
}

#[cfg(test)]
mod tests;
