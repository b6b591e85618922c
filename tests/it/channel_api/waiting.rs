//! Who waits for a callback that takes its time, and who does not.

use presenced::channel::Ended;
use presenced::wire::Vsn;
use serde_json::json;

use super::Bench;

#[tokio::test]
async fn a_slow_message_holds_back_only_its_own_channel() {
    let bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:slow").await;
    client.enter("lab:quick").await;
    let slow = client.push("lab:slow", "wait", json!({})).await;
    let behind = client.push("lab:slow", "echo", json!({})).await;

    client.heartbeat().await;
    assert_eq!(client.call("lab:quick", "echo", json!({})).await.status, "ok");
    client.enter("lab:another").await;
    assert_eq!(client.unasked(), [], "the slow channel answered");

    bench.gate.add_permits(1);
    assert_eq!(client.next().await.reference, json!(slow));
    assert_eq!(client.next().await.reference, json!(behind));
}

#[tokio::test]
async fn an_intercepted_broadcast_waits_behind_a_slow_message() {
    let bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:1").await;
    let slow = client.push("lab:1", "wait", json!({})).await;
    client.heartbeat().await;
    let handle = bench.server.handle();
    handle.broadcast("lab:1", "intercepted", json!({}).into()).await.expect("an object");
    handle.broadcast("lab:1", "shout", json!({}).into()).await.expect("an object");
    assert_eq!(client.next().await.event, "shout");

    bench.gate.add_permits(1);
    assert_eq!(client.next().await.reference, json!(slow));
    assert_eq!(client.next().await.event, "intercepted");
}

#[tokio::test]
async fn a_slow_join_holds_back_its_whole_connection_and_no_other() {
    let bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:quick").await;
    let join = client.send_join("lab:slow", json!({"do": "wait"})).await;
    let inside = client.push("lab:slow", "echo", json!({})).await;
    let other = client.push("lab:quick", "echo", json!({})).await;
    let heartbeat = client.push("phoenix", "heartbeat", json!({})).await;

    let mut bystander = bench.member("bob", "lab:quick").await;
    for _ in 0..20 {
        // As long as this takes, the held back messages had time to be answered.
        bystander.heartbeat().await;
        assert_eq!(bystander.call("lab:quick", "echo", json!({})).await.status, "ok");
    }

    bench.gate.add_permits(1);
    assert_eq!(client.next().await.reference, json!(join));
    for reference in [inside, other, heartbeat] {
        assert_eq!(client.reply(&reference).await.status, "ok");
    }
}

#[tokio::test]
async fn a_join_sent_right_behind_a_leave_enters_anew() {
    for vsn in Vsn::ALL {
        let mut bench = Bench::new().await;
        let mut client = bench.client("ada", vsn).await;
        client.enter("lab:1").await;
        let leave = client.push("lab:1", "phx_leave", json!({})).await;
        let join = client.send_join("lab:1", json!({})).await;
        assert_eq!(client.reply(&leave).await.status, "ok");
        assert_eq!(client.reply(&join).await.status, "ok");
        client.expect("lab:1", "phx_close").await;
        assert_eq!(client.call("lab:1", "echo", json!({"n": 1})).await.response, json!({"n": 1}));
        assert_eq!(bench.terminated().await, ("lab:1".to_owned(), Ended::Left));
    }
}
