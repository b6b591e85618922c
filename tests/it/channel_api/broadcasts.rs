//! Broadcasts: who gets them, in what order, and what cannot be sent.

use presenced::channel::BroadcastError;
use presenced::wire::{Payload, Vsn};
use serde_json::{Value, json};

use super::{BYTES, Bench};

#[tokio::test]
async fn a_broadcast_reaches_every_member_once_and_before_what_its_sender_pushes_next() {
    let bench = Bench::new().await;
    let mut sender = bench.member("ada", "lab:1").await;
    let mut members = [bench.member("bob", "lab:1").await, bench.client("old", Vsn::V1).await];
    members[1].enter("lab:1").await;
    let mut stranger = bench.member("eve", "lab:2").await;

    for n in 0..50 {
        sender.push("lab:1", "shout_and_push", json!({"n": n})).await;
    }
    for n in 0..50 {
        for event in ["shout", "pushed"] {
            let message = sender.next().await;
            assert_eq!((message.event.as_str(), message.payload), (event, json!({"n": n})));
        }
        for member in &mut members {
            let message = member.next().await;
            assert_eq!((message.event.as_str(), message.payload), ("shout", json!({"n": n})));
            assert_eq!((message.join_ref, message.reference), (Value::Null, Value::Null));
        }
    }
    assert_eq!(stranger.call("lab:2", "echo", json!({})).await.status, "ok");
    assert_eq!(stranger.unasked(), []);
}

#[tokio::test]
async fn a_broadcast_from_a_channel_reaches_all_but_that_channel() {
    let bench = Bench::new().await;
    let mut sender = bench.member("ada", "lab:1").await;
    let mut own_tab = bench.member("ada", "lab:1").await;
    let reply = sender.call("lab:1", "shout_from", json!({"n": 1})).await;
    assert_eq!(reply.status, "ok");
    assert_eq!(own_tab.next().await.payload, json!({"n": 1}));
    assert_eq!(sender.unasked(), []);
}

#[tokio::test]
async fn an_intercepted_broadcast_reaches_each_member_through_its_own_channel() {
    let bench = Bench::new().await;
    let mut sender = bench.member("ada", "lab:1").await;
    let mut member = bench.member("bob", "lab:1").await;
    sender.push("lab:1", "intercept", json!({"n": 1})).await;
    for (client, user) in [(&mut sender, "ada"), (&mut member, "bob")] {
        let message = client.next().await;
        assert_eq!(message.event, "intercepted");
        assert_eq!(message.payload, json!({"heard": {"n": 1}, "by": user}));
        assert_eq!(message.join_ref, json!(client.join_ref("lab:1")), "it is a push of the channel");
    }
}

#[tokio::test]
async fn bytes_are_broadcast_to_v2_members_only() {
    let bench = Bench::new().await;
    let mut modern = bench.member("ada", "lab:1").await;
    let mut old = bench.client("bob", Vsn::V1).await;
    old.enter("lab:1").await;
    let handle = bench.server.handle();
    handle.broadcast("lab:1", "bytes", Payload::Binary(BYTES.into())).await.expect("bytes can be broadcast");
    handle.broadcast("lab:1", "shout", json!({"n": 1}).into()).await.expect("an object");

    let bytes = modern.next().await;
    assert_eq!((bytes.event.as_str(), bytes.binary.as_deref()), ("bytes", Some(BYTES)));
    assert_eq!(modern.next().await.event, "shout");
    assert_eq!(old.next().await.event, "shout");
}

#[tokio::test]
async fn what_code_outside_channels_broadcasts_reaches_the_topic() {
    let bench = Bench::new().await;
    let handle = bench.server.handle().clone();
    handle.broadcast("lab:1", "shout", json!({"n": 0}).into()).await.expect("nobody needs to hear it");
    let mut modern = bench.member("ada", "lab:1").await;
    let mut old = bench.client("bob", Vsn::V1).await;
    old.enter("lab:1").await;
    handle.broadcast("lab:1", "shout", json!({"n": 1}).into()).await.expect("an object");
    for client in [&mut modern, &mut old] {
        let message = client.next().await;
        assert_eq!((message.event.as_str(), message.payload), ("shout", json!({"n": 1})));
    }
}

#[tokio::test]
async fn a_broadcast_that_no_client_could_take_is_refused() {
    let bench = Bench::new().await;
    let mut member = bench.member("ada", "lab:1").await;
    let handle = bench.server.handle();
    for payload in [json!([1]), json!("text"), Value::Null] {
        let refused = handle.broadcast("lab:1", "shout", payload.into()).await;
        assert_eq!(refused, Err(BroadcastError::NotAnObject));
    }
    let long = "e".repeat(256);
    let refused = handle.broadcast("lab:1", &long, Payload::Binary(BYTES.into())).await;
    assert_eq!(refused, Err(BroadcastError::TooLong { field: "event", len: 256 }));
    handle.broadcast("lab:1", &long, json!({}).into()).await.expect("text frames count nothing");
    assert_eq!(member.next().await.event, long);
}
