//! Edit priority, live: what a client that asked is pushed of it, and when.
//!
//! Owns the stories. Not here: whom they are about ([`team`]), and what a client reads ([`member`]).
//! Source: Lightning 2.13, `build_presences_summary/2` and the `set-disabled` of the legacy editor.

mod member;
mod team;

use std::time::Duration;

use futures::future::join_all;
use presenced::lightning::WorkflowPresence;
use presenced::presence::Meta;
use presenced::server::Options;
use serde_json::{Value, json};

use self::member::Told;
use self::team::Team;
use super::user;

#[tokio::test]
async fn the_first_of_two_people_may_edit_and_then_the_other() {
    let team = Team::serve().await;
    let mut ada = team.client("ada").await;
    ada.enter(EDITOR).await;
    assert_eq!(ada.told().await, Told { present: "ada", prior: "ada", current: "ada", priority: true });
    assert!(!ada.disabled().await);

    let mut bob = team.client("bob").await;
    bob.enter(EDITOR).await;
    let both = Told { present: "ada bob", prior: "ada", current: "bob", priority: false };
    assert_eq!(bob.told().await, both);
    assert!(bob.disabled().await);
    assert_eq!(ada.told().await, Told { current: "ada", priority: true, ..both });

    drop(ada);
    assert_eq!(bob.told().await, Told { present: "bob", prior: "bob", current: "bob", priority: true });
    assert!(!bob.disabled().await);

    let mut ada = team.client("ada").await;
    ada.enter(EDITOR).await;
    let both = Told { present: "bob ada", prior: "bob", current: "ada", priority: false };
    assert_eq!(ada.told().await, both, "who comes back is the last");
    assert!(ada.disabled().await);
}

#[tokio::test]
async fn who_has_two_tabs_blocks_everybody_until_one_is_closed() {
    let team = Team::serve().await;
    let [mut first, mut second, mut bob] =
        [team.client("ada").await, team.client("ada").await, team.client("bob").await];
    first.enter(EDITOR).await;
    first.told().await;
    assert!(!first.disabled().await);
    second.enter(EDITOR).await;
    for tab in [&mut first, &mut second] {
        assert_eq!(
            tab.told().await,
            Told { present: "ada×2", prior: "ada", current: "ada", priority: false }
        );
        assert!(tab.disabled().await);
    }
    bob.enter(EDITOR).await;
    let twice = Told { present: "ada×2 bob", prior: "ada", current: "bob", priority: false };
    assert_eq!(bob.told().await, twice);
    assert!(bob.disabled().await);
    assert_eq!(second.told().await, Told { current: "ada", ..twice });

    drop(first);
    assert_eq!(second.told().await, Told { present: "ada bob", current: "ada", priority: true, ..twice });
    assert!(!second.disabled().await);
    assert_eq!(bob.told().await, Told { present: "ada bob", ..twice });
    assert_eq!(bob.rest().await, Vec::<String>::new(), "bob is disabled all the while");
}

#[tokio::test]
async fn a_rank_is_that_of_the_oldest_tab_that_is_left() {
    let team = Team::serve().await;
    let [mut first, mut bob, mut second] =
        [team.client("ada").await, team.client("bob").await, team.client("ada").await];
    for client in [&mut first, &mut bob, &mut second] {
        client.enter(EDITOR).await;
    }
    assert_eq!(second.told().await.present, "ada×2 bob");
    drop(first);
    assert_eq!(
        second.told().await,
        Told { present: "bob ada", prior: "bob", current: "ada", priority: false }
    );
    bob.expect_priority().await;
}

#[tokio::test]
async fn a_viewer_who_came_first_is_listed_and_not_ranked() {
    let team = Team::serve().await;
    let (mut vic, mut ada) = (team.client("vic").await, team.client("ada").await);
    vic.enter(EDITOR).await;
    let alone = Told { present: "", prior: "vic", current: "vic", priority: true };
    assert_eq!(vic.told().await, alone, "where nobody is ranked, each is prior to itself");
    assert!(vic.disabled().await, "and may not edit all the same");

    ada.enter(EDITOR).await;
    let ranked = Told { present: "ada", prior: "ada", current: "ada", priority: true };
    assert_eq!(ada.told().await, ranked);
    assert!(!ada.disabled().await);
    assert_eq!(vic.told().await, Told { current: "vic", priority: false, ..ranked });
    assert_eq!(vic.rest().await, Vec::<String>::new(), "still disabled");
}

