//! Messages pass unchanged and in order, whatever their size and however they are cut.

use bytes::Bytes;
use presenced::wire::websocket::{self, DataKind, Event, Part, Violation};

use super::{FakeUpstream, Gateway};
use crate::support::raw::{self, BINARY, END, MIDDLE, TEXT, TEXT_START};

#[tokio::test]
async fn messages_of_every_size_pass_up_and_down_in_order() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (mut client, mut end) = upstream.open(&gateway).await;
    let sizes = [0, 1, 125, 126, 65_535, 65_536, 65_537, 300_000, 3_000_000];
    let content = |size: usize| -> Vec<u8> { (0..size).map(|at| (at % 251) as u8).collect() };
    let said: Vec<u8> = sizes.iter().flat_map(|size| raw::binary(&content(*size))).collect();
    let writing = client.write_meanwhile(said);
    for size in sizes {
        let event = end.event().await;
        assert!(matches!(&event, Some(Event::Binary(data)) if *data == content(size)), "{size} bytes up");
    }
    let _open = writing.await.expect("it writes");
    let answering = tokio::spawn(async move {
        for size in sizes {
            end.say_binary(content(size)).await;
        }
        end
    });
    for size in sizes {
        let mut whole = Vec::new();
        let mut is_first = true;
        loop {
            let frame = client.frame().await.expect("the stream goes on");
            assert_eq!(frame.first & 0x0F, if is_first { BINARY & 0x0F } else { 0 }, "{size} bytes down");
            is_first = false;
            whole.extend_from_slice(&frame.payload);
            if frame.first & 0x80 != 0 {
                break;
            }
        }
        assert!(whole == content(size), "{size} bytes down");
    }
    answering.await.expect("it writes");
}

#[tokio::test]
async fn what_comes_in_fragments_passes_with_pings_answered_between() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (mut client, mut end) = upstream.open(&gateway).await;
    client.write(&raw::frame(TEXT_START, "[\"1\",\"2\",\"rä".as_bytes())).await;
    client.write(&raw::frame(raw::PING, b"p")).await;
    client.write(&raw::frame(MIDDLE, b"oom:x\",\"e\"")).await;
    client.write(&raw::frame(END, b",{}]")).await;
    assert_eq!(end.text().await, "[\"1\",\"2\",\"räoom:x\",\"e\",{}]");
    let pong = client.frame().await.expect("the ping is answered");
    assert_eq!((pong.first, &pong.payload[..]), (raw::PONG, &b"p"[..]));
    let parts = [(Some(DataKind::Text), false, "[null,null,"), (None, true, "\"t\",\"e\",{}]")];
    for (begins, ends, text) in parts {
        let part = Part { begins, ends, data: Bytes::from_static(text.as_bytes()) };
        end.write(&part.into_frame().websocket()).await;
    }
    let frame = client.frame().await.expect("it passes");
    assert_eq!((frame.first, &frame.payload[..]), (TEXT, &b"[null,null,\"t\",\"e\",{}]"[..]));
}

#[tokio::test]
async fn what_is_no_phoenix_passes_and_is_the_upstreams_to_judge() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (mut client, mut end) = upstream.open(&gateway).await;
    for text in [
        "",
        "hello",
        "{",
        "[]",
        "[null]",
        "{\"topic\":\"phoenix\",\"event\":\"heartbeat\",\"payload\":{},\"ref\":\"1\"}",
    ] {
        client.write(&raw::text(text)).await;
        assert_eq!(end.text().await, text);
        end.say(text).await;
        assert_eq!(client.frame().await.map(|frame| frame.payload), Some(Bytes::from(text)));
    }
    client.write(&raw::frame(TEXT, b"\xFF")).await;
    assert_eq!(end.try_event().await, Err(Violation::NotUtf8));
}

#[tokio::test]
async fn heartbeats_are_answered_without_the_upstream_in_either_serializer() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let table = [
        (
            "2.0.0",
            r#"[null,"5","phoenix","heartbeat",{}]"#,
            r#"[null,"5","phoenix","phx_reply",{"status":"ok","response":{}}]"#,
        ),
        (
            "1.0.0",
            r#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"5"}"#,
            r#"{"topic":"phoenix","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"5"}"#,
        ),
    ];
    for (vsn, heartbeat, reply) in table {
        let (mut client, mut end) = upstream.open_with(&gateway, &format!("vsn={vsn}&token=t")).await;
        client.write(&raw::text(heartbeat)).await;
        let reply: serde_json::Value = serde_json::from_str(reply).expect("JSON");
        assert_eq!(client.json().await, reply);
        // Nothing of it was passed: this is what comes first.
        client.write(&raw::text("[\"1\",\"2\",\"t\",\"e\",{}]")).await;
        assert_eq!(end.text().await, "[\"1\",\"2\",\"t\",\"e\",{}]");
    }
}

#[tokio::test]
async fn our_own_words_never_come_between_the_parts_of_a_message() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (mut client, mut end) = upstream.open(&gateway).await;
    let first = Part { begins: Some(DataKind::Binary), ends: false, data: Bytes::from(vec![1; 100_000]) };
    end.write(&first.into_frame().websocket()).await;
    let mut passed = 0;
    while passed < 100_000 {
        passed += client.frame().await.expect("it passes as it comes").payload.len();
    }
    client.write(&raw::text(r#"[null,"5","phoenix","heartbeat",{}]"#)).await;
    client.write(&raw::text("[\"1\",\"2\",\"t\",\"e\",{}]")).await;
    assert_eq!(end.text().await, "[\"1\",\"2\",\"t\",\"e\",{}]", "the heartbeat was read before");
    let last = Part { begins: None, ends: true, data: Bytes::from_static(b"end") };
    end.write(&last.into_frame().websocket()).await;
    let frame = client.frame().await.expect("the message ends");
    assert_eq!((frame.first, &frame.payload[..]), (END, &b"end"[..]));
    assert_eq!(client.json().await[3], "phx_reply");
}

#[tokio::test]
async fn an_upstream_that_pings_is_answered() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (_client, mut end) = upstream.open(&gateway).await;
    end.write(&websocket::ping(b"there?").websocket()).await;
    assert_eq!(end.event().await, Some(Event::Pong(Bytes::from_static(b"there?"))));
}

#[tokio::test]
async fn awareness_stays_here_however_long_it_is() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (mut client, mut end) = upstream.open(&gateway).await;
    // A push of `yjs` that begins with type 1, whole and in parts.
    let awareness = |length: usize| {
        let head = [&[0, 1, 1, 22, 3][..], b"12workflow:collaborate:xyjs", &[1]].concat();
        raw::binary(&[head, vec![7; length]].concat())
    };
    client
        .write(&[awareness(10), awareness(200_000), raw::text("[\"1\",\"3\",\"t\",\"e\",{}]")].concat())
        .await;
    assert_eq!(end.text().await, "[\"1\",\"3\",\"t\",\"e\",{}]");
}
