//! What the running side does for channels: two traits, so that channels know of no task and no socket.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use smol_str::SmolStr;

use super::context::Seat;
use super::observation::Observation;
use crate::pages::Departure;
use crate::presence::{
    AlreadyTracked, Attributes, Entry, Headcount, Meta, NotTracked, OwnerId, PhxRef, Presences, Snapshot,
};
use crate::wire::{Field, Frame, Payload};

/// The process: topics, presence, and everyone connected. What is asked of one topic takes effect in the order of
/// the calls; the futures only wait for the outcome. `None` inside an outcome says that the process is ending.
pub(crate) trait Node: Send + Sync + 'static {
    /// An id that nobody has had before.
    fn new_owner(&self) -> OwnerId;
    /// To every subscriber of the topic but one; done once it stands in the line to each of them.
    fn broadcast(&self, message: Broadcast) -> Asked<()>;
    fn track(
        &self,
        topic: SmolStr,
        owner: OwnerId,
        key: SmolStr,
        meta: Meta,
        attributes: Attributes,
    ) -> Asked<Result<PhxRef, AlreadyTracked>>;
    /// Gives what an owner has on a topic another rank; no client is told.
    fn rank(&self, topic: SmolStr, owner: OwnerId, ranked: bool);
    /// Replaces a meta, provided that its ref still is the expected one, where one is expected.
    fn update(
        &self,
        topic: SmolStr,
        owner: OwnerId,
        key: SmolStr,
        meta: Meta,
        expected: Option<PhxRef>,
    ) -> Asked<Result<PhxRef, UpdateRefused>>;
    fn untrack(&self, topic: SmolStr, owner: OwnerId, key: SmolStr) -> Asked<()>;
    /// An owner's present entry.
    fn entry(&self, topic: SmolStr, owner: OwnerId, key: SmolStr) -> Asked<Option<Arc<Entry>>>;
    /// Ends an owner's subscription to the topic and all it tracks there, in one step. Done once nothing more of the
    /// topic can reach it. What it tracks may stay for a grace period.
    fn gone(&self, topic: SmolStr, owner: OwnerId, parting: Parting) -> Asked<()>;
    /// Ends the grace periods of whoever was connected under a socket id.
    fn revoke(&self, socket_id: &str) -> Asked<()>;
    /// Sends the channel a `presence_state` of the topic, in order with its diffs.
    fn push_state(&self, topic: SmolStr, seat: &Arc<Seat>) -> Asked<()>;
    /// Lets the channel hear the topic's diffs under the channel's own topic.
    fn follow(&self, topic: SmolStr, seat: &Arc<Seat>);
    /// Lets a channel that hears the topic be told of each list behind what its client is sent.
    fn observe(&self, topic: SmolStr, channel: OwnerId);
    /// Lets code outside channels hear the topic's diffs, as mail.
    fn watch(&self, topic: SmolStr, seat: &Arc<Seat>);
    /// Reads the last published list, waiting for nobody but the fetch hook.
    fn list(&self, topic: SmolStr) -> BoxFuture<'static, Presences>;
    /// The same, encoded; without a fetch hook the encoding is shared by all readers.
    fn list_encoded(&self, topic: SmolStr) -> BoxFuture<'static, Bytes>;
    /// The same for one key, without decoding the others.
    fn get_by_key(
        &self,
        topic: SmolStr,
        key: SmolStr,
    ) -> BoxFuture<'static, Option<crate::presence::Presence>>;
    /// The last published list itself.
    fn snapshot(&self, topic: &str) -> Snapshot;
    /// How many are on the last published list.
    fn count(&self, topic: &str) -> Headcount;
    /// Resolves once no fetch hook is running.
    fn fetches_done(&self) -> BoxFuture<'static, ()>;
}

/// An outcome that the owner of a topic will give.
pub(crate) type Asked<T> = BoxFuture<'static, Option<T>>;

/// A broadcast on its way.
pub(crate) struct Broadcast {
    pub(crate) topic: SmolStr,
    pub(crate) event: SmolStr,
    pub(crate) payload: Payload,
    pub(crate) except: Option<OwnerId>,
}

/// How an owner ends.
#[derive(Clone, Debug)]
pub(crate) struct Parting {
    pub(crate) departure: Departure,
    /// The name by which its connection could be closed.
    pub(crate) socket_id: Option<SmolStr>,
}

impl Parting {
    /// Its end is told at once.
    pub(crate) const LEFT: Parting = Parting { departure: Departure::Left, socket_id: None };
}

/// Why a connection is asked for a sign of life.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Probe {
    /// Its user joined elsewhere.
    Twin,
    /// Its page joined again, and took the place of the channel's entries on this topic.
    Superseded { topic: SmolStr },
}

/// Why an update changed nothing.
pub(crate) enum UpdateRefused {
    NotTracked(NotTracked),
    /// The entry was updated since it was read.
    Outdated,
}

/// A connection, as a channel of it sees it.
pub(crate) trait Peer: Send + Sync + 'static {
    /// Puts a frame in the line to the client.
    fn send(&self, frame: Frame);
    /// The same for somebody who tells many at once: if it says `true`, the caller has to [`flush`](Self::flush) the
    /// line once it has told them all.
    fn hold(&self, frame: Frame) -> bool {
        self.send(frame);
        false
    }
    /// Sends what the line holds.
    fn flush(&self) {}
    /// Puts something in the line of one of the connection's channels.
    fn mail(&self, channel: OwnerId, mail: Mail);
    /// Closes the connection, because its socket id was told to disconnect.
    fn disconnect(&self);
}

/// What waits for a channel.
pub(crate) enum Mail {
    /// The reply to the join is on its way.
    AfterJoin,
    /// A message of the client.
    In { event: Field, reference: Field, payload: Payload },
    /// A message of the program itself.
    Info(Box<dyn Any + Send>),
    /// A broadcast that the channel intercepts, or what a watch hears.
    Out { event: SmolStr, payload: Payload },
    /// Somebody came or went on a topic that the channel observes.
    Presence(Arc<Observation>),
    /// The client wants to leave; the reference is echoed.
    Leave { reference: Field },
    /// The connection, rather than the channel, is asked whether its client lives.
    Probe(Probe),
}

impl Mail {
    /// The bytes it counts for while it waits: what its sender chose, and the place it takes.
    pub(crate) fn weight(&self) -> usize {
        let content = match self {
            Mail::In { event, reference, payload } => event.len() + reference.len() + payload.len(),
            Mail::Out { event, payload } => event.len() + payload.len(),
            Mail::Leave { reference } => reference.len(),
            // What waits in an observation is shared by everybody who observes.
            Mail::Info(_) | Mail::Presence(_) | Mail::Probe(_) => 0,
            // Nobody sends it.
            Mail::AfterJoin => return 0,
        };
        content + size_of::<Mail>()
    }

    /// Whether the client sent it.
    pub(crate) fn is_clients(&self) -> bool {
        matches!(self, Mail::In { .. } | Mail::Leave { .. })
    }
}
