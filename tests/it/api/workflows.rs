//! Lists, counts and edit priority, of canvases that real clients have joined.

use presenced::wire::Vsn;
use serde_json::{Value, json};

use super::{Served, serve};
use crate::support::Client;

#[tokio::test]
async fn whoever_is_in_a_room_is_listed_by_user_with_the_number_of_tabs() {
    let served = serve().await;
    assert_eq!(
        served.get("workflows/w1/presences").await.json(),
        json!({"workflow_id": "w1", "presences": []})
    );
    let mut tabs = Vec::new();
    for user in ["bob", "ada", "ada"] {
        tabs.push(canvas(&served, user).await);
    }
    let answer = served.get("workflows/w1/presences").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    let listed = answer.json();
    assert_eq!(listed["workflow_id"], "w1");
    assert_eq!(ids(&listed["presences"]), ["ada", "bob"]);
    let ada = &listed["presences"][0];
    let user = json!({"id": "ada", "first_name": "ADA", "last_name": null, "email": null});
    assert_eq!((&ada["user"], &ada["active_sessions"]), (&user, &json!(2)));
    assert!(ada["joined_at"].as_i64() > listed["presences"][1]["joined_at"].as_i64(), "{listed}");
}

#[tokio::test]
async fn a_workflow_is_counted_in_users_and_sessions() {
    let served = serve().await;
    let nobody = json!({"workflow_id": "w1", "has_any_presence": false, "users": 0, "sessions": 0});
    assert_eq!(served.get("workflows/w1/counts").await.json(), nobody);
    let _tabs = [canvas(&served, "vic").await, canvas(&served, "ada").await, canvas(&served, "ada").await];
    let some = json!({"workflow_id": "w1", "has_any_presence": true, "users": 2, "sessions": 3});
    assert_eq!(served.get("workflows/w1/counts").await.json(), some);
    assert_eq!(served.get("workflows/w2/counts").await.json()["has_any_presence"], false);
}

#[tokio::test]
async fn many_workflows_are_answered_in_the_order_asked() {
    let served = serve().await;
    let _tab = canvas(&served, "ada").await;
    let asked = json!({"workflow_ids": ["w2", "w1", "w2"]});
    let workflows = served.send("POST", "workflows/presences", asked).await.json()["workflows"].take();
    let listed = served.get("workflows/w1/presences").await.json()["presences"].take();
    let empty =
        json!({"workflow_id": "w2", "has_any_presence": false, "users": 0, "sessions": 0, "presences": []});
    let full = json!({"workflow_id": "w1", "has_any_presence": true, "users": 1, "sessions": 1, "presences": listed});
    assert_eq!(workflows, json!([empty, full, empty]));

    let asked = json!({"workflow_ids": ["w1"], "counts_only": true});
    let counted = served.send("POST", "workflows/presences", asked).await.json();
    let counts = json!({"workflow_id": "w1", "has_any_presence": true, "users": 1, "sessions": 1});
    assert_eq!(counted, json!({"workflows": [counts]}), "lists are left out");
}

#[tokio::test]
async fn a_thousand_workflows_may_be_asked_about_at_once() {
    let served = serve().await;
    let ids = |count: usize| (0..count).map(|number| number.to_string()).collect::<Vec<_>>();
    let asked = json!({"workflow_ids": ids(1000), "counts_only": true});
    let answer = served.send("POST", "workflows/presences", asked).await.json();
    assert_eq!(answer["workflows"].as_array().map(Vec::len), Some(1000));
    let answer = served.send("POST", "workflows/presences", json!({"workflow_ids": ids(1001)})).await;
    assert_eq!((answer.status, &answer.json()["errors"][0]["field"]), (422, &json!("workflow_ids")));
}

/// Twelve users with names of 3 KB each, asked about a thousand times over.
#[tokio::test]
async fn an_answer_that_would_be_too_large_is_refused() {
    let served = serve().await;
    let name = "\u{1f600}".repeat(255);
    for number in 0..12 {
        let user = json!({"id": number.to_string(), "first_name": name, "last_name": name, "email": name});
        let path = format!("workflows/w1/sessions/{number}");
        let put = served.send("PUT", &path, json!({"user": user, "lease_seconds": 60})).await;
        assert_eq!(put.status, 201);
    }
    let ask = async |count: usize, counts_only: bool| {
        let asked = json!({"workflow_ids": vec!["w1"; count], "counts_only": counts_only});
        served.send("POST", "workflows/presences", asked).await
    };
    let refused = ask(1000, false).await;
    assert_eq!((refused.status, &refused.json()["errors"][0]["field"]), (422, &json!("workflow_ids")));
    for (count, counts_only) in [(800, false), (1000, true)] {
        let answer = ask(count, counts_only).await;
        assert_eq!(answer.status, 200, "{count}");
        assert_eq!(answer.json()["workflows"].as_array().map(Vec::len), Some(count));
    }
}

