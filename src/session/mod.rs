//! One connection's protocol rules: what a message asks for, given what is joined.
//!
//! Owns the map of joined topics, and of those just left, and the limits of a client in time; time is an argument, and
//! what follows from a message is returned as a [`Step`] for `runtime::connection` to carry out. Not here: bytes
//! (`wire`), running channels (`runtime`), who may join (`channel`, `lightning`). Rules: Phoenix 1.8.12,
//! `Phoenix.Socket.__in__/2`; the close codes are Bandit's.

mod client_clock;
mod close;
mod left_topics;
mod liveness;
mod probes;
pub mod progress;
mod rules;
#[cfg(test)]
mod tests;

pub use client_clock::{ClientClock, Due};
pub use close::CloseReason;
pub use left_topics::LeftTopics;
pub use liveness::{Liveness, Silence};
pub use probes::{Probes, SUPERSEDED_LIMIT, TWIN_LIMIT};
pub use rules::{Answer, ChannelId, Delivery, Departed, Join, Session, Step};
