//! Sessions by lease, as the API puts them and as canvas clients see them.

use presenced::wire::Vsn;
use serde_json::{Value, json};

use super::{Served, serve};
use crate::support::Client;

#[tokio::test]
async fn canvas_clients_see_an_outside_session_come_and_go_as_a_tab_does() {
    let served = serve().await;
    let mut watcher = watcher(&served).await;
    let user = json!({"id": "zoë", "first_name": "Zoë \"Z\"", "last_name": null, "email": "zoe@example.org"});
    let put = served
        .send(
            "PUT",
            "workflows/w1/sessions/s%2F1",
            json!({"user": user, "lease_seconds": 60, "joined_at": 17}),
        )
        .await;
    assert_eq!(put.status, 201);
    let leased = json!({
        "workflow_id": "w1", "session_id": "s/1", "user_id": "zoë", "joined_at": 17, "lease_seconds": 60,
    });
    assert_eq!(put.json(), leased);

    let came = watcher.expect(ROOM, "presence_diff").await.payload;
    let meta = &came["joins"]["zoë"]["metas"][0];
    assert_eq!(meta, &json!({"user": user, "joined_at": 17, "phx_ref": meta["phx_ref"]}));
    assert!(meta["phx_ref"].is_string() && came["leaves"] == json!({}), "{came}");

    assert_eq!(served.delete("workflows/w1/sessions/s%2F1").await.status, 204);
    assert_eq!(served.get("workflows/w1/counts").await.json()["sessions"], 1, "it is gone with the answer");
    let went = watcher.expect(ROOM, "presence_diff").await.payload;
    assert_eq!(went, json!({"joins": {}, "leaves": came["joins"]}), "the same meta leaves");
}

#[tokio::test]
async fn a_session_that_is_put_again_stays_as_it_was() {
    let served = serve().await;
    let before = json!({"user": {"id": "ada", "first_name": "Ada"}, "lease_seconds": 60, "joined_at": 5});
    assert_eq!(served.send("PUT", SESSION, before).await.status, 201);
    let listed = served.get("workflows/w1/presences").await.json();
    assert_eq!(listed["presences"][0]["joined_at"], 5);
    let again = json!({"user": {"id": "ada", "first_name": "Other"}, "lease_seconds": 30, "joined_at": 9});
    let again = served.send("PUT", SESSION, again).await;
    let (status, leased) = (again.status, again.json());
    assert_eq!((status, &leased["lease_seconds"], &leased["joined_at"]), (200, &json!(30), &json!(5)));
    assert_eq!(served.get("workflows/w1/presences").await.json(), listed);
}

#[tokio::test]
async fn nobody_joins_later_than_now() {
    let served = serve().await;
    // In the year 2255.
    let late = json!({"user": {"id": "ada"}, "lease_seconds": 60, "joined_at": 9_007_199_254_740_991_i64});
    let put_late = served.send("PUT", SESSION, late).await;
    let now = served
        .send("PUT", "workflows/w1/sessions/s2", json!({"user": {"id": "bob"}, "lease_seconds": 60}))
        .await;
    assert_eq!((put_late.status, now.status), (201, 201));
    let joined_at = [put_late.json()["joined_at"].take(), now.json()["joined_at"].take()];
    assert!(joined_at[0].as_i64() <= joined_at[1].as_i64(), "{joined_at:?}");
    let listed = served.get("workflows/w1/presences").await.json();
    for (presence, joined_at) in listed["presences"].as_array().into_iter().flatten().zip(&joined_at) {
        assert_eq!(presence["joined_at"], *joined_at, "{listed}");
    }
}

