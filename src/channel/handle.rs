//! The program's own way in, from outside channels.

use std::sync::Arc;

use smol_str::SmolStr;
use thiserror::Error;

use super::node::{Broadcast, Node};
use super::owner::Owner;
use super::watch::Watch;
use crate::presence::{Headcount, OwnerId, Presence, Presences, Snapshot};
use crate::wire::{Json, Payload};

/// Broadcasts, disconnects, lists and tracks, from anywhere in the program. Cheap to clone.
#[derive(Clone)]
pub struct Handle(Arc<dyn Node>);

/// Why a broadcast was not sent. Phoenix raises in the broadcaster; here it is told.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BroadcastError {
    /// The join of the channel that broadcasts has not returned yet.
    #[error("nothing can be broadcast before the join has returned; use after_join")]
    NotJoined,
    /// phoenix.js takes an object, or bytes.
    #[error("the payload of a broadcast must be a JSON object or binary")]
    NotAnObject,
    /// A binary frame counts its topic and event in one byte each.
    #[error("the {field} of a binary broadcast has {len} bytes; 255 is the most")]
    TooLong {
        /// `topic` or `event`.
        field: &'static str,
        /// Its length in bytes.
        len: usize,
    },
}

impl Handle {
    pub(crate) fn new(node: Arc<dyn Node>) -> Self {
        Handle(node)
    }

    pub(crate) fn node(&self) -> &Arc<dyn Node> {
        &self.0
    }

    /// Sends an event to every member of a topic (`Endpoint.broadcast/3`). It stands in the line to each of them when
    /// this returns: what one sender sends reaches a member in the order in which it was sent.
    ///
    /// # Errors
    /// [`BroadcastError`] for a payload that no V2 client could be sent.
    pub async fn broadcast(&self, topic: &str, event: &str, payload: Payload) -> Result<(), BroadcastError> {
        self.broadcast_except(topic, event, payload, None).await
    }

    pub(crate) async fn broadcast_except(
        &self,
        topic: &str,
        event: &str,
        payload: Payload,
        except: Option<OwnerId>,
    ) -> Result<(), BroadcastError> {
        if !payload.is_object_or_binary() {
            return Err(BroadcastError::NotAnObject);
        }
        if let Payload::Binary(_) = payload {
            for (field, len) in [("topic", topic.len()), ("event", event.len())] {
                if len > usize::from(u8::MAX) {
                    return Err(BroadcastError::TooLong { field, len });
                }
            }
        }
        let (topic, event) = (SmolStr::new(topic), SmolStr::new(event));
        self.0.broadcast(Broadcast { topic, event, payload, except }).await;
        Ok(())
    }

    /// Closes every connection with this socket id, with code 1001 (`Endpoint.broadcast(id, "disconnect", %{})`).
    pub async fn disconnect(&self, socket_id: &str) {
        let (topic, event) = (SmolStr::new(socket_id), SmolStr::new_static(DISCONNECT));
        self.0.broadcast(Broadcast { topic, event, payload: Payload::empty(), except: None }).await;
    }

    /// Who is on a topic (`Phoenix.Presence.list/1`), as the fetch hook decorates it. Waits for no writer.
    pub async fn list(&self, topic: &str) -> Presences {
        self.0.list(SmolStr::new(topic)).await
    }

    /// The same as JSON text, the metas as they were written. Without a fetch hook one encoding serves all readers.
    pub async fn list_json(&self, topic: &str) -> Json {
        Json::from_encoded(self.0.list_encoded(SmolStr::new(topic)).await)
    }

    /// The entry of one key (`Phoenix.Presence.get_by_key/2`); `None` where Phoenix gives an empty list.
    pub async fn get_by_key(&self, topic: &str, key: &str) -> Option<Presence> {
        self.0.get_by_key(SmolStr::new(topic), SmolStr::new(key)).await
    }

    /// Everyone on a topic with what no client is told, before any fetch hook.
    pub fn snapshot(&self, topic: &str) -> Snapshot {
        self.0.snapshot(topic)
    }

    /// How many are on a topic, before any fetch hook. It costs no more than to walk along the list.
    pub fn count(&self, topic: &str) -> Headcount {
        self.0.count(topic)
    }

    /// Something that may be present without a connection. What it tracks leaves when it is dropped.
    pub fn owner(&self) -> Owner {
        Owner::new(self.0.new_owner(), self.clone())
    }

    /// Hears a topic's presence from now on: its list, then every diff, in the order in which clients are sent them. It
    /// ends where more than `most_bytes` wait to be taken.
    pub fn watch(&self, topic: &str, most_bytes: usize) -> Watch {
        Watch::start(SmolStr::new(topic), self.owner(), most_bytes)
    }

    /// Resolves once no fetch hook is running (`fetchers_pids/0` is for the same: a test that must not end before
    /// the look-ups it caused).
    pub async fn fetches_done(&self) {
        self.0.fetches_done().await;
    }
}

/// The event that closes connections when it is broadcast to their socket id.
pub(crate) const DISCONNECT: &str = "disconnect";
