//! A herd of tabs comes back: what they ask for together is asked once.

use std::time::Instant;

use futures::future::join_all;
use presenced::wire::Vsn;

use super::lightning::*;
use crate::support::{Client, within};

const TABS: usize = 500;
const USERS: [&str; 5] = [OWNER, ADMIN, EDITOR, VIEWER, SUPPORT];

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_tabs_of_five_users_ask_as_little_as_five_tabs() {
    let lightning = Lightning::new(Version::Newer).await;
    let process = lightning.start(&[]).await;
    let mut tokens = Vec::new();
    for user in USERS {
        tokens.push(lightning.log_in(user).await.1);
    }
    assert_eq!(
        status(process.address(), &Session::new().token()).await,
        403,
        "it has looked at the database"
    );
    // All come while the first look-ups are under way.
    let locker = lightning.postgres.superuser(&lightning.name).await;
    locker.batch_execute("BEGIN; LOCK TABLE users_tokens IN ACCESS EXCLUSIVE MODE").await.expect("it may");
    let started = Instant::now();
    let tabs = (0..TABS).map(|tab| {
        let params = format!("token={}", tokens[tab % USERS.len()]);
        let server = process.address();
        async move { Client::connect(server, Vsn::V2, &params).await }
    });
    let release = async {
        within("a look-up for each user", async { while lightning.waiting().await < USERS.len() {} }).await;
        locker.batch_execute("COMMIT").await.expect("it may");
    };
    let (mut tabs, ()) = futures::join!(join_all(tabs), release);

    let canvas = format!("workflow:collaborate:{IN_OPEN}");
    let joins = tabs.iter_mut().map(|tab| tab.join(&canvas, edit(OPEN)));
    for reply in join_all(joins).await {
        assert_eq!(reply.status, "ok", "{reply:?}");
    }
    // An answer is good for three seconds: on a slow machine some are asked for again.
    let rounds = 1 + usize::try_from(started.elapsed().as_secs() / 3).expect("a short time");
    let questions = lightning.postgres.questions(&lightning.name).await;
    for (what, once) in [("SELECT t.id, u.id", 6), ("SELECT asked.number, p.", 5), ("SELECT project_id,", 1)]
    {
        let asked = questions.iter().filter(|question| question.starts_with(what)).count();
        assert!((once..=once * rounds).contains(&asked), "{what}: {asked} in {rounds} rounds");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tabs_that_were_logged_out_are_refused_by_one_question() {
    let lightning = Lightning::new(Version::Newer).await;
    let process = lightning.start(&[]).await;
    let token = Session::new().token();
    let started = Instant::now();
    for status in join_all((0..100).map(|_| status(process.address(), &token))).await {
        assert_eq!(status, 403);
    }
    let rounds = 1 + usize::try_from(started.elapsed().as_secs() / 3).expect("a short time");
    let questions = lightning.postgres.questions(&lightning.name).await;
    let asked = questions.iter().filter(|question| question.starts_with("SELECT t.id, u.id")).count();
    assert!((1..=rounds).contains(&asked), "{asked} in {rounds} rounds");
}
