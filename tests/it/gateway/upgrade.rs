//! The handshake: what of a request reaches the upstream, and what of its answer the client.

use http::HeaderMap;
use presenced::server::{GatewayOptions, Options, TrustedProxies};

use super::{FakeUpstream, Gateway};
use crate::support::http::request;
use crate::support::process::Process;
use crate::support::raw::Raw;

#[tokio::test]
async fn path_query_and_headers_reach_the_upstream_as_they_came() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start_with(
        &format!("ws://{}/deep/socket", upstream.address()),
        GatewayOptions::default(),
        Options::default(),
    )
    .await;
    let mut client = Raw::connect(gateway.address).await;
    let said = "GET /socket/websocket?token=a%2Fb+c&vsn=2.0.0&%zz HTTP/1.1\r\nHost: canvas.example\r\n\
                Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\
                Origin: https://canvas.example\r\nCookie: a=b\r\nX-Forwarded-For: 10.1.1.1\r\n\r\n";
    client.write(said.as_bytes()).await;
    let mut end = upstream.accept().await;
    let line = end.request.lines().next().expect("a request line").to_owned();
    assert_eq!(line, "GET /deep/socket/websocket?token=a%2Fb+c&vsn=2.0.0&%zz HTTP/1.1");
    assert_eq!(end.header("host"), Some("canvas.example"));
    assert_eq!(end.header("origin"), Some("https://canvas.example"));
    assert_eq!(end.header("cookie"), Some("a=b"));
    assert_eq!(end.header("sec-websocket-extensions"), None);
    assert_eq!(end.header("x-forwarded-for"), Some("127.0.0.1"), "nobody is believed who is not trusted");
    end.upgrade().await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "the upstream's accept passes: {head}");
}

#[tokio::test]
async fn a_trusted_proxys_word_on_the_client_passes() {
    let upstream = FakeUpstream::listen().await;
    let trusted_proxies = TrustedProxies::parse("127.0.0.1").expect("an address");
    let gateway = Gateway::start_with(
        &format!("ws://{}/socket", upstream.address()),
        GatewayOptions::default(),
        Options { trusted_proxies, ..Options::default() },
    )
    .await;
    let mut client = Raw::connect(gateway.address).await;
    let said = "GET /socket/websocket HTTP/1.1\r\nhost: h\r\nx-forwarded-for: 198.51.100.7\r\nx-forwarded-proto: https\r\n\r\n";
    client.write(said.as_bytes()).await;
    let end = upstream.accept().await;
    assert_eq!(end.header("x-forwarded-for"), Some("198.51.100.7, 127.0.0.1"));
    assert_eq!(end.header("x-forwarded-proto"), Some("https"));
}

#[tokio::test]
async fn a_refusal_comes_back_with_status_headers_and_body() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    for (status, body) in
        [("403 Forbidden", ""), ("500 Internal Server Error", "oops"), ("404 Not Found", "<html>")]
    {
        let answering = async {
            let mut end = upstream.accept().await;
            let length = body.len();
            end.write(format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nx-mine: 1\r\nconnection: close\r\n\r\n{body}").as_bytes()).await;
        };
        let headers = [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-key", "k")];
        let asking = request(gateway.address, "GET", "/socket/websocket?token=bad", &headers, "");
        let ((), answer) = tokio::join!(answering, asking);
        assert_eq!((answer.status.to_string(), answer.text()), (status[..3].to_owned(), body));
        assert_eq!((answer.header("x-mine"), answer.header("connection")), ("1", ""));
    }
    assert_eq!(gateway.metric("presenced_connections_refused_total{status=\"403\"}"), 1.0);
}

#[tokio::test]
async fn long_poll_passes_with_its_bodies() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let answering = async {
        let mut end = upstream.accept().await;
        assert!(end.request.starts_with("POST /socket/longpoll?token=t HTTP/1.1\r\n"), "{}", end.request);
        while !end.unread.ends_with(b"[1,2]") {
            assert!(end.fill().await, "the body comes");
        }
        end.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").await;
    };
    let asking = request(
        gateway.address,
        "POST",
        "/socket/longpoll?token=t",
        &[("content-type", "application/json")],
        "[1,2]",
    );
    let ((), answer) = tokio::join!(answering, asking);
    assert_eq!((answer.status, answer.text()), (200, "hello"));
}

#[tokio::test]
async fn no_other_path_reaches_the_upstream() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    for path in [
        "/",
        "/socket",
        "/socket/",
        "/socket/other",
        "/socketwebsocket",
        "/socket/./websocket",
        "/x/../socket/websocket",
        "/socket/%77ebsocket",
        "/live/websocket",
        "/api/v1/openapi.json",
    ] {
        let answer = request(gateway.address, "GET", path, &[], "").await;
        assert_eq!(answer.status, 404, "{path}");
    }
    assert_eq!(request(gateway.address, "GET", "/health", &[], "").await.status, 200);
    assert_eq!(gateway.metric("presenced_gateway_upstream_connect_seconds_count"), 0.0);
}

#[tokio::test]
async fn a_gateway_whose_upstream_is_itself_says_so() {
    let reserved = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = reserved.local_addr().expect("an address");
    let upstream = format!("ws://{address}/socket").parse().expect("an address");
    let server =
        presenced::server::GatewayServer::new(upstream, GatewayOptions::default(), Options::default());
    tokio::spawn(server.expect("no TLS is set up").run(reserved, std::future::pending()));
    let answer = request(address, "GET", "/socket/longpoll", &[], "").await;
    assert_eq!(answer.status, 508);
}

#[tokio::test]
async fn an_answer_that_is_no_http_or_no_upgrade_is_a_bad_gateway_and_each_kind_of_fault_is_counted() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let fault = |label: &str| {
        gateway.metric(&format!("presenced_gateway_upstream_faults_total{{fault=\"{label}\"}}"))
    };
    for (answer, status, label) in [
        ("hello\r\n\r\n", 502, "not_http"),
        (
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n",
            502,
            "not_websocket",
        ),
        ("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n", 500, "server_error"),
        ("HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n\r\n", 426, "no_upgrade"),
    ] {
        assert_eq!(fault(label), 0.0);
        let answering = async {
            let mut end = upstream.accept().await;
            end.write(answer.as_bytes()).await;
        };
        let headers = [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-key", "k")];
        let asking = request(gateway.address, "GET", "/socket/websocket", &headers, "");
        let ((), answer) = tokio::join!(answering, asking);
        assert_eq!(
            (answer.status, answer.headers.get("retry-after")),
            (status, HeaderMap::new().get("none"))
        );
        assert_eq!(fault(label), 1.0, "{label}");
    }
}

#[tokio::test]
async fn what_every_client_runs_into_is_told_once() {
    let upstream = FakeUpstream::listen().await;
    let flag = format!("ws://{}/socket", upstream.address());
    let process = Process::start(&["--upstream", &flag]).await;
    for _ in 0..3 {
        let answering = async {
            let mut end = upstream.accept().await;
            end.write(b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n").await;
        };
        let asking = request(process.address(), "GET", "/socket/longpoll", &[], "");
        let ((), answer) = tokio::join!(answering, asking);
        assert_eq!(answer.status, 500);
    }
    process.signal("TERM").await;
    let ended = process.ended().await;
    let told = ended.stderr.lines().filter(|line| line.contains("WARN") && line.contains("upstream fault"));
    assert_eq!(told.count(), 1, "{}", ended.stderr);
}
