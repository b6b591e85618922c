//! More clients than there are places, and clients that take their time.
//!
//! Source: RFC 9110, sections 15.6.4 and 10.2.3.

use std::time::{Duration, Instant};

use crate::support::http::request;
use crate::support::process::Process;
use crate::support::raw::{Raw, TEXT, handshake, header, text};
use crate::support::within;

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_no_place_is_told_to_come_again_and_health_is_answered_all_the_while() {
    let process = Process::start(&["--max-connections", "4"]).await;
    let mut sockets = Vec::new();
    for _ in 0..4 {
        sockets.push(Raw::open(process.address(), "2.0.0").await);
    }
    for _ in 0..100 {
        let refused = request(process.address(), "GET", "/socket/websocket?vsn=2.0.0", &[], "").await;
        assert_eq!((refused.status, refused.header("retry-after")), (503, "2"));
        assert_eq!(request(process.address(), "GET", "/health", &[], "").await.status, 200);
        assert_eq!(request(process.address(), "GET", "/ready", &[], "").await.status, 200);
    }
    sockets.pop();
    process.has_a_place().await;
    process.signal("TERM").await;
    let log = process.ended().await.stderr;
    let lines = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    assert_eq!(lines("as many connections are open as there may be"), 1, "{log}");
    assert_eq!(lines("new connections are accepted again"), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_waits_for_its_next_request_makes_room() {
    let process = Process::start(&["--max-connections", "2"]).await;
    let _socket = Raw::open(process.address(), "2.0.0").await;
    for _ in 0..3 {
        let mut idle = Raw::connect(process.address()).await;
        idle.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        assert!(idle.head().await.starts_with("HTTP/1.1 200 "));
        let another = Raw::open(process.address(), "2.0.0").await;
        within("the idle connection to be closed", idle.rest()).await;
        drop(another);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn polling_sessions_have_places_too() {
    let process = Process::start(&["--max-connections", "3"]).await;
    let open = || request(process.address(), "GET", "/socket/longpoll?vsn=2.0.0", &[], "");
    let mut statuses = Vec::new();
    for _ in 0..4 {
        // The connection of the request itself has a place for the moment.
        statuses.push(open().await.status);
    }
    assert_eq!(statuses[..2], [200, 200]);
    assert_eq!(statuses[3], 503, "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_has_as_many_places_as_it_has_descriptors_and_never_runs_out_of_them() {
    let process = Process::start_with_descriptors(128, &[]).await;
    let mut streams = Vec::new();
    for _ in 0..200 {
        streams.push(Raw::connect(process.address()).await);
    }
    let places = 128 - 64;
    let mut served = 0;
    for stream in &mut streams {
        stream.try_write(handshake("/socket/websocket?vsn=2.0.0").as_bytes()).await;
        let head = within("an answer, or an end", stream.rest_or_head()).await;
        served += usize::from(head.starts_with(b"HTTP/1.1 101"));
    }
    assert_eq!(served, places);
    assert_eq!(request(process.address(), "GET", "/health", &[], "").await.status, 200);
    drop(streams);
    process.has_a_place().await;
    process.signal("TERM").await;
    let log = process.ended().await.stderr;
    assert!(!log.contains("cannot be accepted"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_kept_between_requests_for_as_long_as_is_set_and_a_head_has_fifteen_seconds() {
    let process = Process::start(&["--idle-timeout", "18"]).await;
    let mut kept = Raw::connect(process.address()).await;
    kept.write(HEALTH).await;
    kept.head().await;
    let mut slow = Raw::connect(process.address()).await;
    slow.write(b"GET /heal").await;
    let start = Instant::now();
    slow.ended().await;
    let head = start.elapsed();
    assert!((14..18).contains(&head.as_secs()), "{head:?}");
    tokio::time::sleep(Duration::from_secs(16).saturating_sub(start.elapsed())).await;
    kept.write(HEALTH).await;
    // In front of it stands the body of the first answer.
    let body_and_head = kept.head().await;
    assert!(body_and_head.contains("HTTP/1.1 200 "), "{body_and_head}");
    let answered = Instant::now();
    kept.ended().await;
    let idle = answered.elapsed();
    assert!((17..21).contains(&idle.as_secs()), "{idle:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_says_which_host_it_is_for_and_only_once() {
    let process = Process::start(&[]).await;
    for (request, status) in [
        ("GET /health HTTP/1.1\r\nhost: a\r\n\r\n", "200"),
        ("GET /health HTTP/1.1\r\n\r\n", "400"),
        ("GET /health HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", "400"),
        ("GET http://a/health HTTP/1.1\r\nhost: a\r\n\r\n", "200"),
        ("GET http://b/health HTTP/1.1\r\nhost: a\r\n\r\n", "400"),
        ("GET /health HTTP/1.0\r\n\r\n", "200"),
        ("GET /health HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n", "400"),
    ] {
        let mut raw = Raw::connect(process.address()).await;
        raw.write(request.as_bytes()).await;
        let head = raw.head().await;
        assert_eq!(head.split(' ').nth(1), Some(status), "{request:?}: {head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_is_not_allowed_is_answered_with_those_that_are() {
    let process = Process::start(&[]).await;
    let refused = request(process.address(), "POST", "/health", &[], "").await;
    assert_eq!((refused.status, refused.header("allow")), (405, "GET, HEAD"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_floods_the_server_delays_nobody_for_long() {
    let process = Process::start(&[]).await;
    let mut bystander = Raw::open(process.address(), "2.0.0").await;
    let heartbeats = text(r#"[null,"1","phoenix","heartbeat",{}]"#).repeat(500);
    let mut flooders = Vec::new();
    for _ in 0..4 {
        let mut flooder = Raw::open(process.address(), "2.0.0").await;
        let heartbeats = heartbeats.clone();
        flooders.push(tokio::spawn(async move {
            let _writes = flooder.write_all_meanwhile(std::iter::repeat(heartbeats));
            flooder.ended_unread().await;
        }));
    }
    let (start, mut worst) = (Instant::now(), Duration::ZERO);
    while start.elapsed() < Duration::from_secs(3) {
        let asked = Instant::now();
        bystander.write(&text(r#"[null,"1","phoenix","heartbeat",{}]"#)).await;
        bystander.json().await;
        worst = worst.max(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    flooders.iter().for_each(tokio::task::JoinHandle::abort);
    // Of this, what the machine itself makes of it is most. Without an end of their turns it was seconds.
    assert!(worst < Duration::from_millis(500), "{worst:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_message_or_body_has_to_go_on() {
    let process = Process::start(&[]).await;
    let mut socket = Raw::open(process.address(), "2.0.0").await;
    let session = request(process.address(), "GET", "/socket/longpoll?vsn=2.0.0", &[], "").await.json();
    let token = session["token"].as_str().expect("a session has a token");
    let mut body = Raw::connect(process.address()).await;
    let head = format!(
        "POST /socket/longpoll?vsn=2.0.0&token={token} HTTP/1.1\r\nhost: a\r\ncontent-length: 900000\r\n\r\n"
    );
    body.write(head.as_bytes()).await;
    socket.write(&header(TEXT, 900_000)).await;
    let start = Instant::now();
    let trickles = async {
        let (mut closed, mut answered) = (None, None);
        while closed.is_none() || answered.is_none() {
            socket.try_write(b"aa").await;
            body.try_write(b"aa").await;
            let pause = Duration::from_millis(300);
            if closed.is_none()
                && let Ok(frame) = tokio::time::timeout(pause, socket.patient_frame()).await
            {
                closed = frame.map(|frame| u16::from_be_bytes([frame.payload[0], frame.payload[1]]));
            }
            if answered.is_none() && tokio::time::timeout(pause, body.patient_byte()).await.is_ok() {
                answered = Some(body.head().await);
            }
        }
        (closed, answered)
    };
    let (closed, answered) = within("both to be given up", trickles).await;
    assert_eq!(closed, Some(1008));
    assert!(answered.is_some_and(|head| head.starts_with("HTTP/1.1 408 ")));
    assert!(start.elapsed() >= Duration::from_secs(4), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_as_large_as_it_may_be_and_no_larger() {
    let process = Process::start(&["--max-message-bytes", "100000"]).await;
    let mut socket = Raw::open(process.address(), "2.0.0").await;
    socket.write(&text(&heartbeat_of(100_000))).await;
    assert_eq!(socket.json().await[4]["status"], "ok");
    socket.write(&header(TEXT, 100_001)).await;
    assert_eq!(socket.closed().await, 1009);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_unfinished_messages_together_are_bounded_and_whoever_holds_most_goes_first() {
    let process = Process::start(&["--input-bytes", "4000000", "--max-message-bytes", "900000"]).await;
    let mut bystander = Raw::open(process.address(), "2.0.0&user_id=ada").await;
    bystander.write(&header(TEXT, 500_000)).await;
    bystander.write(&[b'a'; 400_000]).await;
    let before = process.peak_memory();
    let mut holders = Vec::new();
    for _ in 0..40 {
        let mut eve = Raw::open(process.address(), "2.0.0&user_id=eve").await;
        eve.write(&header(TEXT, 890_000)).await;
        eve.try_write(&[b'a'; 880_000]).await;
        holders.push(eve);
    }
    let mut evicted = 0;
    for eve in &mut holders[..30] {
        evicted += usize::from(eve.closed().await == 1009);
    }
    assert_eq!(evicted, 30);
    assert!(process.peak_memory() - before < 30_000_000, "{}", process.peak_memory() - before);
    // The bystander's message is read to its end: without their mask these bytes are no text.
    bystander.write(&[b'a'; 100_000]).await;
    assert_eq!(bystander.closed().await, 1007);
}

/// A heartbeat of so many bytes.
fn heartbeat_of(bytes: usize) -> String {
    let around = r#"[null,"1","phoenix","heartbeat",{"x":""}]"#.len();
    format!(r#"[null,"1","phoenix","heartbeat",{{"x":"{}"}}]"#, "a".repeat(bytes - around))
}

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
