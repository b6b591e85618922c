//! One connection, whatever carries it: what its client sends goes in, frames for its client come out.
//!
//! Owns the session and the channels. It is polled by the task of its transport (`socket`, `longpoll`), which also
//! decides when to take mail out of the outbox, and what becomes of the frames there.
//! Rules: Phoenix 1.8.12, `Phoenix.Socket` and `Phoenix.Channel.Server`.

mod probing;
mod telling;

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use foldhash::HashMap;
use futures::FutureExt;
use serde_json::json;
use smol_str::SmolStr;
use tracing::{Span, debug};

use super::callback::{Callback, Called, Joined};
use super::client::{Admitted, Client};
use super::connections::Registration;
use super::counters::{Counters, JoinResult};
use super::input_budget::{HeldBy, InputBudget, Unfinished};
use super::node::Node;
use super::outbox::Outbox;
use crate::channel::context::{Before, Seat};
use crate::channel::erased::{AnyChannel, Topics};
use crate::channel::node::{Asked, Mail, Parting, Peer as _, Probe};
use crate::channel::{BoxError, Ended, Handle, JoinError, Outcome, Reply, ReplyRef, StopReason, Transport};
use crate::pages::{Departure, Ending};
use crate::presence::OwnerId;
use crate::session::{ChannelId, CloseReason, Delivery, Departed, Join, LeftTopics, Probes, Session, Step};
use crate::wire::{self, EncodeError, Field, Frame, Payload, Vsn, websocket};

/// A connection and its channels.
pub(crate) struct Connection {
    node: Arc<Node>,
    vsn: Vsn,
    client: Client,
    topics: Box<dyn Topics>,
    session: Session,
    outbox: Arc<Outbox>,
    /// Boxed, because even a table for one has room for more.
    slots: HashMap<OwnerId, Box<Slot>>,
    /// Boxed, because it is large and seldom there.
    joining: Option<Box<Joining>>,
    callbacks: Vec<Callback>,
    /// Boxed, because few clients leave a topic and stay.
    left: Option<Box<Left>>,
    /// What the client has to answer. Boxed, because few are asked anything.
    probes: Option<Box<Probes<(OwnerId, Probe)>>>,
    /// Bytes of the client's messages that wait for a channel.
    waiting: usize,
    /// Bytes of other mail that waits for a channel.
    held: usize,
    /// A crash of this connection is in the log; further ones are told in detail only.
    crash_told: bool,
    /// The same of a join that was refused.
    refusal_told: bool,
    /// A callback was begun that has not returned yet: more to send may come of it in a moment.
    begun: bool,
    registration: Registration,
    input: Arc<InputBudget>,
}

/// What matters yet of channels that have ended.
#[derive(Default)]
struct Left {
    /// What they heard last may still be on its way to the outbox; resolved once it is there.
    on_its_way: Vec<Asked<()>>,
    /// Those that the client has left.
    topics: LeftTopics,
}

/// A joined channel.
struct Slot {
    seat: Arc<Seat>,
    /// `None` while a callback runs.
    channel: Option<Box<dyn AnyChannel>>,
    mail: VecDeque<Mail>,
}

/// A join under way.
struct Joining {
    join_ref: Field,
    reference: Field,
    seat: Arc<Seat>,
    replaces: Option<Departed>,
    callback: Callback,
    /// What the channel sent itself meanwhile.
    mail: VecDeque<Mail>,
}

/// How the client is told that a channel has ended.
#[derive(Clone, Copy)]
enum Farewell {
    Close,
    Error,
}

impl Connection {
    /// A connection that was let in.
    pub(crate) fn new(
        node: Arc<Node>,
        vsn: Vsn,
        admitted: Admitted,
        max_channels: usize,
        outbox: Arc<Outbox>,
        registration: Registration,
        input: Arc<InputBudget>,
    ) -> Self {
        let Admitted { client, accepted } = admitted;
        Connection {
            node,
            vsn,
            client,
            topics: accepted.topics,
            session: Session::new(max_channels),
            outbox,
            slots: HashMap::default(),
            joining: None,
            callbacks: Vec::new(),
            left: None,
            probes: None,
            waiting: 0,
            held: 0,
            crash_told: false,
            refusal_told: false,
            begun: false,
            registration,
            input,
        }
    }

