//! Who may be on a canvas, and who is shown out of one.

use presenced::lightning::People;
use serde_json::{Value, json};

use super::lightning::*;
use crate::support::Client;

/// What a user has to do to be refused, or not.
async fn joins(client: &mut Client, table: &[(String, Value, &str)]) {
    for (topic, payload, expected) in table {
        let reply = client.join(topic, payload.clone()).await;
        let said = reply.response["reason"].as_str().unwrap_or(&reply.status);
        assert_eq!(said, *expected, "{topic} {payload}");
    }
}

fn new(project: &str) -> Value {
    json!({"project_id": project, "action": "new"})
}

fn canvas(workflow: &str) -> String {
    format!("workflow:collaborate:{workflow}")
}

fn presence(workflow: &str) -> String {
    format!("workflow:presence:{workflow}")
}

#[tokio::test]
async fn members_join_as_their_role_allows() {
    for version in [Version::Older, Version::Newer] {
        let lightning = Lightning::new(version).await;
        let served = lightning.serve().await;
        let members = [(OWNER, "ok"), (ADMIN, "ok"), (EDITOR, "ok"), (VIEWER, "unauthorized")];
        for (user, may_create) in members {
            let (_, token) = lightning.log_in(user).await;
            let mut member = served.connect(&token).await;
            let table = [
                (canvas(IN_OPEN), edit(OPEN), "ok"),
                (canvas(NOBODY), new(OPEN), may_create),
                (canvas(IN_CLOSED), edit(CLOSED), "unauthorized"),
                (canvas(NOBODY), new(CLOSED), "unauthorized"),
                (canvas(IN_DOOMED), edit(DOOMED), "unauthorized"),
                (presence(IN_OPEN), json!({}), "ok"),
                (presence(IN_CLOSED), json!({}), "unauthorized"),
                (presence(IN_DOOMED), json!({}), "unauthorized"),
            ];
            joins(&mut member, &table).await;
        }
        let (_, token) = lightning.log_in(OUTSIDER).await;
        let mut outsider = served.connect(&token).await;
        let table = [
            (canvas(IN_OPEN), edit(OPEN), "unauthorized"),
            (canvas(NOBODY), new(OPEN), "unauthorized"),
            (presence(IN_OPEN), json!({}), "unauthorized"),
        ];
        joins(&mut outsider, &table).await;
    }
}

#[tokio::test]
async fn workflows_and_snapshots_are_found_by_their_rows() {
    let lightning = Lightning::new(Version::Newer).await;
    let served = lightning.serve().await;
    let (_, token) = lightning.log_in(EDITOR).await;
    let mut editor = served.connect(&token).await;
    let lettered = "abcdefab-0000-4000-8000-000000000035";
    lightning
        .execute(&format!("INSERT INTO workflows (id, name, project_id) VALUES ('{lettered}', '', '{OPEN}')"))
        .await;
    let table = [
        (canvas(DELETED), edit(OPEN), "ok"),
        (canvas(&format!("{IN_OPEN}:v3")), edit(OPEN), "ok"),
        (canvas(&format!("{IN_OPEN}:v4")), edit(OPEN), "snapshot version 4 not found"),
        (
            canvas(&format!("{IN_OPEN}:v9223372036854775807")),
            edit(OPEN),
            "snapshot version 9223372036854775807 not found",
        ),
        (canvas("w1:v3"), edit(OPEN), "snapshot version 3 not found"),
        (canvas(IN_OPEN), edit(CLOSED), "workflow does not belong to specified project"),
        (canvas(IN_CLOSED), new(OPEN), "workflow does not belong to specified project"),
        (canvas(NOBODY), edit(OPEN), "workflow not found"),
        (canvas("w1"), edit(OPEN), "workflow not found"),
        (canvas(lettered), edit(OPEN), "ok"),
        (canvas(&lettered.to_uppercase()), edit(OPEN), "workflow not found"),
        (canvas(&format!("{{{lettered}}}")), edit(OPEN), "workflow not found"),
        (canvas(IN_OPEN), edit(NOBODY), "project not found"),
        (canvas(IN_OPEN), edit("p1"), "project not found"),
        (canvas(IN_OPEN), edit("'; DROP TABLE users; --"), "project not found"),
        (presence(NOBODY), json!({}), "workflow not found"),
    ];
    joins(&mut editor, &table).await;
    let deleted = served.database.workflow(DELETED).await.expect("the database answers");
    assert!(deleted.expect("it is found").deleted);
}

