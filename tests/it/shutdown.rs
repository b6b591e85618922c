//! How the server stops: nothing more is let in, everybody is told with 1012, and it ends in time.
//!
//! Source: Phoenix 1.8.12, `Phoenix.Socket.PoolDrainer`; the architecture's "On shutdown nobody is sent leave diffs".

use std::future::pending;
use std::time::{Duration, Instant};

use futures::future::join_all;
use presenced::channel::Hooks;
use presenced::server::{Options, Stopped};
use presenced::wire::Vsn;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::process::Process;
use crate::support::raw::{CLOSE, Raw, handshake, text};
use crate::support::{Client, Running, lobbies, within};

#[tokio::test(flavor = "multi_thread")]
async fn either_signal_closes_every_connection_with_1012_and_ends_with_0() {
    for signal in ["TERM", "INT"] {
        let process = Process::start(&[]).await;
        let mut clients = Vec::new();
        for user in ["user_id=1", "user_id=2", "user_id=3"] {
            let mut client = Client::connect(process.address(), Vsn::V2, user).await;
            let joined = client.join(CANVAS, json!({"project_id": "p", "action": "edit"})).await;
            assert_eq!(joined.status, "ok", "{joined:?}");
            clients.push(client);
        }
        clients.push(Client::connect(process.address(), Vsn::V1, "user_id=4").await);
        process.signal(signal).await;
        for mut client in clients {
            assert_eq!(client.closed().await, 1012, "{signal}");
        }
        assert_eq!(process.ended().await.code, Some(0), "{signal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_never_answers_does_not_hold_it_up_for_longer_than_it_may() {
    let process = Process::start(&["--shutdown-timeout", "1"]).await;
    let mut mute = Raw::connect(process.address()).await;
    mute.shake_hands("2.0.0").await;
    let since = Instant::now();
    process.signal("TERM").await;
    let close = mute.frame().await.expect("it is told");
    assert_eq!((close.first, &close.payload[..]), (CLOSE, &1012_u16.to_be_bytes()[..]));
    let ended = process.ended().await;
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("stopped before every connection was closed"), "{}", ended.stderr);
    let took = since.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(4)).contains(&took), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_let_in_while_it_waits_for_those_who_are_in() {
    let mut process = Process::start(&["--shutdown-timeout", "60"]).await;
    let mut mute = Raw::connect(process.address()).await;
    mute.shake_hands("2.0.0").await;
    process.signal("TERM").await;
    mute.frame().await.expect("it is told");
    let refused = TcpStream::connect(process.address()).await;
    assert!(refused.is_err(), "{refused:?}");
    assert!(!process.has_ended(), "it still waits");
    drop(mute);
    assert_eq!(process.ended().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_nobody_is_connected_to_stops_at_once() {
    let server = Running::start(lobbies(), Options::default()).await;
    assert_eq!(server.stop().await, Stopped::Drained);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_answer_are_drained() {
    let server = Running::start(lobbies(), Options::default()).await;
    let mut client = Client::connect(server.address(), Vsn::V2, "user=ada").await;
    client.enter("present:a").await;
    // A client that was closed lets go of its stream.
    let closed = async move { client.closed().await };
    let (stopped, code) = tokio::join!(server.stop(), closed);
    assert_eq!((stopped, code), (Stopped::Drained, 1012));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_that_the_others_leave() {
    let server = Running::start(lobbies(), Options::default()).await;
    let mut clients = Vec::new();
    for number in 0..100 {
        let mut client = Client::connect(server.address(), Vsn::V2, &format!("user={number}")).await;
        client.enter("present:a").await;
        clients.push(client);
    }
    let closed = clients.into_iter().map(|mut client| async move {
        assert_eq!(client.closed().await, 1012);
        let mut diffs = client.unasked();
        diffs.retain(|message| message.event == "presence_diff");
        assert!(diffs.iter().all(|diff| diff.payload["leaves"] == json!({})), "{diffs:?}");
    });
    let (stopped, _) = tokio::join!(server.stop(), join_all(closed));
    assert_eq!(stopped, Stopped::Drained);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_before_is_still_sent_before_the_close() {
    let server = Running::start(lobbies(), Options::default()).await;
    let mut raw = Raw::open(server.address(), "2.0.0").await;
    raw.write(&text(r#"["1","1","lobby:a","phx_join",{}]"#)).await;
    raw.json().await;
    let handle = server.handle().clone();
    for number in 0..1000 {
        handle.broadcast("lobby:a", "told", json!({"number": number}).into()).await.expect("an object");
    }
    let seen = async {
        for number in 0..1000 {
            assert_eq!(raw.json().await[4]["number"], number);
        }
        let close = raw.frame().await.expect("a close frame");
        raw.finish().await;
        close.payload
    };
    let (stopped, close) = tokio::join!(server.stop(), seen);
    assert_eq!((stopped, &close[..]), (Stopped::Drained, &1012_u16.to_be_bytes()[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_is_given_up_and_the_others_are_told() {
    const FRAME_BYTES: usize = 128 * 1024;
    // Together more than the kernel keeps for the two ends of a connection.
    const FRAMES: usize = 160;
    let options = Options {
        outbox_bytes: 2 * FRAMES * FRAME_BYTES,
        shutdown_timeout: Duration::from_secs(8),
        ..Options::default()
    };
    let server = Running::start(lobbies(), options).await;
    let mut other = Client::connect(server.address(), Vsn::V2, "user=other").await;
    other.enter("lobby:b").await;
    let mut slow = Client::connect(server.address(), Vsn::V2, "user=slow").await;
    slow.enter("present:a").await;
    let filling = json!({"filling": "x".repeat(FRAME_BYTES)});
    for _ in 0..FRAMES {
        server.handle().broadcast("present:a", "flood", filling.clone().into()).await.expect("an object");
    }
    let told = async move { other.closed().await };
    let (stopped, code) = tokio::join!(server.stop(), told);
    assert_eq!((stopped, code), (Stopped::Drained, 1012), "a close waits for nobody's reading");
    drop(slow);
}

/// The list that a channel waits for is behind a fetch that does not return; it waits for no longer than a fetch may
/// take.
#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_does_not_return_holds_it_up_for_no_longer_than_it_may_take() {
    let (report, mut fetches) = mpsc::unbounded_channel();
    let hooks = Hooks::new().fetch(move |_, _| {
        // Nobody listens behind the first.
        let _ = report.send(());
        pending()
    });
    let server = Running::start(lobbies(), Options { hooks, ..Options::default() }).await;
    let mut client = Client::connect(server.address(), Vsn::V2, "user=ada").await;
    client.enter("present:a").await;
    within("a fetch", fetches.recv()).await.expect("the server runs");
    let since = Instant::now();
    let closed = async move { client.closed().await };
    let (stopped, code) = tokio::join!(server.stop(), closed);
    assert_eq!((stopped, code), (Stopped::Drained, 1012));
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_says_how_many_connections_its_time_was_too_short_for() {
    let short = Options { shutdown_timeout: Duration::from_millis(200), ..Options::default() };
    let server = Running::start(lobbies(), short).await;
    let mut mute = [Raw::open(server.address(), "2.0.0").await, Raw::open(server.address(), "2.0.0").await];
    // An answer shows that the connection is open on the other side as well.
    for raw in &mut mute {
        raw.write(&text(r#"[null,"1","phoenix","heartbeat",{}]"#)).await;
        raw.json().await;
    }
    assert_eq!(server.stop().await, Stopped::TimedOut(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_not_finished_holds_nothing_up() {
    let server = Running::start(lobbies(), Options::default()).await;
    let mut idle = Raw::connect(server.address()).await;
    idle.write(b"GET /nowhere HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(idle.head().await.starts_with("HTTP/1.1 404 "));
    let mut half = Raw::connect(server.address()).await;
    half.write(b"GET /socket/websocket HTTP/1.1\r\nho").await;
    assert_eq!(server.stop().await, Stopped::Drained);
    within("the end of both", async { tokio::join!(idle.ended(), half.ended()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_at_the_last_moment_is_refused_or_closed_with_1012() {
    for _ in 0..20 {
        let server = Running::start(lobbies(), Options::default()).await;
        let mut late = Raw::connect(server.address()).await;
        let handshakes = async {
            late.try_write(handshake("/socket/websocket?vsn=2.0.0").as_bytes()).await;
            let answer = late.rest().await;
            drop(late);
            answer
        };
        let (stopped, answer) = tokio::join!(server.stop(), handshakes);
        assert_eq!(stopped, Stopped::Drained);
        let told = answer.ends_with(&[CLOSE, 2, 0x03, 0xF4]);
        assert!(answer.is_empty() || told, "{answer:?}");
    }
}

const CANVAS: &str = "workflow:collaborate:0b6d6d3e-7a4c-4c9a-9b55-0a2f6e1d7c11";