    /// Around what is logged for this connection. Its number is unique in this process.
    pub(crate) fn span(&self) -> Span {
        self.client.span(Some(self.registration.id().0))
    }

    /// Begins to count what is unfinished of a message of its client.
    pub(crate) fn hold_input(&self) -> Unfinished {
        let by = HeldBy { address: self.client.peer, user: self.registration.socket_id().cloned() };
        let whole: Weak<Outbox> = Arc::downgrade(&self.outbox);
        self.input.hold(by, whole)
    }

    /// The line to its client.
    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// What is counted.
    pub(crate) fn counters(&self) -> &Counters {
        &self.node.counters
    }

    /// Whether the client's next message has to wait: a join is under way, or a channel is far behind.
    pub(crate) fn is_busy(&self) -> bool {
        self.joining.is_some() || self.waiting >= MAX_WAITING_BYTES
    }

    /// Whether a callback was begun since this was asked last, and has not returned at once. What it asked of others
    /// may be done before this task has its next turn: then its reply and all that follows make one write.
    pub(crate) fn take_begun(&mut self) -> bool {
        std::mem::take(&mut self.begun)
    }

    /// Puts an answer of the transport in line, behind those to what came before.
    pub(crate) fn answer(&self, frame: Frame) {
        self.outbox.send(frame);
    }

    /// Takes in a text message, which is valid UTF-8.
    ///
    /// # Errors
    /// [`CloseReason::Malformed`].
    pub(crate) fn receive_text(&mut self, text: &Bytes, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        self.counters().received(text.len());
        let message = wire::decode_text(self.vsn, text);
        self.receive(message, cx)
    }

    /// Takes in a binary message.
    ///
    /// # Errors
    /// [`CloseReason::Malformed`].
    pub(crate) fn receive_binary(&mut self, bytes: &Bytes, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        self.counters().received(bytes.len());
        let message = wire::decode_binary(self.vsn, bytes);
        self.receive(message, cx)
    }

    fn receive(
        &mut self,
        message: Result<wire::Message, wire::DecodeError>,
        cx: &mut Context<'_>,
    ) -> Result<(), CloseReason> {
        let message = message.map_err(|error| {
            self.counters().undecodable();
            self.span().in_scope(|| debug!(%error, "a message cannot be decoded"));
            CloseReason::Malformed
        })?;
        let asks_to_join = message.event.text() == Some("phx_join");
        match self.session.receive(message, |topic| self.topics.serves(topic)) {
            Step::Answer(answer) => {
                if asks_to_join {
                    let is_served = answer.topic.text().is_some_and(|topic| self.topics.serves(topic));
                    self.counters().joined(if is_served {
                        JoinResult::Refused
                    } else {
                        JoinResult::Unmatched
                    });
                }
                let frame = answer.encode(self.vsn).map_err(|_| CloseReason::Malformed)?;
                self.outbox.send(frame);
            }
            Step::Join(join) => self.join(join, cx),
            Step::Deliver(Delivery { channel, event, reference, payload }) => {
                self.deliver(OwnerId(channel.0), Mail::In { event, reference, payload }, cx);
            }
            Step::Leave { channel, reference } => {
                self.deliver(OwnerId(channel.0), Mail::Leave { reference }, cx);
            }
            Step::Stale => {}
        }
        Ok(())
    }

    /// Hands the mail that waits in the outbox to its channels. Tells whether there was any.
    ///
    /// # Errors
    /// The reason to end.
    pub(crate) fn take_mail(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let mail = self.outbox.take_mail()?;
        let some = !mail.is_empty();
        for addressed in mail {
            let (id, mail) = *addressed;
            self.deliver(id, mail, cx);
        }
        Ok(some)
    }

    /// Moves on the callbacks under way; `Ready` when one of them returned.
    pub(crate) fn poll_callbacks(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut returned = Poll::Pending;
        if let Some(mut joining) = self.joining.take() {
            match joining.callback.poll(cx) {
                Poll::Ready(called) => {
                    returned = Poll::Ready(());
                    self.join_returned(*joining, called, cx);
                }
                Poll::Pending => self.joining = Some(joining),
            }
        }
        let mut at = 0;
        while let Some(callback) = self.callbacks.get_mut(at) {
            match callback.poll(cx) {
                Poll::Ready(called) => {
                    returned = Poll::Ready(());
                    let id = self.callbacks.swap_remove(at).channel;
                    if self.callbacks.is_empty() {
                        self.callbacks = Vec::new();
                    }
                    self.returned(id, called, cx);
                    self.next_mail(id, cx);
                }
                Poll::Pending => at += 1,
            }
        }
        returned
    }

