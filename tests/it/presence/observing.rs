//! A channel that observes a topic: it hears who is there behind its client, and never more than it can take.

use std::sync::Arc;
use std::time::Duration;

use presenced::channel::{
    BoxError, Channel, Context, Flow, Hooks, Incoming, JoinError, Outcome, Payload, Router,
};
use presenced::presence::{Meta, Snapshot};
use presenced::server::Options;
use presenced::wire::Vsn;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::{Client, Fold, Running};

#[tokio::test]
async fn the_list_comes_behind_the_state_and_behind_every_diff_and_says_the_same() {
    for topic in ["tower:roster:1", "tower:1"] {
        let tower = Tower::serve(Options::default()).await;
        let mut client = tower.client().await;
        client.enter(topic).await;
        let observed = if topic == "tower:roster:1" { "roster:1" } else { topic };
        let owner = tower.server.handle().owner();
        let mut fold = Fold::default();
        for key in [None, Some("ada"), Some("bob")] {
            let frame = match key {
                Some(key) => {
                    owner.track(observed, key, meta()).await.expect("not tracked yet");
                    "presence_diff"
                }
                None => "presence_state",
            };
            fold.take(&client.expect(topic, frame).await);
            let heard = client.next().await;
            assert_eq!((heard.event.as_str(), &heard.payload["topic"]), ("heard", &json!(observed)));
            assert_eq!(Fold::refs_of(&heard.payload["present"]), fold.refs(), "{key:?}");
        }
    }
}

#[tokio::test]
async fn a_channel_at_work_hears_the_last_of_many_lists_and_not_the_others() {
    let tower = Tower::serve(Options { flush_window: Duration::ZERO, ..Options::default() }).await;
    let mut client = tower.client().await;
    client.enter("tower:1").await;
    client.expect("tower:1", "heard").await;
    client.unasked();
    client.push("tower:1", "wait", json!({})).await;
    client.heartbeat().await;

    let owner = tower.server.handle().owner();
    for key in 0..20 {
        owner.track("tower:1", key.to_string(), meta()).await.expect("not tracked yet");
        client.expect("tower:1", "presence_diff").await;
    }
    tower.gate.add_permits(1);
    let heard = client.expect("tower:1", "heard").await;
    assert_eq!(heard.payload["present"].as_object().map(serde_json::Map::len), Some(20));
    client.call("tower:1", "done?", json!({})).await;
    assert_eq!(client.unasked(), [], "there was one list to hear");
}

#[tokio::test]
async fn it_waits_for_a_fetch_as_its_client_does_and_is_told_what_was_tracked() {
    let gate = Arc::new(Semaphore::new(0));
    let shared = gate.clone();
    let hooks = Hooks::new().fetch(move |_, mut entries: presenced::presence::Presences| {
        let gate = shared.clone();
        async move {
            if entries.0.contains_key("slow") {
                gate.acquire().await.expect("the gate is never closed").forget();
            }
            for entry in entries.0.values_mut() {
                entry.extra.insert("fetched".into(), true.into());
            }
            Ok(entries)
        }
    });
    let options = Options { hooks, flush_window: Duration::ZERO, ..Options::default() };
    let tower = Tower::serve(options).await;
    let mut client = tower.client().await;
    client.enter("tower:1").await;
    assert_eq!(client.expect("tower:1", "heard").await.payload["present"], json!({}));
    let owner = tower.server.handle().owner();
    for key in ["slow", "quick"] {
        owner.track("tower:1", key, meta()).await.expect("not tracked yet");
    }
    client.call("tower:1", "done?", json!({})).await;
    let events: Vec<_> = client.unasked().into_iter().map(|message| message.event).collect();
    assert_eq!(events, ["presence_state"], "diffs and lists wait for the fetch");

    gate.add_permits(1);
    let diff = client.next().await;
    assert_eq!(
        (diff.event.as_str(), &diff.payload["joins"]["slow"]["fetched"]),
        ("presence_diff", &json!(true))
    );
    let heard = loop {
        let heard = client.expect("tower:1", "heard").await.payload["present"].take();
        if heard.get("quick").is_some() {
            break heard;
        }
    };
    assert!(heard["slow"]["metas"].is_array() && heard["slow"].get("fetched").is_none(), "{heard}");
}

/// A server whose topics `tower:*` are [`Lookout`]s.
struct Tower {
    server: Running,
    /// Each permit lets one waiting callback go on.
    gate: Arc<Semaphore>,
}

/// A channel that observes the topic behind `tower:`, where that is another one's, or else its own, and tells its
/// client all it hears.
struct Lookout {
    gate: Arc<Semaphore>,
}

impl Tower {
    async fn serve(options: Options) -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let shared = gate.clone();
        let router = Router::new().channel("tower:*", move |_: &String| Lookout { gate: shared.clone() });
        Tower { server: Running::start(router, options).await, gate }
    }

    async fn client(&self) -> Client {
        Client::connect(self.server.address(), Vsn::V2, "user=ada").await
    }
}

impl Channel for Lookout {
    type Info = ();

    async fn join(&mut self, _: Payload, _: &Context<()>) -> Result<Payload, JoinError> {
        Ok(Payload::empty())
    }

    async fn after_join(&mut self, context: &Context<()>) -> Result<Flow, BoxError> {
        let topic = context.topic();
        let behind = topic.strip_prefix("tower:").filter(|behind| behind.contains(':'));
        let presence = context.presence_of(behind.unwrap_or(topic));
        presence.follow();
        presence.observe();
        presence.push_state().await;
        Ok(Flow::Continue(()))
    }

    async fn handle_in(&mut self, message: Incoming, _: &Context<()>) -> Result<Outcome, BoxError> {
        if message.event == "wait" {
            self.gate.acquire().await?.forget();
            return Ok(Outcome::NoReply);
        }
        Ok(Outcome::Reply(presenced::channel::Reply::done()))
    }

    async fn handle_presence(
        &mut self,
        topic: &str,
        present: Snapshot,
        context: &Context<()>,
    ) -> Result<Flow, BoxError> {
        let present: Value = serde_json::from_slice(&present.encode())?;
        context.push("heard", &json!({"topic": topic, "present": present}).into())?;
        Ok(Flow::Continue(()))
    }
}

fn meta() -> Meta {
    Meta::of(&json!({})).expect("an object")
}
