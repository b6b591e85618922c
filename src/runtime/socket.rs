//! The WebSocket: one task that reads, writes and runs its connection, and never waits on another.
//!
//! An idle socket holds no buffer: what is read goes through a buffer that all sockets of a thread share, and what
//! is written are the frames themselves, many to one call (`outbox`, `writer`). A shard that has told many writes for
//! this task; the task waits for a socket that is full.
//! Rules: RFC 6455; the limits and close codes are those of Bandit under Phoenix 1.8.12.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncWriteExt;
use tracing::trace;

use super::connection::Connection;
use super::hub::Limits as HubLimits;
use super::input_budget::{InputBudget, Unfinished};
use super::outbox::Flushed;
use super::read_buffer;
use super::stream::Stream;
use super::turn::Turn;
use crate::pages::{Departure, Ending};
use crate::session::{ClientClock, CloseReason, Due};
use crate::wire::websocket::{self, Decoder, Event};

/// A WebSocket and the connection on it.
pub(crate) struct Socket {
    stream: Arc<Stream>,
    decoder: Decoder,
    connection: Connection,
    clock: ClientClock,
    /// What its close frame means to others, where the client sent one.
    departure: Option<Departure>,
    /// Counts what is unfinished, where that is much.
    unfinished: Option<Unfinished>,
    /// What was read while the connection was busy, or along with the handshake.
    unread: BytesMut,
}

impl Socket {
    /// A socket whose handshake is done; `early` was read behind the request.
    pub(crate) fn new(stream: Stream, early: &[u8], connection: Connection, limits: HubLimits) -> Self {
        let pings = !limits.grace.is_zero();
        if pings {
            // Where the system refuses, the client's own limits hold.
            let _ = stream.set_user_timeout(USER_TIMEOUT);
        }
        let stream = Arc::new(stream);
        connection.outbox().attach(stream.clone());
        Socket {
            stream,
            decoder: Decoder::new(limits.messages),
            connection,
            clock: ClientClock::new(limits.idle_timeout, pings, Instant::now()),
            departure: None,
            unfinished: None,
            unread: BytesMut::from(early),
        }
    }

    /// Runs the connection to its end, whoever ends it. What the end needs is only allocated then: an idle socket is
    /// as large as its task.
    ///
    /// A block, because an async function would keep its argument beside the variable that it becomes.
    #[expect(clippy::manual_async_fn, reason = "the task is half as large")]
    pub(crate) fn run(mut self) -> impl Future<Output = ()> + Send {
        async move {
            let reason = self.serve().await;
            Box::pin(self.finish(reason)).await;
        }
    }

    async fn finish(self, reason: CloseReason) {
        let Socket { stream, decoder, connection, departure, .. } = self;
        // After a violation no frame can be told from another, and nothing of the message is kept.
        let decoder = (!matches!(reason, CloseReason::Violation(_))).then_some(decoder);
        let departure = departure.unwrap_or_else(|| reason.departure());
        let unsent = connection.outbox().detach();
        let farewell = async {
            // Detached, the stream is this task's alone.
            if let (Some(stream), Some(code)) = (Arc::into_inner(stream), reason.code()) {
                farewell(stream, decoder, unsent, code, "").await;
            }
        };
        tokio::join!(connection.end(reason, departure), farewell);
    }

    async fn serve(&mut self) -> CloseReason {
        let alarm = tokio::time::sleep_until(self.clock.next().into());
        tokio::pin!(alarm);
        std::future::poll_fn(|cx| {
            loop {
                if let Poll::Ready(reason) = self.poll(cx) {
                    return Poll::Ready(reason);
                }
                // It is not moved for whatever is heard, but where something has come up that is due earlier.
                let next = self.next_alarm().into();
                if next < alarm.deadline() {
                    alarm.as_mut().reset(next);
                }
                if alarm.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                if let Some(reason) = self.look(Instant::now()) {
                    return Poll::Ready(reason);
                }
                alarm.as_mut().reset(self.next_alarm().into());
            }
        })
        .await
    }

    fn next_alarm(&self) -> Instant {
        let next = self.clock.next();
        self.connection.probes_expire().map_or(next, |expires| next.min(expires))
    }

    /// Judges the client by the clock.
    fn look(&mut self, now: Instant) -> Option<CloseReason> {
        if !self.clock.is_judged() {
            self.connection.restart_probes(now);
        }
        if self.connection.is_unresponsive(now) {
            return Some(CloseReason::Unresponsive);
        }
        match self.clock.look(now, self.connection.outbox().written_bytes())? {
            Due::Ping => {
                self.connection.answer(websocket::ping(&[]));
                None
            }
            Due::Close(reason) => Some(reason),
        }
    }