#[tokio::test]
async fn support_users_edit_in_projects_that_allow_it() {
    let lightning = Lightning::new(Version::Newer).await;
    let served = lightning.serve().await;
    let (_, token) = lightning.log_in(SUPPORT).await;
    let mut support = served.connect(&token).await;
    let table = [
        (canvas(IN_OPEN), edit(OPEN), "ok"),
        (presence(IN_OPEN), json!({}), "ok"),
        (canvas(NOBODY), new(OPEN), "ok"),
        (canvas(IN_CLOSED), edit(CLOSED), "unauthorized"),
    ];
    joins(&mut support, &table).await;

    let lightning = Lightning::new(Version::Older).await;
    let served = lightning.serve().await;
    let mut support = served.connect(&signed(SUPPORT)).await;
    joins(&mut support, &[(canvas(IN_OPEN), edit(OPEN), "unauthorized")]).await;
}

#[tokio::test]
async fn support_that_is_a_member_may_what_its_role_may() {
    let lightning = Lightning::new(Version::Newer).await;
    lightning
        .execute(&format!(
            "INSERT INTO project_users (user_id, project_id, role) VALUES ('{SUPPORT}', '{OPEN}', 'viewer')"
        ))
        .await;
    let served = lightning.serve().await;
    let (_, token) = lightning.log_in(SUPPORT).await;
    let mut support = served.connect(&token).await;
    joins(&mut support, &[(canvas(IN_OPEN), edit(OPEN), "ok"), (canvas(NOBODY), new(OPEN), "unauthorized")])
        .await;
}

#[tokio::test]
async fn a_project_that_asks_for_a_second_factor_refuses_whoever_has_none_and_shows_out_who_loses_it() {
    let lightning = Lightning::new(Version::Newer).await;
    lightning.execute(&format!("UPDATE projects SET requires_mfa = true WHERE id = '{OPEN}'")).await;
    lightning.execute(&format!("UPDATE users SET mfa_enabled = true WHERE id = '{EDITOR}'")).await;
    lightning.execute(&format!("UPDATE users SET mfa_enabled = NULL WHERE id = '{ADMIN}'")).await;
    let served = lightning.serve().await;
    for (user, expected) in
        [(OWNER, "unauthorized"), (ADMIN, "unauthorized"), (SUPPORT, "unauthorized"), (EDITOR, "ok")]
    {
        let (_, token) = lightning.log_in(user).await;
        let mut client = served.connect(&token).await;
        let table = [
            (canvas(IN_OPEN), edit(OPEN), expected),
            (canvas(NOBODY), new(OPEN), expected),
            (presence(IN_OPEN), json!({}), expected),
        ];
        joins(&mut client, &table).await;
    }
    let (_, token) = lightning.log_in(EDITOR).await;
    let mut editor = served.connect(&token).await;
    joins(&mut editor, &[(canvas(IN_OPEN), edit(OPEN), "ok")]).await;
    lightning.execute(&format!("UPDATE users SET mfa_enabled = false WHERE id = '{EDITOR}'")).await;
    served.canvases.review().await.expect("the database answers");
    editor.expect(&canvas(IN_OPEN), "phx_close").await;
}

