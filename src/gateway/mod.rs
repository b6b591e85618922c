//! What is noticed while messages pass between a client and its upstream, and who somebody is.
//!
//! Owns: which messages stay here (heartbeats, awareness), which are dropped, and what the others show in passing: who
//! joined and left a canvas, and whom Lightning names as the user.
//!
//! Not here: what is sent of awareness and when (`awareness`), sockets, time and tasks (`runtime`). Of a message that
//! passes nothing is changed.
//!
//! Contract: contract/canvas.md, F.3 to F.5; Phoenix 1.8.12 for the messages, y-protocols 1.0.6 for what they carry.

mod color;
mod context;
mod heartbeat;
mod identities;
mod restate;
mod text;
mod user;
mod verdict;
mod watch;
mod yjs;

pub use identities::Identities;
pub use restate::{Unshown, is_empty_state, restate};
pub use user::User;
pub use verdict::{DropReason, HeadVerdict, Key, Notice, Verdict};
pub use watch::Watch;