    /// Does all that can be done now.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let turn = Turn::begin();
        loop {
            let mut progress = self.connection.poll_callbacks(cx).is_ready();
            match self.connection.take_mail(cx) {
                Ok(some) => progress |= some,
                Err(reason) => return Poll::Ready(reason),
            }
            let mut is_full = false;
            if self.connection.outbox().is_due() {
                if self.connection.take_begun() {
                    break;
                }
                match self.poll_flush(cx, turn) {
                    Poll::Ready(Ok(())) => progress = true,
                    Poll::Ready(Err(reason)) => return Poll::Ready(reason),
                    Poll::Pending => is_full = true,
                }
            }
            // A client that does not read what it is sent is not read from either.
            let reads = !is_full && !self.connection.is_busy();
            let taken = is_full.then(|| self.connection.outbox().written_bytes());
            self.clock.is_blocked(taken, Instant::now);
            if self.clock.reads(reads, Instant::now) {
                self.connection.restart_probes(Instant::now());
            }
            if reads {
                match self.poll_read(cx, turn) {
                    Poll::Ready(Ok(())) => progress = true,
                    Poll::Ready(Err(reason)) => return Poll::Ready(reason),
                    Poll::Pending => {}
                }
            }
            if !progress && self.connection.outbox().sleep(cx, !is_full) {
                return Poll::Pending;
            }
            if turn.is_over() {
                break;
            }
        }
        // Others of this thread have their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what is there, as far as the turn goes; `Pending` when the other end does not take it.
    fn poll_flush(&mut self, cx: &mut Context<'_>, turn: Turn) -> Poll<Result<(), CloseReason>> {
        loop {
            match self.connection.outbox().flush(turn)? {
                Flushed::All | Flushed::Part => return Poll::Ready(Ok(())),
                Flushed::Blocked => {
                    ready!(self.stream.poll_write_ready(cx)).map_err(|error| self.lost(&error))?;
                }
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, turn: Turn) -> Poll<Result<(), CloseReason>> {
        if !self.unread.is_empty() {
            let unread = std::mem::take(&mut self.unread);
            let taken = self.take_in(&unread, cx, turn);
            let is_unfinished = self.hold_unfinished();
            self.clock.took_in(is_unfinished, Instant::now);
            return Poll::Ready(taken);
        }
        loop {
            ready!(self.stream.poll_read_ready(cx)).map_err(|error| self.lost(&error))?;
            let read = read_buffer::with(|buffer| match self.stream.try_read(buffer) {
                Ok(0) => Some(Err(CloseReason::Lost)),
                Ok(count) => {
                    let taken = self.take_in(&buffer[..count], cx, turn);
                    self.account(count);
                    Some(taken)
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => None,
                Err(error) => Some(Err(self.lost(&error))),
            });
            if let Some(outcome) = read {
                return Poll::Ready(outcome);
            }
        }
    }

    /// Decodes what was read and lets the connection have it, until it is busy, has much to send, or its turn is over: the
    /// rest is kept.
    fn take_in(&mut self, mut bytes: &[u8], cx: &mut Context<'_>, turn: Turn) -> Result<(), CloseReason> {
        let mut turn = turn.glance();
        while !self.connection.is_busy()
            && !self.connection.outbox().has_much()
            && let Some(event) = self.decoder.decode(&mut bytes).map_err(CloseReason::Violation)?
        {
            match event {
                Event::Text(text) => self.connection.receive_text(&text, cx)?,
                Event::Binary(bytes) => self.connection.receive_binary(&bytes, cx)?,
                Event::Ping(payload) => self.connection.answer(websocket::pong(&payload)),
                Event::Pong(payload) => self.connection.answered(&payload),
                // None comes, because no message is too long to be kept whole.
                Event::Part(_) => {}
                Event::Close(said) => {
                    let code = said.as_ref().map(|said| said.code);
                    let reason = said.as_ref().map_or("", |said| &said.reason);
                    self.departure = Some(Departure::of(Ending::CloseFrame { code, reason }));
                    return Err(CloseReason::ByClient(code));
                }
            }
            if turn.is_over() {
                break;
            }
        }
        self.unread.extend_from_slice(bytes);
        Ok(())
    }

    /// Takes note of what was read, and of what is unfinished.
    fn account(&mut self, count: usize) {
        let is_unfinished = self.hold_unfinished();
        self.clock.heard(count, is_unfinished, Instant::now());
    }

    /// Counts what is unfinished of a message; whether there is anything.
    fn hold_unfinished(&mut self) -> bool {
        let unfinished = self.decoder.unfinished();
        match unfinished.filter(|bytes| InputBudget::counts(*bytes)) {
            Some(bytes) => self.unfinished.get_or_insert_with(|| self.connection.hold_input()).has(bytes),
            None => self.unfinished = None,
        }
        unfinished.is_some()
    }

    fn lost(&self, error: &io::Error) -> CloseReason {
        self.connection.span().in_scope(|| trace!(%error, "the stream failed"));
        CloseReason::Lost
    }
}

/// Finishes what was begun, says why the connection ends, and waits for the other end to take note: closing with
/// unread input would reset the connection, and the client would never see the close frame.
pub(super) async fn farewell(
    mut stream: Stream,
    mut decoder: Option<Decoder>,
    unsent: Vec<Bytes>,
    code: u16,
    text: &str,
) {
    let said = async {
        for bytes in unsent {
            stream.write_all(&bytes).await?;
        }
        stream.write_all(&websocket::close(code, text).websocket()).await?;
        stream.shutdown().await?;
        loop {
            stream.readable().await?;
            let read = read_buffer::with(|buffer| {
                let count = stream.try_read(buffer)?;
                let closes = decoder.as_mut().is_some_and(|decoder| closes(decoder, &buffer[..count]));
                io::Result::Ok(count == 0 || closes)
            });
            match read {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    };
    // The other end may be gone, or never answer: there is nobody to tell.
    let _ = tokio::time::timeout(FAREWELL_LIMIT, said).await;
}

/// Whether the client's close frame is in what was read. After a violation nothing is, and only the end of the stream
/// says that the client has taken note.
fn closes(decoder: &mut Decoder, mut bytes: &[u8]) -> bool {
    while let Ok(Some(event)) = decoder.decode(&mut bytes) {
        if let Event::Close(_) = event {
            return true;
        }
    }
    false
}

/// How long the kernel lets sent bytes be unacknowledged. Linux counts a closed window as well, so it is longer than a
/// client may take nothing.
const USER_TIMEOUT: Duration = Duration::from_secs(40);
/// How long the other end has to take note of a close.
const FAREWELL_LIMIT: Duration = Duration::from_secs(5);
