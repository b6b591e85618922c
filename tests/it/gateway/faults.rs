//! Many clients at once, and what a real process holds for them.

use futures::future::join_all;

use super::{FakeUpstream, Gateway};
use crate::support::http::request;
use crate::support::process::Process;
use crate::support::raw::{self, Raw};
use crate::support::within;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_clients_are_relayed_at_once() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let mut pairs = Vec::new();
    while pairs.len() < 1000 {
        // One after the other, so that each client is known by its upstream connection.
        pairs.push(upstream.open(&gateway).await);
    }
    gateway.metric_is("presenced_gateway_pairs", 1000.0).await;
    let said = pairs.iter_mut().enumerate().map(|(number, (client, end))| async move {
        let text = format!("[\"1\",\"{number}\",\"t\",\"e\",{{}}]");
        client.write(&raw::text(&text)).await;
        assert_eq!(end.text().await, text);
        end.say(&text).await;
        // The first have been quiet for a while by now.
        let passed = client.frame_but_pings().await.expect("the stream goes on");
        assert_eq!(passed.payload, text);
    });
    join_all(said).await;
    drop(pairs);
    gateway.metric_is("presenced_gateway_pairs", 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_all_come_at_once_are_all_taken() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let serving = async {
        let mut ends = Vec::new();
        for _ in 0..200 {
            let mut end = upstream.accept().await;
            end.upgrade().await;
            ends.push(end);
        }
        ends
    };
    let connecting = join_all((0..200).map(|_| Raw::open(gateway.address, "2.0.0")));
    let (ends, clients) = within("all to be connected", async { tokio::join!(serving, connecting) }).await;
    assert_eq!((ends.len(), clients.len()), (200, 200));
}

#[tokio::test]
async fn without_a_place_left_who_is_connected_goes_on_and_others_are_told_until_there_is_one() {
    let upstream = FakeUpstream::listen().await;
    let flag = format!("ws://{}/socket", upstream.address());
    let process = Process::start_with_descriptors(DESCRIPTORS, &["--upstream", &flag]).await;
    let mut pairs = Vec::new();
    // Each has two descriptors, and some are set aside.
    for _ in 0..(DESCRIPTORS - 64) / 2 {
        pairs.push(upstream.open_at(process.address(), "vsn=2.0.0").await);
    }
    for _ in 0..100 {
        let path = "/socket/websocket?vsn=2.0.0";
        assert_eq!(request(process.address(), "GET", path, &[], "").await.status, 503);
        assert_eq!(request(process.address(), "GET", "/health", &[], "").await.status, 200);
    }
    for (client, end) in &mut pairs {
        client.write(&raw::text("[\"1\",\"2\",\"t\",\"up\",{}]")).await;
        assert!(end.text().await.contains("up"));
        end.say("[\"1\",\"2\",\"t\",\"down\",{}]").await;
        assert_eq!(client.json().await[3], "down");
    }
    pairs.truncate(2);
    process.has_a_place().await;
    let (mut client, mut end) = upstream.open_at(process.address(), "vsn=2.0.0").await;
    client.write(&raw::text("[\"1\",\"2\",\"t\",\"late\",{}]")).await;
    assert!(end.text().await.contains("late"));
}

/// So few that a test can take them all.
const DESCRIPTORS: usize = 64 + 24;
