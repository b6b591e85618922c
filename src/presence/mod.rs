//! Presence: who is on each topic, and what its clients are told of it.
//!
//! Owns the tracked entries of the topics it is given ([`Tracker`]), what a client is sent of them
//! ([`Snapshot`], [`Diff`]), and the gathering of changes between two flushes ([`Pending`]).
//! Not here: tasks, clocks and who is subscribed (`runtime`), frames (`wire`), replication between nodes
//! (`cluster`).
//! Rules: Phoenix 1.8.12, `Phoenix.Presence`; phoenix_pubsub 2.2.0, `Phoenix.Tracker.State`; and what the
//! folds of phoenix.js's `Presence` need of a server.

mod accumulated;
#[cfg(test)]
pub(crate) mod client;
mod diff;
mod entry;
mod listing;
mod meta;
mod pending;
mod phx_ref;
mod presences;
mod returns;
mod snapshot;
#[cfg(test)]
mod tests;
mod topic;
mod tracker;

pub use accumulated::{Accumulated, MetasByKey};
pub use diff::{Diff, encode_diff};
pub use entry::{Attributes, Entry, OwnerId, ReplicaId, Tag};
pub use meta::{Meta, NotAnObject};
pub use pending::{Instead, Pending, Told};
pub use phx_ref::{PhxRef, PhxRefs};
pub use presences::{Presence, Presences};
pub use returns::Asked;
pub use snapshot::{Headcount, Snapshot};
pub use tracker::{AlreadyTracked, Change, NotTracked, Tracked, Tracker};
