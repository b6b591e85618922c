//! Channels whose callbacks never return: what waits for them is bounded, and what they track ends with them.

use std::future::pending;

use presenced::channel::{BoxError, Channel, Context, Flow, Incoming, JoinError, Outcome, Payload, Router};
use presenced::presence::Meta;
use presenced::server::Options;
use presenced::wire::Vsn;
use serde_json::json;
use tokio::sync::mpsc;

use crate::support::{Client, Running};

/// Never done with what others tell it.
struct Listener;

impl Channel for Listener {
    type Info = ();
    const INTERCEPTS: &'static [&'static str] = &["told"];

    async fn join(&mut self, _: Payload, _: &Context<()>) -> Result<Payload, JoinError> {
        Ok(Payload::empty())
    }

    async fn handle_in(&mut self, _: Incoming, _: &Context<()>) -> Result<Outcome, BoxError> {
        Ok(Outcome::NoReply)
    }

    async fn handle_out(&mut self, _: &str, _: Payload, _: &Context<()>) -> Result<Flow, BoxError> {
        pending().await
    }
}

/// Present before it is let in, which it never is, and known to somebody who outlives it.
struct Joiner {
    kept: mpsc::UnboundedSender<Context<()>>,
}

impl Channel for Joiner {
    type Info = ();

    async fn join(&mut self, _: Payload, context: &Context<()>) -> Result<Payload, JoinError> {
        context.presence_of("listener:1").track("joiner", Meta::of(&json!({}))?).await?;
        // The test may have what it wants already.
        let _ = self.kept.send(context.clone());
        pending().await
    }

    async fn handle_in(&mut self, _: Incoming, _: &Context<()>) -> Result<Outcome, BoxError> {
        Ok(Outcome::NoReply)
    }
}

async fn serve() -> (Running, mpsc::UnboundedReceiver<Context<()>>) {
    let (kept, contexts) = mpsc::unbounded_channel();
    let router = Router::new()
        .channel("listener:*", |_: &String| Listener)
        .channel("joiner:*", move |_: &String| Joiner { kept: kept.clone() });
    let options = Options { outbox_bytes: 64 * 1024, ..Options::default() };
    (Running::start(router, options).await, contexts)
}

/// The client reads all it is sent; it is its channel that does not.
#[tokio::test(flavor = "multi_thread")]
async fn broadcasts_do_not_pile_up_behind_a_channel_that_is_not_done_with_one() {
    let (server, _contexts) = serve().await;
    let mut client = Client::connect(server.address(), Vsn::V2, "user=ada").await;
    client.enter("listener:1").await;
    let told = json!({"filling": "x".repeat(16 * 1024)});
    for _ in 0..16 {
        server.handle().broadcast("listener:1", "told", told.clone().into()).await.expect("an object");
    }
    assert_eq!(client.closed().await, 1013);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_join_tracked_ends_with_a_connection_that_ends_during_it() {
    let (server, mut contexts) = serve().await;
    let mut watcher = Client::connect(server.address(), Vsn::V2, "user=eve").await;
    watcher.enter("listener:1").await;
    let mut client = Client::connect(server.address(), Vsn::V2, "user=ada").await;
    client.send_join("joiner:1", json!({})).await;
    let _kept = contexts.recv().await.expect("the join has begun");
    watcher.expect("listener:1", "presence_diff").await;

    server.handle().disconnect("user:ada").await;
    let left = watcher.expect("listener:1", "presence_diff").await;
    assert_eq!(left.payload["leaves"]["joiner"]["metas"].as_array().map(Vec::len), Some(1));
    assert_eq!(client.closed().await, 1001);
}
