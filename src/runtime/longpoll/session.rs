//! One long-poll session: the task that runs its connection between requests.

use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::repeats::Repeats;
use super::unread::{TooOld, Unread};
use super::{Gone, Line, Polled};
use crate::pages::STANDSTILL;
use crate::runtime::connection::Connection;
use crate::runtime::hub::Limits;
use crate::runtime::turn::Turn;
use crate::session::CloseReason;
use crate::wire::Frame;

/// A session, and the requests that are under way for it.
pub(super) struct Session {
    connection: Connection,
    requests: mpsc::Receiver<Request>,
    window: Duration,
    limits: Limits,
    /// What waits for a poll.
    ready: VecDeque<Frame>,
    ready_bytes: usize,
    unread: Unread,
    repeats: Repeats,
    /// Waiting GETs, the oldest first; the newest is the one to be served.
    polls: VecDeque<Waiting<Result<Polled, Gone>>>,
    /// Waiting POSTs, the oldest first.
    posts: VecDeque<(VecDeque<Line>, Waiting<()>)>,
    last_poll: Instant,
    inactivity_check: Instant,
    /// Since when the client has no poll waiting because it closed the connection of the last, and has asked for nothing.
    /// Browsers do so when a page goes, and now and then in between.
    abandoned: Option<Instant>,
}

/// A request of the client.
pub(super) enum Request {
    /// With the number of answers that the client has read.
    Poll(u64, oneshot::Sender<Result<Polled, Gone>>),
    Post(u64, VecDeque<Line>, oneshot::Sender<()>),
}

/// A request that waits for its answer, until its window is over.
struct Waiting<T> {
    until: Instant,
    answer: oneshot::Sender<T>,
}

/// A session that has ended; its requests were let go.
pub(super) struct Ended {
    connection: Connection,
    reason: CloseReason,
}

impl Session {
    pub(super) fn new(
        connection: Connection,
        requests: mpsc::Receiver<Request>,
        window: Duration,
        limits: Limits,
    ) -> Self {
        let now = Instant::now();
        let mut session = Session {
            connection,
            requests,
            window,
            limits,
            ready: VecDeque::new(),
            ready_bytes: 0,
            unread: Unread::default(),
            repeats: Repeats::default(),
            polls: VecDeque::new(),
            posts: VecDeque::new(),
            last_poll: now,
            inactivity_check: now,
            abandoned: None,
        };
        session.inactivity_check += session.inactivity_limit();
        session
    }

    /// Runs the session to its end.
    pub(super) async fn serve(mut self) -> Ended {
        let alarm = tokio::time::sleep_until(self.next_alarm().into());
        tokio::pin!(alarm);
        let reason = std::future::poll_fn(|cx| {
            loop {
                if let Poll::Ready(reason) = self.poll(cx) {
                    return Poll::Ready(reason);
                }
                alarm.as_mut().reset(self.next_alarm().into());
                if alarm.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                if let Some(reason) = self.sound(Instant::now()) {
                    return Poll::Ready(reason);
                }
            }
        })
        .await;
        Ended { connection: self.connection, reason }
    }

    /// Does all that can be done now.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let turn = Turn::begin();
        loop {
            let mut progress = self.connection.poll_callbacks(cx).is_ready();
            match self.take_outbox(cx) {
                Ok(some) => progress |= some,
                Err(reason) => return Poll::Ready(reason),
            }
            if self.posts.len() < MAX_POSTS
                && let Poll::Ready(Some(request)) = self.requests.poll_recv(cx)
            {
                progress = true;
                self.request(request);
            }
            self.look_for_closed_polls(cx);
            if let Err(reason) = self.take_posts(cx, turn) {
                return Poll::Ready(reason);
            }
            if turn.is_over() {
                // Others of this thread have theirs.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            // Only when nothing else moves: what one message causes is answered together.
            if !progress && !self.answer_newest_poll() && self.connection.outbox().sleep(cx, !self.is_full())
            {
                return Poll::Pending;
            }
        }
    }

    /// Takes over frames and mail, as long as there is not too much for a client that does not poll; then they wait in
    /// the outbox, which has its limit. Tells whether there was anything.
    fn take_outbox(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        if self.is_full() {
            return Ok(false);
        }
        let some = self.connection.take_mail(cx)?;
        let frames = self.connection.outbox().take_frames();
        let some = some || !frames.is_empty();
        self.ready_bytes += frames.iter().map(Frame::len).sum::<usize>();
        self.ready.extend(frames);
        Ok(some)
    }

    fn is_full(&self) -> bool {
        self.ready_bytes > self.limits.outbox_bytes
    }

    fn request(&mut self, request: Request) {
        let now = Instant::now();
        let until = now + self.window;
        self.abandoned = None;
        match request {
            Request::Poll(read, answer) => {
                self.last_poll = now;
                match self.unread.polled(read) {
                    Ok(again) => {
                        self.ready_bytes += again.iter().map(Frame::len).sum::<usize>();
                        again.into_iter().rev().for_each(|frame| self.ready.push_front(frame));
                    }
                    // A client that has gone misses nothing.
                    Err(TooOld) => return drop(answer.send(Err(Gone))),
                }
                if self.ready.is_empty() {
                    // It polls again, so it has the answers to its earlier polls.
                    self.connection.all_answered(now);
                }
                self.connection.all_probes_answered(now);
                self.polls.push_back(Waiting { until, answer });
                if self.polls.len() > MAX_POLLS {
                    // The oldest would not be served before its window is over.
                    self.polls.pop_front().map(|poll| poll.answer.send(Ok(Polled::Nothing)));
                }
            }
            Request::Post(read, lines, answer) => {
                self.unread.posted(read);
                self.posts.push_back((lines, Waiting { until, answer }));
            }
        }
    }

