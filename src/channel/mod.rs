//! The seam to applications: what a channel is, what it may ask for, which topics it serves, and who connects.
//!
//! ```text
//! Connect ── identity ──▶ Router ── topic ──▶ Channel ── asks ──▶ Context, Presence, Handle
//! ```
//!
//! Has async traits, but no I/O, task or clock of its own: what a channel asks for goes through the two traits in
//! `node`, which the running side implements.
//! Not here: sockets and tasks (`runtime`), the rules of a connection (`session`).
//! Rules: `Phoenix.Channel`, `Phoenix.Socket`, `Phoenix.Presence` of Phoenix 1.8.12.

mod connect;
pub(crate) mod context;
mod contract;
pub(crate) mod erased;
pub(crate) mod handle;
pub(crate) mod node;
pub(crate) mod observation;
mod owner;
mod params;
mod presence;
mod router;
mod watch;

pub use connect::{Closer, Connect, ConnectInfo, Connected, Refusal, Transport};
pub use context::{Context, Incoming, PushError, ReplyRef};
pub use contract::{BoxError, Channel, Ended, Flow, JoinError, Outcome, Reply, StopReason};
pub use handle::{BroadcastError, Handle};
pub use owner::{Owner, TrackError, UpdateError};
pub use params::{BadQuery, Params};
pub(crate) use presence::Fetch;
pub use presence::{FetchError, HandleMetas, Hooks, Presence};
pub use router::Router;
pub use watch::{Watch, Watched};

/// What channels receive and send.
pub use crate::wire::{Json, ParseError, Payload};
