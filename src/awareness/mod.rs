//! Awareness: who is in a room of a canvas, what each shows of itself, and what each is still to be told.
//!
//! Owns the codec of awareness messages ([`decode`], [`Update`]), the table of a room ([`Room`]), who speaks for which
//! client id, the numbers under which states are told, and what each participant is owed at a tick.
//! Not here: frames (`wire`), who somebody is and what a state may contain (`gateway`), tasks, connections and the clock
//! (`runtime`).
//! Rules: y-protocols 1.0.6, `awareness.js`, as y-phoenix-channel 0.1.1 uses it; and what keeps its clients from being
//! blind to each other after a reconnect, which is ours.
//!
//! A y-protocols client takes an entry only if its clock is above the last that it has seen of that client id, and it
//! keeps the clocks of those who are gone. So the clocks that clients send are not used: the room numbers all that it
//! tells, ever upwards, and whoever returns is seen and sees at once.

mod claims;
mod clients;
mod codec;
mod json;
mod participants;
mod room;
#[cfg(test)]
mod tests;
mod timing;
mod update;

pub use codec::{Entry, Malformed, decode};
pub use participants::ParticipantId;
pub use room::{Dropped, Own, Received, Room};
pub use timing::Timing;
pub use update::Update;
