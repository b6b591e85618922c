//! A process that stood still, as a suspended machine does: nobody could be heard meanwhile, and nobody is judged.

use std::time::{Duration, Instant};

use serde_json::json;

use super::page::{OTHER_REQUEST, Page, REQUEST, Server};
use super::{GRACE, stage};
use crate::support::http::request;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_closed_or_gone_because_the_server_stood_still() {
    let (server, mut onlooker) = stage().await;
    let mut bob = Page::open(&server, "bob", None, Some(OTHER_REQUEST)).await;
    onlooker.joined("bob").await;
    put_session(&server).await;
    onlooker.joined("lea").await;
    let ada = Page::open(&server, "ada", None, Some(REQUEST)).await;
    onlooker.joined("ada").await;
    ada.lose();

    server.process.signal("STOP").await;
    // Longer than any limit, but for that of a lease, which is as long as the longest.
    tokio::time::sleep(Duration::from_secs(33)).await;
    server.process.signal("CONT").await;
    let went_on = Instant::now();
    tokio::join!(bob.answers_for(GRACE / 2), onlooker.answers_for(GRACE / 2));
    for user in ["ada", "bob", "lea"] {
        assert_eq!(onlooker.fold.metas(user).len(), 1, "{user}");
    }
    // Then it is as always.
    onlooker.left("ada").await;
    assert!(went_on.elapsed() >= GRACE - Duration::from_millis(500), "{:?}", went_on.elapsed());
    onlooker.heartbeat().await;
    bob.leave().await;
    onlooker.left("bob").await;
}

/// A session that is leased for as short as can be.
async fn put_session(server: &Server) {
    let path = "/api/v1/workflows/pages/sessions/s1";
    let body = json!({"user": {"id": "lea"}, "lease_seconds": 30}).to_string();
    let answer = request(server.api, "PUT", path, &[("content-type", "application/json")], body).await;
    assert!((200..300).contains(&answer.status), "{answer:?}");
}
