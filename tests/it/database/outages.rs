//! The database is away, or slow: those who are connected stay, new ones are refused at once, and come in again.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use futures::future::join_all;
use presenced::lightning::Tls;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::lightning::*;
use super::postgres::Postgres;
use crate::support::{Client, within};

/// Waits for a change of who is there.
async fn until_diff(client: &mut Client, topic: &str, holds: impl Fn(&Value) -> bool) {
    while !holds(&client.expect(topic, "presence_diff").await.payload) {}
}

/// Anything that waited for the database would take longer.
const AT_ONCE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_database_that_was_killed_keeps_out_new_ones_alone_until_it_is_back() {
    let postgres = Postgres::stopped();
    postgres.start().await;
    let lightning = Lightning::on(&postgres, Version::Newer).await;
    let served = lightning.serve().await;
    let (_, editor_token) = lightning.log_in(EDITOR).await;
    let (_, viewer_token) = lightning.log_in(VIEWER).await;
    let (_, owner_token) = lightning.log_in(OWNER).await;
    let topic = format!("workflow:presence:{IN_OPEN}");
    let mut editor = served.connect(&editor_token).await;
    assert_eq!(editor.join(&topic, json!({})).await.status, "ok");
    editor.expect(&topic, "presence_state").await;
    let mut viewer = served.connect(&viewer_token).await;
    assert_eq!(viewer.join(&topic, json!({})).await.status, "ok");
    viewer.expect(&topic, "presence_state").await;
    until_diff(&mut editor, &topic, |diff| diff["joins"][VIEWER].is_object()).await;
    assert!(served.database.is_ready());

    postgres.kill();
    for token in [&owner_token, &editor_token, &owner_token] {
        let asked = Instant::now();
        assert_eq!(served.status(token).await, 503);
        assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    }
    assert!(!served.database.is_ready());
    assert_eq!(served.status("forged").await, 403, "it takes no database to see that");
    assert!(served.canvases.review().await.is_err());
    editor.heartbeat().await;
    viewer.call(&topic, "phx_leave", json!({})).await;
    until_diff(&mut editor, &topic, |diff| diff["leaves"][VIEWER].is_object()).await;

    postgres.start().await;
    served.until_status(&owner_token, 400).await;
    assert!(served.database.is_ready());
    served.canvases.review().await.expect("the database answers again");
    let mut owner = served.connect(&owner_token).await;
    assert_eq!(owner.join(&topic, json!({})).await.status, "ok");
    let state = owner.expect(&topic, "presence_state").await.payload;
    assert!(state[EDITOR].is_object() && state[VIEWER].is_null(), "{state}");
    viewer.heartbeat().await;
}

#[tokio::test]
async fn a_server_starts_while_its_database_is_away() {
    let postgres = Postgres::stopped();
    postgres.start().await;
    let lightning = Lightning::on(&postgres, Version::Newer).await;
    let (_, token) = lightning.log_in(EDITOR).await;
    postgres.kill();

    let served = lightning.serve().await;
    let asked = Instant::now();
    assert_eq!(served.status(&token).await, 503);
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    postgres.start().await;
    served.until_status(&token, 400).await;

    let insisting = lightning.url().replace("?ssl=false", "");
    let mut options = options(&insisting);
    options.tls = Tls::Unchecked;
    let refused = Served::new(options).await.database.look().await.expect_err("it has no TLS");
    assert!(refused.0.contains("server does not support TLS"), "{refused}");
}

/// Somebody holds a lock that every login needs.
#[tokio::test]
async fn a_slow_database_is_waited_for_once() {
    let lightning = Lightning::new(Version::Newer).await;
    let limit = Duration::from_secs(1);
    let served = lightning.serve_with(|options| options.timeout = limit).await;
    let (_, token) = lightning.log_in(EDITOR).await;
    let mut editor = served.connect(&token).await;
    let mut tokens = Vec::new();
    for _ in 0..50 {
        tokens.push(lightning.log_in(VIEWER).await.1);
    }
    lightning.execute("BEGIN; LOCK TABLE users_tokens IN ACCESS EXCLUSIVE MODE").await;

    let asked = Instant::now();
    let (first, rest) = tokens.split_at(40);
    for status in join_all(first.iter().map(|token| served.status(token))).await {
        assert_eq!(status, 503);
    }
    assert!(asked.elapsed() >= limit, "somebody waited: {:?}", asked.elapsed());
    assert!(asked.elapsed() < limit * 3, "they waited together: {:?}", asked.elapsed());
    let asked = Instant::now();
    for token in rest {
        assert_eq!(served.status(token).await, 503);
    }
    assert!(asked.elapsed() < limit, "nobody waits any more: {:?}", asked.elapsed());
    editor.heartbeat().await;

    lightning.execute("COMMIT").await;
    served.until_status(&token, 400).await;
    editor.heartbeat().await;
}

