//! What a channel has at hand while it runs: its topic, its client, and everybody else.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;
use smol_str::SmolStr;
use thiserror::Error;

use super::contract::Reply;
use super::handle::{BroadcastError, Handle};
use super::node::{Mail, Peer};
use super::owner::Owner;
use super::presence::Presence;
use crate::presence::OwnerId;
use crate::wire::{self, EncodeError, Field, ParseError, Payload, Vsn};

/// A channel's way to its client, to its topic and to presence. A clone may be kept by a task: what it sends after
/// the channel has ended goes nowhere.
pub struct Context<I> {
    seat: Arc<Seat>,
    info: PhantomData<fn(I)>,
}

/// A channel's place on its connection: all that is known of it apart from the application's own value.
pub(crate) struct Seat {
    pub(crate) topic: SmolStr,
    /// `join_ref || ref` of the join: what everything the channel sends is marked with.
    pub(crate) join_ref: Field,
    pub(crate) vsn: Vsn,
    pub(crate) owner: Owner,
    pub(crate) peer: Arc<dyn Peer>,
    /// Each list goes out twice, because the client may have put aside diffs of an earlier join.
    pub(crate) repeats_lists: bool,
    /// The client may hold diffs that an earlier channel of the topic was sent, and apply them to its first list.
    pub(crate) may_hold_diffs: bool,
    joined: AtomicBool,
}

/// What a client may still hold of an earlier channel of a topic that it joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// There was none, or the client has read all that it was sent.
    Nothing,
    /// The last that it was sent, a moment ago.
    Diffs,
    /// It may have said that it joins before it has read them.
    Doubtful,
}

/// A message of the client for a joined channel.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The event's name.
    pub event: SmolStr,
    /// The payload, as the client wrote it.
    pub payload: Payload,
    /// Where a reply goes: keep it to reply later, from anywhere, as often as wanted.
    pub reply_ref: ReplyRef,
}

/// Addresses a reply to one message (Phoenix's `socket_ref/1`).
#[derive(Clone)]
pub struct ReplyRef {
    seat: Arc<Seat>,
    reference: Field,
}

/// Why nothing was sent to the client.
#[derive(Debug, Error)]
pub enum PushError {
    /// The join has not returned yet.
    #[error("nothing can be sent before the join has returned; use after_join")]
    NotJoined,
    /// The client's serializer cannot carry the message.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl<I: Send + 'static> Context<I> {
    pub(crate) fn new(seat: Arc<Seat>) -> Self {
        Context { seat, info: PhantomData }
    }

    /// The topic that was joined.
    pub fn topic(&self) -> &str {
        &self.seat.topic
    }

    /// Sends an event to this client alone.
    ///
    /// # Errors
    /// [`PushError::NotJoined`] inside `join`; [`PushError::Encode`] for a payload the client cannot be sent: a V2
    /// client takes an object or bytes, a V1 client any JSON but no bytes.
    pub fn push(&self, event: &str, payload: &Payload) -> Result<(), PushError> {
        let seat = &self.seat;
        if !seat.joined.load(Ordering::Acquire) {
            return Err(PushError::NotJoined);
        }
        let topic = Field::from(seat.topic.clone());
        seat.peer.send(wire::encode_message(seat.vsn, &seat.join_ref, &Field::Null, &topic, event, payload)?);
        Ok(())
    }

    /// Sends an event to every member of the topic, this one included.
    ///
    /// # Errors
    /// [`BroadcastError`] inside `join`, and for a payload that is neither an object nor bytes, or that has no place
    /// in a binary frame.
    pub async fn broadcast(&self, event: &str, payload: Payload) -> Result<(), BroadcastError> {
        self.broadcast_except(event, payload, None).await
    }

    /// Sends an event to every member of the topic but this one.
    ///
    /// # Errors
    /// As [`broadcast`](Self::broadcast).
    pub async fn broadcast_from(&self, event: &str, payload: Payload) -> Result<(), BroadcastError> {
        self.broadcast_except(event, payload, Some(self.seat.owner.id())).await
    }

    async fn broadcast_except(
        &self,
        event: &str,
        payload: Payload,
        except: Option<OwnerId>,
    ) -> Result<(), BroadcastError> {
        if !self.seat.joined.load(Ordering::Acquire) {
            return Err(BroadcastError::NotJoined);
        }
        self.handle().broadcast_except(&self.seat.topic, event, payload, except).await
    }

    /// Hands a value to this channel's own [`handle_info`](super::Channel::handle_info), behind what waits already.
    pub fn send(&self, info: I) {
        self.seat.peer.mail(self.seat.owner.id(), Mail::Info(Box::new(info)));
    }

    /// Who is on this channel's topic, and this channel's own entries there.
    pub fn presence(&self) -> Presence<'_> {
        self.presence_of(self.seat.topic.clone())
    }

    /// The same for another topic: several channels of different topics may share one presence.
    pub fn presence_of(&self, topic: impl Into<SmolStr>) -> Presence<'_> {
        Presence::new(&self.seat, topic.into())
    }

    /// What the channel tracks as; it ends with the channel.
    pub fn owner(&self) -> &Owner {
        &self.seat.owner
    }

    /// Everything that code outside channels can do.
    pub fn handle(&self) -> &Handle {
        self.seat.owner.handle()
    }
}

impl<I> Clone for Context<I> {
    fn clone(&self) -> Self {
        Context { seat: self.seat.clone(), info: PhantomData }
    }
}

impl Seat {
    /// A place for a channel whose join has not returned yet.
    pub(crate) fn new(
        topic: SmolStr,
        join_ref: Field,
        vsn: Vsn,
        owner: Owner,
        peer: Arc<dyn Peer>,
        before: Before,
    ) -> Arc<Self> {
        let joined = AtomicBool::new(false);
        let (repeats_lists, may_hold_diffs) = (before == Before::Doubtful, before != Before::Nothing);
        Arc::new(Seat { topic, join_ref, vsn, owner, peer, repeats_lists, may_hold_diffs, joined })
    }

    /// The join has returned: from now on the channel may send.
    pub(crate) fn joined(&self) {
        self.joined.store(true, Ordering::Release);
    }

    pub(crate) fn id(&self) -> OwnerId {
        self.owner.id()
    }

    /// A reference to reply to.
    pub(crate) fn reply_ref(self: &Arc<Self>, reference: Field) -> ReplyRef {
        ReplyRef { seat: self.clone(), reference }
    }
}

impl Incoming {
    /// Reads the payload as JSON of a known shape.
    ///
    /// # Errors
    /// Names the place that has another shape; line 0 for a binary payload, which is no JSON. It quotes nothing of
    /// the payload.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ParseError> {
        match &self.payload {
            Payload::Json(json) => json.parse(),
            Payload::Binary(_) => Err(ParseError { line: 0, column: 0 }),
        }
    }
}

impl ReplyRef {
    /// Sends a reply to the message. Sent after the channel has ended, it goes nowhere or is ignored by the client.
    ///
    /// # Errors
    /// A response that the client's serializer cannot carry.
    pub fn reply(&self, reply: &Reply) -> Result<(), EncodeError> {
        let seat = &self.seat;
        let topic = Field::from(seat.topic.clone());
        let frame = wire::encode_reply(
            seat.vsn,
            &seat.join_ref,
            &self.reference,
            &topic,
            &reply.status,
            &reply.response,
        )?;
        seat.peer.send(frame);
        Ok(())
    }
}

impl std::fmt::Debug for ReplyRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplyRef")
            .field("topic", &self.seat.topic)
            .field("reference", &self.reference)
            .finish()
    }
}
