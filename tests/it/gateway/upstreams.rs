//! Where an upstream can be, and what becomes of clients while it is not there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use presenced::server::{GatewayOptions, Options};
use presenced::wire::websocket::Event;
use tokio::net::{TcpListener, TcpStream, UnixListener};

use super::{FakeUpstream, Gateway};
use crate::support::http::{request, send};
use crate::support::process::Process;
use crate::support::{raw, within};

#[tokio::test]
async fn an_upstream_may_be_a_unix_socket() {
    let folder = std::env::temp_dir().join(format!("presenced-upstream-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("up.sock");
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).expect("the path is free");
    let address = format!("unix:{}:/socket", path.display());
    let gateway = Gateway::start_with(&address, GatewayOptions::default(), Options::default()).await;
    let answering = async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut read = vec![0; 1024];
        let count = stream.read(&mut read).await.expect("a request");
        assert!(read[..count].starts_with(b"GET /socket/longpoll HTTP/1.1\r\n"));
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("it is read");
    };
    let ((), answer) = tokio::join!(answering, request(gateway.address, "GET", "/socket/longpoll", &[], ""));
    assert_eq!(answer.status, 204);
    std::fs::remove_dir_all(folder).expect("it is ours");
}

#[tokio::test]
async fn while_the_upstream_refuses_connections_clients_get_503_at_once_and_ready_says_so() {
    let reserved = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = reserved.local_addr().expect("an address");
    drop(reserved);
    let gateway = Gateway::start(address).await;
    assert_eq!(request(gateway.address, "GET", "/ready", &[], "").await.status, 200, "it was not tried yet");
    let refused = request(gateway.address, "GET", "/socket/longpoll", &[], "").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
    let ready = request(gateway.address, "GET", "/ready", &[], "").await;
    assert_eq!((ready.status, ready.text().contains("upstream")), (503, true));
    assert_eq!(gateway.metric("presenced_gateway_upstream_available"), 0.0);

    let upstream =
        FakeUpstream { listener: TcpListener::bind(address).await.expect("the port is free again") };
    let probed = upstream.listener.accept();
    within("the upstream to be tried", probed).await.expect("a connection");
    gateway.metric_is("presenced_gateway_upstream_available", 1.0).await;
    let (_client, _end) = upstream.open(&gateway).await;
    assert_eq!(request(gateway.address, "GET", "/ready", &[], "").await.status, 200);
}

#[tokio::test]
async fn an_upstream_that_is_gone_is_noticed_without_anybody_who_connects() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let (_client, end) = upstream.open(&gateway).await;
    drop(upstream);
    drop(end);
    gateway.metric_is("presenced_gateway_upstream_available", 0.0).await;
}

#[tokio::test]
async fn an_operator_reads_when_the_upstream_goes_and_when_it_comes() {
    let upstream = FakeUpstream::listen().await;
    let address = upstream.address();
    let process = Process::start(&["--upstream", &format!("ws://{address}/socket")]).await;
    drop(upstream);
    let asked = || request(process.address(), "GET", "/socket/longpoll", &[], "");
    assert_eq!((asked().await.status, asked().await.status), (503, 503));
    let upstream = TcpListener::bind(address).await.expect("the port is free again");
    within("the upstream to be tried", upstream.accept()).await.expect("a connection");
    within("the gateway to be ready", async {
        while request(process.address(), "GET", "/ready", &[], "").await.status != 200 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    process.signal("TERM").await;
    let ended = process.ended().await;
    let lines = |level: &str, words: &str| {
        ended.stderr.lines().filter(|line| line.contains(level) && line.contains(words)).count()
    };
    assert_eq!(lines("WARN", "upstream unavailable"), 1, "{}", ended.stderr);
    assert_eq!(lines("INFO", "upstream available again"), 1, "{}", ended.stderr);
}

#[tokio::test]
async fn a_target_that_the_upstreams_path_makes_too_long_is_refused() {
    let upstream = FakeUpstream::listen().await;
    let address = format!("ws://{}/{}", upstream.address(), "p".repeat(60_000));
    let gateway = Gateway::start_with(&address, GatewayOptions::default(), Options::default()).await;
    let target = format!("/socket/longpoll?{}", "q".repeat(6_000));
    assert_eq!(request(gateway.address, "GET", &target, &[], "").await.status, 414);
}

#[tokio::test]
async fn a_tls_upstream_has_to_be_who_it_says_it_is() {
    // The certificate is nobody's whom this machine knows.
    let (acceptor, _) = tls();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("wss://localhost:{}/socket", listener.local_addr().expect("an address").port());
    let gateway = Gateway::start_with(&address, GatewayOptions::default(), Options::default()).await;
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            assert!(acceptor.accept(stream).await.is_err(), "the gateway must not believe it");
        }
    });
    let answer = request(gateway.address, "GET", "/socket/longpoll", &[], "").await;
    assert_eq!(answer.status, 502);
    assert_eq!(gateway.metric("presenced_gateway_upstream_available"), 1.0, "TLS is no refusal");
}

#[tokio::test]
async fn a_tls_upstream_whose_certificate_the_system_knows_is_relayed() {
    let upstream = FakeUpstream::listen().await;
    let plain = upstream.address();
    let (acceptor, certificate) = tls();
    let file = std::env::temp_dir().join(format!("presenced-upstream-{}.pem", std::process::id()));
    std::fs::write(&file, certificate).expect("the folder can be written");
    let front = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let flag = format!("wss://localhost:{}/socket", front.local_addr().expect("an address").port());
    tokio::spawn(async move {
        loop {
            let (stream, _) = front.accept().await.expect("a connection");
            let mut outside = acceptor.accept(stream).await.expect("the gateway believes it");
            let mut inside = TcpStream::connect(plain).await.expect("the upstream listens");
            // Whoever ends it, it has ended.
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut outside, &mut inside).await });
        }
    });
    let variables = [("SSL_CERT_FILE", file.to_str().expect("it is text"))];
    let process = Process::start_with(&["--upstream", &flag], &variables).await;
    let (mut client, mut end) = upstream.open_at(process.address(), "vsn=2.0.0").await;
    let large = Bytes::from(vec![7; 1_000_000]);
    client.write(&raw::binary(&large)).await;
    assert!(matches!(end.event().await, Some(Event::Binary(data)) if data == large));
    end.say("[\"1\",\"2\",\"t\",\"down\",{}]").await;
    assert_eq!(client.json().await[3], "down");
    std::fs::remove_file(file).expect("it is ours");
}

/// What accepts TLS as `localhost`, and its certificate as PEM.
fn tls() -> (tokio_rustls::TlsAcceptor, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let key = tokio_rustls::rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der())
        .expect("a key");
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a configuration");
    (tokio_rustls::TlsAcceptor::from(Arc::new(config)), made.cert.pem())
}

#[tokio::test]
async fn an_upstream_that_takes_connections_and_says_nothing_times_out() {
    let upstream = FakeUpstream::listen().await;
    let gateway = Gateway::start(upstream.address()).await;
    let headers = [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-key", "k")];
    let stream = TcpStream::connect(gateway.address).await.expect("it listens");
    let began = Instant::now();
    let asking = send(stream, "GET", "/socket/websocket", &headers, "");
    let (answer, _silent) = tokio::join!(tokio::time::timeout(3 * LIMIT, asking), upstream.accept());
    assert_eq!(answer.expect("an answer").status(), 504);
    assert!(began.elapsed() >= LIMIT, "{:?}", began.elapsed());
}

/// How long the upstream has for the answer to an upgrade.
const LIMIT: Duration = Duration::from_secs(10);
