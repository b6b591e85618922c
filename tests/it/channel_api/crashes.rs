//! What a panic or an error ends, and what it does not.

use presenced::channel::Ended;
use presenced::wire::Vsn;
use serde_json::json;

use super::Bench;

#[tokio::test]
async fn a_join_that_panics_fails_or_sends_has_crashed() {
    let bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:other").await;
    let mut bystander = bench.member("bob", "lab:1").await;
    for fault in ["panic", "fail", "push", "broadcast", "broadcast_from"] {
        let reply = client.join("lab:1", json!({"do": fault})).await;
        assert_eq!((reply.status.as_str(), reply.response), ("error", json!({"reason": "join crashed"})));
        let reply = client.call("lab:1", "echo", json!({})).await;
        assert_eq!(reply.response, json!({"reason": "unmatched topic"}), "after a join that did {fault}");
    }
    assert_eq!(client.unasked(), [], "nothing can be pushed from a join");
    assert_eq!(bystander.call("lab:1", "echo", json!({})).await.status, "ok");
    assert_eq!(bystander.unasked(), [], "nothing can be broadcast from a join");
    assert_eq!(client.call("lab:other", "echo", json!({})).await.status, "ok");
}

#[tokio::test]
async fn a_panic_ends_its_channel_and_nothing_else() {
    let bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:1").await;
    client.enter("lab:other").await;
    let mut bystander = bench.member("bob", "lab:1").await;

    client.push("lab:1", "panic", json!({})).await;
    let error = client.next().await;
    let join_ref = json!(client.join_ref("lab:1"));
    assert_eq!((error.topic.as_str(), error.event.as_str()), ("lab:1", "phx_error"));
    assert_eq!((&error.join_ref, &error.reference), (&join_ref, &join_ref));
    assert_eq!(error.payload, json!({"reason": "channel_crash"}));

    let reply = client.call("lab:1", "echo", json!({})).await;
    assert_eq!(reply.response, json!({"reason": "unmatched topic"}));
    client.heartbeat().await;
    assert_eq!(client.call("lab:other", "echo", json!({})).await.status, "ok");
    assert_eq!(bystander.call("lab:1", "echo", json!({})).await.status, "ok");
    assert_eq!(bystander.unasked(), []);
}

#[tokio::test]
async fn a_crashed_channel_hears_nothing_and_can_be_joined_again() {
    let bench = Bench::new().await;
    for vsn in Vsn::ALL {
        let mut client = bench.client("ada", vsn).await;
        client.enter("lab:1").await;
        client.push("lab:1", "panic", json!({})).await;
        client.expect("lab:1", "phx_error").await;
        bench.server.handle().broadcast("lab:1", "shout", json!({}).into()).await.expect("an object");

        client.enter("lab:1").await;
        assert_eq!(client.call("lab:1", "echo", json!({})).await.status, "ok");
        assert_eq!(client.unasked(), []);
    }
}

#[tokio::test]
async fn a_panic_in_handle_info_is_a_crash_too() {
    let bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:1").await;
    client.call("lab:1", "send", json!({"do": "panic"})).await;
    assert_eq!(client.next().await.event, "phx_error");
}

#[tokio::test]
async fn an_error_in_handle_out_is_a_crash_too() {
    let bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:1").await;
    let bytes = presenced::wire::Payload::Binary(super::BYTES.into());
    bench.server.handle().broadcast("lab:1", "intercepted", bytes).await.expect("bytes can be broadcast");
    assert_eq!(client.next().await.event, "phx_error");
    client.heartbeat().await;
}

#[tokio::test]
async fn messages_that_wait_behind_a_crash_are_lost_with_the_channel() {
    let bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:1").await;
    client.push("lab:1", "wait", json!({})).await;
    client.push("lab:1", "panic", json!({})).await;
    client.push("lab:1", "echo", json!({})).await;
    client.heartbeat().await;
    bench.gate.add_permits(1);
    let until_crash: Vec<_> = client.until("lab:1", "phx_error").await;
    assert_eq!(until_crash.len(), 1, "the reply to the first message: {until_crash:?}");
    client.enter("lab:1").await;
    assert_eq!(client.unasked(), []);
}

#[tokio::test]
async fn a_channel_that_failed_is_told_so_and_one_that_panicked_is_not() {
    let mut bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:panicked").await;
    client.push("lab:panicked", "panic", json!({})).await;
    client.expect("lab:panicked", "phx_error").await;
    client.enter("lab:failed").await;
    client.push("lab:failed", "no such event", json!({})).await;

    assert_eq!(client.expect("lab:failed", "phx_error").await.payload, json!({"reason": "channel_crash"}));
    let (topic, why) = bench.terminated().await;
    assert_eq!(topic, "lab:failed");
    assert_eq!(why, Ended::Crashed("unknown event \"no such event\"".into()));
}
