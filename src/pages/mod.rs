//! Pages: what one loaded page is known by when it comes back, and what its going means to others.
//!
//! Owns the identity of a page ([`Page`]), the rule of who left and who is disconnected ([`Departure`]), and when a limit
//! in time is not to be judged ([`STANDSTILL`]).
//! Not here: entries, participants and grace periods (`awareness`, `presence`), clocks and sockets (`runtime`).
//! The rule is that of phoenix.js in browsers: which close codes a reload, a killed tab and phoenix.js itself send, and
//! which parameters a page sends again at every connect.

mod departure;
mod page;

pub use departure::{Departure, Ending};
pub use page::{Credentials, Page, Strength};

use std::time::Duration;

/// Whatever is looked at so much later than it was due is not judged, but begins anew: the process, or the machine, stood
/// still, and nobody could do anything about it. Contract: pages.md §2, last line.
pub const STANDSTILL: Duration = Duration::from_secs(2);
