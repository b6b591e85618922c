//! The running side of awareness: every room of every canvas, and the tasks that own them.
//!
//! ```text
//! a connection ─▶ Participant ─▶ Op ─▶ task ▷ Table ─▶ awareness::Room ─▶ Line ◁ flusher
//!                                               └─▶ gateway: who somebody is, what of a state is told
//! ```
//!
//! Owns which task has which workflow, who somebody is, for how long a state waits for that, and who is pinged because
//! another connection has taken their place. All rooms of one workflow are on one task, because its people are compared.
//! Not here: the rules of a room (`awareness`), what is read from messages and written into states (`gateway`), sockets.

mod counters;
mod handle;
mod line;
mod member;
mod pings;
mod table;
mod task;
#[cfg(test)]
mod tests;

pub(crate) use counters::RoomCounters;
pub(crate) use handle::{Participant, Rooms};
pub(crate) use line::Line;
pub(crate) use table::Settings;
