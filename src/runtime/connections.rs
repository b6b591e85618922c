//! Who is connected: every open connection, so that all can be told to close.

use std::sync::Arc;

use foldhash::HashMap;
use parking_lot::Mutex;

use super::outbox::Outbox;
use crate::presence::OwnerId;
use crate::session::CloseReason;

/// The open connections of a server.
#[derive(Default)]
pub(crate) struct Connections(Mutex<Open>);

#[derive(Default)]
struct Open {
    outboxes: HashMap<OwnerId, Arc<Outbox>>,
    /// Given once no connection is to stay, nor to be opened.
    closing: Option<CloseReason>,
}

/// A connection's entry, for as long as it is held.
pub(crate) struct Registration {
    connections: Arc<Connections>,
    id: OwnerId,
}

impl Connections {
    /// Enters a connection. One that comes too late is told to close at once.
    pub(crate) fn register(self: &Arc<Self>, id: OwnerId, outbox: Arc<Outbox>) -> Registration {
        let mut open = self.0.lock();
        if let Some(reason) = open.closing {
            outbox.close(reason);
        }
        open.outboxes.insert(id, outbox);
        Registration { connections: self.clone(), id }
    }

    /// Tells every connection to close, those that are still to come too.
    pub(crate) fn close_all(&self, reason: CloseReason) {
        let mut open = self.0.lock();
        open.closing = Some(reason);
        for outbox in open.outboxes.values() {
            outbox.close(reason);
        }
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().outboxes.len()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.connections.0.lock().outboxes.remove(&self.id);
    }
}