#[tokio::test]
async fn a_run_is_looked_at_if_it_is_the_workflows_and_what_it_was_of_is_kept() {
    let lightning = Lightning::new(Version::Newer).await;
    let id = |nth: u8| format!("00000000-0000-4000-8000-0000000001{nth:02}");
    for sql in [
        format!(
            "INSERT INTO workflow_snapshots (id, workflow_id, lock_version) VALUES ('{}', '{IN_OPEN}', 77)",
            id(1)
        ),
        format!("INSERT INTO work_orders VALUES ('{}', '{IN_OPEN}'), ('{}', '{IN_CLOSED}')", id(2), id(3)),
        format!(
            "INSERT INTO runs VALUES ('{}', '{}', '{}'), ('{}', '{}', NULL), ('{}', '{}', '{}')",
            id(4),
            id(2),
            id(1),
            id(5),
            id(2),
            id(6),
            id(3),
            id(1)
        ),
    ] {
        lightning.execute(&sql).await;
    }
    let served = lightning.serve().await;
    let (_, token) = lightning.log_in(EDITOR).await;
    let mut editor = served.connect(&token).await;
    let run = |run: &str| format!("{}:run:{run}", canvas(IN_OPEN));
    let table = [
        (run(&id(4)), edit(OPEN), "ok"),
        (run(&id(5)), edit(OPEN), "run snapshot not found"),
        (run(&id(6)), edit(OPEN), "run not found"),
        (run("none"), edit(OPEN), "run not found"),
    ];
    joins(&mut editor, &table).await;
}

#[tokio::test]
async fn viewers_are_the_members_with_that_role() {
    let lightning = Lightning::new(Version::Newer).await;
    let served = lightning.serve().await;
    let viewers = async |project| served.database.viewers(project).await.expect("the database answers");
    assert_eq!(*viewers(OPEN).await, [VIEWER.to_owned()]);
    assert!(viewers(CLOSED).await.is_empty());
    assert!(viewers("p1").await.is_empty());
}

#[tokio::test]
async fn a_logout_shows_out_the_tabs_of_that_session_alone() {
    let lightning = Lightning::new(Version::Newer).await;
    let served = lightning.serve().await;
    let (session, token) = lightning.log_in(EDITOR).await;
    let (_, other_token) = lightning.log_in(EDITOR).await;
    let mut here = served.connect(&token).await;
    let mut there = served.connect(&other_token).await;
    served.canvases.review().await.expect("the database answers");
    here.heartbeat().await;

    lightning.execute(&format!("DELETE FROM users_tokens WHERE id = '{}'", session.id)).await;
    served.canvases.review().await.expect("the database answers");
    assert_eq!(here.closed().await, 1001);
    assert_eq!(served.status(&token).await, 403, "what was true a moment ago does not let in again");
    there.heartbeat().await;
}

#[tokio::test]
async fn whoever_is_disabled_or_whose_session_ran_out_is_shown_out() {
    let lightning = Lightning::new(Version::Newer).await;
    let served = lightning.serve_with(|options| options.signed_tokens = true).await;
    let (session, token) = lightning.log_in(EDITOR).await;
    let mut editor = served.connect(&token).await;
    let mut owner = served.connect(&signed(OWNER)).await;
    let mut admin = served.connect(&signed(ADMIN)).await;

    lightning
        .execute(&format!(
            "UPDATE users_tokens SET inserted_at = inserted_at - interval '60 days' WHERE id = '{}';
             UPDATE users SET disabled = true WHERE id = '{OWNER}'",
            session.id
        ))
        .await;
    served.canvases.review().await.expect("the database answers");
    assert_eq!((editor.closed().await, owner.closed().await), (1001, 1001));
    assert_eq!(served.status(&signed(OWNER)).await, 403);
    admin.heartbeat().await;
}