#[tokio::test]
async fn a_summary_is_one_users_view_with_the_projects_viewers() {
    let served = serve().await;
    // `vic` was there first, and may only look.
    let _tabs = [canvas(&served, "vic").await, canvas(&served, "bob").await, canvas(&served, "ada").await];
    let bob = summary(&served, "user_id=bob").await;
    assert_eq!(ids(&bob["presences"]), ["bob", "ada"], "the earliest first, of those who may edit");
    assert_eq!(prior_current_priority(&bob), ("bob", "bob", true));
    assert_eq!(prior_current_priority(&summary(&served, "user_id=ada").await), ("bob", "ada", false));
    assert_eq!(prior_current_priority(&summary(&served, "user_id=vic").await), ("bob", "vic", false));

    let _second_tab = canvas(&served, "bob").await;
    assert_eq!(prior_current_priority(&summary(&served, "user_id=bob").await), ("bob", "bob", false));
}

#[tokio::test]
async fn viewers_may_be_given_and_there_may_be_none() {
    let served = serve().await;
    let _tabs = [canvas(&served, "vic").await, canvas(&served, "bob").await, canvas(&served, "ada").await];
    let table = [
        ("user_id=ada&view_only=vic&view_only=bob", "ada"),
        ("user_id=ada&view_only=bob", "ada"),
        ("user_id=ada&view_only=", "bob"),
        ("user_id=ada&view_only=somebody%20else", "bob"),
        ("user_id=ada&other=1", "bob"),
    ];
    for (query, prior) in table {
        assert_eq!(summary(&served, query).await["prior_user_presence"]["user"]["id"], prior, "{query}");
    }
}

#[tokio::test]
async fn a_user_who_is_not_listed_stands_in_as_id_alone() {
    let served = serve().await;
    let summary = served.get("workflows/nowhere/summary?user_id=z%C3%A9%2B").await.json();
    let current = &summary["current_user_presence"];
    assert_eq!(current["user"], json!({"id": "zé+", "first_name": null, "last_name": null, "email": null}));
    assert_eq!(current["active_sessions"], 1);
    assert!(
        current["joined_at"].as_i64().is_some_and(|joined_at| joined_at > 1_700_000_000_000_000),
        "{summary}"
    );
    assert_eq!((&summary["presences"], &summary["prior_user_presence"]), (&json!([]), current));
    assert_eq!(summary["has_presence_edit_priority"], true);
}

#[tokio::test]
async fn viewers_that_cannot_be_looked_up_are_said_to_be_unavailable() {
    let served = serve().await;
    let answer = served.get("workflows/down/summary?user_id=ada").await;
    assert_eq!((answer.status, answer.header("content-type")), (503, "application/problem+json"));
    let given = served.get("workflows/down/summary?user_id=ada&view_only=").await;
    assert_eq!(given.status, 200, "they are given");
}

/// A tab in a room of `w1`, which is listed.
async fn canvas(served: &Served, user: &str) -> Client {
    let mut client = Client::connect(served.server.address(), Vsn::V2, &format!("user={user}")).await;
    let joined = client.join(ROOM, json!({"project_id": "p1", "action": "edit"})).await;
    assert_eq!(joined.status, "ok", "{joined:?}");
    client.expect(ROOM, "presence_state").await;
    client
}

async fn summary(served: &Served, query: &str) -> Value {
    let answer = served.get(&format!("workflows/w1/summary?{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn ids(presences: &Value) -> Vec<&str> {
    let presences = presences.as_array().expect("presences are an array");
    presences.iter().map(|presence| presence["user"]["id"].as_str().expect("an id is a text")).collect()
}

fn prior_current_priority(summary: &Value) -> (&str, &str, bool) {
    let id = |part: &str| summary[part]["user"]["id"].as_str().expect("an id is a text");
    let priority = summary["has_presence_edit_priority"].as_bool().expect("it is true or false");
    (id("prior_user_presence"), id("current_user_presence"), priority)
}

const ROOM: &str = "workflow:collaborate:w1";
