//! Pages: what one loaded page is known by when it comes back, and what its going means to others.
//!
//! Owns the identity of a page ([`Page`]) and the rule of who left and who is disconnected ([`Departure`]).
//! Not here: entries, participants and grace periods (`awareness`, `presence`), times and sockets (`runtime`).
//! The rule is that of phoenix.js in browsers: which close codes a reload, a killed tab and phoenix.js itself send, and
//! which parameters a page sends again at every connect.

mod departure;
mod page;

pub use departure::{Departure, Ending};
pub use page::{Page, Strength};
