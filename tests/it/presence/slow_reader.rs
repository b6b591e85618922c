//! A client that does not read costs nobody but itself.

use std::time::{Duration, Instant};

use presenced::server::Options;
use serde_json::json;

use super::{member, serve, watcher};
use crate::support::{Client, Running};

const TOPIC: &str = "roster:1";
/// Where presence is to be seen without the flood.
const OTHER_TOPIC: &str = "roster:2";

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_and_the_others_get_everything() {
    let server = serve(Options { outbox_bytes: 512 * 1024, ..Options::default() }).await;
    let mut slow = watcher(&server, TOPIC).await;
    let mut quick = watcher(&server, TOPIC).await;
    let filling = "x".repeat(FRAME_BYTES);
    for n in 0..FRAMES {
        let payload = json!({"n": n, "filling": filling});
        server.handle().broadcast(TOPIC, "flood", payload.into()).await.expect("an object");
        assert_eq!(quick.next().await.payload["n"], n);
    }
    assert_eq!(slow.closed().await, 1013);
    let told: Vec<_> = slow.unasked().into_iter().map(|message| message.payload["n"].clone()).collect();
    assert!(told.len() < FRAMES, "it was too much");
    assert!(told.iter().enumerate().all(|(nth, n)| n == nth), "nothing is missing before the end");
    quick.heartbeat().await;
}

/// A diff that was told before a join must not reach the client behind the reply: phoenix.js would fold it into the
/// state of the new join, which knows better.
#[tokio::test]
async fn what_waited_for_a_slow_client_comes_before_the_reply_to_its_next_join() {
    let server = serve(Options { outbox_bytes: 2 * FRAMES * FRAME_BYTES, ..Options::default() }).await;
    let mut slow = watcher(&server, TOPIC).await;
    let filling = json!({"filling": "x".repeat(FRAME_BYTES)});
    for _ in 0..FRAMES {
        server.handle().broadcast(TOPIC, "flood", filling.clone().into()).await.expect("an object");
    }
    let join = slow.send_join(TOPIC, json!({})).await;
    assert_eq!(slow.reply(&join).await.status, "ok");
    assert_eq!(slow.unasked().len(), FRAMES);
}

#[tokio::test]
async fn a_client_for_which_too_much_waits_is_not_present_any_more() {
    let server = serve(Options { outbox_bytes: 512 * 1024, ..Options::default() }).await;
    let mut watcher = watcher(&server, OTHER_TOPIC).await;
    let _slow = flooded_member(&server).await;
    leaves_at_once(&mut watcher).await;
}

/// Its outbox has room left, and nothing more is taken out: it has to hear that it is to end all the same.
#[tokio::test]
async fn a_client_that_is_disconnected_while_it_does_not_read_is_not_present_any_more() {
    let server = serve(Options { outbox_bytes: 2 * FRAMES * FRAME_BYTES, ..Options::default() }).await;
    let mut watcher = watcher(&server, OTHER_TOPIC).await;
    let _slow = flooded_member(&server).await;
    let list = watcher.call(OTHER_TOPIC, "list", json!({"key": ""})).await.response;
    assert!(list["slow"].is_object(), "it is still there: {list}");
    server.handle().disconnect("user:slow").await;
    leaves_at_once(&mut watcher).await;
}

/// A client that was sent more than the kernel keeps, has read none of it, and is present on another topic.
async fn flooded_member(server: &Running) -> Client {
    let mut slow = member(server, "slow", TOPIC).await;
    let elsewhere = json!({"key": "slow", "topic": OTHER_TOPIC, "meta": {}});
    assert_eq!(slow.call(TOPIC, "track", elsewhere).await.status, "ok");
    let filling = json!({"filling": "x".repeat(FRAME_BYTES)});
    for _ in 0..FRAMES {
        server.handle().broadcast(TOPIC, "flood", filling.clone().into()).await.expect("an object");
    }
    slow
}

/// It leaves before the server would give up waiting for it to take note of its close, which it never does.
async fn leaves_at_once(watcher: &mut Client) {
    let since = Instant::now();
    let joins = watcher.expect(OTHER_TOPIC, "presence_diff").await.payload["joins"].take();
    assert!(joins["slow"].is_object(), "{joins}");
    let leaves = watcher.expect(OTHER_TOPIC, "presence_diff").await.payload["leaves"].take();
    assert!(leaves["slow"].is_object(), "{leaves}");
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
}

const FRAME_BYTES: usize = 128 * 1024;
/// Together more than the kernel keeps for the two ends of a connection.
const FRAMES: usize = 160;
