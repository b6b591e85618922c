//! A side that takes nothing: the other is not read, memory stays bounded, and nothing is lost or reordered.

use bytes::Bytes;
use presenced::wire::websocket::{self, DataKind, Event, Part};

use futures::future::join_all;

use super::{FakeUpstream, Gateway};
use crate::support::process::Process;
use crate::support::raw;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_megabytes_wait_outside_for_a_client_that_does_not_read() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (mut client, mut end) = upstream.open(&gateway).await;
    let writing = tokio::spawn(async move {
        for number in 0..MESSAGES {
            let frame = Part::whole(DataKind::Binary, message(number).into()).into_frame().websocket();
            tokio::io::AsyncWriteExt::write_all(&mut end.stream, &frame).await.expect("the gateway reads on");
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
async fn an_upstream_that_takes_nothing_costs_no_client_its_heartbeats() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (mut client, _end) = upstream.open(&gateway).await;
    // Far more than the kernel's buffers hold, and less than is kept here.
    for _ in 0..3 {
        client.write(&raw::binary(&message(0))).await;
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
    let document = Part::whole(DataKind::Binary, Bytes::from(vec![7; DOCUMENT])).into_frame().websocket();
    let mut pairs = Vec::new();
    while pairs.len() < 100 {
        pairs.push(upstream.open_at(process.address(), "vsn=2.0.0").await);
    }
    let read = pairs.into_iter().map(|(mut client, mut end)| {
        let document = document.clone();
        tokio::spawn(async move {
            let writing = tokio::spawn(async move {
                let written = tokio::io::AsyncWriteExt::write_all(&mut end.stream, &document).await;
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

const DOCUMENT: usize = 20_000_000;

/// So many of a megabyte each.
const MESSAGES: usize = 200;

const MESSAGE: usize = 1_000_000;

/// A message that begins with its number.
fn message(number: usize) -> Vec<u8> {
    let mut message = vec![0; MESSAGE];
    message[0] = number as u8;
    message
}
