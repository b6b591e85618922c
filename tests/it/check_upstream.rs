//! `presenced check` of a gateway: whether the upstream is Lightning's socket, and in plain words what it is instead.
//!
//! Not here: what else the command says ([`crate::check`]).

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::process::{Ended, run};
use crate::support::within;

#[tokio::test]
async fn an_upstream_that_refuses_an_invalid_token_as_lightning_does_is_well() {
    for answer in [
        "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n",
    ] {
        let (listener, url) = upstream().await;
        let asked = answer_once(listener, answer.to_owned());
        let ended = check_at(&url).await;
        let request = within("the request", asked).await.expect("the upstream does not panic");
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{answer}: {ended:?}");
        let said = "\nupstream answers: 403 to an invalid token, as Lightning does\nconfiguration OK\n";
        assert!(ended.stdout.ends_with(said), "{answer}: {ended:?}");
        let path = "GET /socket/websocket?token=presenced-check&vsn=2.0.0 HTTP/1.1\r\n";
        assert!(request.starts_with(path), "{request}");
        let host = format!("host: {}\r\n", url.trim_start_matches("ws://").trim_end_matches("/socket"));
        for header in
            [&*host, "connection: upgrade\r\n", "upgrade: websocket\r\n", "sec-websocket-version: 13\r\n"]
        {
            assert!(request.to_ascii_lowercase().contains(header), "{header} is missing from {request}");
        }
    }
}

#[tokio::test]
async fn what_is_not_lightnings_socket_is_said_in_plain_words() {
    let table = [
        (
            "403 Forbidden\r\ncontent-length: 13\r\n\r\n<html></html>",
            "the upstream answered 403 with a page: ",
        ),
        (
            "404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "the upstream has no socket at /socket/websocket (404): ",
        ),
        ("502 Bad Gateway\r\ncontent-length: 2\r\n\r\nno", "the upstream failed (502): "),
        ("200 OK\r\ncontent-length: 13\r\n\r\n<html></html>", "the upstream answered 200, and not 403, "),
        ("301 Moved\r\nlocation: https://a.example/\r\n\r\n", "the upstream redirects (301): "),
        (
            "101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
            "the upstream accepted an invalid token: ",
        ),
    ];
    for (answer, words) in table {
        let ended = check(&format!("HTTP/1.1 {answer}")).await;
        assert_wrong(&ended, words);
        assert!(!ended.stdout.contains("html") && !ended.stdout.contains("a.example"), "{ended:?}");
    }
    for answer in ["", "SSH-2.0-OpenSSH_9.9\r\n"] {
        let ended = check(answer).await;
        assert_wrong(&ended, "the upstream did not answer in HTTP: ");
    }
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_wrong() {
    let (listener, url) = upstream().await;
    drop(listener);
    assert_wrong(&check_at(&url).await, "the upstream refuses connections");
    let unix = "unix:/nowhere/at/all/lightning.sock:/socket";
    assert_wrong(&check_at(unix).await, "the upstream refuses connections");
}

#[tokio::test]
async fn a_port_that_does_not_speak_tls_is_told_apart() {
    let (listener, url) = upstream().await;
    let answering = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("somebody connects");
        // It may be closed before it is read.
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        stream
    });
    let ended = check_at(&url.replace("ws://", "wss://")).await;
    assert_wrong(&ended, "TLS to the upstream failed: ");
    assert!(ended.stdout.contains("whether it expects ws:// or wss://"), "{ended:?}");
    within("the connection", answering).await.expect("the upstream does not panic");
}

#[tokio::test]
async fn what_a_gateway_serves_with_is_said_and_what_it_does_not_use() {
    let (listener, url) = upstream().await;
    drop(listener);
    let flags = [
        "check",
        "--port",
        "0",
        "--upstream",
        &url,
        "--websocket-idle-timeout",
        "5",
        "--trusted-proxies",
        "10.0.0.0/8",
    ];
    let ended = run(&flags, &[("API_TOKEN", "0123456789abcdef0123456789abcdef")]).await;
    for line in [
        &*format!("upstream: {url}"),
        "metrics: disabled",
        "grace period: 5 s",
        "trusted proxies: 10.0.0.0/8",
        "HTTP idle timeout: 75 s",
        "connections: as many as file descriptors and memory allow",
        "without effect beside an upstream: --websocket-idle-timeout",
    ] {
        assert!(ended.stdout.lines().any(|said| said == line), "{line} is not in {ended:?}");
    }
    assert!(!ended.stdout.contains("HTTP API: "), "{ended:?}");
    let variables = [
        ("UPSTREAM", &*url),
        ("GRACE", "7"),
        ("AWARENESS_INTERVAL", "200"),
        ("GATEWAY_BYTES", "2000000"),
        ("TRUST_AWARENESS_IDENTITY", "yes"),
    ];
    let ended = run(&["check", "--port", "0"], &variables).await;
    for line in [
        "grace period: 7 s",
        "awareness interval: 200 ms",
        "bytes that wait in all connections: 2000000",
        "names of people: as pages claim them",
    ] {
        assert!(ended.stdout.lines().any(|said| said == line), "{line} is not in {ended:?}");
    }
}

/// Runs the command with an upstream that answers with this; what it found.
async fn check(answer: &str) -> Ended {
    let (listener, url) = upstream().await;
    let asked = answer_once(listener, answer.to_owned());
    let ended = check_at(&url).await;
    within("the request", asked).await.expect("the upstream does not panic");
    ended
}

async fn check_at(upstream: &str) -> Ended {
    run(&["check", "--port", "0", "--upstream", upstream], &[]).await
}

async fn upstream() -> (TcpListener, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("the loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    (listener, format!("ws://{address}/socket"))
}

/// Answers one request, and closes.
fn answer_once(listener: TcpListener, answer: String) -> JoinHandle<String> {
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("somebody connects");
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.expect("the request comes whole"));
        }
        stream.write_all(answer.as_bytes()).await.expect("it is read");
        String::from_utf8(request).expect("the request is text")
    })
}

fn assert_wrong(ended: &Ended, words: &str) {
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""), "{ended:?}");
    let wrong = format!("error: {words}");
    assert!(ended.stdout.lines().any(|line| line.starts_with(&wrong)), "{wrong} is not in {ended:?}");
    assert!(ended.stdout.ends_with("\n1 error\n"), "{ended:?}");
}
