//! Connections and their channels: disconnecting, limits, and which channel serves a topic.

use presenced::channel::{BoxError, Channel, Context, Incoming, JoinError, Outcome, Router};
use presenced::server::Options;
use presenced::wire::{Payload, Vsn};
use serde_json::json;

use super::Bench;
use crate::support::{Client, Running};

#[tokio::test]
async fn a_disconnect_closes_every_connection_of_the_socket_id() {
    let bench = Bench::new().await;
    let mut laptop = bench.member("ada", "lab:1").await;
    let mut phone = bench.client("ada", Vsn::V1).await;
    phone.enter("lab:2").await;
    let mut other = bench.member("bob", "lab:1").await;

    bench.server.handle().disconnect("user:ada").await;
    assert_eq!(laptop.closed().await, 1001);
    assert_eq!(phone.closed().await, 1001);
    assert_eq!(other.call("lab:1", "echo", json!({})).await.status, "ok");
}

#[tokio::test]
async fn what_was_sent_before_a_disconnect_still_arrives() {
    let bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:1").await;
    let handle = bench.server.handle();
    handle.broadcast("lab:1", "shout", json!({"n": 1}).into()).await.expect("an object");
    handle.disconnect("user:ada").await;
    assert_eq!(client.closed().await, 1001);
    assert_eq!(client.unasked().into_iter().map(|message| message.event).collect::<Vec<_>>(), ["shout"]);
}

#[tokio::test]
async fn only_the_event_disconnect_closes_connections() {
    let bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:1").await;
    let handle = bench.server.handle();
    handle.broadcast("user:ada", "shout", json!({}).into()).await.expect("an object");
    handle.broadcast("lab:1", "disconnect", json!({}).into()).await.expect("an object");
    assert_eq!(client.next().await.event, "disconnect", "to a member it is an event like any other");
    handle.broadcast("user:ada", "disconnect", json!({}).into()).await.expect("an object");
    assert_eq!(client.closed().await, 1001);
}

#[tokio::test]
async fn a_connection_joins_a_hundred_channels_and_no_more() {
    let bench = Bench::new().await;
    let mut client = bench.client("ada", Vsn::V2).await;
    for n in 0..100 {
        client.enter(&format!("lab:{n}")).await;
    }
    let reply = client.join("lab:100", json!({})).await;
    assert_eq!(reply.status, "error");
    assert_eq!(reply.response, json!({"reason": "too many channels joined"}));

    client.enter("lab:0").await;
    client.call("lab:1", "phx_leave", json!({})).await;
    client.enter("lab:100").await;
    assert_eq!(client.join("lab:101", json!({})).await.status, "error");
}

#[tokio::test]
async fn the_first_pattern_that_matches_serves_a_topic() {
    let router = Router::new()
        .channel("room:lobby", |_: &String| Sign("the lobby"))
        .channel("room:*", |_| Sign("a room"))
        .channel("room:attic", |_| Sign("never"))
        .channel("*", |user| Sign(if user == "ada" { "ada's" } else { "another's" }));
    let server = Running::start(router, Options::default()).await;
    let mut client = Client::connect(server.address(), Vsn::V2, "user=ada").await;
    for (topic, sign) in
        [("room:lobby", "the lobby"), ("room:attic", "a room"), ("room:", "a room"), ("hall", "ada's")]
    {
        assert_eq!(client.enter(topic).await, json!(sign), "{topic}");
    }
}

/// Says in the reply to a join which route led there.
struct Sign(&'static str);

impl Channel for Sign {
    type Info = ();

    async fn join(&mut self, _: Payload, _: &Context<()>) -> Result<Payload, JoinError> {
        Ok(json!(self.0).into())
    }

    async fn handle_in(&mut self, message: Incoming, _: &Context<()>) -> Result<Outcome, BoxError> {
        Err(format!("a sign takes no {:?}", message.event).into())
    }
}
