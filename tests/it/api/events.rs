//! The stream of events: what it tells, and every way it ends.

use std::time::Duration;

use futures::future::join_all;
use presenced::presence::Meta;
use presenced::server::Options;
use presenced::wire::Vsn;
use serde_json::{Value, json};

use super::{JSON, Served, serve, under_base};
use crate::support::http::request;
use crate::support::process::Process;
use crate::support::raw::Raw;
use crate::support::{Client, EventStream, within};

#[tokio::test]
async fn a_stream_begins_with_the_state_and_goes_on_with_diffs() {
    let served = serve().await;
    put(&served, "bob").await;
    let mut events = served.events("w1").await;
    let (name, state) = events.next().await.expect("a state");
    let bob = &state["bob"]["metas"][0];
    assert_eq!(
        (name.as_str(), &bob["user"]["id"], bob["phx_ref"].is_string()),
        ("presence_state", &json!("bob"), true)
    );

    let mut client = Client::connect(served.server.address(), Vsn::V2, "user=ada").await;
    client.enter(ROOM).await;
    let stated = client.expect(ROOM, "presence_state").await.payload;
    let (name, came) = events.next().await.expect("a diff");
    assert_eq!((name.as_str(), &came["leaves"]), ("presence_diff", &json!({})));
    assert_eq!(came["joins"]["ada"], stated["ada"], "the meta that canvas clients see");
    drop(client);
    let (name, went) = events.next().await.expect("a diff");
    assert_eq!((name.as_str(), went), ("presence_diff", json!({"joins": {}, "leaves": came["joins"]})));
}