#[tokio::test]
async fn whoever_loses_every_role_is_shown_out_of_the_canvas() {
    let lightning = Lightning::new(Version::Newer).await;
    let served = lightning.serve().await;
    let mut clients = Vec::new();
    for user in [EDITOR, VIEWER, SUPPORT] {
        let (_, token) = lightning.log_in(user).await;
        let mut client = served.connect(&token).await;
        assert_eq!(client.join(&canvas(IN_OPEN), edit(OPEN)).await.status, "ok");
        clients.push(client);
    }
    let [editor, viewer, support] = &mut clients[..] else { unreachable!("there are three") };

    lightning.execute(&format!("DELETE FROM project_users WHERE user_id = '{VIEWER}'")).await;
    served.canvases.review().await.expect("the database answers");
    viewer.expect(&canvas(IN_OPEN), "phx_close").await;
    viewer.heartbeat().await;
    assert_eq!(viewer.join(&canvas(IN_OPEN), edit(OPEN)).await.response["reason"], "unauthorized");

    lightning.execute("UPDATE projects SET allow_support_access = false").await;
    served.canvases.review().await.expect("the database answers");
    support.expect(&canvas(IN_OPEN), "phx_close").await;

    editor.heartbeat().await;
    lightning.execute("UPDATE projects SET scheduled_deletion = timezone('utc', now())").await;
    served.canvases.review().await.expect("the database answers");
    editor.expect(&canvas(IN_OPEN), "phx_close").await;
}

/// One question for all logins, one for all seats, one for all workflows and one for the viewers of their projects; and
/// none of them is answered from memory.
#[tokio::test]
async fn a_review_asks_four_questions_however_many_are_there() {
    let lightning = Lightning::new(Version::Newer).await;
    let served = lightning.serve().await;
    lightning
        .execute(&format!(
            "INSERT INTO project_users (user_id, project_id, role) SELECT '{OWNER}', '{CLOSED}', 'owner'
         WHERE NOT EXISTS (SELECT FROM project_users WHERE user_id = '{OWNER}' AND project_id = '{CLOSED}')"
        ))
        .await;
    let mut clients = Vec::new();
    for user in [OWNER, ADMIN, EDITOR, VIEWER] {
        let (_, token) = lightning.log_in(user).await;
        let mut client = served.connect(&token).await;
        let mut table = vec![(IN_OPEN, OPEN), (DELETED, OPEN)];
        table.extend((user == OWNER).then_some((IN_CLOSED, CLOSED)));
        for (workflow, project) in table {
            let payload = json!({"project_id": project, "action": "edit", "summary": true});
            assert_eq!(client.join(&canvas(workflow), payload).await.status, "ok");
        }
        clients.push(client);
    }
    let before = lightning.postgres.questions(&lightning.name).await.len();
    served.canvases.review().await.expect("the database answers");
    let asked = lightning.postgres.questions(&lightning.name).await.split_off(before);
    let of_a_look = ["SELECT current_setting", "SELECT 1 FROM (SELECT"];
    let asked: Vec<_> = asked
        .iter()
        .filter(|asked| !of_a_look.iter().any(|look| asked.trim_start().starts_with(look)))
        .collect();
    assert_eq!(asked.len(), 4, "{asked:#?}");
}

#[tokio::test]
async fn a_role_or_a_deletion_of_this_moment_shows_at_the_review() {
    let lightning = Lightning::new(Version::Newer).await;
    let served = lightning.serve().await;
    let (_, token) = lightning.log_in(EDITOR).await;
    let mut editor = served.connect(&token).await;
    let payload = json!({"project_id": OPEN, "action": "edit", "summary": true});
    assert_eq!(editor.join(&canvas(IN_OPEN), payload).await.status, "ok");
    assert_eq!(editor.expect(&canvas(IN_OPEN), "set-disabled").await.payload["disabled"], false);
    // The join has just put the workflow, as it was, into memory.
    lightning
        .execute(&format!("UPDATE workflows SET deleted_at = timezone('utc', now()) WHERE id = '{IN_OPEN}'"))
        .await;
    served.canvases.review().await.expect("the database answers");
    editor.expect(&canvas(IN_OPEN), "phx_close").await;
}
