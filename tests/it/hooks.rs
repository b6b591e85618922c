//! The hooks an application may add to presence: what they see, and that none of their faults hurts anybody.
//!
//! Not here: presence without hooks ([`crate::presence`]), whose channel and server are used.
//! Source: the docs of `presenced::channel::Hooks`; Phoenix 1.8.12, `c:Phoenix.Presence.fetch/2` and
//! `c:Phoenix.Presence.handle_metas/4`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use presenced::channel::{FetchError, HandleMetas, Hooks, Owner};
use presenced::presence::{Meta, MetasByKey, Presences};
use presenced::server::Options;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};

use crate::presence::{member, serve, watcher};
use crate::support::{Running, within};

#[tokio::test]
async fn a_fetch_decorates_states_diffs_and_lists() {
    let server = serve_with(Hooks::new().fetch(async |_, entries| Ok(decorated(entries)))).await;
    let mut watcher = watcher(&server, TOPIC).await;
    let mut ada = member(&server, "ada", TOPIC).await;

    let state = ada.expect(TOPIC, "presence_state").await.payload;
    assert_eq!(state["ada"]["known as"], "ADA");
    let diff = watcher.expect(TOPIC, "presence_diff").await.payload;
    assert_eq!(diff["joins"], state);
    assert_eq!(json!(server.handle().list(TOPIC).await), state);
    assert_eq!(server.handle().list_json(TOPIC).await.parse::<Value>().expect("it is JSON"), state);
    assert_eq!(json!(server.handle().get_by_key(TOPIC, "ada").await), state["ada"]);

    drop(ada);
    let diff = watcher.expect(TOPIC, "presence_diff").await.payload;
    assert_eq!(diff, json!({"joins": {}, "leaves": state}));
}

#[tokio::test]
async fn a_fetch_sees_the_topic_and_joins_and_leaves_apart() {
    let (report, mut calls) = mpsc::unbounded_channel();
    let hooks = Hooks::new().fetch(move |topic, entries: Presences| {
        let noted = entries.0.values().flat_map(|entry| &entry.metas).map(|meta| meta["n"].clone());
        let noted: Vec<Value> = noted.collect();
        report.send((topic.to_string(), noted)).expect("the test listens");
        async { Ok(entries) }
    });
    let server = serve_with(hooks).await;
    let owner = server.handle().owner();
    track(&owner, "key", json!({"n": 1})).await;
    let mut of_joins = async || loop {
        let (topic, noted) = within("a fetch", calls.recv()).await.expect("the server runs");
        assert_eq!(topic, TOPIC);
        if !noted.is_empty() {
            return noted;
        }
    };
    assert_eq!(of_joins().await, [json!(1)]);
    owner.update(TOPIC, "key", Meta::of(&json!({"n": 2})).expect("an object")).await.expect("tracked");
    assert_eq!(of_joins().await, [json!(2)], "the joins of the update");
    assert_eq!(of_joins().await, [json!(1)], "its leaves");
}

#[tokio::test]
async fn a_fetch_that_fails_panics_or_hangs_leaves_entries_undecorated_and_drops_nobody() {
    let hooks = Hooks::new().fetch(async |_, entries: Presences| {
        match entries.0.keys().next().map(String::as_str) {
            Some("fails") => return Err(FetchError::from("asked to fail")),
            Some("panics") => panic!("asked to panic"),
            Some("hangs") => std::future::pending().await,
            _ => {}
        }
        Ok(decorated(entries))
    });
    let server = serve_with(hooks).await;
    let mut watcher = watcher(&server, TOPIC).await;
    for fault in ["fails", "panics", "hangs"] {
        let started = Instant::now();
        let owner = server.handle().owner();
        track(&owner, fault, json!({"n": 1})).await;
        let joins = watcher.expect(TOPIC, "presence_diff").await.payload["joins"].take();
        assert_eq!(joins[fault]["metas"][0]["n"], 1, "{fault}");
        assert_eq!(joins[fault]["known as"], Value::Null, "{fault}");
        if fault == "hangs" {
            assert!(started.elapsed() >= Duration::from_secs(1), "it may take a second");
        }
        assert_eq!(json!(server.handle().list(TOPIC).await), joins, "a list of it alone has the same fault");

        drop(owner);
        let leaves = watcher.expect(TOPIC, "presence_diff").await.payload["leaves"].take();
        assert_eq!(leaves, joins, "{fault}");
    }
    let owner = server.handle().owner();
    track(&owner, "ada", json!({})).await;
    let diff = watcher.expect(TOPIC, "presence_diff").await.payload;
    assert_eq!(diff["joins"]["ada"]["known as"], "ADA", "the hook is still used");
}