#[tokio::test]
async fn what_locks_a_table_does_not_hold_up_what_is_not_asked_of_it() {
    let lightning = Lightning::new(Version::Newer).await;
    let served = lightning.serve().await;
    let (_, token) = lightning.log_in(EDITOR).await;
    assert_eq!(served.status(&token).await, 400);
    lightning.execute("BEGIN; LOCK TABLE workflow_snapshots IN ACCESS EXCLUSIVE MODE").await;
    assert_eq!(served.status(&Session::new().token()).await, 403);
    lightning.execute("COMMIT").await;
}

#[tokio::test]
async fn connections_that_died_unused_refuse_nobody() {
    let lightning = Lightning::new(Version::Newer).await;
    let served = lightning.serve().await;
    for _ in 0..5 {
        let (_, token) = lightning.log_in(EDITOR).await;
        assert_eq!(served.status(&token).await, 400);
        lightning.end_sessions().await;
    }
    let (_, token) = lightning.log_in(EDITOR).await;
    assert_eq!(served.status(&token).await, 400);
}

#[tokio::test]
async fn a_question_whose_connection_is_lost_is_asked_once_more() {
    let lightning = Lightning::new(Version::Newer).await;
    let served = lightning.serve().await;
    let (_, token) = lightning.log_in(EDITOR).await;
    assert_eq!(served.status(&Session::new().token()).await, 403, "it has looked at the database");
    let locker = lightning.postgres.superuser(&lightning.name).await;
    locker.batch_execute("BEGIN; LOCK TABLE users_tokens IN ACCESS EXCLUSIVE MODE").await.expect("it may");
    let lose = async {
        within("the question", async { while lightning.waiting().await == 0 {} }).await;
        lightning.end_sessions().await;
        within("the question again", async { while lightning.waiting().await == 0 {} }).await;
        locker.batch_execute("COMMIT").await.expect("it may");
    };
    let (status, ()) = futures::join!(served.status(&token), lose);
    assert_eq!(status, 400);
}

/// Such as one behind a network that was cut.
#[tokio::test]
async fn a_server_that_says_nothing_at_all_is_waited_for_once() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("the loopback has a free port");
    let port = silent.local_addr().expect("a bound socket has an address").port();
    let mut options = options(&format!("postgres://u:p@127.0.0.1:{port}/lightning?ssl=false"));
    let limit = Duration::from_secs(2);
    options.timeout = limit;
    let served = Served::new(options).await;
    let token = Session::new().token();
    assert_eq!(served.status(&token).await, 503);
    let asked = Instant::now();
    assert_eq!(served.status(&token).await, 503);
    assert!(asked.elapsed() < limit / 2, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_database_without_lightnings_tables_is_away_until_they_are_there() {
    let lightning = Lightning::new(Version::Newer).await;
    let (_, token) = lightning.log_in(EDITOR).await;
    lightning.execute("ALTER TABLE project_users RENAME TO elsewhere").await;
    let served = lightning.serve().await;
    assert_eq!(served.status(&token).await, 503);
    let found = served.database.look().await.expect("it can be looked at");
    assert_eq!(found.missing, ["project_users"]);
    lightning.execute("ALTER TABLE elsewhere RENAME TO project_users").await;
    served.until_status(&token, 400).await;
}

#[tokio::test]
async fn a_change_that_breaks_a_question_is_noticed_by_it() {
    let lightning = Lightning::new(Version::Newer).await;
    let served = lightning.serve().await;
    let (_, token) = lightning.log_in(EDITOR).await;
    assert_eq!(served.status(&token).await, 400);
    lightning.execute("ALTER TABLE users RENAME COLUMN disabled TO off").await;
    let (_, token) = lightning.log_in(EDITOR).await;
    assert_eq!(served.status(&token).await, 503);
    let away = async {
        while served.database.is_ready() {
            tokio::task::yield_now().await
        }
    };
    within("the database to be away", away).await;
    lightning.execute("ALTER TABLE users RENAME COLUMN off TO disabled").await;
    served.until_status(&token, 400).await;
}
