//! Who is connected: every open connection, so that all can be told to close, and those of one socket id.

use std::sync::Arc;

use foldhash::HashMap;
use parking_lot::Mutex;
use smol_str::SmolStr;

use super::outbox::Outbox;
use crate::presence::OwnerId;
use crate::session::CloseReason;

/// The open connections of a server.
#[derive(Default)]
pub(crate) struct Connections(Mutex<Open>);

#[derive(Default)]
struct Open {
    outboxes: HashMap<OwnerId, Arc<Outbox>>,
    /// Most socket ids have one connection, and some a few.
    by_socket_id: HashMap<SmolStr, Vec<OwnerId>>,
    /// Given once no connection is to stay, nor to be opened.
    closing: Option<CloseReason>,
}

/// A connection's entry, for as long as it is held.
pub(crate) struct Registration {
    connections: Arc<Connections>,
    id: OwnerId,
    socket_id: Option<SmolStr>,
}

impl Connections {
    /// Enters a connection. One that comes too late is told to close at once.
    pub(crate) fn register(
        self: &Arc<Self>,
        id: OwnerId,
        socket_id: Option<SmolStr>,
        outbox: Arc<Outbox>,
    ) -> Registration {
        let mut open = self.0.lock();
        if let Some(reason) = open.closing {
            outbox.close(reason);
        }
        open.outboxes.insert(id, outbox);
        if let Some(socket_id) = &socket_id {
            let ids = open.by_socket_id.entry(socket_id.clone()).or_insert_with(|| Vec::with_capacity(1));
            ids.push(id);
        }
        Registration { connections: self.clone(), id, socket_id }
    }

    /// Tells every connection to close, those that are still to come too.
    pub(crate) fn close_all(&self, reason: CloseReason) {
        let mut open = self.0.lock();
        open.closing = Some(reason);
        for outbox in open.outboxes.values() {
            outbox.close(reason);
        }
    }

    /// Tells every connection of a socket id to close.
    pub(crate) fn disconnect(&self, socket_id: &str) {
        let open = self.0.lock();
        let ids = open.by_socket_id.get(socket_id).into_iter().flatten();
        for outbox in ids.filter_map(|id| open.outboxes.get(id)) {
            outbox.close(CloseReason::Disconnected);
        }
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().outboxes.len()
    }
}

impl Registration {
    /// The name by which it can be closed.
    pub(crate) fn socket_id(&self) -> Option<&SmolStr> {
        self.socket_id.as_ref()
    }

    /// Unique in this process.
    pub(crate) fn id(&self) -> OwnerId {
        self.id
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut open = self.connections.0.lock();
        open.outboxes.remove(&self.id);
        let Some(socket_id) = &self.socket_id else { return };
        if let Some(ids) = open.by_socket_id.get_mut(socket_id) {
            ids.retain(|id| *id != self.id);
            if ids.is_empty() {
                open.by_socket_id.remove(socket_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::counters::Counters;

    #[test]
    fn a_socket_id_is_forgotten_with_its_last_connection() {
        let connections = Arc::new(Connections::default());
        let register = |id| {
            let outbox = Arc::new(Outbox::new(0, Arc::new(Counters::new())));
            connections.register(OwnerId(id), Some("user:1".into()), outbox)
        };
        let (first, second) = (register(1), register(2));
        drop(first);
        assert_eq!(connections.0.lock().by_socket_id["user:1"], [OwnerId(2)]);
        drop(second);
        assert!(connections.0.lock().by_socket_id.is_empty());
        assert_eq!(connections.len(), 0);
    }
}