#[tokio::test]
async fn diffs_keep_their_order_behind_a_slow_fetch() {
    let (server, gate, mut fetched) = gated().await;
    let mut watcher = watcher(&server, TOPIC).await;
    let owner = server.handle().owner();
    track(&owner, "slow", json!({})).await;
    track(&owner, "quick", json!({})).await;
    within("the quick fetch", fetched.recv()).await.expect("the server runs");
    server.handle().broadcast(TOPIC, "shout", json!({}).into()).await.expect("an object");
    assert_eq!(watcher.next().await.event, "shout", "a broadcast waits for no fetch, and a diff does");

    gate.add_permits(1);
    for key in ["slow", "quick"] {
        let joins = watcher.expect(TOPIC, "presence_diff").await.payload["joins"].take();
        assert_eq!(
            joins.as_object().map(|joins| joins.keys().collect::<Vec<_>>()),
            Some(vec![&key.to_owned()])
        );
        assert!(joins[key]["known as"].is_string(), "{joins}");
    }
}

#[tokio::test]
async fn fetches_done_waits_for_every_fetch_under_way() {
    let (server, gate, _fetched) = gated().await;
    let handle = server.handle();
    within("no fetch", handle.fetches_done()).await;
    let owner = handle.owner();
    track(&owner, "slow", json!({})).await;
    assert!(handle.fetches_done().now_or_never().is_none(), "a fetch is under way");
    let done = handle.fetches_done();
    gate.add_permits(1);
    within("the fetch", done).await;
}

#[tokio::test]
async fn handle_metas_sees_every_change_and_who_is_there_after_it() {
    let (server, mut seen) = accounted().await;
    let (ada, bob) = (server.handle().owner(), server.handle().owner());
    let first = track(&ada, "ada", json!({"n": 1})).await;
    let (joins, leaves, present) = within("a change", seen.recv()).await.expect("the server runs");
    let ada_1 = json!({"n": 1, "phx_ref": first});
    assert_eq!((joins, leaves), (json!({"ada": {"metas": [ada_1]}}), json!({})));
    assert_eq!(present, json!({"ada": [ada_1]}));

    let second = track(&bob, "bob", json!({})).await;
    let (joins, _, present) = within("a change", seen.recv()).await.expect("the server runs");
    let bob_1 = json!({"phx_ref": second});
    assert_eq!(joins, json!({"bob": {"metas": [bob_1]}}));
    assert_eq!(present, json!({"ada": [ada_1], "bob": [bob_1]}), "all the diffs so far");

    drop(ada);
    let (joins, leaves, present) = within("a change", seen.recv()).await.expect("the server runs");
    assert_eq!((joins, leaves), (json!({}), json!({"ada": {"metas": [ada_1]}})));
    assert_eq!(present, json!({"bob": [bob_1]}));
}

#[tokio::test]
async fn handle_metas_goes_on_after_a_panic() {
    let (server, mut seen) = accounted().await;
    let mut watcher = watcher(&server, TOPIC).await;
    let owner = server.handle().owner();
    track(&owner, "panic", json!({})).await;
    assert!(watcher.expect(TOPIC, "presence_diff").await.payload["joins"]["panic"].is_object());
    track(&owner, "ada", json!({})).await;
    let (joins, _, present) = within("a change", seen.recv()).await.expect("the server runs");
    assert!(joins["ada"].is_object());
    assert!(present["panic"].is_array(), "the diff it panicked at still counts: {present}");
}

/// A server whose hook waits at a gate with the key `slow`, and tells of every fetch of the key `quick`.
async fn gated() -> (Running, Arc<Semaphore>, mpsc::UnboundedReceiver<()>) {
    let gate = Arc::new(Semaphore::new(0));
    let (report, fetched) = mpsc::unbounded_channel();
    let shared = gate.clone();
    let hooks = Hooks::new().fetch(move |_, entries: Presences| {
        let (gate, report) = (shared.clone(), report.clone());
        async move {
            if entries.0.contains_key("slow") {
                gate.acquire().await.expect("the gate is never closed").forget();
            }
            if entries.0.contains_key("quick") {
                report.send(()).expect("the test listens");
            }
            Ok(decorated(entries))
        }
    });
    (serve_with(hooks).await, gate, fetched)
}

/// Writes down every change, but panics at the key `panic`.
struct Accountant(mpsc::UnboundedSender<(Value, Value, Value)>);

impl HandleMetas for Accountant {
    fn handle_metas(&mut self, topic: &str, joins: &Presences, leaves: &Presences, present: &MetasByKey) {
        assert_eq!(topic, TOPIC);
        assert!(!joins.0.contains_key("panic"), "asked to panic");
        self.0.send((json!(joins), json!(leaves), json!(present))).expect("the test listens");
    }
}

async fn accounted() -> (Running, mpsc::UnboundedReceiver<(Value, Value, Value)>) {
    let (report, seen) = mpsc::unbounded_channel();
    (serve_with(Hooks::new().handle_metas(move || Accountant(report.clone()))).await, seen)
}

async fn serve_with(hooks: Hooks) -> Running {
    serve(Options { hooks, ..Options::default() }).await
}

async fn track(owner: &Owner, key: &str, meta: Value) -> String {
    let meta = Meta::of(&meta).expect("an object");
    owner.track(TOPIC, key, meta).await.expect("not tracked yet").to_string()
}

/// Every entry with its key in capitals.
fn decorated(mut entries: Presences) -> Presences {
    for (key, entry) in &mut entries.0 {
        entry.extra.insert("known as".into(), key.to_uppercase().into());
    }
    entries
}

const TOPIC: &str = "roster:1";
