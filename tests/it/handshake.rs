//! Who may open a WebSocket, and what everybody else is told.
//!
//! Owns: the order of the checks, seen by which of two faults is answered.
//! Not here: what cannot be read of a token or a version ([`refusals`]).
//! Source: Phoenix 1.8.12, `Phoenix.Transports.WebSocket` and `Phoenix.Socket.Transport`; RFC 6455, section 4.2.

mod refusals;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::StatusCode;
use presenced::channel::{Connect, ConnectInfo, Connected, Refusal, Transport};
use presenced::server::Options;
use serde_json::json;

use crate::support::http::{Answer, request};
use crate::support::raw::{Raw, handshake, text};
use crate::support::{Running, lobbies};

#[tokio::test(flavor = "multi_thread")]
async fn the_method_is_looked_at_before_all_else() {
    let (server, doorman) = start().await;
    for method in ["POST", "HEAD", "OPTIONS", "PUT"] {
        let answer = request(server.address(), method, &format!("{PATH}?vsn=x&refuse=429"), EVIL, "").await;
        assert_eq!((answer.status, answer.text()), (400, ""), "{method}");
    }
    assert_eq!(doorman.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_cannot_be_read_comes_before_the_origin() {
    let (server, doorman) = start().await;
    let answer = get(&server, "?user=%ff", EVIL).await;
    assert_eq!((answer.status, answer.text()), (400, ""));
    assert_eq!(doorman.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_from_elsewhere_is_refused_before_anybody_is_asked() {
    let (server, doorman) = start().await;
    let answer = get(&server, "?vsn=2.0.0&refuse=429", EVIL).await;
    assert_eq!((answer.status, answer.text(), answer.header("content-length")), (403, "", "0"));
    assert_eq!(answer.header("content-type"), "");
    assert_eq!(doorman.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_version_is_refused_before_anybody_is_asked() {
    let (server, doorman) = start().await;
    for vsn in ["3.0.0", "2.0", "", "2.0.0-rc.1"] {
        let answer = get(&server, &format!("?vsn={vsn}&refuse=429"), &[]).await;
        assert_eq!((answer.status, answer.text()), (403, ""), "{vsn:?}");
    }
    assert_eq!(get(&server, "?vsn[]=2.0.0&refuse=429", &[]).await.status, 403);
    assert_eq!(doorman.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_refused_is_told_so_before_what_the_request_lacks() {
    let (server, doorman) = start().await;
    for status in [403, 429, 503] {
        let answer = get(&server, &format!("?vsn=2.0.0&refuse={status}"), &[]).await;
        assert_eq!((answer.status, answer.text()), (status, ""));
    }
    assert_eq!(doorman.asked(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_request_lacks_is_named_one_after_the_other() {
    let (server, _) = start().await;
    let upgrade = [("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")];
    let [connection, websocket] = upgrade;
    let key = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let table: [(&[_], &str); 6] = [
        (&[], "'connection' header must contain 'upgrade', got []"),
        (&[("connection", "close")], r#"'connection' header must contain 'upgrade', got ["close"]"#),
        (&[connection], "'upgrade' header must contain 'websocket', got []"),
        (&upgrade, "'sec-websocket-key' header is absent"),
        (&[connection, websocket, key], "'sec-websocket-version' header must equal '13', got []"),
        (
            &[connection, websocket, key, ("sec-websocket-version", "8")],
            r#"'sec-websocket-version' header must equal '13', got ["8"]"#,
        ),
    ];
    for (headers, lack) in table {
        let answer = get(&server, "?vsn=2.0.0", headers).await;
        assert_eq!((answer.status, answer.text()), (400, lack));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_come_in_is_upgraded() {
    let (server, doorman) = start().await;
    let mut raw = Raw::connect(server.address()).await;
    raw.write(handshake(&format!("{PATH}?vsn=2.0.0")).as_bytes()).await;
    let head = raw.head().await.to_ascii_lowercase();
    let lines: Vec<&str> = head.trim_end().split("\r\n").collect();
    assert_eq!(lines[0], "http/1.1 101 switching protocols");
    for line in [
        "connection: upgrade",
        "upgrade: websocket",
        // The example of the RFC.
        "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=",
        "cache-control: max-age=0, private, must-revalidate",
    ] {
        assert!(lines.contains(&line), "{line} is missing from {lines:?}");
    }
    assert!(!head.contains("sec-websocket-protocol") && !head.contains("sec-websocket-extensions"), "{head}");
    assert_eq!(doorman.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_path_may_end_in_a_slash_and_in_nothing_else() {
    let (server, doorman) = start().await;
    let mut raw = Raw::connect(server.address()).await;
    raw.write(handshake(&format!("{PATH}/?vsn=2.0.0")).as_bytes()).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 101 "));
    assert_eq!(doorman.asked(), 1);

    for path in
        ["/", "/socket", "/websocket", "/socket/websocket/x", "/socket/websockets", "/x/socket/websocket"]
    {
        let mut raw = Raw::connect(server.address()).await;
        raw.write(handshake(&format!("{path}?vsn=2.0.0")).as_bytes()).await;
        assert!(raw.head().await.starts_with("HTTP/1.1 404 "), "{path}");
    }
    assert_eq!(doorman.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_mount_moves_both_transports() {
    let options = Options { mount: "/live/v1/".into(), ..Options::default() };
    let server = Running::start(lobbies(), options).await;
    let mut raw = Raw::connect(server.address()).await;
    raw.write(handshake("/live/v1/websocket?vsn=2.0.0").as_bytes()).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 101 "));
    let longpoll = request(server.address(), "GET", "/live/v1/longpoll?vsn=2.0.0", &[], "").await;
    assert_eq!(longpoll.json()["status"], 410);
    assert_eq!(get(&server, "?vsn=2.0.0", &[]).await.status, 404);
}

/// As a proxy makes it whose prefix lacks its slash, or has one too many.
#[tokio::test(flavor = "multi_thread")]
async fn empty_segments_of_a_path_do_not_count() {
    let (server, _) = start().await;
    for path in ["/socket//websocket", "//socket/websocket"] {
        let mut raw = Raw::connect(server.address()).await;
        raw.write(handshake(&format!("{path}?vsn=2.0.0")).as_bytes()).await;
        assert!(raw.head().await.starts_with("HTTP/1.1 101 "), "{path}");
    }
    assert_eq!(request(server.address(), "GET", "/socket/%2Fwebsocket", &[], "").await.status, 404);
    let lobbies = Running::start(lobbies(), Options::default()).await;
    let longpoll = request(lobbies.address(), "GET", "/socket//longpoll?vsn=2.0.0", &[], "").await;
    assert_eq!(longpoll.json()["status"], 410);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_another_version_is_told_which_is_spoken() {
    let (server, _) = start().await;
    let headers = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "8"),
    ];
    let answer = get(&server, "?vsn=2.0.0", &headers).await;
    assert_eq!((answer.status, answer.header("sec-websocket-version")), (400, "13"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_along_with_the_handshake_is_read() {
    let (server, _) = start().await;
    let mut raw = Raw::connect(server.address()).await;
    let join = text(r#"["1","1","lobby:a","phx_join",{}]"#);
    let echo = text(r#"["1","2","lobby:a","echo",{"early":true}]"#);
    raw.write(&[handshake(&format!("{PATH}?vsn=2.0.0")).as_bytes(), &join, &echo].concat()).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 101 "));
    assert_eq!(raw.json().await[1], "1");
    let reply = json!(["1", "2", "lobby:a", "phx_reply", {"status": "ok", "response": {"early": true}}]);
    assert_eq!(raw.json().await, reply);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_connection_may_become_a_websocket_later() {
    let (server, _) = start().await;
    let mut raw = Raw::connect(server.address()).await;
    raw.write(format!("GET {PATH}?vsn=3.0.0 HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 403 "));
    raw.shake_hands("2.0.0").await;
}

/// A server whose connect handler refuses with the status in the parameter `refuse`.
async fn start() -> (Running, Doorman) {
    let doorman = Doorman::default();
    (Running::start_with(doorman.clone(), lobbies(), Options::default()).await, doorman)
}

async fn get(server: &Running, query: &str, headers: &[(&str, &str)]) -> Answer {
    request(server.address(), "GET", &format!("{PATH}{query}"), headers, "").await
}

/// Counts how often it was asked.
#[derive(Clone, Default)]
struct Doorman(Arc<AtomicUsize>);

impl Doorman {
    fn asked(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Connect for Doorman {
    type Identity = String;

    async fn connect(&self, info: &ConnectInfo) -> Result<Connected<String>, Refusal> {
        self.0.fetch_add(1, Ordering::Relaxed);
        assert!(info.peer.is_some_and(|peer| peer.is_loopback()), "{info:?}");
        assert_eq!(info.transport, Transport::WebSocket);
        match info.params.get("refuse").map(str::parse::<StatusCode>) {
            Some(status) => Err(Refusal::with_status(status.expect("a status"))),
            None => Ok(Connected { identity: "anybody".into(), socket_id: None }),
        }
    }
}

const PATH: &str = "/socket/websocket";
const EVIL: &[(&str, &str)] = &[("origin", "http://evil.example")];
