//! Long poll: sessions, and what polls and posts are answered with.
//!
//! Not here: what bodies are made of ([`bodies`]); sessions as recorded (`longpoll/` of the fixtures).
//! Source: Phoenix 1.8.12, `Phoenix.Transports.LongPoll`.

mod bodies;
mod limits;
mod poller;

use std::time::{Duration, Instant};

use presenced::server::{Options, OriginPattern, Origins, Stopped};
use presenced::wire::Vsn;
use serde_json::{Value, json};

use self::poller::{PATH, Poller, message, messages};
use crate::support::http::request;
use crate::support::raw::Raw;
use crate::support::{Client, Running, lobbies, within};

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_may_be_read_by_any_page_and_kept_by_no_cache() {
    let server = Running::start(lobbies(), Options::default()).await;
    let ada = Poller::open(&server).await;
    let heartbeat = message("1", "phoenix", "heartbeat", json!({}));
    let posted = ada.request("POST", &[], &heartbeat).await;
    let polled = ada.request("GET", &[], "").await;
    assert_eq!((posted.json()["status"].clone(), polled.json()["status"].clone()), (200.into(), 200.into()));
    for json in [&posted, &polled] {
        assert_eq!(json.header("content-type"), "application/json; charset=utf-8");
    }
    let options = ada.request("OPTIONS", &[("access-control-request-headers", "x-a, x-b")], "").await;
    assert_eq!((options.status, options.text()), (200, ""));
    assert_eq!(options.header("access-control-allow-headers"), "x-a, x-b");
    assert_eq!(options.header("access-control-allow-methods"), "get, post, options");
    assert_eq!(options.header("access-control-max-age"), "3600");
    let wrong = ada.request("PUT", &[], "").await;
    for answer in [posted, polled, options, wrong] {
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{answer:?}");
        assert_eq!(answer.header("cache-control"), "no-store", "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_lost_on_the_way_is_given_again() {
    let server = Running::start(lobbies(), Options::default()).await;
    let ada = Poller::open(&server).await;
    ada.post(&[message("1", "lobby:a", "phx_join", json!({}))]).await;
    let ada = ada.with_token(ada.get().await["token"].as_str().expect("a token"));
    ada.post(&[message("2", "lobby:a", "echo", json!({"n": 1}))]).await;
    let lost = ada.get().await;
    assert_eq!(messages(&lost).len(), 1);
    ada.post(&[message("3", "lobby:a", "echo", json!({"n": 2}))]).await;
    for _ in 0..2 {
        // The browser repeats its GET, and so its token.
        let again = ada.get().await;
        assert_eq!(messages(&again)[..1], messages(&lost)[..]);
        assert_eq!(messages(&again).len(), 2, "with what came meanwhile");
    }
    let read = ada.with_token(ada.get().await["token"].as_str().expect("a token"));
    read.post(&[message("4", "lobby:a", "echo", json!({"n": 3}))]).await;
    assert_eq!(messages(&read.get().await).len(), 1, "what was read does not come again");
    assert_eq!(ada.get().await["status"], 410, "what was read is not kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_is_sent_twice_has_one_effect() {
    let server = Running::start(lobbies(), Options::default()).await;
    let ada = Poller::open(&server).await;
    let join = message("1", "lobby:a", "phx_join", json!({}));
    let echo = message("2", "lobby:a", "echo", json!({"n": 1}));
    for posted in [&join, &join, &echo, &echo, &join] {
        assert_eq!(ada.post(std::slice::from_ref(posted)).await["status"], 200);
    }
    ada.post(&[message("3", "lobby:a", "echo", json!({"n": 1}))]).await;
    let events = messages(&ada.get().await);
    let told: Vec<_> = events.iter().map(|event| (event[1].clone(), event[3].clone())).collect();
    let reply = |reference: &str| (json!(reference), json!("phx_reply"));
    assert_eq!(told, [reply("1"), reply("2"), reply("3")], "and the channel is not closed");
}

/// Tokens of one session begin alike; the number of the answer follows.
fn is_of_the_same_session(token: &Value, other: &str) -> bool {
    token.as_str().is_some_and(|token| token[..SESSION_CHARS] == other[..SESSION_CHARS])
}

/// Of 16 bytes in base64.
const SESSION_CHARS: usize = 21;

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_are_a_bad_request() {
    let server = Running::start(lobbies(), Options::default()).await;
    let ada = Poller::open(&server).await;
    for method in ["HEAD", "DELETE", "PUT", "PATCH"] {
        let answer = ada.request(method, &[], "").await;
        assert_eq!((answer.status, answer.text()), (400, ""), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_from_elsewhere_is_refused_in_json_whatever_its_method() {
    let here = OriginPattern::parse("//here.example").expect("it has a host");
    let options = Options { origins: Origins::List(vec![here]), ..Options::default() };
    let server = Running::start(lobbies(), options).await;
    for method in ["GET", "POST", "OPTIONS", "DELETE"] {
        let origin = [("origin", "http://there.example")];
        let answer = request(server.address(), method, PATH, &origin, "").await;
        assert_eq!((answer.status, answer.json()), (200, json!({"status": 403})), "{method}");
    }
    let answer = request(server.address(), "GET", PATH, &[("origin", "http://here.example")], "").await;
    assert_eq!(answer.json()["status"], 410);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_with_a_token_that_was_not_issued_here_opens_a_session() {
    let server = Running::start(lobbies(), Options::default()).await;
    let elsewhere = Running::start(lobbies(), Options::default()).await;
    let ada = Poller::open(&server).await;
    let mut forged = ada.token.clone();
    let last = if forged.pop() == Some('A') { 'E' } else { 'A' };
    forged.push(last);
    let foreign = Poller::open(&elsewhere).await.token;
    for token in [forged, foreign, "x".to_owned(), "x".repeat(1000), String::new()] {
        let poller = ada.with_token(&token);
        let opened = poller.get().await;
        assert_eq!((&opened["status"], &opened["messages"]), (&json!(410), &json!([])), "{token}");
        assert!(opened["token"] != json!(token) && opened["token"] != json!(ada.token), "{opened}");
        assert_eq!(poller.post(&[]).await, json!({"status": 410}), "{token}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_taken_from_the_header_before_the_query() {
    let server = Running::start(lobbies(), Options::default()).await;
    let (ada, eve) = (Poller::open(&server).await, Poller::open(&server).await);
    let heartbeat = |reference| message(reference, "phoenix", "heartbeat", json!({}));
    let of_ada = ("x-phoenix-longpoll-token", ada.token.as_str());
    assert_eq!(eve.post_body(&[of_ada], &heartbeat("1")).await.json(), json!({"status": 200}));
    let polled = eve.request("GET", &[of_ada], "").await.json();
    assert_eq!(messages(&polled)[0][1], "1");
    assert!(is_of_the_same_session(&polled["token"], &ada.token));

    let of_nobody = ("x-phoenix-longpoll-token", "x");
    assert_eq!(ada.post_body(&[of_nobody], &heartbeat("2")).await.json(), json!({"status": 410}));
    assert_eq!(ada.request("GET", &[of_nobody], "").await.json()["status"], 410);
    assert_eq!(ada.post(&[heartbeat("3")]).await, json!({"status": 200}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_waits_until_something_arrives() {
    let server = Running::start(lobbies(), Options::default()).await;
    let ada = Poller::enter(&server, "lobby:a").await;
    let since = Instant::now();
    let polling = tokio::spawn(poll(ada.clone()));
    reach(&ada).await;
    let posted = ada.post(&[message("2", "lobby:a", "echo", json!("x"))]).await;
    let polled = within("the poll under way", polling).await.expect("it is answered");
    assert_eq!(posted, json!({"status": 200}));
    assert_eq!(polled["status"], 200);
    assert!(is_of_the_same_session(&polled["token"], &ada.token) && polled["token"] != json!(ada.token));
    assert_eq!(messages(&polled)[0][4]["response"], "x");
    assert!(since.elapsed() < Options::default().longpoll_window);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_for_which_nothing_arrives_ends_with_its_window() {
    let server = Running::start(lobbies(), short_window()).await;
    let ada = Poller::open(&server).await;
    let since = Instant::now();
    assert_eq!(ada.get().await, json!({"status": 204, "token": ada.token, "messages": []}));
    assert!(since.elapsed() >= WINDOW, "{:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_between_polls_waits_for_the_next() {
    let server = Running::start(lobbies(), Options::default()).await;
    let ada = Poller::enter(&server, "lobby:a").await;
    for number in ["2", "3"] {
        ada.post(&[message(number, "lobby:a", "echo", json!({}))]).await;
    }
    let mut refs = Vec::new();
    while refs.len() < 2 {
        refs.extend(messages(&ada.get().await).iter().map(|message| message[1].clone()));
    }
    assert_eq!(refs, ["2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_polls_the_newer_is_served_and_the_older_ends_with_its_window() {
    let server =
        Running::start(lobbies(), Options { longpoll_window: 3 * WINDOW, ..Options::default() }).await;
    let ada = Poller::enter(&server, "lobby:a").await;
    let older = tokio::spawn(poll(ada.clone()));
    reach(&ada).await;
    let newer = tokio::spawn(poll(ada.clone()));
    reach(&ada).await;
    ada.post(&[message("2", "lobby:a", "echo", json!("x"))]).await;
    let newer = within("the newer poll", newer).await.expect("it is answered");
    assert_eq!(messages(&newer)[0][4]["response"], "x", "{newer}");
    let older = within("the older poll", older).await.expect("it is answered");
    assert_eq!((&older["status"], &older["messages"]), (&json!(204), &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_whose_client_has_gone_loses_nothing() {
    let server = Running::start(lobbies(), Options::default()).await;
    let ada = Poller::enter(&server, "lobby:a").await;
    let mut gone = Raw::connect(server.address()).await;
    gone.write(format!("GET {} HTTP/1.1\r\nhost: localhost\r\n\r\n", ada.path()).as_bytes()).await;
    reach(&ada).await;
    gone.finish().await;
    assert_eq!(gone.rest().await, "", "the server lets go of the request");
    ada.post(&[message("2", "lobby:a", "echo", json!("x"))]).await;
    assert_eq!(messages(&ada.get().await)[0][4]["response"], "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_behind_a_join_that_does_not_return_is_not_taken() {
    let server = Running::start(lobbies(), short_window()).await;
    let ada = Poller::open(&server).await;
    let join = message("1", "never:a", "phx_join", json!({}));
    let heartbeat = message("2", "phoenix", "heartbeat", json!({}));
    let since = Instant::now();
    assert_eq!(ada.post(&[join, heartbeat]).await, json!({"status": 408}));
    assert!(since.elapsed() >= WINDOW, "{:?}", since.elapsed());
    let polled = ada.get().await;
    assert_eq!(polled["status"], 204, "nothing of it is dispatched later: {polled}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_polling_leaves_even_if_it_posts() {
    let server = Running::start(lobbies(), short_window()).await;
    let mut stays = Client::connect(server.address(), Vsn::V2, "user=stays").await;
    stays.enter("present:a").await;
    stays.expect("present:a", "presence_diff").await;
    let ada = Poller::enter(&server, "present:a").await;
    let joined = stays.expect("present:a", "presence_diff").await;
    assert!(joined.payload["joins"]["ada"].is_object(), "{joined:?}");

    let since = Instant::now();
    let posts = async {
        let quiet = [message("2", "present:a", "quiet", json!({}))];
        while ada.post(&quiet).await["status"] == 200 {}
    };
    within("the end of the session", posts).await;
    assert!(since.elapsed() < 4 * WINDOW, "{:?}", since.elapsed());
    let left = stays.expect("present:a", "presence_diff").await;
    assert!(left.payload["leaves"]["ada"].is_object(), "{left:?}");
    assert_eq!(ada.get().await["status"], 410);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_polls_stays() {
    let server = Running::start(lobbies(), short_window()).await;
    let ada = Poller::enter(&server, "lobby:a").await;
    for _ in 0..5 {
        assert_eq!(ada.get().await["status"], 204);
    }
    assert_eq!(ada.post(&[message("2", "lobby:a", "quiet", json!({}))]).await, json!({"status": 200}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_disconnected_is_gone() {
    let server = Running::start(lobbies(), short_window()).await;
    let ada = Poller::enter(&server, "lobby:a").await;
    let polling = tokio::spawn(poll(ada.clone()));
    reach(&ada).await;
    server.handle().disconnect("user:ada").await;
    let polled = within("the poll under way", polling).await.expect("it is answered");
    assert_eq!((&polled["status"], &polled["messages"]), (&json!(204), &json!([])));
    let next = ada.get().await;
    assert_eq!(next["status"], 410);
    assert_ne!(next["token"], json!(ada.token));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_under_way_is_answered_when_the_server_stops() {
    let server = Running::start(lobbies(), Options::default()).await;
    let ada = Poller::enter(&server, "lobby:a").await;
    let polling = tokio::spawn(poll(ada.clone()));
    reach(&ada).await;
    assert_eq!(server.stop().await, Stopped::Drained);
    let polled = within("the poll under way", polling).await.expect("it is answered");
    assert_eq!(polled, json!({"status": 204, "token": ada.token, "messages": []}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_none_ends_the_session() {
    let server = Running::start(lobbies(), Options::default()).await;
    for line in [r#"["1","2","lobby:a"]"#, "[", r#"["1","2","lobby:a","echo",{"a":"\ud800"}]"#, "AQ=="] {
        let ada = Poller::enter(&server, "lobby:a").await;
        let echo = message("2", "lobby:a", "echo", json!({}));
        assert_eq!(ada.post(&[line.to_owned(), echo]).await, json!({"status": 408}), "{line}");
        let next = ada.get().await;
        assert_eq!((&next["status"], &next["messages"]), (&json!(410), &json!([])), "{line}");
        assert_ne!(next["token"], json!(ada.token), "{line}");
        assert_eq!(ada.post(&[]).await, json!({"status": 410}), "{line}");
    }
}

/// Polls as a task of its own.
async fn poll(ada: Poller) -> Value {
    ada.get().await
}

/// Makes as many requests as it takes for an earlier one to have reached its session: each waits for the session.
async fn reach(ada: &Poller) {
    for _ in 0..50 {
        assert_eq!(ada.post(&[message("0", "lobby:a", "quiet", json!({}))]).await, json!({"status": 200}));
    }
}

fn short_window() -> Options {
    Options { longpoll_window: WINDOW, ..Options::default() }
}

const WINDOW: Duration = Duration::from_millis(500);
