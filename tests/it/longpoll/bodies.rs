//! What the body of a post may be.
//!
//! Source: Phoenix 1.8.12, `Phoenix.Transports.LongPoll`.

use presenced::server::Options;
use serde_json::json;

use super::poller::{NDJSON, Poller, binary_message, message, messages};
use crate::support::{Running, lobbies};

#[tokio::test(flavor = "multi_thread")]
async fn a_line_is_a_text_message_or_the_base64_of_a_binary_one() {
    let server = Running::start(lobbies(), Options::default()).await;
    let ada = Poller::enter(&server, "lobby:a").await;
    let lines = [
        message("2", "lobby:a", "size", json!("four")),
        binary_message("3", "lobby:a", "size", b"four"),
        message("4", "lobby:a", "size", json!("")),
    ];
    let posted = ada.post_body(&[NDJSON], &lines.join("\r\n")).await;
    assert_eq!(posted.json(), json!({"status": 200}));
    let sizes: Vec<_> = messages(&ada.get().await).iter().map(|reply| reply[4]["response"].clone()).collect();
    assert_eq!(sizes, [6, 4, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_first_hundred_lines_are_taken() {
    let server = Running::start(lobbies(), Options::default()).await;
    let ada = Poller::open(&server).await;
    let heartbeats = |numbers: std::ops::Range<usize>| -> Vec<String> {
        numbers.map(|number| message(&number.to_string(), "phoenix", "heartbeat", json!({}))).collect()
    };
    assert_eq!(ada.post(&heartbeats(0..103)).await, json!({"status": 200}));
    assert_eq!(ada.post(&heartbeats(200..201)).await, json!({"status": 200}));
    let polled = messages(&ada.get().await);
    let refs: Vec<_> = polled.iter().map(|reply| reply[1].as_str().unwrap_or("none")).collect();
    let taken: Vec<String> = (0..100).chain(200..201).map(|number| number.to_string()).collect();
    assert_eq!(refs, taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_end_at_the_end_is_one_more_message_and_ends_the_session() {
    let server = Running::start(lobbies(), Options::default()).await;
    let heartbeat = message("2", "phoenix", "heartbeat", json!({}));
    for body in [format!("{heartbeat}\n"), format!("{heartbeat}\r\n"), String::new()] {
        let ada = Poller::enter(&server, "lobby:a").await;
        assert_eq!(ada.post_body(&[NDJSON], &body).await.json(), json!({"status": 408}), "{body:?}");
        let next = ada.get().await;
        assert_eq!((&next["status"], &next["messages"]), (&json!(410), &json!([])), "{body:?}");
        assert_ne!(next["token"], json!(ada.token), "{body:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_neither_fails_the_request_and_those_before_it_count() {
    let server = Running::start(lobbies(), Options::default()).await;
    let ada = Poller::enter(&server, "lobby:a").await;
    let heartbeat = |reference| message(reference, "phoenix", "heartbeat", json!({}));
    let body = [heartbeat("2"), "{not base64}".into(), heartbeat("3")].join("\n");
    let posted = ada.post_body(&[NDJSON], &body).await;
    assert_eq!((posted.status, posted.text()), (500, ""));
    let refs: Vec<_> = messages(&ada.get().await).iter().map(|reply| reply[1].clone()).collect();
    assert_eq!(refs, ["2"]);
    assert_eq!(ada.post(&[heartbeat("4")]).await, json!({"status": 200}), "the session goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_another_type_is_one_message() {
    let server = Running::start(lobbies(), Options::default()).await;
    let heartbeat = message("2", "phoenix", "heartbeat", json!({}));
    let others: [&[_]; 4] = [
        &[],
        &[("content-type", "application/x-ndjson; charset=utf-8")],
        &[("content-type", "application/json")],
        &[NDJSON, NDJSON],
    ];
    for headers in others {
        let ada = Poller::open(&server).await;
        let spread = heartbeat.replace(',', ",\n");
        assert_eq!(ada.post_body(headers, &spread).await.json(), json!({"status": 200}), "{headers:?}");
        assert_eq!(messages(&ada.get().await)[0][1], "2", "{headers:?}");
        let two = format!("{heartbeat}\n{heartbeat}");
        assert_eq!(ada.post_body(headers, &two).await.json(), json!({"status": 408}), "{headers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_may_have_eight_million_bytes_and_not_one_more() {
    let server = Running::start(lobbies(), Options::default()).await;
    let ada = Poller::enter(&server, "lobby:a").await;
    let envelope = message("2", "lobby:a", "size", json!("")).len();
    let body = |length: usize| message("2", "lobby:a", "size", json!("x".repeat(length - envelope)));
    assert_eq!(ada.post_body(&[], &body(8_000_000)).await.json(), json!({"status": 200}));
    assert_eq!(messages(&ada.get().await)[0][4]["response"], json!(8_000_000 - envelope + 2));

    let too_large = ada.post_body(&[], &body(8_000_001)).await;
    assert_eq!((too_large.status, too_large.text()), (400, ""));
    assert_eq!(ada.post(&[message("3", "lobby:a", "quiet", json!({}))]).await, json!({"status": 200}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_in_bytes_stands_in_the_text_as_it_is_and_one_that_is_no_text_is_left_out() {
    let server = Running::start(lobbies(), Options::default()).await;
    let ada = Poller::enter(&server, "lobby:a").await;
    let lines = [
        binary_message("2", "lobby:a", "echo", b"text"),
        binary_message("3", "lobby:a", "echo", b"\xFF"),
        message("4", "lobby:a", "echo", json!({})),
    ];
    assert_eq!(ada.post(&lines).await, json!({"status": 200}));
    let polled = ada.get().await;
    let garbage = "\u{1}\u{1}\u{1}\u{7}\u{2}12lobby:aoktext";
    assert_eq!(polled["messages"][0], garbage);
    assert_eq!(polled["messages"].as_array().map(Vec::len), Some(2), "{polled}");
}
