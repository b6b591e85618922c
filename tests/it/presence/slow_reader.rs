//! A client that does not read costs nobody but itself.

use presenced::server::Options;
use serde_json::json;

use super::{serve, watcher};

const TOPIC: &str = "roster:1";

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

const FRAME_BYTES: usize = 128 * 1024;
/// Together more than the kernel keeps for the two ends of a connection.
const FRAMES: usize = 160;
