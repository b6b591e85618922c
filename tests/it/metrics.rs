//! What a server counts, and the page it stands on.
//!
//! Source: the OpenMetrics text format, version 1.0.

use std::collections::HashMap;
use std::sync::Arc;

use http::StatusCode;
use presenced::channel::{Connect, ConnectInfo, Connected, Refusal};
use presenced::lightning::{Canvases, Development, UserSocket, router};
use presenced::ops::metrics::Metrics;
use presenced::server::{Options, Origins, Server};
use presenced::wire::Vsn;
use serde_json::json;

use crate::support::http::request;
use crate::support::{Client, Running, lobbies, within};

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_counted_when_they_open_and_by_why_they_end() {
    let (server, metrics) = start(Options::default()).await;
    let numbers = Numbers::of(&metrics);
    assert_eq!(numbers.get("connections"), 0);
    assert_eq!(
        numbers.get(r#"connections_opened_total{transport="longpoll"}"#),
        0,
        "before the first there is a zero"
    );

    let mut malformed = client(&server, "malformed").await;
    let mut disconnected = client(&server, "disconnected").await;
    // An answer shows that the connection is open on the other side as well.
    malformed.heartbeat().await;
    disconnected.heartbeat().await;
    let path = "/socket/longpoll?vsn=2.0.0&user_id=polls";
    request(server.address(), "GET", path, &[], "").await;
    request(server.address(), "GET", "/socket/websocket?vsn=3.0.0", &[], "").await;
    let numbers = Numbers::of(&metrics);
    assert_eq!(numbers.get("connections"), 3);
    assert_eq!(numbers.get(r#"connections_opened_total{transport="websocket"}"#), 2);
    assert_eq!(numbers.get(r#"connections_opened_total{transport="longpoll"}"#), 1);

    malformed.send_text("[").await;
    assert_eq!(malformed.closed().await, 1011);
    server.handle().disconnect("user_socket:disconnected").await;
    assert_eq!(disconnected.closed().await, 1001);
    drop((malformed, disconnected));
    let numbers = Numbers::of(&metrics);
    assert_eq!(numbers.get("undecodable_messages_total"), 1);
    let closed: Vec<_> =
        numbers.starting_with("connections_closed_total").filter(|(_, count)| *count > 0).collect();
    let reason = |label: &str| (format!(r#"connections_closed_total{{reason="{label}"}}"#), 1);
    assert_eq!(closed, [reason("disconnected"), reason("malformed")]);
    within("both to be gone", numbers_are(&metrics, |numbers| numbers.get("connections") == 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_connections_are_counted_by_status_on_both_transports() {
    for (status, label) in [(403, "403"), (429, "4xx"), (500, "5xx"), (503, "5xx")] {
        let options = Options { origins: Origins::Host("good.example".to_owned()), ..Options::default() };
        let server = Server::new(Refusing(status), lobbies(), options);
        let metrics = server.metrics();
        let server = Running::serve(server).await;
        for path in ["/socket/websocket?vsn=2.0.0", "/socket/longpoll?vsn=2.0.0"] {
            request(server.address(), "GET", path, &[], "").await;
        }
        // The application is not asked about these.
        for path in ["/socket/websocket?vsn=2.0.0", "/socket/longpoll?vsn=2.0.0"] {
            request(server.address(), "GET", path, &[("origin", "https://bad.example")], "").await;
        }
        let refused: Vec<_> = Numbers::of(&metrics).starting_with("connections_refused_total").collect();
        let expected = ["403", "4xx", "5xx"].map(|class| {
            let of_origin = if class == "403" { 2 } else { 0 };
            let of_application = if class == label { 2 } else { 0 };
            (format!(r#"connections_refused_total{{status="{class}"}}"#), of_origin + of_application)
        });
        assert_eq!(refused, expected, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_are_counted_by_what_they_come_to() {
    let (server, metrics) = start(Options { max_channels: 2, ..Options::default() }).await;
    let mut client = client(&server, "1").await;
    let (edit, nothing) = (json!({"project_id": "p", "action": "edit"}), json!({}));
    for (topic, params) in [
        ("workflow:presence:a", &nothing),
        ("workflow:collaborate:a", &edit),
        // Too many, and then in place of its first join.
        ("workflow:presence:b", &nothing),
        ("workflow:presence:a", &nothing),
        ("nobody:serves:this", &nothing),
        ("nor:that", &nothing),
    ] {
        client.join(topic, params.clone()).await;
    }
    client.call("workflow:presence:a", "phx_leave", nothing.clone()).await;
    client.join("workflow:collaborate:a", nothing.clone()).await;
    client.join("workflow:unknown", nothing).await;
    let joins: Vec<_> = Numbers::of(&metrics).starting_with("joins_total").collect();
    let result = |label: &str, count| (format!(r#"joins_total{{result="{label}"}}"#), count);
    assert_eq!(joins, [result("crashed", 1), result("ok", 3), result("refused", 2), result("unmatched", 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn presences_are_counted_for_as_long_as_they_are_there() {
    let (server, metrics) = start(Options::default()).await;
    let mut first = client(&server, "first").await;
    for workflow in ["a", "b", "c"] {
        let topic = format!("workflow:presence:{workflow}");
        first.enter(&topic).await;
        first.expect(&topic, "presence_diff").await;
    }
    let mut second = client(&server, "second").await;
    second.enter("workflow:presence:a").await;
    first.expect("workflow:presence:a", "presence_diff").await;
    assert_eq!(Numbers::of(&metrics).get("presences"), 4);
    drop(second);
    first.expect("workflow:presence:a", "presence_diff").await;
    assert_eq!(Numbers::of(&metrics).get("presences"), 3);
    drop(first);
    within("everybody to be gone", numbers_are(&metrics, |numbers| numbers.get("presences") == 0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_received_and_sent_is_counted_on_both_transports() {
    let (server, metrics) = start(Options::default()).await;
    let heartbeat = r#"[null,"1","phoenix","heartbeat",{}]"#;
    let reply = r#"[null,"1","phoenix","phx_reply",{"status":"ok","response":{}}]"#;
    let expected = |count: u64| {
        [
            ("received_messages_total", count),
            ("received_bytes_total", count * heartbeat.len() as u64),
            ("sent_frames_total", count),
            ("sent_bytes_total", count * reply.len() as u64),
        ]
    };
    let mut client = client(&server, "1").await;
    for _ in 0..3 {
        client.send_text(heartbeat).await;
        client.reply("1").await;
    }
    let are = |count| {
        let expected = expected(count);
        numbers_are(&metrics, move |numbers| expected.iter().all(|(name, count)| numbers.get(name) == *count))
    };
    within("three of each", are(3)).await;

    let path = "/socket/longpoll?vsn=2.0.0&user_id=polls";
    let opened = request(server.address(), "GET", path, &[], "").await.json();
    let path = format!("{path}&token={}", opened["token"].as_str().expect("a token"));
    request(server.address(), "POST", &path, &[], heartbeat).await;
    let polled = request(server.address(), "GET", &path, &[], "").await.json();
    assert_eq!(polled["messages"], json!([reply]));
    within("a fourth", are(4)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_open_metrics_and_holds_nothing_of_clients() {
    let (server, metrics) = start(Options::default()).await;
    let mut client = client(&server, "s3cr3t").await;
    for topic in ["s3cr3t", "workflow:s3cr3t", "workflow:presence:s3cr3t"] {
        client.join(topic, json!({"s3cr3t": "s3cr3t"})).await;
    }
    let page = metrics.encode();
    assert!(!page.contains("s3cr3t"), "{page}");
    assert!(page.ends_with("\n# EOF\n"), "{page}");
    let mut described = Vec::new();
    for line in page.lines().filter(|line| *line != "# EOF") {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').expect("a name and its help");
            assert!(name.starts_with("presenced_") && words.ends_with('.'), "{line}");
            described.push(name);
        } else if !line.starts_with('#') {
            let name = described.last().expect("the description comes first");
            let rest = line.strip_prefix(name).unwrap_or_else(|| panic!("{line} is not of {name}"));
            let (labels, number) = rest.rsplit_once(' ').expect("a value");
            assert!(labels.is_empty() || labels.starts_with("_total") || labels.starts_with('{'), "{line}");
            number.parse::<u64>().expect("a number");
        }
    }
    assert_eq!(described.len(), 14, "{page}");
}

/// It lets nobody in, with this status.
struct Refusing(u16);

impl Connect for Refusing {
    type Identity = String;

    async fn connect(&self, _info: &ConnectInfo) -> Result<Connected<String>, Refusal> {
        Err(Refusal::with_status(StatusCode::from_u16(self.0).expect("a status")))
    }
}

/// The product's socket, where people are who they say they are.
async fn start(options: Options) -> (Running, Metrics) {
    let canvases = Canvases::new(Arc::new(Development::default()));
    let server = Server::new(UserSocket::new(canvases.clone()), router(canvases), options);
    let metrics = server.metrics();
    (Running::serve(server).await, metrics)
}

async fn client(server: &Running, user: &str) -> Client {
    Client::connect(server.address(), Vsn::V2, &format!("user_id={user}")).await
}

/// Looks again and again until the numbers are as they should be.
async fn numbers_are(metrics: &Metrics, are: impl Fn(&Numbers) -> bool) {
    while !are(&Numbers::of(metrics)) {
        tokio::task::yield_now().await;
    }
}

/// The samples of a page by name and labels, without what all names begin with.
#[derive(Debug)]
struct Numbers(HashMap<String, u64>);

impl Numbers {
    fn of(metrics: &Metrics) -> Self {
        let page = metrics.encode();
        let samples = page.lines().filter_map(|line| line.strip_prefix("presenced_")?.rsplit_once(' '));
        Numbers(samples.map(|(name, value)| (name.to_owned(), value.parse().expect("a number"))).collect())
    }

    fn get(&self, name: &str) -> u64 {
        *self.0.get(name).unwrap_or_else(|| panic!("{name} is not in {self:?}"))
    }

    /// By name.
    fn starting_with(&self, prefix: &str) -> impl Iterator<Item = (String, u64)> {
        let mut found: Vec<_> = self.0.iter().map(|(name, count)| (name.clone(), *count)).collect();
        found.retain(|(name, _)| name.starts_with(prefix));
        found.sort_unstable();
        found.into_iter()
    }
}
