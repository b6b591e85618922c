//! Every recorded conversation passes through the gateway as it was recorded.

use futures::{StreamExt, stream};

use super::Gateway;
use crate::fixtures::recorded;
use crate::replay::{Conformance, Servers, replay};

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_conversation_passes_through_the_gateway() {
    let replays = recorded().into_iter().map(|fixture| async move {
        let upstream = Conformance::start().await.map_err(|error| error.to_string())?;
        let gateway = Gateway::start(upstream.address()).await;
        let servers = Servers { sockets: gateway.address, other: upstream.address() };
        let outcome = replay(&fixture, servers).await;
        outcome.map_err(|failure| format!("{failure}\n  the upstream printed:\n{}", upstream.output()))
    });
    let outcomes: Vec<Result<(), String>> = stream::iter(replays).buffer_unordered(AT_ONCE).collect().await;
    assert!(outcomes.len() > 50, "{} fixtures", outcomes.len());
    let failures: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{} fixtures fail:\n\n{}", failures.len(), failures.join("\n\n"));
}

/// Fixtures played at the same time, each against servers of its own. A session of long poll lives for two seconds without a
/// poll, so the machine must keep up with them.
const AT_ONCE: usize = 4;
