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
        what_an_upstream_said_before_it_closed_waits_for_a_client_that_pauses(),
        a_heartbeat_waits_for_the_end_of_a_message_and_a_ping_does_not(),
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

async fn what_an_upstream_said_before_it_closed_waits_for_a_client_that_pauses() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (mut client, mut end) = upstream.open(&gateway).await;
    let mut said = 0;
    // Until the kernel's buffers are full, and no longer: the close is still to be read.
    while gateway.metric("presenced_gateway_waiting_bytes") == 0.0 {
        end.say_binary(vec![7; 10_000]).await;
        said += 10_000;
        gateway.metric_is("presenced_gateway_upstream_received_bytes_total", f64::from(said)).await;
    }
    end.write(b"\x88\x02\x0F\xA0").await;
    until_closed(&gateway, "by_upstream").await;
    // Longer than the close itself would be waited for.
    sleep(Duration::from_secs(8)).await;
    while said > 0 {
        let message = client.message().await.expect("the stream goes on");
        assert_eq!(message.len(), 10_000);
        said -= 10_000;
    }
    assert_eq!(client.closed().await, 4000);
}

async fn a_heartbeat_waits_for_the_end_of_a_message_and_a_ping_does_not() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (mut client, mut end) = upstream.open(&gateway).await;
    client.write(&raw::frame(raw::BINARY & 0x7F, &[7; 100_000])).await;
    // A heartbeat is due after 25 s. Meanwhile the message goes on, as fast as it must.
    for _ in 0..9 {
        sleep(Duration::from_secs(3)).await;
        client.write(&raw::frame(raw::MIDDLE, &[7; 20_000])).await;
    }
    client.write(&raw::frame(raw::END, &[7; 20_000])).await;
    let (mut passed, mut pings) = (0, 0);
    let heartbeat = loop {
        match end.event().await.expect("the stream goes on") {
            Event::Part(part) => passed += part.data.len(),
            Event::Ping(_) => {
                assert!(passed < 300_000, "it comes amid the message");
                pings += 1;
            }
            Event::Binary(whole) => passed += whole.len(),
            other => break other,
        }
    };
    assert_eq!((passed, pings), (300_000, 1));
    assert!(matches!(heartbeat, Event::Text(text) if text.ends_with(br#""phoenix","heartbeat",{}]"#)));
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