    /// Takes note of polls whose client has closed the connection. One that still waits is a sign of life.
    fn look_for_closed_polls(&mut self, cx: &mut Context<'_>) {
        if self.limits.grace.is_zero() {
            return;
        }
        let before = self.polls.len();
        self.polls.retain_mut(|poll| poll.answer.poll_closed(cx).is_pending());
        if !self.polls.is_empty() {
            self.connection.all_probes_answered(Instant::now());
        } else if before > 0 {
            self.abandoned = Some(Instant::now());
        }
    }

    /// Hands on messages in order, as far as the connection takes them.
    fn take_posts(&mut self, cx: &mut Context<'_>, turn: Turn) -> Result<(), CloseReason> {
        // With its buffer full, a client that does not poll overflows its line, as it should.
        let is_full = self.is_full();
        while !turn.is_over()
            && !self.connection.is_busy()
            && (is_full || !self.connection.outbox().has_much())
            && let Some((lines, _)) = self.posts.front_mut()
        {
            match lines.pop_front() {
                Some(Line::Text(text)) if self.repeats.is_repeated(&text) => {}
                Some(Line::Text(text)) => self.connection.receive_text(&text, cx)?,
                Some(Line::Binary(bytes)) => self.connection.receive_binary(&bytes, cx)?,
                None => {
                    if let Some((_, waiting)) = self.posts.pop_front() {
                        // Whoever posted may have gone; what was posted counts all the same.
                        let _ = waiting.answer.send(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Hands all frames to the newest poll, and tells whether there was one. One whose client has gone leaves them for
    /// the next.
    fn answer_newest_poll(&mut self) -> bool {
        while !self.ready.is_empty()
            && let Some(poll) = self.polls.pop_back()
        {
            let frames: Vec<Frame> = self.ready.drain(..).collect();
            let (count, bytes) = (frames.len(), frames.iter().map(Frame::body_len).sum());
            // Bytes are shared, so that a copy costs little.
            let kept = frames.clone();
            match poll.answer.send(Ok(Polled::Frames(frames, self.unread.next()))) {
                Err(_) => self.ready.extend(kept),
                Ok(()) => {
                    self.unread.answered(&kept);
                    self.ready_bytes = 0;
                    self.connection.counters().sent(count, bytes);
                    return true;
                }
            }
        }
        false
    }

    fn next_alarm(&self) -> Instant {
        let windows = self.polls.front().map(|poll| poll.until).into_iter();
        let windows = windows.chain(self.posts.front().map(|(_, post)| post.until));
        let gone = self.abandoned.map(|since| since + self.absence_limit());
        let probed = self.connection.probes_expire().map(|expires| match self.abandoned {
            Some(since) => expires.min(since + ABSENCE),
            None => expires,
        });
        windows.chain(gone).chain(probed).fold(self.inactivity_check, Instant::min)
    }

    /// Ends the windows that are over, and the session where nobody polls it any more.
    fn sound(&mut self, now: Instant) -> Option<CloseReason> {
        self.begin_windows_anew(now);
        if self.posts.len() >= MAX_POSTS {
            // No request is taken in, so none is missed.
            self.connection.restart_probes(now);
            self.abandoned = self.abandoned.map(|_| now);
        }
        while let Some(poll) = self.polls.pop_front_if(|poll| poll.until <= now) {
            // Here and below: a client that has gone misses nothing.
            let _ = poll.answer.send(Ok(Polled::Nothing));
        }
        // What is dropped without an answer was not taken.
        while self.posts.pop_front_if(|(_, post)| post.until <= now).is_some() {}
        if let Some(since) = self.abandoned
            && since + self.absence_limit() <= now
        {
            if now <= since + self.absence_limit() + STANDSTILL {
                return Some(CloseReason::Inactive);
            }
            self.abandoned = Some(now);
        }
        if self.connection.is_unresponsive(now) || self.is_asked_while_away(now) {
            return Some(CloseReason::Unresponsive);
        }
        if now >= self.inactivity_check {
            if now > self.inactivity_check + STANDSTILL {
                // Nobody could be heard.
                self.last_poll = now;
            }
            if now - self.last_poll > self.inactivity_limit() {
                return Some(CloseReason::Inactive);
            }
            self.inactivity_check = now + self.inactivity_limit();
        }
        None
    }

    /// A window that is looked at far too late begins anew: the process stood still, and so a POST was not taken.
    fn begin_windows_anew(&mut self, now: Instant) {
        let until = now + self.window;
        for (_, post) in self.posts.iter_mut().filter(|(_, post)| post.until + STANDSTILL < now) {
            post.until = until;
        }
    }

    /// How long a client may be away that has closed the connection of its poll: for the grace period, whose beginning is
    /// not told to anybody.
    fn absence_limit(&self) -> Duration {
        self.limits.grace.max(ABSENCE)
    }

    /// Whether the client was away long enough already when it was asked for a sign of life.
    fn is_asked_while_away(&self, now: Instant) -> bool {
        self.connection.probes_expire().is_some()
            && self.abandoned.is_some_and(|since| since + ABSENCE <= now)
    }

    fn inactivity_limit(&self) -> Duration {
        self.window * 3 / 2
    }
}

impl Ended {
    /// Lets the connection's channels end.
    pub(super) async fn finish(self) {
        self.connection.end(self.reason, self.reason.departure()).await;
    }
}

/// A client whose poll's connection ended, and who asks for something within this time, never was away.
const ABSENCE: Duration = Duration::from_secs(2);
/// How many POSTs a busy session holds; further ones wait outside.
const MAX_POSTS: usize = 8;
/// How many GETs wait at once; phoenix.js has one.
const MAX_POLLS: usize = 8;
