//! Whichever side ends: what it had said is delivered, and the other side is told in a way that brings it back.

use std::time::Duration;

use bytes::Bytes;
use presenced::server::Stopped;
use presenced::wire::websocket::{self, CloseFrame, DataKind, Decoder, Event, Limits, Part, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::{FakeUpstream, Gateway, UpstreamEnd};
use crate::support::process::Process;
use crate::support::raw::{self, CLOSE};
use crate::support::within;

#[tokio::test]
async fn what_was_sent_just_before_a_tab_closes_still_arrives() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (mut client, mut end) = upstream.open(&gateway).await;
    let last = "[\"1\",\"2\",\"t\",\"e\",{}]";
    client.write(&[raw::text(last), raw::frame(CLOSE, b"")].concat()).await;
    assert_eq!(client.closed().await, 1000);
    assert_eq!(end.text().await, last);
    assert!(matches!(end.event().await, Some(Event::Close(_))));
    assert_eq!(end.event().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_said_before_it_reset_the_connection_still_arrives() {
    let upstream = FakeUpstream::listen().await;
    let process = Process::start(&["--upstream", &format!("ws://{}/socket", upstream.address())]).await;
    let (mut client, end) = upstream.open_at(process.address(), "vsn=2.0.0").await;
    let (mut reader, mut writer) = end.stream.into_split();
    let frame = Part::whole(DataKind::Binary, Bytes::from(vec![7; 100_000])).into_frame().websocket();
    // Until the gateway waits for the client, and reads no more of the upstream.
    while let Ok(written) = timeout(STUCK, writer.write_all(&frame)).await {
        written.expect("the gateway reads");
    }
    // It stands still, so that it finds what was said and the error at once: with so much unread, the kernel resets the
    // connection.
    process.signal("STOP").await;
    let last = "[\"1\",\"2\",\"t\",\"e\",{}]";
    client.write(&[raw::text(last), raw::frame(CLOSE, b"\x03\xE8bye")].concat()).await;
    drop(client);
    process.signal("CONT").await;
    let mut said = Vec::new();
    within("the upstream's end", reader.read_to_end(&mut said)).await.expect("the stream ends");
    let mut decoder = Decoder::of(Role::Client, Limits::RELAYED);
    let mut rest = &said[..];
    assert_eq!(decoder.decode(&mut rest), Ok(Some(Event::Text(last.into()))));
    let close = CloseFrame { code: 1000, reason: "bye".into() };
    assert_eq!(decoder.decode(&mut rest), Ok(Some(Event::Close(Some(close)))));
}

#[tokio::test]
async fn the_clients_code_and_reason_reach_the_upstream() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (mut client, mut end) = upstream.open(&gateway).await;
    client.write(&raw::frame(CLOSE, b"\x03\xE8heartbeat timeout")).await;
    let said = CloseFrame { code: 1000, reason: "heartbeat timeout".into() };
    assert_eq!(end.event().await, Some(Event::Close(Some(said))));
}

#[tokio::test]
async fn a_code_that_no_client_may_send_reaches_the_upstream_as_1002() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (mut client, mut end) = upstream.open(&gateway).await;
    client.write(&raw::frame(CLOSE, b"\x03\xEEgone")).await;
    assert!(matches!(closing(&mut end).await, Event::Close(Some(said)) if said.code == 1002));
}

#[tokio::test]
async fn a_client_is_told_the_upstreams_code_unless_it_would_not_come_back() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let table: [(&[u8], u16, &str); 5] = [
        (b"\x03\xF3gone", 1011, "gone"),
        (b"\x03\xE9", 1001, ""),
        (b"\x0F\xA0", 4000, ""),
        (b"\x03\xE8bye", 1012, ""),
        (b"", 1012, ""),
    ];
    for (said, code, reason) in table {
        let (mut client, mut end) = upstream.open(&gateway).await;
        end.say("[null,null,\"t\",\"e\",{}]").await;
        end.write(&[&[CLOSE, said.len() as u8], said].concat()).await;
        assert_eq!(client.json().await[2], "t", "what it said before arrives");
        let frame = client.frame().await.expect("a close frame");
        assert_eq!(
            (frame.first, &frame.payload[..2], &frame.payload[2..]),
            (CLOSE, &code.to_be_bytes()[..], reason.as_bytes())
        );
    }
}

#[tokio::test]
async fn an_upstream_that_dies_closes_its_clients_with_1012_and_no_message_is_ended_for_it() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (mut client, mut end) = upstream.open(&gateway).await;
    end.say("[null,null,\"t\",\"e\",{}]").await;
    let first = Part { begins: Some(DataKind::Binary), ends: false, data: Bytes::from(vec![1; 200_000]) };
    end.write(&first.into_frame().websocket()).await;
    assert_eq!(client.json().await[2], "t");
    let mut passed = 0;
    while passed < 200_000 {
        let frame = client.frame().await.expect("it passes as it comes");
        assert_eq!(frame.first & 0x80, 0, "no part ends the message");
        passed += frame.payload.len();
    }
    drop(end);
    assert_eq!(client.closed().await, 1012);
}

#[tokio::test]
async fn a_client_that_dies_amid_a_message_ends_no_message() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (mut client, mut end) = upstream.open(&gateway).await;
    client.write(&raw::header(raw::BINARY, 200_000)).await;
    client.write(&[7; 100_000]).await;
    gateway.metric_is("presenced_gateway_upstream_sent_bytes_total", 100_000.0).await;
    drop(client);
    assert!(matches!(closing(&mut end).await, Event::Close(Some(said)) if said.code == 1001));
}

#[tokio::test]
async fn a_gateway_that_stops_closes_clients_with_1012_and_upstreams_with_1001() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (mut client, mut end) = upstream.open(&gateway).await;
    let stopping = tokio::spawn(gateway.stop());
    assert!(matches!(closing(&mut end).await, Event::Close(Some(said)) if said.code == 1001));
    drop(end);
    let frame = client.frame().await.expect("a close frame");
    assert_eq!((frame.first, &frame.payload[..]), (CLOSE, &1012_u16.to_be_bytes()[..]));
    client.write(&raw::frame(CLOSE, b"\x03\xF4")).await;
    drop(client);
    let stopped = within("the gateway to stop", stopping).await.expect("it does not panic");
    assert_eq!(stopped, Stopped::Drained);
}

#[tokio::test]
async fn a_side_that_breaks_the_protocol_is_closed_and_the_other_told() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (mut client, mut end) = upstream.open(&gateway).await;
    client.write(&websocket::ping(b"unmasked").websocket()).await;
    assert_eq!(client.closed().await, 1002);
    assert!(matches!(closing(&mut end).await, Event::Close(Some(said)) if said.code == 1001));

    let (mut client, mut end) = upstream.open(&gateway).await;
    end.write(&raw::text("masked")).await;
    assert_eq!(client.closed().await, 1002);
}

/// The close that has to come next.
async fn closing(end: &mut UpstreamEnd) -> Event {
    match end.event().await {
        Some(event @ Event::Close(_)) => event,
        Some(other) => panic!("{other:?} came before the close"),
        None => panic!("the stream ended without a close"),
    }
}

/// A gateway that has read nothing for so long reads nothing until something changes.
const STUCK: Duration = Duration::from_millis(500);
