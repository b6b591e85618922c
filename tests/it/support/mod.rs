//! What every test of a running server needs: a server on a free port, a client, and a client's view of presence.
//!
//! Not here: the replay of recorded fixtures ([`crate::replay`]).
//! Nothing here sleeps: whoever waits, waits for something, and no longer than [`within`] allows.

mod client;
mod events;
mod fold;
pub mod http;
mod lobby;
pub mod process;
pub mod raw;
mod server;

use std::future::Future;
use std::time::Duration;

pub use client::{Client, Message};
pub use events::EventStream;
pub use fold::Fold;
pub use lobby::lobbies;
pub use server::Running;

/// Waits for what has to happen.
///
/// # Panics
/// If it has not happened after ten seconds, with the name of it.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LIMIT, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {LIMIT:?} in vain for {what}"),
    }
}

/// Far longer than anything takes on a loaded machine.
const LIMIT: Duration = Duration::from_secs(10);
