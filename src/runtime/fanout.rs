//! One message to many: encoded once for each serializer and topic name in use, and the same bytes to everyone.

use std::sync::Arc;

use smol_str::SmolStr;
use tracing::warn;

use crate::channel::node::{Mail, Peer};
use crate::channel::observation::Observation;
use crate::presence::{OwnerId, Snapshot};
use crate::wire::{self, Excerpt, Frame, Payload, Vsn};

/// Someone who hears a topic.
pub(crate) struct Subscriber {
    pub(crate) peer: Arc<dyn Peer>,
    pub(crate) vsn: Vsn,
    pub(crate) role: Role,
    /// How many diffs of the topic had been told when it began to hear it; `None` once it was pushed a list.
    pub(crate) heard_since: Option<u32>,
    /// There where the channel itself hears who is on the topic.
    pub(crate) observation: Option<Arc<Observation>>,
}

/// As what a subscriber hears a topic.
pub(crate) enum Role {
    /// A channel of this very topic, with the events it wants to see before its client does.
    Member { intercepts: &'static [&'static str] },
    /// A channel of another topic, which hears this one's presence under its own name.
    Follower { under: SmolStr },
    /// Code outside channels, which takes this topic's presence as it is.
    Watcher,
}

/// A message being sent to a topic's subscribers.
pub(crate) struct FanOut<'a> {
    topic: &'a SmolStr,
    event: &'a SmolStr,
    payload: &'a Payload,
    /// `None` where that serializer cannot carry the message.
    frames: Vec<(Vsn, SmolStr, Option<Frame>)>,
    held: &'a mut Held,
}

/// The lines that hold something which is to be flushed once everybody is told.
pub(crate) type Held = Vec<Arc<dyn Peer>>;

impl Subscriber {
    pub(crate) fn new(peer: Arc<dyn Peer>, vsn: Vsn, role: Role) -> Self {
        Subscriber { peer, vsn, role, heard_since: None, observation: None }
    }

    /// Tells a channel that observes who is there, behind what its client was sent of it.
    pub(crate) fn tell_observation(&self, id: OwnerId, list: &Snapshot) {
        if let Some(observation) = &self.observation
            && observation.put(list.clone())
        {
            self.peer.mail(id, Mail::Presence(observation.clone()));
        }
    }
}

impl<'a> FanOut<'a> {
    pub(crate) fn new(
        topic: &'a SmolStr,
        event: &'a SmolStr,
        payload: &'a Payload,
        held: &'a mut Held,
    ) -> Self {
        FanOut { topic, event, payload, frames: Vec::new(), held }
    }

    /// A broadcast: to members.
    pub(crate) fn broadcast(&mut self, id: OwnerId, to: &Subscriber) {
        match to.role {
            Role::Member { intercepts } => self.tell_member(id, to, intercepts),
            Role::Follower { .. } | Role::Watcher => {}
        }
    }

    /// A change of presence: to members, and to followers under their own topic.
    pub(crate) fn presence(&mut self, id: OwnerId, to: &Subscriber) {
        match &to.role {
            Role::Member { intercepts } => self.tell_member(id, to, intercepts),
            Role::Follower { under } => self.send(to, under),
            Role::Watcher => self.mail(id, to),
        }
    }

    fn tell_member(&mut self, id: OwnerId, to: &Subscriber, intercepts: &[&str]) {
        if intercepts.contains(&self.event.as_str()) {
            self.mail(id, to);
        } else {
            self.send(to, self.topic);
        }
    }

    fn mail(&self, id: OwnerId, to: &Subscriber) {
        to.peer.mail(id, Mail::Out { event: self.event.clone(), payload: self.payload.clone() });
    }

    fn send(&mut self, to: &Subscriber, under: &SmolStr) {
        if let Some(frame) = self.frame(to.vsn, under).cloned()
            && to.peer.hold(frame)
        {
            self.held.push(to.peer.clone());
        }
    }

    fn frame(&mut self, vsn: Vsn, under: &SmolStr) -> Option<&Frame> {
        let found = self.frames.iter().position(|(has, topic, _)| *has == vsn && topic == under);
        let at = found.unwrap_or_else(|| {
            let frame = self.encode(vsn, under);
            self.frames.push((vsn, under.clone(), frame));
            self.frames.len() - 1
        });
        self.frames[at].2.as_ref()
    }

    /// A V1 member is not sent bytes, which its serializer has no form for; where Phoenix's sender would crash,
    /// everybody else is served.
    fn encode(&self, vsn: Vsn, under: &SmolStr) -> Option<Frame> {
        match wire::encode_broadcast(vsn, under, self.event, self.payload) {
            Ok(frame) => Some(frame),
            Err(wire::EncodeError::BinaryOnV1) => None,
            Err(error) => {
                warn!(topic = %Excerpt(under), event = %Excerpt(self.event), %error, "a broadcast cannot be encoded");
                None
            }
        }
    }
}