    /// Ends the connection: all it tracked leaves, at once or after the grace period, then its channels are told.
    pub(crate) async fn end(mut self, reason: CloseReason, departure: Departure) {
        let span = self.span();
        span.in_scope(|| debug!(%reason, "connection closed"));
        self.counters().closed(reason);
        // Here nobody waits for the last that was heard.
        let parting = self.parting(departure);
        if let Some(joining) = self.joining.take() {
            drop(joining.seat.owner.end(&parting));
        }
        self.slots.values().for_each(|slot| drop(slot.seat.owner.end(&parting)));
        let callbacks: Vec<_> = self.callbacks.drain(..).collect();
        let running = callbacks.into_iter().map(|callback| {
            let seat = self.slots.get(&callback.channel).map(|slot| slot.seat.clone());
            let span = span.clone();
            async move {
                if let (Called::Handle(channel, ..), Some(seat)) = (callback.into_future().await, seat) {
                    Callback::terminate(span, seat, channel, Ended::Closed).into_future().await;
                }
            }
            .boxed()
        });
        let mut told: Vec<_> = running.collect();
        told.extend(self.slots.drain().filter_map(|(_, slot)| {
            let terminate = Callback::terminate(span.clone(), slot.seat, slot.channel?, Ended::Closed);
            Some(terminate.into_future().map(drop).boxed())
        }));
        let told = futures::future::join_all(told);
        if tokio::time::timeout(TERMINATE_LIMIT, told).await.is_err() {
            span.in_scope(|| debug!("a channel took too long to terminate"));
        }
    }

    fn join(&mut self, join: Join, cx: &mut Context<'_>) {
        if let Some(old) = &join.replaces {
            self.kill(OwnerId(old.channel.0), Departure::of(Ending::ChannelClosed));
        }
        let Some(channel) = self.topics.open(&join.topic) else { return };
        let marked = if join.join_ref.is_null() { &join.reference } else { &join.join_ref };
        let owner = Handle::new(self.node.clone()).owner();
        let (before, is_doubtful) = match &mut self.left {
            Some(left) => {
                let is_doubtful = left.topics.is_doubtful(&join.topic, Instant::now());
                // What an earlier join of the topic heard must come before the reply to this one: phoenix.js cannot tell
                // it from news, and would keep whoever it names.
                (std::mem::take(&mut left.on_its_way), is_doubtful)
            }
            None => (Vec::new(), false),
        };
        let heard = match is_doubtful {
            true => Before::Doubtful,
            false if join.replaces.is_some() || !before.is_empty() => Before::Diffs,
            false => Before::Nothing,
        };
        let seat = Seat::new(join.topic, marked.clone(), self.vsn, owner, self.outbox.clone(), heard);
        let callback = Callback::join(self.span(), before, seat.clone(), channel, join.payload);
        let Join { join_ref, reference, replaces, .. } = join;
        let mail = VecDeque::from([Mail::AfterJoin]);
        let mut joining = Joining { join_ref, reference, seat, replaces, callback, mail };
        match joining.callback.poll(cx) {
            Poll::Ready(called) => self.join_returned(joining, called, cx),
            Poll::Pending => self.joining = Some(Box::new(joining)),
        }
    }

    fn join_returned(&mut self, joining: Joining, called: Called, cx: &mut Context<'_>) {
        let Called::Join(joined) = called else { return };
        let Joining { join_ref, reference, seat, replaces, mail, .. } = joining;
        let vsn = self.vsn;
        let reply = |status: &str, response: &Payload| {
            let topic = Field::from(seat.topic.clone());
            wire::encode_reply(vsn, &join_ref, &reference, &topic, status, response).map_err(BoxError::from)
        };
        let mut refused = false;
        let answered = match joined {
            Joined::In(channel, response) => {
                reply("ok", &response).map(|frame| (JoinResult::Ok, Some(frame), Some(channel)))
            }
            Joined::Refused(JoinError::Refused(response)) => {
                refused = true;
                reply("error", &response).map(|frame| (JoinResult::Refused, Some(frame), None))
            }
            Joined::Refused(JoinError::Crashed(error)) => Err(error),
        };
        let (result, frame, channel) = answered.unwrap_or_else(|error| {
            self.tell_crash(&seat.topic, &error, "a join crashed");
            (JoinResult::Crashed, reply("error", &json!({"reason": "join crashed"}).into()).ok(), None)
        });
        if refused {
            self.tell_refusal(&seat.topic);
        }
        self.counters().joined(result);
        frame.into_iter().for_each(|frame| self.outbox.send(frame));
        if let Some(frame) = replaces.and_then(|old| old.phx_close(vsn).ok()) {
            self.outbox.send(frame);
        }
        match channel {
            Some(channel) => self.seat(join_ref, seat, channel, mail, cx),
            None => {
                mail.iter().for_each(|mail| self.discard(mail));
                drop(seat.owner.end(&Parting::LEFT));
            }
        }
    }

