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
use std::sync::LazyLock;
use std::time::Duration;

pub use client::{Client, Message};
pub use events::EventStream;
pub use fold::Fold;
pub use lobby::lobbies;
pub use server::Running;

/// Waits for what has to happen.
///
/// # Panics
/// If it has not happened after ten seconds, or as many times that as `TEST_PATIENCE` says, with the name of it.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let limit = LIMIT * *PATIENCE;
    match tokio::time::timeout(limit, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {limit:?} in vain for {what}"),
    }
}

/// Far longer than anything takes on a loaded machine.
const LIMIT: Duration = Duration::from_secs(10);
/// On a slow one, everything has so many times as long.
static PATIENCE: LazyLock<u32> = LazyLock::new(|| {
    let given = std::env::var("TEST_PATIENCE").ok();
    given.map_or(1, |given| given.parse().expect("TEST_PATIENCE is a whole number"))
});
