//! What the server says of itself to whoever runs it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use presenced::channel::{Connect, ConnectInfo, Connected, Refusal};
use presenced::server::{Options, Server, Stopped};
use presenced::wire::Vsn;
use serde_json::json;
use tokio::net::TcpStream;

use crate::support::http::request;
use crate::support::process::Process;
use crate::support::raw::Raw;
use crate::support::{Client, Running, lobbies, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_alive_and_ready_as_soon_as_it_says_where() {
    let process = Process::start(&[]).await;
    for (path, body) in [("/health", json!({"alive": true})), ("/ready", json!({"ready": true}))] {
        let answer = request(process.address(), "GET", path, &[], "").await;
        assert_eq!((answer.status, answer.json()), (200, body), "{path}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("cache-control"), "no-store");
        let head = request(process.address(), "HEAD", path, &[], "").await;
        assert_eq!((head.status, head.text(), head.header("cache-control")), (200, "", "no-store"), "{path}");
        let below = request(process.address(), "GET", &format!("{path}/x"), &[], "").await;
        assert_eq!(below.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ready_is_named_for_as_long_as_it_is_not() {
    let lacking = [Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true))];
    let check = |index: usize, what: &'static str| {
        let lacking = lacking[index].clone();
        move || if lacking.load(Ordering::Relaxed) { Err(what.to_owned()) } else { Ok(()) }
    };
    let server = Server::new(Anybody, lobbies(), Options::default())
        .ready(check(0, "the database is away"))
        .ready(check(1, "the cache is cold"));
    let server = Running::serve(server).await;
    let ready = async || {
        let answer = request(server.address(), "GET", "/ready", &[], "").await;
        assert_eq!(answer.header("cache-control"), "no-store");
        (answer.status, answer.json())
    };
    let both = json!({"ready": false, "lacks": ["the database is away", "the cache is cold"]});
    assert_eq!(ready().await, (503, both));
    let head = request(server.address(), "HEAD", "/ready", &[], "").await;
    assert_eq!((head.status, head.text()), (503, ""));
    let alive = request(server.address(), "GET", "/health", &[], "").await;
    assert_eq!(alive.status, 200, "it lives all the same");

    lacking[0].store(false, Ordering::Relaxed);
    assert_eq!(ready().await, (503, json!({"ready": false, "lacks": ["the cache is cold"]})));
    lacking[1].store(false, Ordering::Relaxed);
    assert_eq!(ready().await, (200, json!({"ready": true})));
    lacking[0].store(true, Ordering::Relaxed);
    assert_eq!(ready().await.0, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_is_not_ready_any_more() {
    let server = Running::start(lobbies(), Options::default()).await;
    let address = server.address();
    let mut client = Client::connect(address, Vsn::V2, "user=ada").await;
    client.heartbeat().await;
    let mut asks = Raw::connect(address).await;
    asks.write(b"GET /ready HTTP/1.1\r\n").await;
    // An answer to somebody who came later shows that the server has the other connection.
    assert_eq!(request(address, "GET", "/ready", &[], "").await.status, 200);
    let stopping = tokio::spawn(server.stop());
    within("the listener to close", async { while TcpStream::connect(address).await.is_ok() {} }).await;
    asks.write(b"host: localhost\r\n\r\n").await;
    assert!(asks.head().await.starts_with("HTTP/1.1 503 "));
    let body = asks.rest().await;
    let body: serde_json::Value = serde_json::from_slice(&body).expect("the body is JSON");
    assert_eq!(body, json!({"ready": false, "lacks": ["the server is stopping"]}));
    assert_eq!(client.closed().await, 1012);
    drop(client);
    assert_eq!(within("the server to stop", stopping).await.expect("it does not panic"), Stopped::Drained);
}

struct Anybody;

impl Connect for Anybody {
    type Identity = String;

    async fn connect(&self, _: &ConnectInfo) -> Result<Connected<String>, Refusal> {
        Ok(Connected { identity: "anybody".into(), socket_id: None })
    }
}
