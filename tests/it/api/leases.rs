//! `Leases` itself: its bound, and the moment in which a lease runs out.

use std::time::Duration;

use presenced::lightning::{Leases, Put, PutError, SessionName, User, WorkflowPresence};

use super::serve;
use crate::support::within;

/// The second put comes about when the lease of the first is over, and is drawn to that moment from both sides: whether
/// it renews the session or begins it anew, the session is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_put_while_it_runs_out_is_not_lost() {
    let served = serve().await;
    let leases = Leases::start(served.server.handle().clone(), 10);
    let presence = WorkflowPresence::start(served.server.handle().clone());
    let (mut begun, mut renewed, mut turns) = (0, 0, 100);
    let race = async {
        while begun < 50 || renewed < 50 {
            leases
                .put(name("s"), &user("ada"), None, true, Duration::from_millis(1))
                .await
                .expect("there is room");
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            match leases.put(name("s"), &user("ada"), None, true, LONG).await.expect("there is room").0 {
                Put::Begun => (begun, turns) = (begun + 1, turns - turns / 10),
                Put::Renewed => (renewed, turns) = (renewed + 1, turns + turns / 10 + 1),
            }
            assert_eq!(presence.list_presences_for("w").await.len(), 1, "begun {begun}, renewed {renewed}");
            assert!(leases.renew(&name("s"), LONG).is_some());
            leases.end(&name("s")).await;
            assert!(!presence.has_any_presence("w"));
        }
    };
    within("both outcomes", race).await;
}

#[tokio::test]
async fn there_are_no_more_than_there_may_be() {
    let served = serve().await;
    let leases = Leases::start(served.server.handle().clone(), 2);
    for session in ["a", "b"] {
        assert_eq!(put(&leases, session).await, Ok(Put::Begun));
    }
    assert_eq!(put(&leases, "c").await, Err(PutError::TooMany));
    assert_eq!(put(&leases, "b").await, Ok(Put::Renewed), "it takes no room");
    leases.end(&name("a")).await;
    assert_eq!(put(&leases, "c").await, Ok(Put::Begun));
}

#[tokio::test]
async fn many_leases_run_out_and_each_leaves_its_room() {
    let served = serve().await;
    let leases = Leases::start(served.server.handle().clone(), 1000);
    let mut events = served.events("w").await;
    assert_eq!(events.next().await.expect("a state").0, "presence_state");
    for number in 0..1000 {
        let lease = Duration::from_millis(200 + number % 7);
        leases
            .put(name(&number.to_string()), &user(&number.to_string()), None, true, lease)
            .await
            .expect("there is room");
    }
    let mut left = 0;
    while left < 1000 {
        let (_, diff) = events.next().await.expect("a diff");
        left += diff["leaves"].as_object().expect("presences are an object").len();
    }
    assert_eq!(put(&leases, "next").await, Ok(Put::Begun));
}

#[tokio::test]
async fn sessions_end_with_whoever_leases_them() {
    let served = serve().await;
    let leases = Leases::start(served.server.handle().clone(), 10);
    leases.put(name("s"), &user("ada"), None, true, LONG).await.expect("there is room");
    let mut events = served.events("w").await;
    assert_eq!(events.next().await.expect("a state").1["ada"]["metas"].as_array().map(Vec::len), Some(1));
    drop(leases);
    assert!(events.next().await.expect("a diff").1["leaves"]["ada"].is_object());
}

async fn put(leases: &Leases, session: &str) -> Result<Put, PutError> {
    leases.put(name(session), &user("ada"), None, true, LONG).await.map(|(put, _)| put)
}

fn name(session: &str) -> SessionName {
    SessionName { workflow_id: "w".into(), session_id: session.into() }
}

fn user(id: &str) -> User {
    User { id: id.to_owned(), first_name: None, last_name: None, email: None }
}

const LONG: Duration = Duration::from_secs(60);
