//! Replies: what they hold, and when and from where they come.

use presenced::wire::Vsn;
use serde_json::{Value, json};

use super::{BYTES, Bench};

#[tokio::test]
async fn a_reply_holds_any_json() {
    let bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:1").await;
    for response in [json!({"a": 1}), json!([1, "two", null]), json!("text"), json!(7), Value::Null] {
        let reply = client.call("lab:1", "echo", response.clone()).await;
        assert_eq!((reply.status.as_str(), reply.response), ("ok", response));
    }
}

#[tokio::test]
async fn the_reply_to_a_join_holds_any_json() {
    let bench = Bench::new().await;
    for (vsn, response) in [(Vsn::V2, json!(["a", 1])), (Vsn::V2, json!("text")), (Vsn::V1, json!([null]))] {
        let mut client = bench.client("ada", vsn).await;
        let reply = client.join("lab:1", json!({"reply": response})).await;
        assert_eq!((reply.status.as_str(), reply.response), ("ok", response));
    }
}

#[tokio::test]
async fn a_reply_has_the_status_that_the_channel_gives_it() {
    let bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:1").await;
    assert_eq!(client.call("lab:1", "teapot", json!({})).await.status, "teapot");
}

#[tokio::test]
async fn a_reply_may_come_later_from_a_task() {
    let bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:1").await;
    let later = client.push("lab:1", "later", json!({"n": 1})).await;
    assert_eq!(client.call("lab:1", "echo", json!({"n": 2})).await.response, json!({"n": 2}));
    assert_eq!(client.unasked(), []);

    bench.gate.add_permits(1);
    let reply = client.reply(&later).await;
    assert_eq!((reply.status.as_str(), reply.response), ("ok", json!({"n": 1})));
}

#[tokio::test]
async fn a_message_may_be_replied_to_twice() {
    let bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:1").await;
    let reference = client.push("lab:1", "twice", json!({})).await;
    for nth in [1, 2] {
        assert_eq!(client.reply(&reference).await.response, json!({"nth": nth}));
    }
}

#[tokio::test]
async fn everything_of_a_channel_is_marked_with_its_join() {
    let bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:1").await;
    let reference = client.push("lab:1", "echo", json!({})).await;
    client.push("lab:1", "push", json!({})).await;
    let (reply, push) = (client.next().await, client.next().await);
    let join_ref = json!(client.join_ref("lab:1"));
    assert_eq!((reply.join_ref, reply.reference), (join_ref.clone(), json!(reference)));
    assert_eq!((push.join_ref, push.reference), (join_ref, Value::Null));
}

#[tokio::test]
async fn bytes_are_a_reply_for_v2_and_the_end_of_the_channel_for_v1() {
    let bench = Bench::new().await;
    let mut modern = bench.member("ada", "lab:1").await;
    assert_eq!(modern.call("lab:1", "bytes", json!({})).await.binary.as_deref(), Some(BYTES));

    let mut old = bench.client("bob", Vsn::V1).await;
    old.enter("lab:1").await;
    old.push("lab:1", "bytes", json!({})).await;
    assert_eq!(old.next().await.event, "phx_error");
}

#[tokio::test]
async fn what_is_pushed_is_an_object_for_v2_and_any_json_for_v1() {
    let bench = Bench::new().await;
    let mut old = bench.client("bob", Vsn::V1).await;
    old.enter("lab:1").await;
    old.push("lab:1", "push", json!([1])).await;
    assert_eq!(old.expect("lab:1", "pushed").await.payload, json!([1]));

    let mut modern = bench.member("ada", "lab:1").await;
    modern.push("lab:1", "push", json!([1])).await;
    assert_eq!(modern.next().await.event, "phx_error");
}

#[tokio::test]
async fn a_channel_can_send_to_itself() {
    let bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:1").await;
    assert_eq!(client.call("lab:1", "send", json!({"n": 1})).await.status, "ok");
    assert_eq!(client.expect("lab:1", "info").await.payload, json!({"n": 1}));
}

#[tokio::test]
async fn bytes_of_the_client_reach_the_channel() {
    let bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:1").await;
    let reference = client.push_binary("lab:1", "echo", BYTES).await;
    assert_eq!(client.reply(&reference).await.binary.as_deref(), Some(BYTES));
}
