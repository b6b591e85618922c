//! A client cannot pile up messages for a slow channel: what waits is bounded by its bytes, references included.

use serde_json::{Value, json};
use tokio::net::TcpSocket;

use super::Bench;
use crate::support::raw::{PING, Raw, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_far_ahead_of_its_channel_is_not_read_from_and_then_answered_in_order() {
    let bench = Bench::new().await;
    let (mut raw, sent, rest) = far_ahead(&bench, "echo").await;
    bench.gate.add_permits(1);
    let written = raw.write_meanwhile(rest);
    assert_eq!(raw.json().await[1], "wait");
    for number in 0..sent {
        let reply = raw.json().await;
        assert!(reply[1] == reference(number), "number {number} of {sent} is not in its place");
        assert_eq!(reply[4], json!({"status": "ok", "response": {}}));
    }
    written.await.expect("all of it was read");
}

/// Those that wait behind the first one end with the channel; those that are read later find nothing to leave.
#[tokio::test(flavor = "multi_thread")]
async fn leaves_pile_up_no_more_than_events() {
    let bench = Bench::new().await;
    let (mut raw, sent, rest) = far_ahead(&bench, "phx_leave").await;
    bench.gate.add_permits(1);
    let written = raw.write_meanwhile(rest);
    assert_eq!(raw.json().await[1], "wait");
    assert!(raw.json().await[1] == reference(0), "the first leave is answered");
    assert_eq!(raw.json().await[3], "phx_close");
    assert_eq!(raw.json().await[3], "farewell");
    // Behind all that the client is asked whether it has read it.
    assert_eq!(raw.frame().await.expect("the stream goes on").first, PING);
    let last = json!(reference(sent - 1));
    while raw.json().await[1] != last {}
    written.await.expect("all of it was read");
}

/// A client that went on sending events with large references to a channel that waits, until the server took no more:
/// how many it began to send, and what is left of the last.
async fn far_ahead(bench: &Bench, event: &str) -> (Raw, usize, Vec<u8>) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_send_buffer_size(4096).expect("the size is allowed");
    let mut raw = Raw::over(socket.connect(bench.server.address()).await.expect("the server listens"));
    raw.shake_hands("2.0.0").await;
    raw.write(&message("join", "phx_join")).await;
    raw.json().await;
    raw.write(&message("wait", "wait")).await;
    for number in 0..MESSAGES {
        let message = message(&reference(number), event);
        let taken = raw.write_until_stuck(&message).await;
        if taken < message.len() {
            return (raw, number + 1, message[taken..].to_vec());
        }
    }
    panic!("the server took {MESSAGES} messages of {REFERENCE_BYTES} bytes for a channel that waits");
}

fn message(reference: &str, event: &str) -> Vec<u8> {
    let message: Value = json!(["join", reference, "lab:1", event, {}]);
    text(&message.to_string())
}

/// Large, and told from all others.
fn reference(number: usize) -> String {
    format!("{number} {}", "x".repeat(REFERENCE_BYTES))
}

const REFERENCE_BYTES: usize = 1024 * 1024;
/// Together many times what the kernel keeps for a connection.
const MESSAGES: usize = 300;
