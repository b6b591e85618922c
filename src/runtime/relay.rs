//! A relay: one client's WebSocket, and the WebSocket to the upstream that was opened for it. One task owns both.
//!
//! Messages pass unchanged and in order, both ways; long ones in parts, as they come. Where one side takes nothing, the
//! other is not read. Heartbeats are answered here, so a stalled upstream loses no client. What messages tell in passing
//! is `gateway`'s to say.
//!
//! Not here: the handshakes (`server/gateway`), the limits in time (`clocks`), the end (`farewell`).
//! Contract: canvas.md F.5 and F.6.

mod clocks;
mod farewell;
mod line;
mod participants;
mod uplink;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tracing::{Span, debug};

use self::clocks::{Clocks, Due};
use self::line::RelayLine;
use self::participants::Participants;
pub(crate) use self::uplink::Uplink;
use self::uplink::UplinkError;
use super::client::Client;
use super::connections::Registration;
use super::gateway::Gateway;
use super::outbox::{Flushed, Outbox};
use super::read_buffer;
use super::stream::Stream;
use super::turn::Turn;
use super::upstream::Fault;
use crate::channel::node::Peer as _;
use crate::gateway::{HeadVerdict, Notice, Verdict, Watch};
use crate::pages::Credentials;
use crate::presence::OwnerId;
use crate::session::CloseReason;
use crate::wire::websocket::{self, CloseFrame, DataKind, Decoder, Event, Limits, Part};

/// A client, its upstream connection, and what is between.
pub(crate) struct Relay {
    gateway: Arc<Gateway>,
    client: Client,
    stream: Arc<Stream>,
    decoder: Decoder,
    /// Read along with the handshake, or while the relay had to stop.
    unread: BytesMut,
    outbox: Arc<Outbox>,
    line: Arc<RelayLine>,
    uplink: Uplink,
    watch: Watch,
    participants: Participants,
    up: Passing,
    down: Passing,
    /// The client cannot be written to any more. What it has sent before is still read.
    is_deaf: bool,
    /// One side is not read, perhaps only because all relays together hold too much: no event tells when they do no more.
    is_held_up: bool,
    clocks: Clocks,
    /// What upstream messages told that are still in line: nothing of ours may be sent because of it before.
    pending: VecDeque<(u64, Notice)>,
    /// How many messages of the upstream were put in line.
    passed_down: u64,
    share: Share,
    registration: Registration,
}

/// The relay's part in what the gateway counts of all relays together.
struct Share {
    gateway: Arc<Gateway>,
    /// How many bytes wait here.
    waiting: usize,
}

/// A long message on its way, by its beginning.
#[derive(Debug, Default)]
enum Passing {
    #[default]
    Nothing,
    /// Its parts pass as they come.
    Parts,
    /// So do these, and are kept to be looked at once it is whole.
    Kept(BytesMut),
    /// Its parts are dropped.
    Dropped,
}

/// How a relay ends.
#[derive(Clone, Debug)]
enum End {
    /// By the client: it closed, was lost, or broke the protocol.
    Client(CloseReason, Option<CloseFrame>),
    /// By the upstream: it closed, was lost, or broke the protocol.
    Upstream(CloseReason, Option<CloseFrame>),
    /// By us.
    Here(CloseReason),
}

