//! The line to a relay's client, as awareness needs it.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::super::outbox::Outbox;
use super::super::rooms::Line;
use crate::channel::node::{Mail, Peer};
use crate::presence::OwnerId;
use crate::session::CloseReason;
use crate::wire::{Frame, websocket};

/// A relay's outbox, and whether its client is read.
pub(super) struct RelayLine {
    pub(super) outbox: Arc<Outbox>,
    reads_since: Mutex<Option<Instant>>,
}

impl RelayLine {
    pub(super) fn new(outbox: Arc<Outbox>, now: Instant) -> Self {
        RelayLine { outbox, reads_since: Mutex::new(Some(now)) }
    }

    /// From now on the client is read, or is not.
    pub(super) fn reads(&self, since: Option<Instant>) {
        *self.reads_since.lock() = since;
    }
}

impl Line for RelayLine {
    fn takes_updates(&self) -> bool {
        self.outbox.takes_updates()
    }

    fn hold_update(&self, frame: Frame) -> bool {
        self.outbox.hold_ahead(frame)
    }

    fn ping(&self, nonce: [u8; 8]) -> bool {
        let takes = self.outbox.takes_updates();
        if takes {
            self.outbox.send_ahead(websocket::ping(&nonce));
        }
        takes
    }

    fn is_behind(&self) -> bool {
        self.outbox.has_ahead()
    }

    fn reads_since(&self) -> Option<Instant> {
        *self.reads_since.lock()
    }

    fn close_unresponsive(&self) {
        self.outbox.close(CloseReason::Unresponsive);
    }
}

impl Peer for RelayLine {
    fn send(&self, frame: Frame) {
        self.outbox.send_ahead(frame);
    }

    fn hold(&self, frame: Frame) -> bool {
        self.outbox.hold_ahead(frame)
    }

    fn flush(&self) {
        Peer::flush(&*self.outbox);
    }

    fn mail(&self, channel: OwnerId, mail: Mail) {
        self.outbox.mail(channel, mail);
    }

    fn disconnect(&self) {
        self.outbox.disconnect();
    }
}
