//! Whose line it is: the number of the connection, the client's address, and the id of its page's request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use presenced::channel::{
    BoxError, Channel, Connect, ConnectInfo, Connected, Context, Ended, Incoming, JoinError, Outcome,
    Payload, Refusal, Reply, Router,
};
use presenced::server::{Options, Server};
use presenced::wire::Vsn;
use serde_json::{Value, json};
use tracing::{Subscriber, info, span};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context as LayerContext, SubscriberExt};

use super::Log;
use crate::support::http::request;
use crate::support::process::Process;
use crate::support::{Client, Running};

#[tokio::test]
async fn what_an_application_logs_for_a_client_says_which() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(log.clone());
    // Of this thread, which is the only one of this test's runtime.
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let server = Running::serve(Server::new(Talkative, talkative(), Options::default())).await;
    for id in ["F-one", "F-two"] {
        let mut client = Client::connect(server.address(), Vsn::V2, &format!("request_id={id}")).await;
        client.enter("talk").await;
        assert_eq!(client.call("talk", "say", json!({})).await.status, "ok");
    }
    server.stop().await;
    let lines = log.lines();
    for id in ["F-one", "F-two"] {
        let said = lines.iter().filter(|line| line["span"]["request_id"] == id);
        let (messages, connections): (Vec<_>, Vec<_>) =
            said.map(|line| (line["message"].clone(), line["span"]["connection"].clone())).unzip();
        assert_eq!(messages, ["asked", "joining", "hearing", "terminating"], "{lines:#?}");
        // Whoever is asked to let somebody in is told of no connection, because there is none yet.
        assert!(connections[0].is_null() && connections[1].is_u64(), "{connections:?}");
        assert!(connections[1..].iter().all(|connection| *connection == connections[1]), "{connections:?}");
    }
    assert!(lines.iter().all(|line| line["span"]["peer"] == "127.0.0.1" || line["span"].is_null()));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_connection_has_the_id_of_its_pages_request() {
    let process = Process::start(&["--log-format", "json", "--log", "presenced=debug"]).await;
    let mut client =
        Client::connect(process.address(), Vsn::V2, "user_id=1&request_id=GEbLhkJIKrGHRgcAAAHB").await;
    client.join("workflow:nothing", json!({})).await;
    client.send_text("nothing").await;
    assert_eq!(client.closed().await, 1011);
    let lines = ended(process).await;
    let of = |message: &str| {
        let line =
            lines.iter().find(|line| line["message"].as_str().is_some_and(|said| said.contains(message)));
        line.unwrap_or_else(|| panic!("{message} is not in {lines:#?}"))["span"].clone()
    };
    let opened = of("connection open");
    assert_eq!(
        (&opened["request_id"], &opened["peer"]),
        (&json!("GEbLhkJIKrGHRgcAAAHB"), &json!("127.0.0.1"))
    );
    assert!(opened["connection"].is_u64(), "{opened}");
    for message in ["a join crashed", "cannot be decoded", "connection closed"] {
        assert_eq!(of(message), opened, "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_session_is_told_of_like_any_connection() {
    let process = Process::start(&["--log-format", "json", "--log", "presenced=debug"]).await;
    let path = "/socket/longpoll?vsn=2.0.0&user_id=1&request_id=F-poll";
    assert_eq!(request(process.address(), "GET", path, &[], "").await.json()["status"], 410);
    let lines = ended(process).await;
    for message in ["connection open", "connection closed"] {
        let line = lines.iter().find(|line| line["message"] == message).expect(message);
        assert_eq!(line["span"]["request_id"], "F-poll", "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_id_is_not_shown_as_one() {
    let process = Process::start(&["--log-format", "json"]).await;
    let too_long = "x".repeat(201);
    for id in ["undefined", "", "a%0Ab", "a%20peer=::1", &too_long] {
        let mut client = Client::connect(process.address(), Vsn::V2, &format!("request_id={id}")).await;
        client.join("workflow:nothing", json!({})).await;
    }
    let mut client = Client::connect(process.address(), Vsn::V2, "request_id[]=F-list").await;
    client.join("workflow:nothing", json!({})).await;
    drop(client);
    let lines = ended(process).await;
    let crashes: Vec<_> = lines.iter().filter(|line| line["span"]["connection"].is_u64()).collect();
    assert_eq!(crashes.len(), 6, "{lines:#?}");
    assert!(crashes.iter().all(|line| line["span"].get("request_id").is_none()), "{crashes:#?}");
}

#[tokio::test]
async fn a_connection_at_rest_holds_no_span() {
    let open = Arc::new(AtomicUsize::new(0));
    let made = Arc::new(AtomicUsize::new(0));
    let count = Count { open: open.clone(), made: made.clone() };
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(count));
    let server = Running::serve(Server::new(Talkative, talkative(), Options::default())).await;
    let mut client = Client::connect(server.address(), Vsn::V2, "request_id=F-one").await;
    client.enter("talk").await;
    client.call("talk", "say", json!({})).await;
    // The task has come to rest when it answers again.
    client.heartbeat().await;
    assert!(made.load(Ordering::Relaxed) >= 3, "the spans are on");
    assert_eq!(open.load(Ordering::Relaxed), 0);
}

async fn ended(process: Process) -> Vec<Value> {
    let log = super::log_of(process).await;
    log.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

impl Log {
    fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }
}

/// Logs all it is asked, and lets everybody in.
struct Talkative;

fn talkative() -> Router<()> {
    Router::new().channel("talk", |(): &()| Talkative)
}

impl Connect for Talkative {
    type Identity = ();

    async fn connect(&self, _: &ConnectInfo) -> Result<Connected<()>, Refusal> {
        tokio::task::yield_now().await;
        info!("asked");
        Ok(Connected { identity: (), socket_id: None })
    }
}

impl Channel for Talkative {
    type Info = ();

    async fn join(&mut self, _: Payload, _: &Context<()>) -> Result<Payload, JoinError> {
        info!("joining");
        Ok(Payload::empty())
    }

    async fn handle_in(&mut self, _: Incoming, _: &Context<()>) -> Result<Outcome, BoxError> {
        tokio::task::yield_now().await;
        info!("hearing");
        Ok(Outcome::Reply(Reply::done()))
    }

    async fn terminate(&mut self, _: &Ended, _: &Context<()>) {
        info!("terminating");
    }
}

/// Counts the spans that are open, and all that were.
struct Count {
    open: Arc<AtomicUsize>,
    made: Arc<AtomicUsize>,
}

impl<S: Subscriber> Layer<S> for Count {
    fn on_new_span(&self, _: &span::Attributes<'_>, _: &span::Id, _: LayerContext<'_, S>) {
        self.made.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    fn on_close(&self, _: span::Id, _: LayerContext<'_, S>) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}
