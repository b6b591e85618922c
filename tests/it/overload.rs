//! More clients than there are places, and clients that take their time.
//!
//! Source: RFC 9110, sections 15.6.4 and 10.2.3.

use std::time::{Duration, Instant};

use crate::support::http::request;
use crate::support::process::Process;
use crate::support::raw::{Raw, handshake, text};
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
    within("a place", async {
        while request(process.address(), "GET", "/", &[], "").await.status == 503 {
            tokio::task::yield_now().await;
        }
    })
    .await;
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
    within("a place", async {
        while request(process.address(), "GET", "/", &[], "").await.status == 503 {
            tokio::task::yield_now().await;
        }
    })
    .await;
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

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