    /// Gives a channel its place: it hears its topic from now on.
    fn seat(
        &mut self,
        join_ref: Field,
        seat: Arc<Seat>,
        channel: Box<dyn AnyChannel>,
        mail: VecDeque<Mail>,
        cx: &mut Context<'_>,
    ) {
        let id = seat.id();
        let intercepts = channel.intercepts();
        self.session.joined(seat.topic.clone(), join_ref, ChannelId(id.0));
        seat.owner.touch(seat.topic.clone(), |_| self.node.subscribe(&seat, intercepts));
        seat.joined();
        self.slots.insert(id, Box::new(Slot { seat, channel: Some(channel), mail }));
        self.next_mail(id, cx);
    }

    fn deliver(&mut self, id: OwnerId, mail: Mail, cx: &mut Context<'_>) {
        if let Mail::Probe(probe) = mail {
            return self.probe(id, probe);
        }
        if mail.is_clients() {
            self.waiting += mail.weight();
        } else {
            self.held += mail.weight();
            if self.held > self.outbox.limit() {
                self.outbox.close(CloseReason::Overflow);
            }
        }
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.mail.push_back(mail);
            self.next_mail(id, cx);
        } else if let Some(joining) = self.joining.as_mut().filter(|joining| joining.seat.id() == id) {
            joining.mail.push_back(mail);
        } else {
            self.discard(&mail);
        }
    }

    /// Lets a channel that is at rest see what waits for it, one after the other.
    fn next_mail(&mut self, id: OwnerId, cx: &mut Context<'_>) {
        while let Some(slot) = self.slots.get_mut(&id)
            && let Some(channel) = slot.channel.take()
        {
            let Some(mail) = slot.mail.pop_front() else {
                slot.channel = Some(channel);
                slot.mail.shrink_to(0);
                return;
            };
            let seat = slot.seat.clone();
            self.discard(&mail);
            match mail {
                Mail::Leave { reference } => {
                    // `{}` can be said in every serializer.
                    let _ = seat.reply_ref(reference).reply(&Reply::done());
                    self.depart(&seat, Some(channel), Farewell::Close, Ended::Left, cx);
                    self.left_by_client(seat.topic.clone());
                }
                mail => self.call(Callback::handle(self.span(), seat, channel, mail), cx),
            }
        }
    }

    /// The client has left a topic, and the answers are in line: behind them it is asked whether it has read them. In long
    /// poll its next poll says so.
    fn left_by_client(&mut self, topic: SmolStr) {
        let nonce = self.left.get_or_insert_default().topics.left(topic);
        if self.client.transport == Transport::WebSocket {
            self.outbox.send(websocket::ping(&nonce));
        }
    }

    /// The client answered a ping.
    pub(crate) fn answered(&mut self, nonce: &[u8]) {
        if let Some(left) = &mut self.left {
            left.topics.answered(nonce, Instant::now());
        }
        self.probe_answered(nonce);
    }

    /// The client has read everything that it was sent.
    pub(crate) fn all_answered(&mut self, now: Instant) {
        if let Some(left) = &mut self.left {
            left.topics.all_answered(now);
        }
    }

    /// A piece of mail no longer waits.
    fn discard(&mut self, mail: &Mail) {
        if mail.is_clients() {
            self.waiting -= mail.weight();
        } else {
            self.held -= mail.weight();
        }
    }

    fn call(&mut self, mut callback: Callback, cx: &mut Context<'_>) {
        match callback.poll(cx) {
            Poll::Ready(called) => self.returned(callback.channel, called, cx),
            Poll::Pending => {
                self.begun = true;
                self.callbacks.push(callback);
            }
        }
    }

    /// A callback of a joined channel returned.
    fn returned(&mut self, id: OwnerId, called: Called, cx: &mut Context<'_>) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let seat = slot.seat.clone();
        let (channel, reply_to, outcome) = match called {
            Called::Handle(channel, reply_to, Ok(outcome)) => (channel, reply_to, outcome),
            Called::Handle(channel, _, Err(error)) => return self.crash(&seat, Some(channel), error, cx),
            Called::Panicked => return self.crash(&seat, None, "a callback panicked".into(), cx),
            Called::Join(_) | Called::Terminated => return,
        };
        let (reply, stop) = match outcome {
            Outcome::NoReply => (None, None),
            Outcome::Reply(reply) => (Some(reply), None),
            Outcome::Stop(reason) => (None, Some(reason)),
            Outcome::ReplyAndStop(reply, reason) => (Some(reply), Some(reason)),
        };
        if let Err(error) = send_reply(reply_to, reply) {
            return self.crash(&seat, Some(channel), error.into(), cx);
        }
        match stop {
            None => slot.channel = Some(channel),
            Some(reason) => {
                let farewell = match reason {
                    StopReason::Normal | StopReason::Shutdown => Farewell::Close,
                    StopReason::Abnormal(_) => Farewell::Error,
                };
                self.depart(&seat, Some(channel), farewell, Ended::Stopped(reason), cx);
            }
        }
    }

    fn crash(
        &mut self,
        seat: &Arc<Seat>,
        channel: Option<Box<dyn AnyChannel>>,
        error: BoxError,
        cx: &mut Context<'_>,
    ) {
        self.tell_crash(&seat.topic, &error, "a channel crashed");
        self.depart(seat, channel, Farewell::Error, Ended::Crashed(error.to_string()), cx);
    }

    /// A channel has ended: its client is told, and so is it.
    fn depart(
        &mut self,
        seat: &Arc<Seat>,
        channel: Option<Box<dyn AnyChannel>>,
        farewell: Farewell,
        why: Ended,
        cx: &mut Context<'_>,
    ) {
        self.kill(
            seat.id(),
            Departure::of(match farewell {
                Farewell::Close => Ending::ChannelClosed,
                Farewell::Error => Ending::ChannelError,
            }),
        );
        if let Some(departed) = self.session.departed(&seat.topic, ChannelId(seat.id().0)) {
            let frame = match farewell {
                Farewell::Close => departed.phx_close(self.vsn),
                Farewell::Error => departed.phx_error(self.vsn),
            };
            frame.into_iter().for_each(|frame| self.outbox.send(frame));
        }
        if let Some(channel) = channel {
            self.call(Callback::terminate(self.span(), seat.clone(), channel, why), cx);
        }
    }

    /// Takes a channel's place away: what it tracked leaves, what waits for it is dropped, and so is a callback.
    fn kill(&mut self, id: OwnerId, departure: Departure) {
        self.callbacks.retain(|callback| callback.channel != id);
        if let Some(slot) = self.slots.remove(&id) {
            let parting = self.parting(departure);
            let left = self.left.get_or_insert_default();
            left.on_its_way.retain_mut(|asked| asked.now_or_never().is_none());
            left.on_its_way.extend(slot.seat.owner.end(&parting));
            slot.mail.iter().for_each(|mail| self.discard(mail));
        }
    }

    fn parting(&self, departure: Departure) -> Parting {
        // Whoever may not come back is not waited for.
        let departure = if self.outbox.is_revoked() { Departure::Left } else { departure };
        // Who has left is not to be found by that name any more.
        let is_lost = departure == Departure::Disconnected;
        Parting { departure, socket_id: self.registration.socket_id().filter(|_| is_lost).cloned() }
    }
}

fn send_reply(to: Option<ReplyRef>, reply: Option<Reply>) -> Result<(), EncodeError> {
    match (to, reply) {
        (Some(to), Some(reply)) => to.reply(&reply),
        _ => Ok(()),
    }
}

/// How much of what the client sent may wait for its channels before nothing more is read from it.
const MAX_WAITING_BYTES: usize = 1024 * 1024;
/// How long the channels of a closed connection have to terminate.
const TERMINATE_LIMIT: Duration = Duration::from_secs(5);
