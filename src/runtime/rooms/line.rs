//! The line to one connection, as far as awareness needs it.

use std::time::Instant;

use crate::channel::node::Peer;
use crate::wire::Frame;

/// A connection that awareness is sent to.
pub(crate) trait Line: Peer {
    /// Whether an update would go out with the next message. Not while an earlier one waits, nor while the socket is
    /// full: awareness has no queue, and whoever is passed over is told the latest later.
    fn takes_updates(&self) -> bool;
    /// Puts an update in line, before the messages that wait. `true` if the caller owes a [`flush`](Peer::flush).
    fn hold_update(&self, frame: Frame) -> bool;
    /// Sends a WebSocket ping with this content. `false` if the socket takes nothing: then nobody can be judged by it.
    fn ping(&self, nonce: [u8; 8]) -> bool;
    /// Whether a ping that was sent may still wait here.
    fn is_behind(&self) -> bool;
    /// Since when the connection is read from; `None` while reading is paused.
    fn reads_since(&self) -> Option<Instant>;
    /// Closes the connection, because a ping was not answered.
    fn close_unresponsive(&self);
}