impl Relay {
    /// A relay whose handshakes are done; `early` was read behind the client's request.
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        client: Client,
        stream: Stream,
        early: &[u8],
        uplink: Uplink,
        watch: Watch,
        page: Option<Credentials>,
    ) -> Self {
        let now = Instant::now();
        let stream = Arc::new(stream);
        let outbox = Arc::new(Outbox::new(usize::MAX, gateway.counters.clone()));
        outbox.attach(stream.clone());
        let id = OwnerId(gateway.next_connection());
        let registration = gateway.connections.register(id, None, outbox.clone());
        let share = Share::new(gateway.clone());
        gateway.counters.opened(client.transport);
        let relay = Relay {
            gateway,
            client,
            stream,
            decoder: Decoder::new(Limits::RELAYED),
            unread: BytesMut::from(early),
            line: Arc::new(RelayLine::new(outbox.clone(), now)),
            outbox,
            uplink,
            watch,
            participants: Participants::new(page),
            up: Passing::Nothing,
            down: Passing::Nothing,
            is_deaf: false,
            is_held_up: false,
            clocks: Clocks::new(now),
            pending: VecDeque::new(),
            passed_down: 0,
            share,
            registration,
        };
        relay.span().in_scope(|| debug!("relay open"));
        relay
    }

    /// Runs the relay to its end, whoever ends it.
    ///
    /// A block, because an async function would keep its argument beside the variable that it becomes.
    #[expect(clippy::manual_async_fn, reason = "the task is half as large")]
    pub(crate) fn run(mut self) -> impl Future<Output = ()> + Send {
        async move {
            let end = self.serve().await;
            Box::pin(self.finish(end)).await;
        }
    }

    fn span(&self) -> Span {
        self.client.span(Some(self.registration.id().0))
    }

    async fn serve(&mut self) -> End {
        let timer = tokio::time::sleep_until(self.next_look().into());
        tokio::pin!(timer);
        std::future::poll_fn(|cx| {
            loop {
                if let Poll::Ready(end) = self.poll(cx) {
                    return Poll::Ready(end);
                }
                // A limit that has moved on is found when the timer is up: it is set anew only for one that comes before.
                let next = self.next_look();
                if next < timer.deadline().into_std() {
                    timer.as_mut().reset(next.into());
                }
                if timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                if let Some(end) = self.look_at_clocks(Instant::now()) {
                    return Poll::Ready(end);
                }
                timer.as_mut().reset(self.next_look().into());
            }
        })
        .await
    }

    /// When the relay is to be looked at, whatever happens.
    fn next_look(&self) -> Instant {
        let due = self.clocks.next(self.uplink.heard);
        if self.is_held_up { due.min(Instant::now() + CROWD_INTERVAL) } else { due }
    }

    /// Does all that can be done now.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let turn = Turn::begin();
        loop {
            match self.outbox.take_mail() {
                Ok(_) => {}
                Err(CloseReason::Lost) => self.is_deaf = true,
                Err(reason) => return Poll::Ready(End::Here(reason)),
            }
            let mut progress = false;
            let is_full = self.poll_flush(cx, turn).is_pending();
            self.tell_pending();
            match self.uplink.poll_write(cx) {
                Poll::Ready(Ok(wrote)) => progress |= wrote,
                // What it has said before is still read below.
                Poll::Ready(Err(_)) | Poll::Pending => {}
            }
            let is_crowded = self.gateway.is_crowded();
            let may_read_upstream = self.may_read_upstream(is_crowded);
            self.clocks.upstream_is_paused(!may_read_upstream, &self.gateway.relayed);
            if may_read_upstream {
                match self.poll_upstream(cx) {
                    Poll::Ready(Ok(())) => progress = true,
                    Poll::Ready(Err(end)) => return Poll::Ready(end),
                    Poll::Pending => {}
                }
            }
            let may_read_client = self.may_read_client(is_crowded);
            if self.clocks.client_is_paused(!may_read_client, &self.gateway.relayed) {
                self.line.reads(may_read_client.then(Instant::now));
            }
            if may_read_client {
                match self.poll_client(cx, turn) {
                    Poll::Ready(Ok(())) => progress = true,
                    Poll::Ready(Err(end)) => return Poll::Ready(end),
                    Poll::Pending => {}
                }
            }
            self.clocks.client_is_blocked(is_full.then(|| self.outbox.written_bytes()));
            self.account();
            self.is_held_up = is_crowded && !(may_read_upstream && may_read_client);
            if !progress && (self.is_deaf || self.outbox.sleep(cx, !is_full)) {
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

    /// Whether the client takes enough of what it is sent. While a message is under way what is said here has to wait for
    /// its end, which must come whatever that amounts to.
    fn may_read_upstream(&self, is_crowded: bool) -> bool {
        let most = if is_crowded { CROWDED } else { MOST_DOWN };
        let takes_enough = self.outbox.waiting_bytes() < most || self.outbox.waiting_frames() == 0;
        takes_enough && !self.is_deaf
    }

    /// Whether the upstream takes enough of what it is sent, and the client of its answers.
    fn may_read_client(&self, is_crowded: bool) -> bool {
        let most = if is_crowded { CROWDED } else { MOST_UP };
        self.uplink.waiting() < most && (self.is_deaf || self.outbox.waiting_bytes() < MOST_ANSWERS)
    }

    /// Writes to the client what is there, as far as the turn goes; `Pending` when it does not take it.
    fn poll_flush(&mut self, cx: &mut Context<'_>, turn: Turn) -> Poll<()> {
        // Whoever else has claimed the line wakes nobody, and what waits decides who is read.
        let is_due = self.outbox.is_due() || self.outbox.waiting_bytes() > 0 || !self.pending.is_empty();
        while is_due && !self.is_deaf {
            match self.outbox.flush(turn) {
                Ok(Flushed::All | Flushed::Part) => break,
                Ok(Flushed::Blocked) => self.is_deaf = ready!(self.stream.poll_write_ready(cx)).is_err(),
                Err(_) => self.is_deaf = true,
            }
        }
        Poll::Ready(())
    }

    fn poll_client(&mut self, cx: &mut Context<'_>, turn: Turn) -> Poll<Result<(), End>> {
        if !self.unread.is_empty() {
            let unread = std::mem::take(&mut self.unread);
            let taken = self.take_from_client(&unread, turn);
            self.clocks.took_in(self.decoder.unfinished().is_some());
            return Poll::Ready(taken);
        }
        loop {
            if ready!(self.stream.poll_read_ready(cx)).is_err() {
                return Poll::Ready(Err(End::Client(CloseReason::Lost, None)));
            }
            let read = read_buffer::with(|buffer| match self.stream.try_read(buffer) {
                Ok(0) => Some(Err(End::Client(CloseReason::Lost, None))),
                Ok(count) => {
                    let taken = self.take_from_client(&buffer[..count], turn);
                    let is_unfinished = self.decoder.unfinished().is_some();
                    self.clocks.heard_client(count, is_unfinished, Instant::now());
                    Some(taken)
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => None,
                Err(_) => Some(Err(End::Client(CloseReason::Lost, None))),
            });
            if let Some(outcome) = read {
                return Poll::Ready(outcome);
            }
        }
    }

    fn take_from_client(&mut self, mut bytes: &[u8], turn: Turn) -> Result<(), End> {
        let mut turn = turn.glance();
        while self.uplink.waiting() < MOST_UP
            && !turn.is_over()
            && let Some(event) = self.decoder.decode(&mut bytes).map_err(by_client)?
        {
            match event {
                Event::Text(text) => self.whole_from_client(DataKind::Text, text),
                Event::Binary(data) => self.whole_from_client(DataKind::Binary, data),
                Event::Part(part) => self.part_from_client(part),
                Event::Ping(payload) => self.outbox.send_ahead(websocket::pong(&payload)),
                Event::Pong(payload) => self.participants.pong(&payload),
                Event::Close(said) => {
                    let reason = CloseReason::ByClient(said.as_ref().map(|said| said.code));
                    return Err(End::Client(reason, said));
                }
            }
        }
        self.unread.extend_from_slice(bytes);
        Ok(())
    }

    fn whole_from_client(&mut self, kind: DataKind, data: Bytes) {
        self.tell_pending();
        self.gateway.counters.received(data.len());
        let mut notices = Vec::new();
        let verdict = match kind {
            DataKind::Text => self.watch.from_client_text(&data, &mut notices),
            DataKind::Binary => self.watch.from_client_binary(&data, &mut notices),
        };
        notices.into_iter().for_each(|notice| self.notice_in_turn(notice));
        match verdict {
            Verdict::Pass => self.pass_up(Part::whole(kind, data)),
            Verdict::Answer(frame) => self.outbox.send_ahead(frame),
            Verdict::Taken => {}
            Verdict::Drop(reason) => self.gateway.relayed.dropped(reason),
        }
    }

    fn part_from_client(&mut self, part: Part) {
        if let Some(kind) = part.begins {
            self.tell_pending();
            let mut notices = Vec::new();
            let verdict = match kind {
                DataKind::Text => self.watch.from_client_text_head(&part.data, &mut notices),
                DataKind::Binary => self.watch.from_client_binary_head(&part.data, &mut notices),
            };
            notices.into_iter().for_each(|notice| self.notice_in_turn(notice));
            self.up = match verdict {
                HeadVerdict::Pass | HeadVerdict::Keep => Passing::Parts,
                HeadVerdict::Drop(reason) => {
                    self.gateway.relayed.dropped(reason);
                    Passing::Dropped
                }
            };
        }
        let (is_dropped, ends) = (matches!(self.up, Passing::Dropped), part.ends);
        if ends {
            self.up = Passing::Nothing;
        }
        if !is_dropped {
            self.pass_up(part);
        }
    }

    fn pass_up(&mut self, part: Part) {
        self.gateway.relayed.bytes_up.fetch_add(part.data.len() as u64, Ordering::Relaxed);
        self.uplink.pass(part);
        if !self.uplink.is_amid() && self.clocks.take_owed_heartbeat() {
            self.say_heartbeat();
        }
    }

    fn poll_upstream(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let early = self.uplink.take_early();
        if !early.is_empty() {
            return Poll::Ready(self.take_from_upstream(&early));
        }
        read_buffer::with(|buffer| {
            let count = ready!(self.uplink.poll_read(cx, buffer)).map_err(by_upstream)?;
            Poll::Ready(self.take_from_upstream(&buffer[..count]))
        })
    }

    fn take_from_upstream(&mut self, mut bytes: &[u8]) -> Result<(), End> {
        while let Some(event) = self.uplink.decode(&mut bytes).map_err(by_upstream)? {
            self.event_from_upstream(event)?;
        }
        Ok(())
    }

    fn event_from_upstream(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::Text(text) => self.whole_from_upstream(DataKind::Text, text),
            Event::Binary(data) => self.whole_from_upstream(DataKind::Binary, data),
            Event::Part(part) => self.part_from_upstream(part),
            Event::Ping(payload) => self.uplink.control(&websocket::pong(&payload)),
            Event::Pong(_) => {}
            Event::Close(said) => {
                let code = said.as_ref().map_or(NO_CODE, |said| said.code);
                return Err(End::Upstream(CloseReason::ByUpstream(code), said));
            }
        }
        Ok(())
    }

    fn whole_from_upstream(&mut self, kind: DataKind, data: Bytes) {
        let mut notices = Vec::new();
        let verdict = match kind {
            DataKind::Text => self.watch.from_upstream_text(&data, &mut notices),
            DataKind::Binary => self.watch.from_upstream_binary(&data),
        };
        match verdict {
            Verdict::Pass => self.pass_down(Part::whole(kind, data)),
            Verdict::Answer(_) | Verdict::Taken => {}
            Verdict::Drop(reason) => self.gateway.relayed.dropped(reason),
        }
        self.notice_later(notices);
    }

    fn part_from_upstream(&mut self, part: Part) {
        if let Some(kind) = part.begins {
            let mut notices = Vec::new();
            let verdict = match kind {
                DataKind::Text => self.watch.from_upstream_text_head(&part.data, &mut notices),
                DataKind::Binary => self.watch.from_upstream_binary_head(&part.data),
            };
            notices.into_iter().for_each(|notice| self.notice_in_turn(notice));
            self.down = match verdict {
                HeadVerdict::Pass => Passing::Parts,
                HeadVerdict::Keep => Passing::Kept(BytesMut::new()),
                HeadVerdict::Drop(reason) => {
                    self.gateway.relayed.dropped(reason);
                    Passing::Dropped
                }
            };
        }
        let ends = part.ends;
        match &mut self.down {
            Passing::Kept(kept) if kept.len() + part.data.len() > MOST_KEPT => self.down = Passing::Parts,
            Passing::Kept(kept) => kept.extend_from_slice(&part.data),
            Passing::Nothing | Passing::Parts | Passing::Dropped => {}
        }
        if !matches!(self.down, Passing::Dropped) {
            self.pass_down(part);
        }
        if ends && let Passing::Kept(whole) = std::mem::take(&mut self.down) {
            let mut notices = Vec::new();
            // It has passed already.
            let _ = self.watch.from_upstream_text(&whole, &mut notices);
            self.notice_later(notices);
        }
    }

    fn pass_down(&mut self, part: Part) {
        self.gateway.relayed.bytes_down.fetch_add(part.data.len() as u64, Ordering::Relaxed);
        self.passed_down += 1;
        self.outbox.send(part.into_frame());
    }

    /// What the message that was put in line last told: it counts once the client is sent the message, because what is
    /// sent of it goes ahead of the line.
    fn notice_later(&mut self, notices: Vec<Notice>) {
        let at = self.passed_down;
        self.pending.extend(notices.into_iter().map(|notice| (at, notice)));
    }

    /// Takes a notice as it comes, but no end before the beginning that is still in line.
    fn notice_in_turn(&mut self, notice: Notice) {
        let ends = notice.ends();
        let begins = |(_, earlier): &(u64, Notice)| matches!(earlier, Notice::Joined { key, .. } if ends == Some(*key));
        match self.pending.back() {
            Some(&(last, _)) if self.pending.iter().any(begins) => self.pending.push_back((last, notice)),
            _ => self.notice(notice),
        }
    }

    fn tell_pending(&mut self) {
        let taken = self.passed_down - self.outbox.waiting_frames() as u64;
        while let Some((at, _)) = self.pending.front()
            && *at <= taken
            && let Some((_, notice)) = self.pending.pop_front()
        {
            self.notice(notice);
        }
    }

    fn notice(&mut self, notice: Notice) {
        self.participants.notice(notice, &self.gateway.rooms, self.line.clone());
    }

    /// Tells the gateway how much waits here.
    fn account(&mut self) {
        self.share.waits(self.outbox.waiting_bytes() + self.uplink.waiting());
    }

    /// Does what is due by the clock.
    fn look_at_clocks(&mut self, now: Instant) -> Option<End> {
        match self.clocks.look(now, self.uplink.heard, self.outbox.written_bytes())? {
            Due::PingClient => self.outbox.send_ahead(websocket::ping(b"")),
            Due::Heartbeat if self.uplink.is_amid() => {
                // An upstream that answers this is alive, however long the message takes.
                self.uplink.control(&websocket::ping(b""));
                self.clocks.owe_heartbeat();
            }
            Due::Heartbeat => self.say_heartbeat(),
            Due::UpstreamStalled => {
                self.gateway.upstream.fault(&Fault::Stalled(clocks::STALL_TIMEOUT));
                return Some(End::Here(CloseReason::UpstreamStalled));
            }
            Due::UpstreamSilent => {
                self.gateway.upstream.fault(&Fault::Silent(clocks::SILENCE_TIMEOUT));
                return Some(End::Upstream(CloseReason::UpstreamLost, None));
            }
            Due::ClientUnresponsive => return Some(End::Here(CloseReason::Unresponsive)),
            Due::ClientTooSlow => return Some(End::Here(CloseReason::TooSlow)),
        }
        None
    }

    fn say_heartbeat(&mut self) {
        let heartbeat = self.watch.heartbeat();
        self.uplink.say(heartbeat);
    }
}

impl Share {
    fn new(gateway: Arc<Gateway>) -> Self {
        gateway.relayed.pairs.fetch_add(1, Ordering::Relaxed);
        Share { gateway, waiting: 0 }
    }

    fn waits(&mut self, waiting: usize) {
        if waiting != self.waiting {
            self.gateway.waits(self.waiting, waiting);
            self.waiting = waiting;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.waits(0);
        self.gateway.relayed.pairs.fetch_sub(1, Ordering::Relaxed);
    }
}

fn by_client(violation: websocket::Violation) -> End {
    End::Client(CloseReason::Violation(violation), None)
}

fn by_upstream(error: UplinkError) -> End {
    match error {
        UplinkError::Lost => End::Upstream(CloseReason::UpstreamLost, None),
        UplinkError::Violation(violation) => {
            End::Upstream(CloseReason::ByUpstream(violation.close_code()), None)
        }
    }
}

/// Bytes of the upstream that may wait for a client that takes nothing, beside what is next to be written.
const MOST_DOWN: usize = 256 * 1024;
/// Bytes of a client that are kept while the upstream takes nothing.
const MOST_UP: usize = 4 * 1024 * 1024;
/// Either of those while all relays together hold too much.
const CROWDED: usize = 64 * 1024;
/// Bytes that may wait for a client before it is not read either: what it sends would be answered. The outbox itself has no
/// limit, because neither side is read where too much waits.
const MOST_ANSWERS: usize = 2 * MOST_DOWN;
/// How often a relay that waits for the others to hold less looks whether they do.
const CROWD_INTERVAL: Duration = Duration::from_secs(1);
/// The longest message that is kept to be looked at.
const MOST_KEPT: usize = 8 * 1024 * 1024;
/// What stands for the code of a close frame that has none.
const NO_CODE: u16 = 1005;
