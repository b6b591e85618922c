//! The grace periods of a shard's topics, and whom to ask whether they live.
//!
//! Not here: the rule (`presence`, `returns`).
//! Contract: pages.md.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Instant;

use smol_str::SmolStr;

use super::{Moment, Shard};
use crate::channel::node::{Mail, Probe};
use crate::presence::{Asked, OwnerId};

impl Shard {
    /// The connection of an owner was lost: what it tracks stays for a while.
    pub(super) fn begin_grace(
        &mut self,
        name: &SmolStr,
        owner: OwnerId,
        socket_id: Option<SmolStr>,
        now: Instant,
    ) {
        let until = now + self.grace;
        // A topic is looked at when the first of its grace periods ends, and then for the next one.
        if self.tracker.disconnect(name, owner, until, socket_id) && self.graced.insert(name.clone()) {
            self.graces.push(Reverse((until, name.clone())));
        }
    }

    /// Ends the grace periods that are over.
    pub(super) fn end_graces(&mut self, now: Instant) {
        while let Some(Reverse((at, _))) = self.graces.peek()
            && *at <= now
        {
            let Some(Reverse((_, name))) = self.graces.pop() else { break };
            let (change, next) = self.tracker.expire(&name, now, self.grace);
            if let Some(change) = change {
                self.changed(&name, change, now);
            }
            match next {
                Some(next) => self.graces.push(Reverse((next, name))),
                None => drop(self.graced.remove(&name)),
            }
        }
    }

    /// Asks connections of the same page and the same user whether they live. Who joined is there for certain.
    pub(super) fn ask_for_life(&mut self, name: &SmolStr, joined: OwnerId, asked: &Asked, at: Moment) {
        let Some(topic) = self.topics.get(name) else { return };
        let own = topic.subscribers.get(&joined).map(|subscriber| &subscriber.peer);
        let mut unasked = Vec::new();
        let superseded = asked.superseded.iter().map(|owner| (owner, true));
        for (owner, is_superseded) in superseded.chain(asked.twins.iter().map(|owner| (owner, false))) {
            let Some(subscriber) = topic.subscribers.get(owner) else {
                // Whoever does not hear the topic cannot be asked through it, and counts as alive.
                unasked.extend(is_superseded.then_some(*owner));
                continue;
            };
            let probe = match (is_superseded, own) {
                (true, _) => Probe::Superseded { topic: name.clone() },
                (false, Some(own)) if Arc::ptr_eq(own, &subscriber.peer) => continue,
                (false, _) => Probe::Twin,
            };
            subscriber.peer.mail(*owner, Mail::Probe(probe));
        }
        for owner in unasked {
            self.restore(name, owner, at);
        }
    }

    /// Tells anew of what was superseded: its connection lives.
    pub(super) fn restore(&mut self, name: &SmolStr, owner: OwnerId, at: Moment) {
        let refs = &mut self.refs;
        if let Some(change) = self.tracker.restore(name, owner, || refs.next(at.unix_ns)) {
            self.changed(name, change, at.now);
        }
    }
}
