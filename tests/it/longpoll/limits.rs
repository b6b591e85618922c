//! What requests a session holds, and what is not waited for.
//!
//! Source: Phoenix 1.8.12, `Phoenix.Transports.LongPoll`; how many polls may wait is ours.

use std::time::{Duration, Instant};

use presenced::server::Options;
use serde_json::json;

use super::poller::{PATH, Poller, message, messages};
use super::{poll, reach};
use crate::support::raw::Raw;
use crate::support::{Running, lobbies, within};

#[tokio::test(flavor = "multi_thread")]
async fn of_more_than_eight_polls_the_oldest_is_answered_at_once_that_there_is_nothing() {
    let options = Options { longpoll_window: Duration::from_secs(60), ..Options::default() };
    let server = Running::start(lobbies(), options).await;
    let ada = Poller::enter(&server, "lobby:a").await;
    let mut polls = Vec::new();
    for _ in 0..8 {
        polls.push(tokio::spawn(poll(ada.clone())));
        reach(&ada).await;
    }
    assert!(polls.iter().all(|poll| !poll.is_finished()), "eight wait");
    for _ in 0..3 {
        polls.push(tokio::spawn(poll(ada.clone())));
        let oldest = within("the oldest poll", polls.remove(0)).await.expect("it is answered");
        assert_eq!(oldest, json!({"status": 204, "token": ada.token, "messages": []}));
        reach(&ada).await;
        assert_eq!(polls.iter().filter(|poll| !poll.is_finished()).count(), 8);
    }
    ada.post(&[message("2", "lobby:a", "echo", json!("x"))]).await;
    let newest = polls.pop().expect("eight wait");
    let newest = within("the newest poll", newest).await.expect("it is answered");
    assert_eq!(messages(&newest)[0][4]["response"], "x", "{newest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_of_no_session_is_answered_before_its_body_comes() {
    let server = Running::start(lobbies(), Options::default()).await;
    let since = Instant::now();
    for token in ["forged", ""] {
        let mut raw = Raw::connect(server.address()).await;
        let head = format!(
            "POST {PATH}&token={token} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: 1000000\r\n\r\n["
        );
        raw.write(head.as_bytes()).await;
        assert!(raw.head().await.starts_with("HTTP/1.1 200 "), "{token:?}");
        raw.finish().await;
        assert_eq!(raw.rest().await, r#"{"status":410}"#, "{token:?}");
    }
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}
