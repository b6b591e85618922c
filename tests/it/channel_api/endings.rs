//! How a channel ends, what its client is told, and what it is told itself.

use presenced::channel::{Ended, StopReason};
use serde_json::{Value, json};

use super::Bench;

#[tokio::test]
async fn a_channel_that_stops_closes_and_one_that_stops_abnormally_errs() {
    let mut bench = Bench::new().await;
    let crash = json!({"reason": "channel_crash"});
    let table = [
        ("normal", "phx_close", json!({}), StopReason::Normal),
        ("shutdown", "phx_close", json!({}), StopReason::Shutdown),
        ("abnormal", "phx_error", crash, StopReason::Abnormal("asked to".into())),
    ];
    for (how, event, payload, reason) in table {
        for reply in [true, false] {
            let mut client = bench.member("ada", "lab:1").await;
            let asked = json!({"how": how, "reply": reply});
            let reference = client.push("lab:1", "stop", asked.clone()).await;
            if reply {
                let message = client.next().await;
                assert_eq!(message.reference, json!(reference), "{how}: the reply goes first");
                assert_eq!(message.payload["response"], asked);
            }
            let farewell = client.next().await;
            assert_eq!((farewell.event.as_str(), &farewell.payload), (event, &payload), "{how}");
            assert_eq!(farewell.reference, json!(client.join_ref("lab:1")));
            assert_eq!(bench.terminated().await, ("lab:1".to_owned(), Ended::Stopped(reason.clone())));
            let reply = client.call("lab:1", "echo", json!({})).await;
            assert_eq!(reply.response, json!({"reason": "unmatched topic"}), "{how}");
        }
    }
}

#[tokio::test]
async fn a_channel_may_stop_of_its_own_accord() {
    let mut bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:1").await;
    client.call("lab:1", "send", json!({"do": "stop"})).await;
    assert_eq!(client.next().await.event, "phx_close");
    assert_eq!(bench.terminated().await.1, Ended::Stopped(StopReason::Normal));
}

#[tokio::test]
async fn what_terminate_pushes_comes_behind_the_close() {
    let mut bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:1").await;
    client.push("lab:1", "phx_leave", json!({})).await;
    let mut events = Vec::new();
    for _ in 0..3 {
        events.push(client.next().await.event);
    }
    assert_eq!(events, ["phx_reply", "phx_close", "farewell"]);
    assert_eq!(bench.terminated().await, ("lab:1".to_owned(), Ended::Left));
}

#[tokio::test]
async fn whoever_left_hears_nothing_more() {
    let bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:1").await;
    client.call("lab:1", "phx_leave", json!({})).await;
    client.expect("lab:1", "farewell").await;
    bench.server.handle().broadcast("lab:1", "shout", json!({}).into()).await.expect("an object");
    client.enter("lab:2").await;
    assert_eq!(client.unasked().into_iter().map(|m| m.event).collect::<Vec<_>>(), ["phx_close"]);
}

#[tokio::test]
async fn a_leave_waits_for_the_messages_before_it() {
    let bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:1").await;
    let slow = client.push("lab:1", "wait", json!({})).await;
    let leave = client.push("lab:1", "phx_leave", json!({})).await;
    client.heartbeat().await;
    assert_eq!(client.unasked(), []);
    bench.gate.add_permits(1);
    assert_eq!(client.next().await.reference, json!(slow));
    assert_eq!(client.next().await.reference, json!(leave));
}

#[tokio::test]
async fn a_channel_that_another_join_replaces_is_closed_and_not_told() {
    let mut bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:1").await;
    let first = json!(client.join_ref("lab:1"));
    let second = client.send_join("lab:1", json!({})).await;

    assert_eq!(client.next().await.reference, json!(second));
    let close = client.next().await;
    assert_eq!((close.event.as_str(), &close.join_ref), ("phx_close", &first));

    assert_eq!(client.call("lab:1", "echo", json!({})).await.status, "ok");
    client.call("lab:1", "phx_leave", json!({})).await;
    assert_eq!(bench.terminated().await.1, Ended::Left);
    client.expect("lab:1", "farewell").await;
    assert!(bench.terminated.try_recv().is_err(), "only the second join was terminated");
}

#[tokio::test]
async fn another_join_does_not_wait_for_a_slow_message_of_the_first() {
    let bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:1").await;
    client.push("lab:1", "wait", json!({})).await;
    client.enter("lab:1").await;
    client.expect("lab:1", "phx_close").await;
    assert_eq!(client.call("lab:1", "echo", json!({})).await.status, "ok");
    assert_eq!(client.unasked(), []);
}

#[tokio::test]
async fn every_channel_of_a_lost_connection_is_told() {
    let mut bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:1").await;
    client.enter("lab:2").await;
    drop(client);
    let mut told = [bench.terminated().await, bench.terminated().await];
    told.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(told, [("lab:1".to_owned(), Ended::Closed), ("lab:2".to_owned(), Ended::Closed)]);
}

#[tokio::test]
async fn a_callback_of_a_lost_connection_runs_to_its_end_before_the_channel_is_told() {
    let mut bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:slow").await;
    client.enter("lab:1").await;
    client.push("lab:slow", "wait", json!({})).await;
    client.heartbeat().await;
    drop(client);
    assert_eq!(bench.terminated().await, ("lab:1".to_owned(), Ended::Closed));
    assert!(bench.terminated.try_recv().is_err(), "the other channel is not at rest");
    bench.gate.add_permits(1);
    assert_eq!(bench.terminated().await, ("lab:slow".to_owned(), Ended::Closed));
}

#[tokio::test]
async fn a_message_of_an_earlier_join_is_dropped() {
    let bench = Bench::new().await;
    let mut client = bench.member("ada", "lab:1").await;
    let stale = client.join_ref("lab:1").to_owned();
    client.enter("lab:1").await;
    client.expect("lab:1", "phx_close").await;
    client.send_text(&json!([stale, "77", "lab:1", "echo", {}]).to_string()).await;
    let known: [Value; 1] = [client.push("lab:1", "echo", json!({})).await.into()];
    assert_eq!([client.next().await.reference], known);
}
