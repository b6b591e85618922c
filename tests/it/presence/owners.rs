//! Presences of code outside channels: an owner stands where a channel would.

use presenced::channel::{TrackError, UpdateError};
use presenced::presence::Meta;
use presenced::server::Options;
use serde_json::{Value, json};

use super::{serve, watcher};
use crate::support::{Fold, within};

const TOPIC: &str = "roster:1";

#[tokio::test]
async fn a_dropped_owner_leaves_with_one_diff_a_topic() {
    let server = serve(Options::default()).await;
    let mut here = watcher(&server, TOPIC).await;
    let mut there = watcher(&server, "roster:2").await;
    let owner = server.handle().owner();
    for key in ["sensor", "meter"] {
        for topic in [TOPIC, "roster:2"] {
            owner.track(topic, key, meta(json!({}))).await.expect("not tracked yet");
        }
    }
    for client in [&mut here, &mut there] {
        let mut seen = Fold::default();
        seen.take_state(&json!({}));
        while seen.refs().len() < 2 {
            seen.take(&client.next().await);
        }
    }
    drop(owner);
    for client in [&mut here, &mut there] {
        let diff = client.next().await.payload;
        let leaves = diff["leaves"].as_object().expect("leaves are an object");
        assert_eq!(leaves.keys().collect::<Vec<_>>(), ["meter", "sensor"]);
    }
    assert_eq!(json!(server.handle().list(TOPIC).await), json!({}));
}

#[tokio::test]
async fn an_owner_is_told_what_it_cannot_do_and_nothing_changes() {
    let server = serve(Options::default()).await;
    let (owner, other) = (server.handle().owner(), server.handle().owner());
    owner.track(TOPIC, "key", meta(json!({"x": 1}))).await.expect("not tracked yet");
    let before = json!(server.handle().list(TOPIC).await);

    let again = owner.track(TOPIC, "key", meta(json!({}))).await;
    assert!(matches!(again, Err(TrackError::AlreadyTracked(_))), "{again:?}");
    let foreign = other.update(TOPIC, "key", meta(json!({}))).await;
    assert!(matches!(foreign, Err(UpdateError::NotTracked(_))), "{foreign:?}");
    let elsewhere = owner.update_with("roster:2", "key", |meta| meta).await;
    assert!(matches!(elsewhere, Err(UpdateError::NotTracked(_))), "{elsewhere:?}");
    let deep = (0..200).fold(json!(1), |inner, _| json!({"a": inner}));
    let deep = owner.update_with(TOPIC, "key", |_| deep.as_object().expect("an object").clone()).await;
    assert!(matches!(deep, Err(UpdateError::BadMeta(_))), "{deep:?}");
    other.untrack(TOPIC, "key").await;
    assert_eq!(json!(server.handle().list(TOPIC).await), before);
}

#[tokio::test]
async fn what_an_owner_was_told_is_listed_at_once() {
    let server = serve(Options::default()).await;
    let owner = server.handle().owner();
    for n in 0..100 {
        let key = format!("key {n}");
        let phx_ref = owner.track(TOPIC, key.as_str(), meta(json!({}))).await.expect("not tracked yet");
        let entry = server.handle().get_by_key(TOPIC, &key).await.expect("it is tracked");
        assert_eq!(entry.metas[0]["phx_ref"], phx_ref.as_str());
        let phx_ref = owner.update(TOPIC, key.as_str(), meta(json!({"n": n}))).await.expect("tracked");
        let entry = server.handle().get_by_key(TOPIC, &key).await.expect("it is tracked");
        assert_eq!(entry.metas[0]["phx_ref"], phx_ref.as_str());
        owner.untrack(TOPIC, key.as_str()).await;
        assert_eq!(server.handle().get_by_key(TOPIC, &key).await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_that_update_at_the_same_time_lose_nothing() {
    let server = serve(Options::default()).await;
    let owner = server.handle().owner();
    owner.track(TOPIC, "counter", meta(json!({"count": 0}))).await.expect("not tracked yet");
    let count = async || {
        for _ in 0..50 {
            let more = owner.update_with(TOPIC, "counter", |mut meta| {
                let count = meta["count"].as_u64().expect("it is a number");
                meta.insert("count".into(), (count + 1).into());
                meta
            });
            more.await.expect("it is tracked");
        }
    };
    within("150 updates", async { futures::join!(count(), count(), count()) }).await;
    let entry = server.handle().get_by_key(TOPIC, "counter").await.expect("it is tracked");
    assert_eq!(entry.metas[0]["count"], 150);
}

fn meta(value: Value) -> Meta {
    Meta::of(&value).expect("an object")
}
