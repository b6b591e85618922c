//! Who left, who was disconnected, who came back: presence as everybody else on a workflow sees it.
//!
//! Each story is about pages on their own server, as a process, and an onlooker who hears every diff.
//! Not here: what a page is ([`page`]), long poll ([`long_poll`]).
//! Source: contract pages.md.

mod long_poll;
mod page;
mod standstill;

use std::time::{Duration, Instant};

use serde_json::Value;

use self::page::{OTHER_REQUEST, Page, REQUEST, Server};
use crate::support::raw::{PING, PONG};

/// A server, and somebody who looks on.
async fn stage() -> (Server, Page) {
    let server = Server::start().await;
    let onlooker = Page::open(&server, "onlooker", None, None).await;
    (server, onlooker)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_comes_back_within_the_grace_takes_its_own_place_in_one_diff() {
    let (server, mut onlooker) = stage().await;
    let ada = Page::open(&server, "ada", Some("token"), Some(REQUEST)).await;
    let before = onlooker.joined("ada").await;
    ada.lose();
    let _ada = Page::open(&server, "ada", Some("token"), Some(REQUEST)).await;
    let diff = onlooker.diff().await;
    let (joined, left) = (&diff["joins"]["ada"]["metas"], &diff["leaves"]["ada"]["metas"]);
    assert_eq!(left, &Value::Array(vec![before.clone()]));
    assert_eq!(joined[0]["joined_at"], before["joined_at"], "it was never away");
    assert_eq!(joined[0]["phx_ref_prev"], before["phx_ref"]);
    assert_eq!(onlooker.silence().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_disconnected_and_does_not_come_back_is_shown_for_the_grace_period_and_no_longer() {
    let (server, mut onlooker) = stage().await;
    for close in [None, Some((1000, "heartbeat timeout"))] {
        let mut ada = Page::open(&server, "ada", Some("token"), Some(REQUEST)).await;
        onlooker.joined("ada").await;
        let gone = Instant::now();
        match close {
            None => ada.lose(),
            Some((code, reason)) => ada.close(Some(code), reason).await,
        }
        onlooker.left("ada").await;
        let shown = gone.elapsed();
        assert!(shown >= GRACE && shown < GRACE * 2, "{close:?}: {shown:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_closes_a_tab_has_left_at_once() {
    let (server, mut onlooker) = stage().await;
    for code in [None, Some(1000), Some(1001), Some(4000)] {
        let mut ada = Page::open(&server, "ada", Some("token"), Some(REQUEST)).await;
        onlooker.joined("ada").await;
        let gone = Instant::now();
        ada.close(code, "").await;
        onlooker.left("ada").await;
        assert!(gone.elapsed() < GRACE / 2, "{code:?}");
    }
    let mut ada = Page::open(&server, "ada", Some("token"), Some(REQUEST)).await;
    onlooker.joined("ada").await;
    ada.leave().await;
    onlooker.left("ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_page_of_a_user_ends_what_is_disconnected_in_the_same_diff_and_takes_nothing_of_it() {
    let (server, mut onlooker) = stage().await;
    for pages in [[Some(REQUEST), Some(OTHER_REQUEST)], [None, None]] {
        let ada = Page::open(&server, "ada", None, pages[0]).await;
        let before = onlooker.joined("ada").await;
        ada.lose();
        server.has_noticed().await;
        let mut ada = Page::open(&server, "ada", None, pages[1]).await;
        let diff = onlooker.diff().await;
        assert_eq!(diff["leaves"]["ada"]["metas"][0], before);
        let joined = &diff["joins"]["ada"]["metas"][0];
        assert!(joined["joined_at"].as_i64() > before["joined_at"].as_i64());
        assert_eq!(joined["phx_ref_prev"], Value::Null);
        ada.leave().await;
        onlooker.left("ada").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_twin_counts_for_two_seconds() {
    let (server, mut onlooker) = stage().await;
    let mut dead = Page::open(&server, "ada", None, Some(REQUEST)).await;
    onlooker.joined("ada").await;
    // What it said before it died is still in the server's receive buffer, or was read: neither counts.
    dead.heartbeat().await;
    let _living = Page::open(&server, "ada", None, Some(OTHER_REQUEST)).await;
    let joined = Instant::now();
    onlooker.joined("ada").await;
    onlooker.left("ada").await;
    let counted = joined.elapsed();
    assert!(counted < Duration::from_secs(4), "{counted:?}");
    assert_eq!(dead.closed_without_answering().await, 1002);
}

#[tokio::test(flavor = "multi_thread")]
async fn living_twins_stay() {
    let (server, mut onlooker) = stage().await;
    for (token, ids) in [(Some("one token"), [None, None]), (None, [Some(REQUEST), Some(OTHER_REQUEST)])] {
        let mut first = Page::open(&server, "ada", token, ids[0]).await;
        onlooker.joined("ada").await;
        let mut second = Page::open(&server, "ada", token, ids[1]).await;
        onlooker.joined("ada").await;
        tokio::join!(first.answers_for(TWICE_THE_TWINS_LIMIT), second.answers_for(TWICE_THE_TWINS_LIMIT));
        assert_eq!(onlooker.silence().await, None);
        for tab in [&mut first, &mut second] {
            tab.leave().await;
            onlooker.left("ada").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_page_that_joins_anew_is_there_once_and_its_old_connection_is_closed_without_a_word() {
    let (server, mut onlooker) = stage().await;
    let mut dead = Page::open(&server, "ada", None, Some(REQUEST)).await;
    let before = onlooker.joined("ada").await;
    let mut living = Page::open(&server, "ada", None, Some(REQUEST)).await;
    let diff = onlooker.diff().await;
    assert_eq!(diff["leaves"]["ada"]["metas"][0], before);
    assert_eq!(diff["joins"]["ada"]["metas"][0]["joined_at"], before["joined_at"]);
    let closed = async {
        let asked = Instant::now();
        assert_eq!(dead.closed_without_answering().await, 1002);
        asked.elapsed()
    };
    let (closed, ()) = tokio::join!(closed, living.answers_for(Duration::from_secs(11)));
    assert!(closed > Duration::from_secs(8), "{closed:?}");
    assert_eq!(onlooker.silence().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicated_tab_takes_the_place_for_a_moment_and_then_all_that_live_are_shown() {
    let (server, mut onlooker) = stage().await;
    let mut tabs = Vec::new();
    for count in 1..=3_usize {
        tabs.push(Page::open(&server, "ada", None, Some(REQUEST)).await);
        // Each answers, and is told anew.
        while onlooker.fold.metas("ada").len() < count {
            let answered = tabs.iter_mut().map(|tab| tab.answers_for(Duration::from_millis(50)));
            futures::future::join_all(answered).await;
            onlooker.look(Duration::from_millis(10)).await;
        }
    }
    let since: Vec<_> = onlooker.fold.metas("ada").iter().map(|meta| meta["joined_at"].as_i64()).collect();
    assert!(
        since.iter().all(|joined_at| *joined_at == since[0]),
        "each has the place of the first: {since:?}"
    );
    // They are entries of their own: each leaves by itself.
    for (left, mut tab) in tabs.into_iter().enumerate() {
        tab.close(None, "").await;
        onlooker.left("ada").await;
        assert_eq!(onlooker.fold.metas("ada").len(), 2 - left);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_page_of_another_user_takes_no_place() {
    let (server, mut onlooker) = stage().await;
    let ada = Page::open(&server, "ada", None, Some(REQUEST)).await;
    onlooker.joined("ada").await;
    ada.lose();
    let _bob = Page::open(&server, "bob", None, Some(REQUEST)).await;
    onlooker.joined("bob").await;
    onlooker.left("ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_connections_are_closed_through_the_api_is_gone_within_the_grace_too() {
    let (server, mut onlooker) = stage().await;
    let ada = Page::open(&server, "ada", None, Some(REQUEST)).await;
    onlooker.joined("ada").await;
    ada.lose();
    server.has_noticed().await;
    let asked = Instant::now();
    server.close_connections_of("ada").await;
    onlooker.left("ada").await;
    assert!(asked.elapsed() < GRACE / 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_hears_of_those_in_their_grace_period_when_the_server_stops() {
    let (server, mut onlooker) = stage().await;
    let ada = Page::open(&server, "ada", None, Some(REQUEST)).await;
    onlooker.joined("ada").await;
    ada.lose();
    server.process.signal("TERM").await;
    assert_eq!(onlooker.closed().await, 1012);
    assert_eq!(server.process.ended().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_client_is_pinged_after_fifteen_seconds_and_closed_ten_later() {
    let (server, mut onlooker) = stage().await;
    let mut ada = Page::open(&server, "ada", None, Some(REQUEST)).await;
    let mut bob = Page::open(&server, "bob", None, Some(OTHER_REQUEST)).await;
    let start = Instant::now();
    // Bob says nothing, but answers.
    let stays = bob.answers_for(Duration::from_secs(32));
    let is_closed = async {
        let ping = ada.next_control().await;
        assert_eq!(ping.first, PING);
        let pinged = start.elapsed();
        assert_eq!(ada.closed_without_answering().await, 1002);
        (pinged, start.elapsed())
    };
    let looks = onlooker.answers_for(Duration::from_secs(32));
    let ((pinged, closed), (), ()) = tokio::join!(is_closed, stays, looks);
    assert!((14..18).contains(&pinged.as_secs()), "{pinged:?}");
    assert!((24..29).contains(&closed.as_secs()), "{closed:?}");
    assert!(onlooker.fold.metas("ada").is_empty());
    assert_eq!(onlooker.fold.metas("bob").len(), 1);
    bob.write_frame(PONG, b"unasked").await;
    bob.heartbeat().await;
}

const GRACE: Duration = Duration::from_secs(5);
const TWICE_THE_TWINS_LIMIT: Duration = Duration::from_secs(4);
