//! Presence as a channel uses it, and the hooks an application may add to it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::{Map, Value};
use smol_str::SmolStr;

use super::context::Seat;
use super::contract::BoxError;
use super::owner::{TrackError, UpdateError};
use crate::presence::{Attributes, Meta, MetasByKey, PhxRef, Presence as Entry, Presences};
use crate::wire::Json;

/// Who is on one topic, and this channel's own entries there.
pub struct Presence<'a> {
    seat: &'a Arc<Seat>,
    topic: SmolStr,
}

impl<'a> Presence<'a> {
    pub(super) fn new(seat: &'a Arc<Seat>, topic: SmolStr) -> Self {
        Presence { seat, topic }
    }

    /// Makes `key` present with this meta until the channel ends; everyone on the topic gets the diff.
    ///
    /// # Errors
    /// [`TrackError::AlreadyTracked`] where this channel has that key already.
    pub async fn track(&self, key: impl Into<SmolStr>, meta: Meta) -> Result<PhxRef, TrackError> {
        self.seat.owner.track(self.topic.clone(), key, meta).await
    }

    /// The same, with [attributes](Attributes), of which clients are told nothing.
    ///
    /// # Errors
    /// As [`track`](Self::track).
    pub async fn track_as(
        &self,
        key: impl Into<SmolStr>,
        meta: Meta,
        attributes: Attributes,
    ) -> Result<PhxRef, TrackError> {
        self.seat.owner.track_as(self.topic.clone(), key, meta, attributes).await
    }

    /// Replaces the meta of a key of this channel: one diff with the leave of the old and the join of the new, whose
    /// `phx_ref_prev` is the old ref.
    ///
    /// # Errors
    /// [`UpdateError::NotTracked`] where this channel has no such key.
    pub async fn update(&self, key: impl Into<SmolStr>, meta: Meta) -> Result<PhxRef, UpdateError> {
        self.seat.owner.update(self.topic.clone(), key, meta).await
    }

    /// The same, with a function of the present meta.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn update_with(
        &self,
        key: impl Into<SmolStr>,
        change: impl FnMut(Map<String, Value>) -> Map<String, Value>,
    ) -> Result<PhxRef, UpdateError> {
        self.seat.owner.update_with(self.topic.clone(), key, change).await
    }

    /// Takes a key of this channel off; nothing happens where it is not present.
    pub async fn untrack(&self, key: impl Into<SmolStr>) {
        self.seat.owner.untrack(self.topic.clone(), key).await;
    }

    /// Everyone on the topic.
    pub async fn list(&self) -> Presences {
        self.seat.owner.handle().list(&self.topic).await
    }

    /// Everyone on the topic as JSON text.
    pub async fn list_json(&self) -> Json {
        self.seat.owner.handle().list_json(&self.topic).await
    }

    /// The entry of one key.
    pub async fn get_by_key(&self, key: &str) -> Option<Entry> {
        self.seat.owner.handle().get_by_key(&self.topic, key).await
    }

    /// Pushes `presence_state` to this client. The list is taken where it stands in the order of the topic's diffs,
    /// so a client that folds what it is sent is never behind and never ahead. It stands in the line to the client
    /// when this returns. The channel must hear the topic's diffs: its own topic, or one it
    /// [follows](Self::follow).
    pub async fn push_state(&self) {
        let seat = self.seat;
        if let Some(pushed) = seat.owner.ask(self.topic.clone(), |node, topic| node.push_state(topic, seat)) {
            pushed.await;
        }
    }

    /// Lets the client hear this topic's diffs under the channel's own topic, from now on. For the channel's own
    /// topic there is nothing to do: it hears it already.
    pub fn follow(&self) {
        if self.topic != self.seat.topic {
            self.seat.owner.touch(self.topic.clone(), |topic| {
                self.seat.owner.handle().node().follow(topic, self.seat);
            });
        }
    }

    /// Lets the channel itself hear who is on the topic, from now on and behind its client: see
    /// [`handle_presence`](super::Channel::handle_presence). As for [`push_state`](Self::push_state), the channel
    /// must hear the topic's diffs already.
    pub fn observe(&self) {
        self.seat.owner.touch(self.topic.clone(), |topic| {
            self.seat.owner.handle().node().observe(topic, self.seat.id());
        });
    }
}

/// What an application may add to presence, for the whole server (Phoenix: the callbacks of a `Presence` module).
#[derive(Clone, Default)]
pub struct Hooks {
    pub(crate) fetch: Option<Arc<dyn Fetch>>,
    pub(crate) handle_metas: Option<Arc<dyn Fn() -> Box<dyn HandleMetas> + Send + Sync>>,
}

impl Hooks {
    /// No hooks.
    pub fn new() -> Self {
        Hooks::default()
    }

    /// Decorates entries before anyone sees them: called with the topic and the entries of a list, and separately
    /// with the joins and the leaves of every diff. It may look things up: diffs of the topic wait behind it in
    /// their order. One that fails, panics, or takes more than a second is passed over: the entries go out as they
    /// are, and the log says so.
    #[must_use]
    pub fn fetch<F, R>(mut self, fetch: F) -> Self
    where
        F: Fn(SmolStr, Presences) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Presences, FetchError>> + Send + 'static,
    {
        self.fetch =
            Some(Arc::new(move |topic, presences| -> Fetching { Box::pin(fetch(topic, presences)) }));
        self
    }

    /// Sees every diff behind its broadcast, and who is on the topic after it. `init` makes the hook, with the state
    /// it keeps (Phoenix's `init/1`); calls never overlap.
    #[must_use]
    pub fn handle_metas<H: HandleMetas>(mut self, init: impl Fn() -> H + Send + Sync + 'static) -> Self {
        self.handle_metas = Some(Arc::new(move || Box::new(init())));
        self
    }
}

/// An application's view of every change (`c:Phoenix.Presence.handle_metas/4`).
pub trait HandleMetas: Send + 'static {
    /// One diff of one topic: who joined, who left, and the metas of everyone present after it, by key. A panic is
    /// logged, and the hook goes on with the next diff.
    fn handle_metas(&mut self, topic: &str, joins: &Presences, leaves: &Presences, present: &MetasByKey);
}

/// What a fetch hook fails with; logged.
pub type FetchError = BoxError;

/// The fetch hook in the form the running side calls.
pub(crate) trait Fetch: Fn(SmolStr, Presences) -> Fetching + Send + Sync {}
impl<F: Fn(SmolStr, Presences) -> Fetching + Send + Sync> Fetch for F {}

/// A running fetch.
pub(crate) type Fetching = Pin<Box<dyn Future<Output = Result<Presences, FetchError>> + Send>>;
