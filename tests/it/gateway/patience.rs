//! How long whom is waited for: limits of half a minute and more, all at once.
//!
//! Source: canvas.md F.6, pages.md section 2.

use std::time::{Duration, Instant};

use bytes::Bytes;
use presenced::wire::websocket::{DataKind, Event, Part};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use super::{FakeUpstream, Gateway};
use crate::support::raw;

/// One test, so that all wait together.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_or_says_nothing_is_waited_for_and_then_closed() {
    tokio::join!(
        an_upstream_that_takes_nothing_costs_its_client_the_connection_after_a_minute(),
        a_client_that_takes_nothing_is_closed_after_half_a_minute(),
        an_upstream_that_says_nothing_is_given_up_after_two_minutes(),
    );
}

async fn an_upstream_that_takes_nothing_costs_its_client_the_connection_after_a_minute() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (mut client, _end) = upstream.open(&gateway).await;
    let message = raw::binary(&[7; 100_000]);
    let writing = client.write_all_meanwhile((0..1_000).map(move |_| message.clone()));
    gateway.metric_is("presenced_gateway_paused_clients", 1.0).await;
    let waited = until_closed(&gateway, "upstream_stalled").await;
    assert!((55..65).contains(&waited.as_secs()), "{waited:?}");
    assert_eq!(client.closed().await, 1013);
    writing.abort();
}

async fn a_client_that_takes_nothing_is_closed_after_half_a_minute() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (_client, end) = upstream.open(&gateway).await;
    let (_reader, mut writer) = end.stream.into_split();
    let writing = tokio::spawn(async move {
        let frame = Part::whole(DataKind::Binary, Bytes::from(vec![7; 100_000])).into_frame().websocket();
        while writer.write_all(&frame).await.is_ok() {}
    });
    gateway.metric_is("presenced_gateway_paused_upstreams", 1.0).await;
    let waited = until_closed(&gateway, "unresponsive").await;
    // Earlier than the kernel would end it.
    assert!((25..38).contains(&waited.as_secs()), "{waited:?}");
    timeout(LIMIT, writing).await.expect("its upstream connection ends too").expect("it writes");
}

/// It takes what it is sent, and answers nothing.
async fn an_upstream_that_says_nothing_is_given_up_after_two_minutes() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (mut client, mut end) = upstream.open(&gateway).await;
    let began = Instant::now();
    let reading = tokio::spawn(async move {
        let mut said = Vec::new();
        timeout(LIMIT, end.stream.read_to_end(&mut said)).await.expect("an end").expect("the stream ends");
        let mut rest = &said[..];
        std::iter::from_fn(|| end.decoder.decode(&mut rest).expect("the gateway speaks WebSocket"))
            .filter(|event| matches!(event, Event::Text(_)))
            .count()
    });
    let closed = loop {
        client.try_write(&raw::text(r#"[null,"1","phoenix","heartbeat",{}]"#)).await;
        match client.frame().await {
            Some(answer) if answer.first == raw::TEXT => sleep(Duration::from_secs(2)).await,
            other => break other.expect("a close frame"),
        }
    };
    assert_eq!((closed.first, &closed.payload[..2]), (raw::CLOSE, &1012_u16.to_be_bytes()[..]));
    assert!((115..130).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert_eq!(reading.await.expect("it reads"), 4, "a heartbeat each 25 s");
}

/// Waits until the gateway's connection is closed for this reason; how long that took.
async fn until_closed(gateway: &Gateway, reason: &str) -> Duration {
    let name = format!("presenced_connections_closed_total{{reason=\"{reason}\"}}");
    let began = Instant::now();
    while gateway.metric(&name) != 1.0 {
        assert!(began.elapsed() < LIMIT, "waited in vain for a connection to be closed as {reason}");
        sleep(Duration::from_millis(100)).await;
    }
    began.elapsed()
}

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(140);