#[tokio::test]
async fn a_session_is_one_users() {
    let served = serve().await;
    assert_eq!(put(&served, SESSION, "ada", 60).await, 201);
    let other = served.send("PUT", SESSION, json!({"user": {"id": "bob"}, "lease_seconds": 60})).await;
    assert_eq!((other.status, other.header("content-type")), (409, "application/problem+json"));
    let listed = served.get("workflows/w1/presences").await.json();
    assert_eq!(listed["presences"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(put(&served, "workflows/w2/sessions/s1", "bob", 60).await, 201, "it has its workflow's names");
}

#[tokio::test]
async fn a_users_sessions_are_tabs_of_the_user() {
    let served = serve().await;
    for session in ["workflows/w1/sessions/s1", "workflows/w1/sessions/s2"] {
        assert_eq!(put(&served, session, "ada", 60).await, 201);
    }
    let listed = served.get("workflows/w1/presences").await.json();
    assert_eq!(listed["presences"][0]["active_sessions"], 2);
    let summary = served.get("workflows/w1/summary?user_id=ada").await.json();
    assert_eq!(summary["has_presence_edit_priority"], false, "in two tabs nobody may edit");
}

#[tokio::test]
async fn only_a_session_that_is_there_can_be_renewed() {
    let served = serve().await;
    let renewal = json!({"lease_seconds": 3600});
    let missing = served.send("PATCH", SESSION, renewal.clone()).await;
    assert_eq!((missing.status, missing.header("content-type")), (404, "application/problem+json"));
    let put_anew = served.send("PUT", SESSION, json!({"user": {"id": "ada"}, "lease_seconds": 60})).await;
    assert_eq!(put_anew.status, 201);
    let renewed = served.send("PATCH", SESSION, renewal.clone()).await;
    let mut leased = put_anew.json();
    leased["lease_seconds"] = json!(3600);
    assert_eq!((renewed.status, renewed.json()), (200, leased));
    for _ in 0..2 {
        assert_eq!(served.delete(SESSION).await.status, 204, "whether it was there or not");
    }
    assert_eq!(served.send("PATCH", SESSION, renewal).await.status, 404);
    assert_eq!(put(&served, SESSION, "bob", 60).await, 201, "its name is free");
}

#[tokio::test]
async fn a_lease_that_runs_out_leaves_for_everybody() {
    let served = serve().await;
    let mut watcher = watcher(&served).await;
    assert_eq!(put(&served, SESSION, "ada", 1).await, 201);
    assert_eq!(users(&watcher.expect(ROOM, "presence_diff").await.payload["joins"]), ["ada"]);
    let went = watcher.expect(ROOM, "presence_diff").await.payload;
    assert_eq!((users(&went["joins"]), users(&went["leaves"])), (vec![], vec!["ada"]));
    assert_eq!(served.get("workflows/w1/counts").await.json()["users"], 1, "only the watcher");
    assert_eq!(served.send("PATCH", SESSION, json!({"lease_seconds": 1})).await.status, 404);
    assert_eq!(put(&served, SESSION, "ada", 60).await, 201);
}

/// The one that is renewed was to end before the one that is not.
#[tokio::test]
async fn a_lease_that_is_renewed_runs_on() {
    let served = serve().await;
    let mut watcher = watcher(&served).await;
    for session in ["patched", "put", "left"] {
        assert_eq!(put(&served, &format!("workflows/w1/sessions/{session}"), session, 1).await, 201);
    }
    let patched = served.send("PATCH", "workflows/w1/sessions/patched", json!({"lease_seconds": 60})).await;
    assert_eq!(patched.status, 200);
    assert_eq!(put(&served, "workflows/w1/sessions/put", "put", 60).await, 200);
    let left = loop {
        let diff = watcher.expect(ROOM, "presence_diff").await.payload;
        if diff["leaves"] != json!({}) {
            break diff["leaves"].clone();
        }
    };
    assert_eq!(users(&left), ["left"]);
    assert_eq!(served.get("workflows/w1/counts").await.json()["users"], 3);
}

#[tokio::test]
async fn a_lease_that_runs_out_harms_nothing_else() {
    let served = serve().await;
    let mut ada = watcher(&served).await;
    let joined = ada.join("workflow:collaborate:w1", json!({"project_id": "p1", "action": "edit"})).await;
    assert_eq!(joined.status, "ok", "{joined:?}");
    ada.expect("workflow:collaborate:w1", "presence_state").await;
    assert_eq!(put(&served, SESSION, "watcher", 1).await, 201);
    let left = loop {
        let diff = ada.expect(ROOM, "presence_diff").await.payload;
        if diff["leaves"] != json!({}) {
            break diff;
        }
    };
    assert_eq!(
        left["leaves"]["watcher"]["metas"].as_array().map(Vec::len),
        Some(1),
        "only the session's meta"
    );
    let counts = served.get("workflows/w1/counts").await.json();
    assert_eq!(
        (&counts["users"], &counts["sessions"]),
        (&json!(1), &json!(2)),
        "both tabs of the same user stay"
    );
    ada.heartbeat().await;
}

/// A client that looks at `w1` and is listed there, as the first.
async fn watcher(served: &Served) -> Client {
    let mut client = Client::connect(served.server.address(), Vsn::V2, "user=watcher").await;
    client.enter(ROOM).await;
    client.expect(ROOM, "presence_state").await;
    client.expect(ROOM, "presence_diff").await;
    client
}

async fn put(served: &Served, session: &str, user: &str, lease_seconds: u16) -> u16 {
    served.send("PUT", session, json!({"user": {"id": user}, "lease_seconds": lease_seconds})).await.status
}

fn users(presences: &Value) -> Vec<&str> {
    presences.as_object().expect("presences are an object").keys().map(String::as_str).collect()
}

const ROOM: &str = "workflow:presence:w1";
const SESSION: &str = "workflows/w1/sessions/s1";