#[tokio::test]
async fn whoever_looks_at_an_earlier_version_locks_nobody_out_and_counts_as_no_session() {
    let team = Team::serve().await;
    let (mut looks, mut ada, mut bob) =
        (team.client("ada").await, team.client("ada").await, team.client("bob").await);
    looks.enter(SNAPSHOT).await;
    looks.told().await;
    bob.enter(EDITOR).await;
    assert_eq!(bob.told().await, Told { present: "bob", prior: "bob", current: "bob", priority: true });
    ada.enter(EDITOR).await;
    let both = Told { present: "bob ada", prior: "bob", current: "ada", priority: false };
    assert_eq!(ada.told().await, both, "ada counts once, and from when she came to edit");
}

#[tokio::test]
async fn only_who_asks_with_true_is_told() {
    let team = Team::serve().await;
    for (at, summary) in [json!(null), json!("true"), json!(1), json!(false), json!({})].iter().enumerate() {
        let mut bob = team.client("bob").await;
        bob.enter_with(EDITOR, json!({"project_id": "p1", "action": "edit", "summary": summary})).await;
        let mut ada = team.client("ada").await;
        ada.enter(EDITOR).await;
        ada.told().await;
        let mut heard = bob.rest_until_joined("ada").await;
        drop(ada);
        heard.extend(bob.rest_until_left("ada").await);
        assert!(heard.iter().all(|event| event.starts_with("presence_")), "{at} {summary}: {heard:?}");
        assert!(!heard.contains(&"presence_summary".to_owned()), "{at} {summary}: {heard:?}");
    }
}

#[tokio::test]
async fn a_snapshot_is_never_edited_and_the_presence_room_shows_the_latest() {
    let team = Team::serve().await;
    for (room, expected) in [(SNAPSHOT, true), (PRESENCE, false)] {
        let mut ada = team.client("ada").await;
        ada.enter(room).await;
        assert_eq!(ada.told().await, Told { present: "", prior: "ada", current: "ada", priority: true });
        assert_eq!(ada.disabled().await, expected, "{room}");
    }
}

#[tokio::test]
async fn who_is_on_a_workflow_when_it_is_deleted_is_shown_out_and_who_comes_later_stays_disabled() {
    let team = Team::serve().await;
    let mut ada = team.client("ada").await;
    ada.enter(EDITOR).await;
    assert!(!ada.disabled().await);
    team.people.0.lock().deleted = true;
    team.review().await;
    ada.is_shown_out(EDITOR).await;

    let mut bob = team.client("bob").await;
    bob.enter(EDITOR).await;
    bob.told().await;
    assert!(bob.disabled().await);
    team.review().await;
    assert_eq!(bob.rest().await, Vec::<String>::new(), "it was deleted already");

    team.people.0.lock().deleted = false;
    team.review().await;
    assert!(!bob.disabled().await);
}

#[tokio::test]
async fn a_role_that_changes_is_told_at_the_next_review() {
    let team = Team::serve().await;
    let (mut ada, mut bob) = (team.client("ada").await, team.client("bob").await);
    ada.enter(EDITOR).await;
    assert!(!ada.disabled().await);
    bob.enter(EDITOR).await;
    bob.told().await;
    ada.told().await;
    ada.told().await;
    assert!(bob.disabled().await);

    team.people.0.lock().viewers.push("ada".to_owned());
    team.review().await;
    let ranked = Told { present: "bob", prior: "bob", current: "bob", priority: true };
    assert_eq!(bob.told().await, ranked);
    assert!(!bob.disabled().await);
    assert_eq!(ada.told().await, Told { current: "ada", priority: false, ..ranked });
    assert!(ada.disabled().await);

    team.people.0.lock().viewers.clear();
    team.review().await;
    let both = Told { present: "ada bob", prior: "ada", current: "bob", priority: false };
    assert_eq!(bob.told().await, both);
    assert!(bob.disabled().await);
    assert_eq!(ada.told().await, Told { current: "ada", priority: true, ..both });
    assert!(!ada.disabled().await);

    team.review().await;
    for client in [&mut ada, &mut bob] {
        assert_eq!(client.rest().await, Vec::<String>::new(), "nothing has changed");
    }
}

#[tokio::test]
async fn a_source_that_cannot_answer_leaves_what_was_known() {
    let team = Team::serve().await;
    let mut ada = team.client("ada").await;
    ada.enter(EDITOR).await;
    ada.told().await;
    assert!(!ada.disabled().await);
    {
        let mut now = team.people.0.lock();
        (now.down, now.deleted) = (true, true);
        now.viewers.push("ada".to_owned());
    }
    assert!(team.canvases.review().await.is_err());
    assert_eq!(ada.rest().await, Vec::<String>::new());
}

