//! Who may open which room, and what is said to those who may not.

use serde_json::{Value, json};

use super::{client, enter, serve};

/// A room, the parameters of its join, and the reason of the refusal; `None` where the join succeeds.
type Case = (&'static str, &'static str, Value, Option<&'static str>);

#[tokio::test]
async fn a_join_is_checked_as_lightning_checks_it_and_in_its_order() {
    let edit = |project: &str| json!({"project_id": project, "action": "edit"});
    let new = |project: &str| json!({"project_id": project, "action": "new"});
    let params = Some("invalid parameters. project_id and action are required");
    let foreign = Some("workflow does not belong to specified project");
    let table: &[Case] = &[
        ("ada", "workflow:collaborate:w1", edit("p1"), None),
        ("ada", "workflow:collaborate:w1:v3", edit("p1"), None),
        ("ada", "workflow:collaborate:w1", json!({}), params),
        ("ada", "workflow:collaborate:w1", json!({"action": "edit"}), params),
        ("ada", "workflow:collaborate:w1", json!({"project_id": 1, "action": "edit"}), params),
        ("ada", "workflow:collaborate:w1", json!([]), params),
        ("ada", "workflow:collaborate:w1", edit("p3"), Some("project not found")),
        ("ada", "workflow:collaborate:w1:v3.0", edit("p1"), Some("invalid version format")),
        ("ada", "workflow:collaborate:w1:v4", edit("p1"), Some("snapshot version 4 not found")),
        ("eve", "workflow:collaborate:w1:v4", edit("p1"), Some("snapshot version 4 not found")),
        ("ada", "workflow:collaborate:w9", edit("p1"), Some("workflow not found")),
        ("eve", "workflow:collaborate:w9", edit("p1"), Some("workflow not found")),
        ("ada", "workflow:collaborate:w1", edit("p2"), foreign),
        ("eve", "workflow:collaborate:w2", edit("p1"), foreign),
        ("eve", "workflow:collaborate:w1", edit("p1"), Some("unauthorized")),
        (
            "ada",
            "workflow:collaborate:w1",
            json!({"project_id": "p1", "action": "watch"}),
            Some("invalid action 'watch', must be 'new' or 'edit'"),
        ),
        ("ada", "workflow:collaborate:w9", new("p1"), None),
        ("ada", "workflow:collaborate:w1", new("p1"), None),
        ("ada", "workflow:collaborate:w2", new("p1"), foreign),
        ("eve", "workflow:collaborate:w2", new("p1"), Some("unauthorized")),
        ("ada", "workflow:collaborate:w1:release2", edit("p1"), None),
        ("ada", "workflow:collaborate:w1:releaseX", edit("p1"), Some("invalid version format")),
        ("ada", "workflow:collaborate:", edit("p1"), Some("join crashed")),
        ("ada", "workflow:elsewhere:w1", edit("p1"), Some("join crashed")),
        ("ada", "workflow-w1:presence", json!({}), Some("unmatched topic")),
    ];
    let server = serve().await;
    for (user, room, params, refused) in table {
        let reply = client(&server, user).await.join(room, params.clone()).await;
        let expected = match refused {
            None => ("ok", json!({})),
            Some(reason) => ("error", json!({"reason": reason})),
        };
        assert_eq!((reply.status.as_str(), reply.response), expected, "{user} {room} {params}");
    }
}

#[tokio::test]
async fn the_rooms_of_the_newer_canvas_are_refused_in_its_own_form() {
    let edit = json!({"project_id": "p1", "action": "edit"});
    let new = json!({"project_id": "p1", "action": "new"});
    let no_version = "invalid parameters. a new workflow has no version to pin";
    let server = serve().await;
    for (room, params, kind, reason) in [
        ("workflow:collaborate:w1:draft", &edit, "validation_error", "invalid room suffix 'draft'"),
        ("workflow:collaborate:w1:", &edit, "validation_error", "invalid room suffix ''"),
        ("workflow:collaborate:w1:run:r1", &edit, "not_found", "run not found"),
        ("workflow:collaborate:w9:v1", &new, "validation_error", no_version),
        ("workflow:collaborate:w9:release1", &new, "validation_error", no_version),
    ] {
        let reply = client(&server, "ada").await.join(room, params.clone()).await;
        let expected = json!({"reason": reason, "type": kind, "errors": {"base": [reason]}});
        assert_eq!((reply.status.as_str(), reply.response), ("error", expected), "{room}");
    }
}

#[tokio::test]
async fn a_viewer_may_look_but_not_create() {
    let server = serve().await;
    let mut vic = client(&server, "vic").await;
    let state = enter(&mut vic, "workflow:collaborate:w1").await;
    assert!(state["vic"].is_object(), "a viewer is present like anybody");
    let reply = vic.join("workflow:collaborate:w9", json!({"project_id": "p1", "action": "new"})).await;
    assert_eq!(reply.response, json!({"reason": "unauthorized"}));
}

#[tokio::test]
async fn the_presence_room_is_opened_by_the_workflows_own_project() {
    let server = serve().await;
    let table = [
        ("vic", "workflow:presence:w1", None),
        ("eve", "workflow:presence:w2", None),
        ("eve", "workflow:presence:w1", Some("unauthorized")),
        ("ada", "workflow:presence:w9", Some("workflow not found")),
        ("ada", "workflow:presence:orphan", Some("project not found")),
    ];
    for (user, room, refused) in table {
        // It takes no parameters; any are ignored.
        for params in [json!({}), json!({"project_id": "p2", "action": "edit"})] {
            let reply = client(&server, user).await.join(room, params).await;
            let expected = refused.map_or(json!({}), |reason| json!({"reason": reason}));
            assert_eq!(reply.response, expected, "{user} {room}");
        }
    }
}

#[tokio::test]
async fn a_people_source_that_cannot_answer_crashes_the_join_and_nothing_else() {
    let server = serve().await;
    let mut ada = client(&server, "ada").await;
    enter(&mut ada, "workflow:collaborate:w1").await;
    let table = [
        ("workflow:collaborate:down", "p1"),
        ("workflow:collaborate:down:v3", "p1"),
        ("workflow:collaborate:w1:v3", "down"),
        ("workflow:presence:down", "p1"),
    ];
    for (room, project) in table {
        let reply = ada.join(room, json!({"project_id": project, "action": "edit"})).await;
        assert_eq!(reply.response, json!({"reason": "join crashed"}), "{room} {project}");
    }
    ada.heartbeat().await;
    assert_eq!(ada.call("workflow:collaborate:w1", "get_context", json!({})).await.status, "error");
    assert!(enter(&mut ada, "workflow:collaborate:w1:v3").await["ada"].is_object());
}

#[tokio::test]
async fn a_refused_user_is_present_nowhere() {
    let server = serve().await;
    let mut eve = client(&server, "eve").await;
    eve.join("workflow:collaborate:w1", json!({"project_id": "p1", "action": "edit"})).await;
    let mut ada = client(&server, "ada").await;
    let state = enter(&mut ada, "workflow:collaborate:w1").await;
    assert_eq!(state.as_object().map(|keys| keys.keys().collect::<Vec<_>>()), Some(vec![&"ada".to_owned()]));
}

#[tokio::test]
async fn a_user_can_be_disconnected_by_id() {
    let server = serve().await;
    let (mut ada, mut bob) = (client(&server, "ada").await, client(&server, "bob").await);
    ada.heartbeat().await;
    bob.heartbeat().await;
    server.handle().disconnect("user_socket:ada").await;
    assert_eq!(ada.closed().await, 1001);
    bob.heartbeat().await;
}