#[tokio::test]
async fn a_stream_tells_of_its_workflow_alone() {
    let served = serve().await;
    let mut events = served.events("w2").await;
    assert_eq!(events.next().await.expect("a state").1, json!({}));
    put(&served, "ada").await;
    let body = json!({"user": {"id": "bob"}, "lease_seconds": 60});
    assert_eq!(served.send("PUT", "workflows/w2/sessions/s", body).await.status, 201);
    let (_, diff) = events.next().await.expect("a diff");
    let joined: Vec<_> = diff["joins"].as_object().expect("presences are an object").keys().collect();
    assert_eq!(joined, ["bob"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_streams_tell_the_same() {
    let served = serve().await;
    let mut streams = join_all((0..100).map(|_| served.events("w1"))).await;
    for events in &mut streams {
        assert_eq!(events.next().await, Some(("presence_state".into(), json!({}))));
    }
    put(&served, "ada").await;
    let told = join_all(streams.iter_mut().map(EventStream::next)).await;
    assert!(told[0].as_ref().is_some_and(|(_, diff)| diff["joins"]["ada"].is_object()), "{:?}", told[0]);
    assert!(told.iter().all(|diff| *diff == told[0]));
}

/// A diff that is lost would never be repaired; whoever comes back gets a fresh state.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_where_its_reader_is_too_slow() {
    let served = Served::start(Options { flush_window: Duration::ZERO, ..Options::default() }).await;
    let mut events = served.events("w1").await;
    assert_eq!(events.next().await.expect("a state").1, json!({}));
    let owner = served.server.handle().owner();
    let meta = |number: usize| {
        Meta::of(&json!({"number": number, "filling": "x".repeat(1024 * 1024)})).expect("an object")
    };
    // Together far more than may wait, and than the kernel keeps for the two ends of a connection.
    const UPDATES: usize = 64;
    owner.track(TOPIC, "ada", meta(0)).await.expect("not tracked yet");
    for number in 1..=UPDATES {
        owner.update(TOPIC, "ada", meta(number)).await.expect("tracked");
    }
    let mut last = Value::Null;
    while let Some((_, diff)) = events.next().await {
        last = diff["joins"]["ada"]["metas"][0]["number"].clone();
    }
    assert!(last.as_u64().is_some_and(|last| last < UPDATES as u64), "it ended before the end: {last}");
    let (name, state) = served.events("w1").await.next().await.expect("a state");
    assert_eq!((name.as_str(), &state["ada"]["metas"][0]["number"]), ("presence_state", &json!(UPDATES)));
}

/// What waits for it is freed with its connection, although it never hangs up.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_reader_stalls_is_closed() {
    let stall_timeout = Duration::from_millis(300);
    let served = Served::start(Options { stall_timeout, ..Options::default() }).await;
    // More than the kernel keeps for the two ends of a connection.
    let owners: Vec<_> = (0..16).map(|_| served.server.handle().owner()).collect();
    for owner in &owners {
        let meta = Meta::of(&json!({"filling": "x".repeat(1024 * 1024)})).expect("an object");
        owner.track(TOPIC, "ada", meta).await.expect("not tracked yet");
    }
    let mut quiet = served.events("w2").await;
    assert_eq!(quiet.next().await, Some(("presence_state".into(), json!({}))));
    let mut stalled = Raw::connect(served.api).await;
    stalled
        .write(
            format!("GET {} HTTP/1.1\r\nhost: localhost\r\n\r\n", under_base("workflows/w1/events"))
                .as_bytes(),
        )
        .await;
    within("the server to hang up", stalled.write_until_gone()).await;
    let body = json!({"user": {"id": "bob"}, "lease_seconds": 60});
    assert_eq!(served.send("PUT", "workflows/w2/sessions/s", body).await.status, 201);
    assert_eq!(quiet.next().await.expect("it was not touched").0, "presence_diff");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_told_to_hold_no_event_back() {
    let served = Served::start(Options::default()).await;
    let mut raw = Raw::connect(served.api).await;
    let asks = format!("GET {} HTTP/1.1\r\nhost: localhost\r\n\r\n", under_base("workflows/w1/events"));
    raw.write(asks.as_bytes()).await;
    let head = raw.head().await;
    assert!(head.to_ascii_lowercase().contains("\r\nx-accel-buffering: no\r\n"), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_whose_readers_are_gone_are_closed() {
    let mut process = Process::start(&["--api-listen-address", "127.0.0.1:0"]).await;
    let api = api_address(&mut process).await;
    let path = under_base("workflows/w1/events");
    let mut streams = join_all((0..50).map(|_| EventStream::open(api, &path, &[]))).await;
    for events in &mut streams {
        assert_eq!(events.next().await, Some(("presence_state".into(), json!({}))));
    }
    let open = process.open_files();
    assert!(open >= 50, "{open}");
    drop(streams);
    let closed = async {
        while process.open_files() > open - 50 {
            tokio::task::yield_now().await;
        }
    };
    within("the streams to be closed", closed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_the_server_stops_and_requests_are_answered_until_the_end() {
    let flags = ["--api-listen-address", "127.0.0.1:0", "--shutdown-timeout", "60"];
    let mut process = Process::start_with(&flags, &[("API_TOKEN", TOKEN)]).await;
    let api = api_address(&mut process).await;
    let path = under_base("workflows/w1/events");
    let mut streams =
        [EventStream::open(api, &path, &[BEARER]).await, EventStream::open(api, &path, &[BEARER]).await];
    for events in &mut streams {
        assert_eq!(events.next().await, Some(("presence_state".into(), json!({}))));
    }
    // It holds up the end.
    let mut mute = Raw::connect(process.address()).await;
    mute.shake_hands("2.0.0").await;
    process.signal("TERM").await;
    mute.frame().await.expect("it is told");
    for events in &mut streams {
        assert_eq!(events.next().await, None);
    }
    let body = json!({"user": {"id": "ada"}, "lease_seconds": 60}).to_string();
    let put = request(api, "PUT", &under_base("workflows/w1/sessions/s"), &[JSON, BEARER], body).await;
    assert_eq!(put.status, 201);
    assert_eq!(EventStream::open(api, &path, &[BEARER]).await.next().await, None);
    drop(mute);
    assert_eq!(process.ended().await.code, Some(0));
}

async fn put(served: &Served, user: &str) {
    let body = json!({"user": {"id": user}, "lease_seconds": 60});
    assert_eq!(served.send("PUT", &format!("workflows/w1/sessions/{user}"), body).await.status, 201);
}

async fn api_address(process: &mut Process) -> std::net::SocketAddr {
    let line = process.line().await;
    let address = line.strip_prefix("API listening on ").unwrap_or_else(|| panic!("it printed {line:?}"));
    address.parse().expect("an address")
}

const ROOM: &str = "workflow:presence:w1";
const TOPIC: &str = "workflow-w1:presence";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const BEARER: (&str, &str) = ("authorization", "Bearer 0123456789abcdef0123456789abcdef");