#[tokio::test]
async fn who_comes_makes_new_viewers_known_to_all() {
    let team = Team::serve().await;
    let mut vic = team.client("kay").await;
    vic.enter(EDITOR).await;
    vic.told().await;
    team.people.0.lock().viewers.push("kay".to_owned());
    let mut ada = team.client("ada").await;
    ada.enter(EDITOR).await;
    let ranked = Told { present: "ada", prior: "ada", current: "ada", priority: true };
    assert_eq!(ada.told().await, ranked);
    assert_eq!(vic.told().await, Told { current: "kay", priority: false, ..ranked });
}

#[tokio::test]
async fn a_change_that_means_nothing_to_the_summary_is_a_diff_alone() {
    let team = Team::serve().await;
    let mut ada = team.client("ada").await;
    ada.enter(EDITOR).await;
    ada.told().await;
    let session = team.server.handle().owner();
    let topic = WorkflowPresence::topic("w1");
    let meta = |colour: &str| {
        Meta::of(&json!({"user": user("kay"), "joined_at": 1, "colour": colour})).expect("an object")
    };
    session.track(topic.clone(), "kay", meta("red")).await.expect("not tracked yet");
    assert_eq!(ada.told().await, Told { present: "kay ada", prior: "kay", current: "ada", priority: false });
    assert!(!ada.disabled().await, "as it was at first");
    assert!(ada.disabled().await);
    ada.client.unasked();

    session.update(topic.clone(), "kay", meta("blue")).await.expect("tracked");
    ada.client.expect(EDITOR, "presence_diff").await;
    assert_eq!(ada.rest().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_summary_says_what_the_client_knows_already_however_many_come_and_go() {
    let options = Options { flush_window: Duration::from_millis(1), ..Options::default() };
    let team = Team::serve_with(options).await;
    let mut ada = team.client("ada").await;
    let mut fold = ada.enter(EDITOR).await;
    let sessions: Vec<_> = (0..20).map(|_| team.server.handle().owner()).collect();
    let workflows = WorkflowPresence::start(team.server.handle().clone());
    let mut summaries = 0;
    for round in 0..8 {
        let deeds = sessions.iter().enumerate().map(|(at, session)| {
            let user = user(&format!("u{}", at / 2));
            let workflows = workflows.clone();
            async move {
                match (at + round) % 3 {
                    0 => workflows.untrack_user_presence(&user, "w1", session).await,
                    _ => workflows.track_user_presence(&user, "w1", session).await,
                }
            }
        });
        join_all(deeds).await;
        // What this call waited for is in the mailbox then.
        ada.client.call(EDITOR, "anything", json!({})).await;
        for message in ada.client.unasked() {
            fold.take(&message);
            if message.event == "presence_summary" {
                summaries += 1;
                let listed = message.payload["presences"].as_array().expect("a list").iter();
                let told: Value = listed
                    .map(|presence| {
                        let id = presence["user"]["id"].as_str().expect("a user has an id");
                        (id.to_owned(), presence["active_sessions"].clone())
                    })
                    .collect();
                let folded = fold.refs().into_iter().map(|(key, refs)| (key, json!(refs.len())));
                assert_eq!(told, folded.collect::<Value>());
            }
        }
    }
    assert!(summaries > 0);
}

#[tokio::test]
async fn fifty_who_come_at_once_make_few_summaries() {
    let options = Options { flush_window: Duration::from_millis(100), ..Options::default() };
    let team = Team::serve_with(options).await;
    let mut ada = team.client("ada").await;
    ada.enter(EDITOR).await;
    let names: Vec<_> = (0..50).map(|at| format!("u{at}")).collect();
    let mut everybody = join_all(names.iter().map(|name| team.client(name))).await;
    join_all(everybody.iter_mut().map(|client| client.enter(EDITOR))).await;
    everybody.push(ada);
    for client in &mut everybody {
        let (mut summaries, mut diffs) = (0, 0);
        loop {
            let message = client.client.next().await;
            diffs += usize::from(message.event == "presence_diff");
            if message.event == "presence_summary" {
                summaries += 1;
                if message.payload["presences"].as_array().is_some_and(|all| all.len() == 51) {
                    break;
                }
            }
        }
        assert!(summaries <= diffs + 1, "{summaries} summaries for {diffs} diffs");
        assert!(summaries <= 20, "{summaries} summaries for 50 joins");
    }
}

const EDITOR: &str = "workflow:collaborate:w1";
const SNAPSHOT: &str = "workflow:collaborate:w1:v3";
const PRESENCE: &str = "workflow:presence:w1";
