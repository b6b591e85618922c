//! The running side: tasks, sockets, shards, and the only clock.
//!
//! ```text
//! socket / longpoll ─▶ connection ─▶ callback ─▶ (channels) ─▶ node ─▶ shard_task ▷ shard ─▶ fanout ─▶ outbox ◁ flusher
//! ```
//!
//! Owns every task and every piece of shared state. Not here: the rules (`session`, `presence`), the bytes (`wire`),
//! what an application wants (`channel`), HTTP routes (`server`).
//!
//! What a connection keeps on the heap while it is idle, joined to one workflow that three share, in bytes. Tables are
//! counted with the room they have left; `tests/counts` holds the sum against reality.
//!
//! | bytes | what |
//! |---|---|
//! | 896 | the task: decoder, connection, session, limits in time, timer |
//! | 312 | the socket, its place among all, shared with whoever writes to it, and tokio's registration of it |
//! | 240 | the outbox |
//! | 160 | room for two frames in the outbox, and two ready to be written |
//! | 215 | the user: what its page is known by, account, identity, names |
//! | 115 | the entry among all connections, and that of its socket id |
//! | 320 | what is joined: the session's table, the connection's table, the channel's place |
//! | 296 | the channel: its seat, its owner's topics, the canvas |
//! | 370 | the presence: its entry, its meta as text, its place on its topic |
//! | 470 | a third of the topic: who hears it, what is to be told |
//! | 215 | a third of the published list, and of its encoding |

pub(crate) mod callback;
pub(crate) mod capacity;
pub(crate) mod client;
pub(crate) mod connection;
pub(crate) mod connections;
pub(crate) mod counters;
mod fanout;
mod fetch;
mod flusher;
pub(crate) mod gateway;
pub(crate) mod hub;
pub(crate) mod input_budget;
mod line;
mod listing;
pub(crate) mod longpoll;
mod masks;
mod metas;
pub(crate) mod node;
mod outbox;
mod read_buffer;
pub(crate) mod relay;
pub(crate) mod rooms;
mod shard;
mod shard_task;
pub(crate) mod socket;
pub(crate) mod stream;
pub(crate) mod turn;
mod unwritten;
pub mod upstream;
mod writer;
