//! An open WebSocket: however its bytes are cut and however slowly they are taken, its messages are answered.
//!
//! Not here: how it is opened ([`crate::handshake`]), and what may not be sent on it ([`crate::malformed`]).
//! Source: RFC 6455, section 5; Phoenix 1.8.12 over Bandit.

use std::time::{Duration, Instant};

use presenced::server::{Options, Stopped};
use presenced::wire::Vsn;
use serde_json::json;
use tokio::net::TcpSocket;

use crate::support::raw::{CLOSE, END, Frame, MIDDLE, PING, PONG, Raw, TEXT_START, frame, handshake, text};
use crate::support::{Client, Running, lobbies, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_is_answered_with_its_own_payload() {
    let server = Running::start(lobbies(), Options::default()).await;
    let mut raw = Raw::open(server.address(), "2.0.0").await;
    for payload in [&b""[..], b"Hello", &[0xFF; 125]] {
        raw.write(&frame(PING, payload)).await;
        let pong = Frame { first: PONG, payload: payload.to_vec().into() };
        assert_eq!(raw.frame().await, Some(pong));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pong_that_nobody_asked_for_is_let_pass() {
    let server = Running::start(lobbies(), Options::default()).await;
    let mut raw = Raw::open(server.address(), "2.0.0").await;
    raw.write(&[frame(PONG, b"x"), text(&heartbeat(1))].concat()).await;
    assert_eq!(raw.json().await[1], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_between_the_parts_of_a_message_is_answered_first() {
    let server = Running::start(lobbies(), Options::default()).await;
    let mut raw = Raw::open(server.address(), "2.0.0").await;
    let message = heartbeat(1);
    let (start, rest) = message.split_at(10);
    let (middle, end) = rest.split_at(10);
    let parts = [
        frame(TEXT_START, start.as_bytes()),
        frame(PING, b"p"),
        frame(MIDDLE, middle.as_bytes()),
        frame(MIDDLE, b""),
        frame(END, end.as_bytes()),
    ];
    raw.write(&parts.concat()).await;
    assert_eq!(raw.frame().await, Some(Frame { first: PONG, payload: "p".into() }));
    assert_eq!(raw.json().await[1], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_come_one_by_one_are_a_message_in_the_end() {
    let server = Running::start(lobbies(), Options::default()).await;
    let mut raw = Raw::connect(server.address()).await;
    for byte in handshake("/socket/websocket?vsn=2.0.0").bytes() {
        raw.write(&[byte]).await;
    }
    assert!(raw.head().await.starts_with("HTTP/1.1 101 "));
    for byte in [text(&heartbeat(1)), frame(PING, b"p"), text(&heartbeat(2))].concat() {
        raw.write(&[byte]).await;
    }
    assert_eq!(raw.json().await[1], "1");
    assert_eq!(raw.frame().await, Some(Frame { first: PONG, payload: "p".into() }));
    assert_eq!(raw.json().await[1], "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_is_answered_behind_the_messages_before_it() {
    let server = Running::start(lobbies(), Options::default()).await;
    let mut raw = Raw::open(server.address(), "2.0.0").await;
    raw.write(&[text(&heartbeat(1)), frame(PING, b"p"), text(&heartbeat(2))].concat()).await;
    assert_eq!(raw.json().await[1], "1");
    assert_eq!(raw.frame().await, Some(Frame { first: PONG, payload: "p".into() }));
    assert_eq!(raw.json().await[1], "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_come_together_are_answered_in_order() {
    let server = Running::start(lobbies(), Options::default()).await;
    let mut raw = Raw::open(server.address(), "2.0.0").await;
    let messages: Vec<u8> = (0..5000).flat_map(|number| text(&heartbeat(number))).collect();
    let written = raw.write_meanwhile(messages);
    for number in 0..5000 {
        assert_eq!(raw.json().await[1], number.to_string());
    }
    written.await.expect("all of it was read");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_behind_a_join_in_one_packet_finds_the_channel_joined() {
    let server = Running::start(lobbies(), Options::default()).await;
    let mut raw = Raw::open(server.address(), "2.0.0").await;
    let join = text(r#"["1","1","lobby:a","phx_join",{}]"#);
    raw.write(&[join, text(&echo(2, "x"))].concat()).await;
    assert_eq!(raw.json().await[1], "1");
    assert_eq!(raw.json().await[4]["response"], "x");
}

/// What waits for a slow reader is limited; its own answers do not end it, because it is not read from until it has
/// taken them.
#[tokio::test(flavor = "multi_thread")]
async fn five_megabytes_of_echoes_reach_a_client_that_reads_late() {
    let server = Running::start(lobbies(), Options { outbox_bytes: 512 * 1024, ..Options::default() }).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("the size is allowed");
    socket.set_send_buffer_size(4096).expect("the size is allowed");
    let mut raw = Raw::over(socket.connect(server.address()).await.expect("the server listens"));
    raw.shake_hands("2.0.0").await;
    raw.write(&text(r#"["1","1","lobby:a","phx_join",{}]"#)).await;
    raw.json().await;

    let payload = "x".repeat(50 * 1024);
    let messages: Vec<u8> = (0..100).flat_map(|number| text(&echo(number, &payload))).collect();
    assert!(messages.len() > 5_000_000);
    let taken = raw.write_until_stuck(&messages).await;
    assert!(taken < messages.len(), "it is read from, although it does not read");
    let written = raw.write_meanwhile(messages[taken..].to_vec());
    for number in 0..100 {
        let reply = raw.json().await;
        assert_eq!(reply[1], number.to_string());
        assert_eq!(reply[4]["response"], payload.as_str());
    }
    written.await.expect("all of it was read");
}

/// A thousand answers come to much more than may wait, and are told faster than they are written.
#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_its_own_does_not_end_a_client_that_reads() {
    let server = Running::start(lobbies(), Options { outbox_bytes: 64 * 1024, ..Options::default() }).await;
    let mut raw = Raw::open(server.address(), "2.0.0").await;
    let beats = 0..2000;
    let burst: Vec<u8> =
        beats.clone().flat_map(|n| text(&format!("[null,\"{n}\",\"phoenix\",\"heartbeat\",{{}}]"))).collect();
    raw.write(&burst).await;
    for n in beats {
        assert_eq!(raw.json().await[1], n.to_string());
    }
}

/// Larger than what may wait: a single message always may.
#[tokio::test(flavor = "multi_thread")]
async fn nine_megabytes_reach_everybody_who_reads() {
    let server = Running::start(lobbies(), Options::default()).await;
    let filling = "x".repeat(9_000_000);
    assert!(filling.len() > Options::default().outbox_bytes);
    let mut members = Vec::new();
    for name in ["ada", "bob", "eve"] {
        let mut member = Client::connect(server.address(), Vsn::V2, &format!("user={name}")).await;
        member.enter("lobby:a").await;
        members.push(member);
    }
    let told = json!({"filling": filling});
    server.handle().broadcast("lobby:a", "told", told.clone().into()).await.expect("an object");
    let told = &told;
    let heard = members.iter_mut().map(|member| async move {
        let heard = member.expect("lobby:a", "told").await;
        assert!(heard.payload == *told, "it came as it was sent");
        let echoed = member.call("lobby:a", "echo", told.clone()).await;
        assert!(echoed.response == *told, "the echo is what was said");
        member.heartbeat().await;
    });
    futures::future::join_all(heard).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_is_answered_with_1000_where_its_code_is_a_clients_and_else_with_1002() {
    let server = Running::start(lobbies(), Options::default()).await;
    let fine = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 4999].map(|code| (code, 1000));
    let wrong = [0, 999, 1004, 1005, 1006, 1012, 1015, 2999].map(|code| (code, 1002));
    for (code, answer) in fine.into_iter().chain(wrong) {
        let mut raw = Raw::open(server.address(), "2.0.0").await;
        raw.write(&frame(CLOSE, &u16::to_be_bytes(code))).await;
        raw.finish().await;
        assert_eq!(raw.closed().await, answer, "{code}");
    }
    let mut raw = Raw::open(server.address(), "2.0.0").await;
    raw.write(&frame(CLOSE, b"")).await;
    raw.finish().await;
    assert_eq!(raw.closed().await, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_before_a_close_is_answered_before_it() {
    let server = Running::start(lobbies(), Options::default()).await;
    let mut raw = Raw::open(server.address(), "2.0.0").await;
    let close = frame(CLOSE, &[0x03, 0xE8, b'b', b'y', b'e']);
    raw.write(&[text(&heartbeat(1)), close, text(&heartbeat(2))].concat()).await;
    raw.finish().await;
    assert_eq!(raw.json().await[1], "1");
    assert_eq!(raw.closed().await, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_without_a_word_leaves() {
    let server = Running::start(lobbies(), Options::default()).await;
    let mut stays = Client::connect(server.address(), Vsn::V2, "user=stays").await;
    stays.enter("present:a").await;
    stays.expect("present:a", "presence_diff").await;
    let mut raw = Raw::open(server.address(), "2.0.0").await;
    raw.write(&text(r#"["1","1","present:a","phx_join",{}]"#)).await;
    let joined = stays.expect("present:a", "presence_diff").await;
    assert!(joined.payload["joins"]["raw"].is_object(), "{joined:?}");
    drop(raw);
    let left = stays.expect("present:a", "presence_diff").await;
    assert!(left.payload["leaves"]["raw"].is_object(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_silent_too_long_is_closed_with_1002_whatever_it_is_sent() {
    let server = Running::start(lobbies(), impatient()).await;
    let mut talks = Client::connect(server.address(), Vsn::V2, "user=talks").await;
    talks.enter("lobby:a").await;
    let mut silent = Client::connect(server.address(), Vsn::V2, "user=silent").await;
    silent.enter("lobby:a").await;
    let since = Instant::now();
    let talk = async {
        loop {
            talks.push("lobby:a", "shout", json!({})).await;
            talks.expect("lobby:a", "shout").await;
        }
    };
    let closed = async {
        tokio::select! {
            code = silent.closed() => code,
            () = talk => unreachable!("it talks for ever"),
        }
    };
    let code = within("the end of the silent one", closed).await;
    assert_eq!(code, 1002);
    assert!(since.elapsed() >= IDLE / 2, "{:?}", since.elapsed());
    assert!(silent.unasked().len() > 1, "it was sent something meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_is_a_sign_of_life() {
    let server = Running::start(lobbies(), impatient()).await;
    let mut raw = Raw::open(server.address(), "2.0.0").await;
    let since = Instant::now();
    while since.elapsed() < 2 * IDLE {
        raw.write(&frame(PING, b"")).await;
        assert_eq!(raw.frame().await, Some(Frame { first: PONG, payload: "".into() }));
    }
    assert_eq!(raw.closed().await, 1002);
}

/// The only limit that is no option: it takes the fifteen seconds that it takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_head_is_not_finished_is_dropped() {
    let server = Running::start(lobbies(), Options::default()).await;
    let mut raw = Raw::connect(server.address()).await;
    raw.write(b"GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nhost: local").await;
    let dropped = tokio::time::timeout(Duration::from_secs(30), raw.ended()).await;
    assert!(dropped.is_ok(), "the connection is still open");
    assert_eq!(server.stop().await, Stopped::Drained);
}

/// A server whose clients may be silent for a short while only.
fn impatient() -> Options {
    Options { idle_timeout: IDLE, ..Options::default() }
}

fn heartbeat(reference: usize) -> String {
    json!([null, reference.to_string(), "phoenix", "heartbeat", {}]).to_string()
}

fn echo(reference: usize, payload: &str) -> String {
    json!(["1", reference.to_string(), "lobby:a", "echo", payload]).to_string()
}

const IDLE: Duration = Duration::from_secs(1);
