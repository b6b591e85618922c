//! Pages on long poll, whose polls come and go.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::page::{OTHER_REQUEST, Page, REQUEST, Server, TOPIC};
use super::{GRACE, stage};
use crate::support::http::request;
use crate::support::raw::Raw;

#[tokio::test(flavor = "multi_thread")]
async fn who_reloads_on_long_poll_is_soon_there_once() {
    let (server, mut onlooker) = stage().await;
    let page = Polling::open(&server, "ada", REQUEST).await;
    onlooker.joined("ada").await;
    // A browser closes the connection of the poll that waits.
    drop(page.poll_that_waits().await);
    let reloaded = Polling::open(&server, "ada", OTHER_REQUEST).await;
    let joined = Instant::now();
    onlooker.joined("ada").await;
    let _waits = reloaded.poll_that_waits().await;
    onlooker.left("ada").await;
    assert!(joined.elapsed() < Duration::from_secs(4), "{:?}", joined.elapsed());
    assert_eq!(onlooker.fold.metas("ada").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_ends_and_comes_again_within_the_grace_was_no_absence() {
    let (server, mut onlooker) = stage().await;
    let page = Polling::open(&server, "ada", REQUEST).await;
    onlooker.joined("ada").await;
    for away in [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(4)] {
        drop(page.poll_that_waits().await);
        onlooker.look(away).await;
    }
    let _waits = page.poll_that_waits().await;
    assert_eq!(onlooker.look(GRACE + Duration::from_secs(1)).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_without_a_word_is_shown_for_the_grace_period_from_the_end_of_the_poll() {
    let (server, mut onlooker) = stage().await;
    let page = Polling::open(&server, "ada", REQUEST).await;
    onlooker.joined("ada").await;
    drop(page.poll_that_waits().await);
    let gone = Instant::now();
    onlooker.left("ada").await;
    let shown = gone.elapsed();
    assert!(shown >= GRACE - Duration::from_millis(500) && shown < GRACE * 2, "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_twin_that_polls_lives() {
    let (server, mut onlooker) = stage().await;
    let first = Polling::open(&server, "ada", REQUEST).await;
    onlooker.joined("ada").await;
    let _waits = first.poll_that_waits().await;
    let mut second = Page::open(&server, "ada", None, Some(OTHER_REQUEST)).await;
    onlooker.joined("ada").await;
    second.answers_for(GRACE).await;
    assert_eq!(onlooker.silence().await, None);
    assert_eq!(onlooker.fold.metas("ada").len(), 2);
}

/// A page of this user that has joined over long poll.
struct Polling<'a> {
    server: &'a Server,
    path: String,
}

impl<'a> Polling<'a> {
    async fn open(server: &'a Server, user: &str, request_id: &str) -> Self {
        let path = format!("/socket/longpoll?vsn=2.0.0&user_id={user}&request_id={request_id}");
        let opened = request(server.process.address(), "GET", &path, &[], "").await.json();
        let token = opened["token"].as_str().expect("a session has a token");
        let page = Polling { server, path: format!("{path}&token={token}") };
        let join = json!(["1", "1", TOPIC, "phx_join", {"project_id": "p", "action": "edit"}]);
        let posted = request(server.process.address(), "POST", &page.path, &[], join.to_string()).await;
        assert_eq!(posted.json()["status"], 200);
        while !page.poll().await.to_string().contains("presence_state") {}
        page
    }

    async fn poll(&self) -> Value {
        request(self.server.process.address(), "GET", &self.path, &[], "").await.json()
    }

    /// A poll that waits because there is nothing to be told.
    async fn poll_that_waits(&self) -> Raw {
        loop {
            let mut raw = Raw::connect(self.server.process.address()).await;
            raw.write(format!("GET {} HTTP/1.1\r\nhost: localhost\r\n\r\n", self.path).as_bytes()).await;
            if tokio::time::timeout(Duration::from_millis(200), raw.patient_head()).await.is_err() {
                return raw;
            }
        }
    }
}
