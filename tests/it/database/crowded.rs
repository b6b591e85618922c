//! PostgreSQL grants fewer connections than the pool would make.

use futures::future::join_all;

use super::lightning::*;
use super::postgres::Postgres;

#[tokio::test]
async fn two_hundred_users_get_in_through_the_three_connections_that_are_granted() {
    let postgres = Postgres::stopped();
    postgres.start().await;
    let lightning = Lightning::on(&postgres, Version::Newer).await;
    lightning.execute("ALTER ROLE presenced CONNECTION LIMIT 3").await;
    let served = lightning.serve().await;
    let mut tokens = Vec::new();
    for _ in 0..200 {
        tokens.push(lightning.log_in(EDITOR).await.1);
    }
    let statuses = join_all(tokens.iter().map(|token| served.status(token))).await;
    assert_eq!(statuses, [400; 200]);
    assert!(served.database.is_ready());
}

#[tokio::test]
async fn a_question_that_is_refused_fails_alone() {
    let lightning = Lightning::new(Version::Newer).await;
    let served = lightning.serve().await;
    let (_, token) = lightning.log_in(EDITOR).await;
    assert_eq!(served.status(&Session::new().token()).await, 403, "it has looked at the database");
    let locker = lightning.postgres.superuser(&lightning.name).await;
    locker.batch_execute("BEGIN; LOCK TABLE users_tokens IN ACCESS EXCLUSIVE MODE").await.expect("it may");
    let cancel = async {
        crate::support::within("the question", async { while lightning.waiting().await == 0 {} }).await;
        lightning
            .execute(&format!(
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity
                 WHERE datname = '{}' AND wait_event_type = 'Lock'",
                lightning.name
            ))
            .await;
    };
    let (status, ()) = futures::join!(served.status(&token), cancel);
    assert_eq!(status, 503);
    assert!(served.database.is_ready(), "the others are still asked");
    locker.batch_execute("COMMIT").await.expect("it may");
    assert_eq!(served.status(&token).await, 400);
}
