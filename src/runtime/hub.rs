//! What every transport needs to open a connection, and to see all of them closed.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use http::StatusCode;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, info, warn};

use super::capacity::Capacity;
use super::client::{Admitted, Client};
use super::connection::Connection;
use super::counters::Counters;
use super::input_budget::InputBudget;
use super::node::Node;
use super::outbox::Outbox;
use crate::channel::erased::AnyEndpoint;
use crate::channel::node::Node as _;
use crate::channel::{Closer, ConnectInfo, Handle, Hooks, Refusal};
use crate::session::CloseReason;
use crate::wire::{Vsn, websocket};

/// The running server, as its transports see it.
pub(crate) struct Hub {
    pub(crate) node: Arc<Node>,
    pub(crate) limits: Limits,
    pub(crate) capacity: Arc<Capacity>,
    pub(crate) input: Arc<InputBudget>,
    /// The tasks of all connections.
    pub(crate) tasks: TaskTracker,
    endpoint: Box<dyn AnyEndpoint>,
}

/// What one connection may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How long those stay whose connection was lost; zero where connections are nothing to one another.
    pub(crate) grace: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) max_channels: usize,
    /// How large a message may be.
    pub(crate) messages: websocket::Limits,
    /// Bytes that may wait for a slow reader.
    pub(crate) outbox_bytes: usize,
}

impl Hub {
    pub(crate) fn start(
        endpoint: Box<dyn AnyEndpoint>,
        hooks: &Hooks,
        limits: Limits,
        flush_window: Duration,
        capacity: Arc<Capacity>,
        input: Arc<InputBudget>,
    ) -> Arc<Self> {
        let node = Node::start(hooks, flush_window, limits.grace);
        Arc::new(Hub { node, limits, capacity, input, tasks: TaskTracker::new(), endpoint })
    }

    /// The program's own way in.
    pub(crate) fn handle(&self) -> Handle {
        Handle::new(self.node.clone())
    }

    /// Asks the application who connects.
    ///
    /// # Errors
    /// The application's refusal; 500 if it panics.
    pub(crate) async fn connect(&self, info: &ConnectInfo) -> Result<Admitted, Refusal> {
        let client = Client::of(info);
        let span = client.span(None);
        let asked = AssertUnwindSafe(self.endpoint.connect(info)).catch_unwind();
        match asked.instrument(span.clone()).await {
            Ok(Ok(accepted)) => Ok(Admitted { client, accepted }),
            Ok(Err(refusal)) => {
                span.in_scope(|| info!(status = refusal.status().as_u16(), "a connection was refused"));
                Err(refusal)
            }
            Err(_) => {
                span.in_scope(|| warn!("the connect handler panicked"));
                Err(Refusal::with_status(StatusCode::INTERNAL_SERVER_ERROR))
            }
        }
    }

    /// Opens a connection that was let in.
    pub(crate) fn open(&self, vsn: Vsn, admitted: Admitted) -> Connection {
        let transport = admitted.client.transport;
        let outbox = Arc::new(Outbox::new(self.limits.outbox_bytes, self.node.counters.clone()));
        let way_out = Arc::downgrade(&self.node);
        let socket_id = admitted.accepted.socket_id.clone();
        admitted.accepted.topics.opened(Closer::new(&outbox, way_out, socket_id));
        let id = self.node.new_owner();
        let socket_id = admitted.accepted.socket_id.clone();
        let registration = self.node.connections.register(id, socket_id, outbox.clone());
        let node = self.node.clone();
        let max_channels = self.limits.max_channels;
        let connection =
            Connection::new(node, vsn, admitted, max_channels, outbox, registration, self.input.clone());
        self.counters().opened(transport);
        connection.span().in_scope(|| debug!(?transport, ?vsn, "connection open"));
        connection
    }

    /// What is counted.
    pub(crate) fn counters(&self) -> &Counters {
        &self.node.counters
    }

    /// How many connections are open.
    pub(crate) fn connections(&self) -> usize {
        self.node.connections.len()
    }

    /// Tells every connection to close with 1012, those still to come too. Nobody is told of all the leaves: whoever
    /// could be told is being closed as well.
    pub(crate) async fn close_all(&self) {
        self.node.hush().await;
        self.node.connections.close_all(CloseReason::Shutdown);
    }
}
