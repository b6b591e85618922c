//! When diffs are told: a quiet topic's at once, a busy topic's together.

use std::time::{Duration, Instant};

use presenced::presence::Meta;
use presenced::server::Options;
use serde_json::json;

use super::{member, serve, watcher};
use crate::support::Fold;

const TOPIC: &str = "roster:1";
/// Longer than any test waits.
const FOR_EVER: Duration = Duration::from_secs(60);

#[tokio::test]
async fn the_first_change_of_a_quiet_topic_is_told_at_once() {
    let server = serve(Options { flush_window: FOR_EVER, ..Options::default() }).await;
    for topic in [TOPIC, "roster:2"] {
        let mut client = watcher(&server, topic).await;
        let owner = server.handle().owner();
        owner.track(topic, "key", Meta::of(&json!({})).expect("an object")).await.expect("not tracked yet");
        assert!(client.expect(topic, "presence_diff").await.payload["joins"]["key"].is_object(), "{topic}");
    }
}

#[tokio::test]
async fn what_follows_waits_for_the_window_and_broadcasts_do_not() {
    let server = serve(Options { flush_window: FOR_EVER, ..Options::default() }).await;
    let mut client = watcher(&server, TOPIC).await;
    let owner = server.handle().owner();
    for key in ["first", "second"] {
        owner.track(TOPIC, key, Meta::of(&json!({})).expect("an object")).await.expect("not tracked yet");
    }
    server.handle().broadcast(TOPIC, "shout", json!({}).into()).await.expect("an object");
    let told = client.until(TOPIC, "shout").await;
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].payload["joins"]["first"].is_object());
}

#[tokio::test]
async fn whoever_joins_a_busy_topic_finds_itself_in_its_state() {
    let server = serve(Options { flush_window: FOR_EVER, ..Options::default() }).await;
    let mut present = Vec::new();
    for user in ["ada", "bob", "eve"] {
        let mut client = member(&server, user, TOPIC).await;
        let state = client.expect(TOPIC, "presence_state").await.payload;
        assert!(state[user].is_object(), "{state}");
        present.push(client);
        assert_eq!(state.as_object().map(serde_json::Map::len), Some(present.len()), "and all before it");
    }
}

#[tokio::test]
async fn many_updates_of_a_window_are_one_diff_with_the_last_of_them() {
    const WINDOW: Duration = Duration::from_millis(200);
    let server = serve(Options { flush_window: WINDOW, ..Options::default() }).await;
    let mut client = member(&server, "watcher", TOPIC).await;
    let owner = server.handle().owner();
    let started = Instant::now();
    owner.track(TOPIC, "key", Meta::of(&json!({"n": 0})).expect("an object")).await.expect("not tracked yet");
    for n in 1..=200 {
        let meta = Meta::of(&json!({"n": n})).expect("an object");
        owner.update(TOPIC, "key", meta).await.expect("it is tracked");
    }
    let mut seen = Fold::default();
    let mut diffs = 0;
    while seen.metas("key").first().is_none_or(|meta| meta["n"] != 200) {
        let message = client.next().await;
        diffs += u32::from(message.event == "presence_diff");
        seen.take(&message);
    }
    let windows = u32::try_from(started.elapsed().as_millis() / WINDOW.as_millis()).expect("a short test");
    assert!(diffs <= windows + 2, "{diffs} diffs in {windows} windows");
    assert_eq!(seen.refs(), Fold::refs_of(&json!(server.handle().list(TOPIC).await)));
}
