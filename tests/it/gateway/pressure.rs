//! A side that takes nothing: the other is not read, memory stays bounded, and nothing is lost or reordered.

use bytes::Bytes;
use presenced::server::{GatewayOptions, Options};
use presenced::wire::websocket::{self, DataKind, Event, Part};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use futures::future::join_all;

use super::{FakeUpstream, Gateway};
use crate::support::process::Process;
use crate::support::{raw, within};

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_megabytes_wait_outside_for_a_client_that_does_not_read() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (mut client, mut end) = upstream.open(&gateway).await;
    let writing = tokio::spawn(async move {
        for number in 0..MESSAGES {
            let frame = Part::whole(DataKind::Binary, message(number).into()).into_frame().websocket();
            end.stream.write_all(&frame).await.expect("the gateway reads on");
        }
        end
    });
    gateway.metric_is("presenced_gateway_paused_upstreams", 1.0).await;
    let waiting = gateway.metric("presenced_gateway_waiting_bytes");
    assert!(waiting <= 512.0 * 1024.0, "{waiting} bytes wait");
    for number in 0..MESSAGES {
        let passed = client.message().await.expect("the stream goes on");
        assert!(passed == message(number), "message {number}");
    }
    writing.await.expect("it writes");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_megabytes_wait_outside_for_an_upstream_that_does_not_read() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (mut client, mut end) = upstream.open(&gateway).await;
    let first = raw::binary(&message(0));
    let writing = client.write_all_meanwhile((0..MESSAGES).map(move |number| {
        let mut said = first.clone();
        // The number is what differs, and a mask is undone by itself.
        let at = said.len() - MESSAGE;
        said[at] ^= number as u8;
        said
    }));
    gateway.metric_is("presenced_gateway_paused_clients", 1.0).await;
    let waiting = gateway.metric("presenced_gateway_waiting_bytes");
    assert!(waiting <= 4.5 * 1024.0 * 1024.0, "{waiting} bytes wait");
    for number in 0..MESSAGES {
        // Whoever says nothing for long is taken for gone.
        end.write(&websocket::pong(b"").websocket()).await;
        let event = end.event().await;
        assert!(matches!(&event, Some(Event::Binary(data)) if *data == message(number)), "message {number}");
    }
    let _open = writing.await.expect("it writes");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_short_messages_none_is_lost_where_reading_stops_between_them() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (mut client, mut end) = upstream.open(&gateway).await;
    let message = |number: usize| format!("[\"1\",\"{number}\",\"t\",\"e\",\"{}\"]", "x".repeat(500));
    let writing =
        client.write_all_meanwhile((0..SHORT_MESSAGES).map(move |number| raw::text(&message(number))));
    gateway.metric_is("presenced_gateway_paused_clients", 1.0).await;
    for number in 0..SHORT_MESSAGES {
        assert_eq!(end.text().await, message(number));
    }
    let _open = writing.await.expect("it writes");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_takes_nothing_costs_no_client_its_heartbeats() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (mut client, _end) = upstream.open(&gateway).await;
    let mut said = 0;
    // Until the kernel's buffers are full, and then not so much that the client is not read.
    while gateway.metric("presenced_gateway_waiting_bytes") < 200_000.0 {
        client.write(&raw::binary(&[7; 100_000])).await;
        said += 100_000;
        gateway.metric_is("presenced_gateway_upstream_sent_bytes_total", f64::from(said)).await;
    }
    for reference in 0..100 {
        client.write(&raw::text(&format!(r#"[null,"{reference}","phoenix","heartbeat",{{}}]"#))).await;
        assert_eq!(client.json().await[1], reference.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_documents_of_twenty_megabytes_at_once_take_less_than_two_hundred_of_memory() {
    let upstream = FakeUpstream::listen().await;
    let flag = format!("ws://{}/socket", upstream.address());
    let process = Process::start(&["--upstream", &flag]).await;
    let document = Part::whole(DataKind::Binary, document()).into_frame().websocket();
    let mut pairs = Vec::new();
    while pairs.len() < 100 {
        pairs.push(upstream.open_at(process.address(), "vsn=2.0.0").await);
    }
    let read = pairs.into_iter().map(|(mut client, mut end)| {
        let document = document.clone();
        tokio::spawn(async move {
            let writing = tokio::spawn(async move {
                let written = end.stream.write_all(&document).await;
                written.expect("the gateway reads on");
                end
            });
            let mut read = 0;
            while read < DOCUMENT {
                read += client.frame_but_pings().await.expect("the stream goes on").payload.len();
            }
            let _open = writing.await.expect("it writes");
            read
        })
    });
    for read in join_all(read).await {
        assert_eq!(read.expect("it reads"), DOCUMENT);
    }
    let peak = process.peak_memory();
    assert!(peak < 200_000_000, "{peak} bytes at most");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_wait_for_the_end_of_a_message_do_not_hold_up_its_end() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (mut client, mut end) = upstream.open(&gateway).await;
    let part = |begins, ends| Part { begins, ends, data: vec![7; 100_000].into() }.into_frame().websocket();
    end.write(&part(Some(DataKind::Binary), false)).await;
    let heartbeats = (0..HEARTBEATS)
        .flat_map(|reference| raw::text(&format!(r#"[null,"{reference}","phoenix","heartbeat",{{}}]"#)));
    let writing = client.write_meanwhile(heartbeats.collect());
    within("more to wait than may", async {
        while gateway.metric("presenced_gateway_waiting_bytes") < 256.0 * 1024.0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    end.write(&part(None, true)).await;
    assert_eq!(client.message().await.expect("the message").len(), 200_000);
    for reference in 0..HEARTBEATS {
        assert_eq!(client.json().await[1], reference.to_string());
    }
    let _open = writing.await.expect("it writes");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_read_because_all_hold_too_much_is_read_again_once_they_do_not() {
    let upstream = FakeUpstream::listen().await;
    let options = GatewayOptions { waiting_bytes: 1024 * 1024, ..GatewayOptions::default() };
    let address = format!("ws://{}/socket", upstream.address());
    let gateway = Gateway::start_with(&address, options, Options::default()).await;
    let mut pairs = Vec::new();
    for held_up in [1.0, 2.0] {
        let (mut client, end) = upstream.open(&gateway).await;
        let writing = client.write_all_meanwhile((0..5_000).map(|_| raw::binary(&[7; 10_000])));
        gateway.metric_is("presenced_gateway_paused_clients", held_up).await;
        pairs.push((client, end, writing));
    }
    let waits_alone = pairs.pop();
    let passed = gateway.metric("presenced_gateway_upstream_sent_bytes_total");
    for (_client, _end, writing) in pairs {
        writing.abort();
    }
    gateway.metric_is("presenced_gateway_pairs", 1.0).await;
    within("the other to be read again", async {
        while gateway.metric("presenced_gateway_upstream_sent_bytes_total") == passed {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(waits_alone);
}

/// Whichever side does not read for a while: what waits is in its kernel's buffers and its sender, not here.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_megabytes_that_wait_both_ways_are_not_in_the_processs_memory() {
    let upstream = FakeUpstream::listen().await;
    let flag = format!("ws://{}/socket", upstream.address());
    let process = Process::start(&["--upstream", &flag]).await;
    let (mut client, end) = upstream.open_at(process.address(), "vsn=2.0.0").await;
    let (mut reader, mut writer) = end.stream.into_split();
    let frame = Part::whole(DataKind::Binary, document()).into_frame().websocket();
    let (up, down) = (client.write_all_meanwhile((0..10).map(|_| raw::binary(&document()))), frame.clone());
    let down = tokio::spawn(async move {
        for _ in 0..10 {
            writer.write_all(&down).await.expect("the gateway reads on");
        }
        writer
    });
    // Long enough for whatever might gather.
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let read_up = tokio::spawn(async move {
        let (mut read, mut buffer) = (0, vec![0; 1 << 16]);
        while read < 10 * DOCUMENT {
            read += reader.read(&mut buffer).await.expect("the stream goes on");
        }
        reader
    });
    let mut read = 0;
    while read < 10 * DOCUMENT {
        read += client.frame_but_pings_unanswered().await.expect("the stream goes on").payload.len();
    }
    let _open = (read_up.await, up.await, down.await);
    let peak = process.peak_memory();
    assert!(peak < 40_000_000, "{peak} bytes at most");
}

/// A document, as the upstream sends it: a push of `yjs` with sync step 2.
fn document() -> Bytes {
    let head = [&[0, 1, 22, 3][..], b"1workflow:collaborate:xyjs", &[0, 1, 0xFF, 0xFF, 0x7F]].concat();
    let mut document = vec![7; DOCUMENT];
    document[..head.len()].copy_from_slice(&head);
    document.into()
}

/// Their answers weigh more than may wait for a client.
const HEARTBEATS: usize = 4_000;

const DOCUMENT: usize = 20_000_000;

/// Together more than is kept, and more than the kernel's buffers hold.
const SHORT_MESSAGES: usize = 40_000;

/// So many of a megabyte each.
const MESSAGES: usize = 200;

const MESSAGE: usize = 1_000_000;

/// A message that begins with its number.
fn message(number: usize) -> Vec<u8> {
    let mut message = vec![0; MESSAGE];
    message[0] = number as u8;
    message
}
