//! Something that is present: a channel, or a session of code outside channels.

use parking_lot::Mutex;
use serde_json::{Map, Value};
use smol_str::SmolStr;
use thiserror::Error;

use super::handle::Handle;
use super::node::{Asked, Node, Parting, UpdateRefused};
use crate::presence::{AlreadyTracked, Attributes, Meta, NotAnObject, NotTracked, OwnerId, PhxRef};

/// What presences belong to: it stands where Elixir has a process. All it tracks leaves when it is dropped, in one
/// diff a topic.
///
/// A channel has one of its own ([`Context::owner`](super::Context::owner)); [`Handle::owner`] makes one for code
/// outside channels.
pub struct Owner {
    id: OwnerId,
    handle: Handle,
    /// The topics where something of it may be; `None` once it has ended.
    topics: Mutex<Option<Vec<SmolStr>>>,
}

/// Why a presence was not tracked.
#[derive(Debug, Error)]
pub enum TrackError {
    /// The owner has that key on that topic already; the entry is as it was.
    #[error(transparent)]
    AlreadyTracked(#[from] AlreadyTracked),
    /// The owner, or the process, has ended.
    #[error("whoever tracks has ended")]
    Ended,
}

/// Why a presence was not updated.
#[derive(Debug, Error)]
pub enum UpdateError {
    /// The owner has no such key on that topic (Phoenix's `:nopresence`).
    #[error(transparent)]
    NotTracked(#[from] NotTracked),
    /// The function's meta cannot be one.
    #[error(transparent)]
    BadMeta(#[from] NotAnObject),
    /// The owner, or the process, has ended.
    #[error("whoever tracks has ended")]
    Ended,
}

impl Owner {
    pub(crate) fn new(id: OwnerId, handle: Handle) -> Self {
        Owner { id, handle, topics: Mutex::new(Some(Vec::new())) }
    }

    /// Unique in this process.
    pub fn id(&self) -> OwnerId {
        self.id
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Makes `key` present on `topic` with this meta, and returns the entry's ref (`Phoenix.Presence.track/4`).
    ///
    /// # Errors
    /// [`TrackError::AlreadyTracked`] where it is present already.
    pub async fn track(
        &self,
        topic: impl Into<SmolStr>,
        key: impl Into<SmolStr>,
        meta: Meta,
    ) -> Result<PhxRef, TrackError> {
        self.track_as(topic, key, meta, Attributes::default()).await
    }

    /// The same, with attributes, of which clients are told nothing. Where the server has a grace period, an entry takes
    /// the place of others of its page that were on the topic under the same key.
    ///
    /// # Errors
    /// As [`track`](Self::track).
    pub async fn track_as(
        &self,
        topic: impl Into<SmolStr>,
        key: impl Into<SmolStr>,
        meta: Meta,
        attributes: Attributes,
    ) -> Result<PhxRef, TrackError> {
        let key = key.into();
        let asked = self.ask(topic.into(), |node, topic| node.track(topic, self.id, key, meta, attributes));
        Ok(asked.ok_or(TrackError::Ended)?.await.ok_or(TrackError::Ended)??)
    }

    /// Replaces the meta of a present entry, and returns its new ref (`Phoenix.Presence.update/4` with a map).
    ///
    /// # Errors
    /// [`UpdateError::NotTracked`] where it is not present.
    pub async fn update(
        &self,
        topic: impl Into<SmolStr>,
        key: impl Into<SmolStr>,
        meta: Meta,
    ) -> Result<PhxRef, UpdateError> {
        let (topic, key) = (topic.into(), key.into());
        // Nothing was expected, so the update cannot be outdated and one round is enough.
        self.try_update(topic, key, meta, None).await?.ok_or(UpdateError::Ended)
    }

    /// Replaces the meta by what a function makes of the present one, which holds its `phx_ref`
    /// (`Phoenix.Presence.update/4` with a function). The function runs again where the entry changed meanwhile.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn update_with(
        &self,
        topic: impl Into<SmolStr>,
        key: impl Into<SmolStr>,
        mut change: impl FnMut(Map<String, Value>) -> Map<String, Value>,
    ) -> Result<PhxRef, UpdateError> {
        let (topic, key) = (topic.into(), key.into());
        loop {
            let asked = self.ask(topic.clone(), |node, topic| node.entry(topic, self.id, key.clone()));
            let entry =
                asked.ok_or(UpdateError::Ended)?.await.ok_or(UpdateError::Ended)?.ok_or(NotTracked)?;
            let meta = Meta::try_from(change(entry.meta_value()))?;
            let expected = Some(entry.phx_ref.clone());
            if let Some(phx_ref) = self.try_update(topic.clone(), key.clone(), meta, expected).await? {
                return Ok(phx_ref);
            }
        }
    }

    /// `None` when the entry is no longer the expected one.
    async fn try_update(
        &self,
        topic: SmolStr,
        key: SmolStr,
        meta: Meta,
        expected: Option<PhxRef>,
    ) -> Result<Option<PhxRef>, UpdateError> {
        let asked = self.ask(topic, |node, topic| node.update(topic, self.id, key, meta, expected));
        match asked.ok_or(UpdateError::Ended)?.await.ok_or(UpdateError::Ended)? {
            Ok(phx_ref) => Ok(Some(phx_ref)),
            Err(UpdateRefused::Outdated) => Ok(None),
            Err(UpdateRefused::NotTracked(error)) => Err(error.into()),
        }
    }

    /// Lets what it has on a topic count where it is decided whose turn it is, or count no more. No client is told; channels
    /// that [observe](super::Presence::observe) the topic are.
    pub fn rank(&self, topic: impl Into<SmolStr>, ranked: bool) {
        self.touch(topic.into(), |topic| self.handle.node().rank(topic, self.id, ranked));
    }

    /// Takes `key` off `topic`; nothing happens where it is not present.
    pub async fn untrack(&self, topic: impl Into<SmolStr>, key: impl Into<SmolStr>) {
        if let Some(asked) = self.ask(topic.into(), |node, topic| node.untrack(topic, self.id, key.into())) {
            asked.await;
        }
    }

    /// Ends the owner: everything it tracks leaves, at once or after the grace period, and it tracks nothing more. Each
    /// outcome says that it hears no more of one topic.
    pub(crate) fn end(&self, parting: &Parting) -> Vec<Asked<()>> {
        let topics = self.topics.lock().take().unwrap_or_default();
        topics.into_iter().map(|topic| self.handle.node().gone(topic, self.id, parting.clone())).collect()
    }

    /// Takes note that something of the owner is on a topic, and does it. The lock is held meanwhile, so that
    /// nothing can be tracked behind the owner's end.
    pub(crate) fn touch(&self, topic: SmolStr, act: impl FnOnce(SmolStr)) -> bool {
        let mut topics = self.topics.lock();
        let Some(topics) = topics.as_mut() else { return false };
        if !topics.contains(&topic) {
            // One or two are usual: its own, and the one whose presence it shares.
            topics.reserve_exact(if topics.is_empty() { 2 } else { topics.len() });
            topics.push(topic.clone());
        }
        act(topic);
        true
    }

    /// Asks something of a topic; `None` once the owner has ended.
    pub(crate) fn ask<T>(
        &self,
        topic: SmolStr,
        ask: impl FnOnce(&dyn Node, SmolStr) -> Asked<T>,
    ) -> Option<Asked<T>> {
        let mut asked = None;
        self.touch(topic, |topic| asked = Some(ask(&**self.handle.node(), topic)));
        asked
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // It takes effect without being waited for.
        drop(self.end(&Parting::LEFT));
    }
}
