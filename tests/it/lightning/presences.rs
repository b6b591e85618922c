//! `WorkflowPresence`, function by function.

use std::time::{SystemTime, UNIX_EPOCH};

use presenced::channel::{TrackError, UpdateError};
use presenced::lightning::{User, UserPresence, WorkflowPresence};
use presenced::presence::{Meta, Presences};
use serde_json::{Value, json};

use super::{ROOMS, client, enter, serve, user};
use crate::support::within;

#[tokio::test]
async fn a_new_user_presence_is_its_three_parts() {
    let presence = UserPresence::new(user("ada"), 17, 2);
    assert_eq!((presence.user, presence.joined_at, presence.active_sessions), (user("ada"), 17, 2));
}

#[tokio::test]
async fn a_tracked_user_is_listed_since_now_until_the_session_ends() {
    let server = serve().await;
    let presences = WorkflowPresence::start(server.handle().clone());
    assert!(!presences.has_any_presence("w1"));
    assert_eq!(presences.list_presences_for("w1").await, []);

    let session = server.handle().owner();
    let before = now_us();
    presences.track_user_presence(&user("ada"), "w1", &session).await;
    let listed = presences.list_presences_for("w1").await;
    let [ada] = listed.as_slice() else { panic!("{listed:?}") };
    assert_eq!((&ada.user, ada.active_sessions), (&user("ada"), 1));
    assert!((before..=now_us()).contains(&ada.joined_at), "{ada:?}");
    assert!(presences.has_any_presence("w1"));
    assert!(!presences.has_any_presence("w2"));

    drop(session);
    // The session's end stands in the line of the topic; what is tracked behind it is listed behind it.
    presences.track_user_presence(&user("bob"), "w1", &server.handle().owner()).await;
    assert!(ids(&presences.list_presences_for("w1").await).iter().all(|id| *id != "ada"));
}

#[tokio::test]
async fn a_session_that_is_tracked_again_stays_as_it_was() {
    let server = serve().await;
    let presences = WorkflowPresence::start(server.handle().clone());
    let session = server.handle().owner();
    presences.track_user_presence(&user("ada"), "w1", &session).await;
    let before = presences.list_presences_for("w1").await;
    presences.track_user_presence(&user("ada"), "w1", &session).await;
    assert_eq!(presences.list_presences_for("w1").await, before);
}

#[tokio::test]
async fn a_users_sessions_are_one_entry_with_the_time_of_the_oldest() {
    let server = serve().await;
    let presences = WorkflowPresence::start(server.handle().clone());
    let sessions = [server.handle().owner(), server.handle().owner(), server.handle().owner()];
    for (session, joined_at) in sessions.iter().zip([200, 100, 300]) {
        let meta = meta(json!({"user": user("ada"), "joined_at": joined_at}));
        let topic = WorkflowPresence::topic("w1");
        presences.track(session, &topic, "ada", meta).await.expect("not tracked yet");
    }
    presences.track_user_presence(&user("bob"), "w1", &sessions[0]).await;
    let listed = presences.list_presences_for("w1").await;
    assert_eq!(ids(&listed), ["ada", "bob"]);
    assert_eq!(listed[0], UserPresence::new(user("ada"), 100, 3), "whatever session was tracked first");

    presences.untrack_user_presence(&user("ada"), "w1", &sessions[1]).await;
    let listed = presences.list_presences_for("w1").await;
    assert_eq!(listed[0], UserPresence::new(user("ada"), 200, 2));
    assert_eq!(ids(&listed), ["ada", "bob"], "the other user of the session stays");
}

#[tokio::test]
async fn the_rooms_of_a_workflow_are_listed_and_so_are_code_outside_of_them() {
    let server = serve().await;
    let presences = WorkflowPresence::start(server.handle().clone());
    let mut ada = client(&server, "ada").await;
    for room in ROOMS {
        enter(&mut ada, room).await;
    }
    let session = server.handle().owner();
    presences.track_user_presence(&user("ada"), "w1", &session).await;
    presences.track_user_presence(&user("live view"), "w1", &session).await;
    let listed = presences.list_presences_for("w1").await;
    assert_eq!(ids(&listed), ["ada", "live view"]);
    assert_eq!(listed[0].active_sessions, ROOMS.len() + 1);

    let state = enter(&mut client(&server, "bob").await, ROOMS[0]).await;
    assert_eq!(state["live view"]["metas"][0]["user"]["id"], "live view");
}

#[tokio::test]
async fn a_user_survives_the_way_through_a_meta() {
    let server = serve().await;
    let presences = WorkflowPresence::start(server.handle().clone());
    let whole = User {
        id: "u".into(),
        first_name: Some("Zoë \"Z\"".into()),
        last_name: Some(String::new()),
        email: Some("zoe@example.org".into()),
    };
    let session = server.handle().owner();
    presences.track_user_presence(&whole, "w1", &session).await;
    assert_eq!(presences.list_presences_for("w1").await[0].user, whole);
}

#[tokio::test]
async fn the_functions_of_phoenix_presence_work_on_any_topic() {
    let server = serve().await;
    let presences = WorkflowPresence::start(server.handle().clone());
    let session = server.handle().owner();
    let first = presences.track(&session, "any", "key", meta(json!({"n": 1}))).await.expect("not tracked");
    let again = presences.track(&session, "any", "key", meta(json!({}))).await;
    assert!(matches!(again, Err(TrackError::AlreadyTracked(_))), "{again:?}");
    let second = presences.update(&session, "any", "key", meta(json!({"n": 2}))).await.expect("tracked");

    let entry = json!({"metas": [{"n": 2, "phx_ref": second, "phx_ref_prev": first}]});
    assert_eq!(json!(presences.get_by_key("any", "key").await), entry);
    assert_eq!(json!(presences.list("any").await), json!({"key": entry}));
    presences.untrack(&session, "any", "key").await;
    assert_eq!(presences.get_by_key("any", "key").await, None);
    assert_eq!(presences.list("any").await, Presences::default());
    let gone = presences.update(&session, "any", "key", meta(json!({}))).await;
    assert!(matches!(gone, Err(UpdateError::NotTracked(_))), "{gone:?}");
}

#[tokio::test]
async fn fetch_decorates_nothing_and_there_is_nothing_to_wait_for() {
    let server = serve().await;
    let presences = WorkflowPresence::start(server.handle().clone());
    let session = server.handle().owner();
    presences.track_user_presence(&user("ada"), "w1", &session).await;
    let topic = WorkflowPresence::topic("w1");
    let list = presences.list(&topic).await;
    assert_eq!(WorkflowPresence::fetch(&topic, list.clone()), list);
    within("no fetch", presences.fetchers_done()).await;
}

fn ids(presences: &[UserPresence]) -> Vec<&str> {
    presences.iter().map(|presence| presence.user.id.as_str()).collect()
}

fn meta(value: Value) -> Meta {
    Meta::of(&value).expect("an object")
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    i64::try_from(since.as_micros()).expect("it is not yet the year 294247")
}
