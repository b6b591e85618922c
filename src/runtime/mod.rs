//! The running side: tasks, sockets, shards, and the only clock.
//!
//! ```text
//! socket / longpoll ─▶ connection ─▶ callback ─▶ (channels) ─▶ node ─▶ shard_task ▷ shard ─▶ fanout ─▶ outbox ─▶ connection
//! ```
//!
//! Owns every task and every piece of shared state. Not here: the rules (`session`, `presence`), the bytes (`wire`),
//! what an application wants (`channel`), HTTP routes (`server`).

pub(crate) mod callback;
pub(crate) mod client;
pub(crate) mod connection;
pub(crate) mod connections;
pub(crate) mod counters;
mod fanout;
mod fetch;
pub(crate) mod hub;
mod line;
mod listing;
pub(crate) mod longpoll;
mod metas;
pub(crate) mod node;
mod outbox;
mod shard;
mod shard_task;
pub(crate) mod socket;
pub(crate) mod stream;
