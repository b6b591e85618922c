//! Asking the client of a connection whether it lives, because its page or its user joined elsewhere.
//!
//! Not here: when the limits are looked at, which the transports do.
//! Contract: pages.md §2 and §3.

use std::time::Instant;

use super::Connection;
use crate::channel::Transport;
use crate::channel::node::{Peer as _, Probe};
use crate::presence::OwnerId;
use crate::session::{SUPERSEDED_LIMIT, TWIN_LIMIT};
use crate::wire::websocket;

impl Connection {
    /// A pong came.
    pub(super) fn probe_answered(&mut self, nonce: &[u8]) {
        if let Some(probes) = &mut self.probes {
            let (answered, next) = probes.answered(nonce, Instant::now());
            self.lives(answered, next);
        }
    }

    /// The client has shown, without a ping, that it lives.
    pub(crate) fn all_probes_answered(&mut self, now: Instant) {
        if let Some(probes) = &mut self.probes {
            let (answered, next) = probes.all_answered(now);
            self.lives(answered, next);
        }
    }

    /// When the client will have had its time to answer; `None` where it was not asked anything.
    pub(crate) fn probes_expire(&self) -> Option<Instant> {
        self.probes.as_ref()?.expires()
    }

    /// The client's time to answer begins anew.
    pub(crate) fn restart_probes(&mut self, now: Instant) {
        if let Some(probes) = &mut self.probes {
            probes.restart(now);
        }
    }

    /// Whether the client has had its time and did not answer.
    pub(crate) fn is_unresponsive(&mut self, now: Instant) -> bool {
        self.probes.as_mut().is_some_and(|probes| probes.is_over(now))
    }

    /// Asks for the sake of a channel.
    pub(super) fn probe(&mut self, channel: OwnerId, probe: Probe) {
        let limit = match probe {
            Probe::Twin => TWIN_LIMIT,
            Probe::Superseded { .. } => SUPERSEDED_LIMIT,
        };
        let probes = self.probes.get_or_insert_default();
        // Of twins it is all the same which channel they are asked for.
        let channel = if let Probe::Twin = probe { self.registration.id() } else { channel };
        let nonce = probes.ask(limit, (channel, probe), Instant::now());
        self.ping(nonce);
    }

    fn lives(&mut self, answered: Vec<(OwnerId, Probe)>, next: Option<[u8; 8]>) {
        for (channel, probe) in answered {
            if let Probe::Superseded { topic } = probe {
                self.node.restore(topic, channel);
            }
        }
        if self.probes_expire().is_none() {
            self.probes = None;
        }
        self.ping(next);
    }

    /// In long poll, which has no pings, a poll is what answers.
    fn ping(&self, nonce: Option<[u8; 8]>) {
        if let Some(nonce) = nonce
            && self.client.transport == Transport::WebSocket
        {
            self.outbox.send(websocket::ping(&nonce));
        }
    }
}
