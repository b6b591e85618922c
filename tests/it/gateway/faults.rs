//! Many clients at once, and what a real process holds for them.

use futures::future::join_all;

use super::{FakeUpstream, Gateway};
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
        assert_eq!(client.json().await[1], number.to_string());
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
