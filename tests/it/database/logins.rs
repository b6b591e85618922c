//! Who is let in: by which token, and as what user.

use presenced::lightning::token::{Data, MaxAge, SecretKeyBase};
use presenced::lightning::{Login, clock, token::Keys};
use serde_json::json;

use super::lightning::*;

#[tokio::test]
async fn the_newer_lightning_takes_login_sessions_and_no_user_ids() {
    let lightning = Lightning::new(Version::Newer).await;
    let served = lightning.serve().await;
    let (_, token) = lightning.log_in(EDITOR).await;
    assert_eq!(served.status(&token).await, 400);
    assert_eq!(served.status(&signed(EDITOR)).await, 403);

    let served = lightning.serve_with(|options| options.signed_tokens = true).await;
    assert_eq!(served.status(&token).await, 400);
    assert_eq!(served.status(&signed(EDITOR)).await, 400);
}

#[tokio::test]
async fn the_older_lightning_takes_user_ids_as_well() {
    let lightning = Lightning::new(Version::Older).await;
    let served = lightning.serve().await;
    let (_, token) = lightning.log_in(EDITOR).await;
    assert_eq!(served.status(&token).await, 400);
    assert_eq!(served.status(&signed(EDITOR)).await, 400);
}

#[tokio::test]
async fn each_generation_of_tokens_holds_only_what_is_its_own() {
    let lightning = Lightning::new(Version::Older).await;
    let served = lightning.serve().await;
    let (session, token) = lightning.log_in(EDITOR).await;
    let (earlier, other) = (clock::now_ms() - 1_209_601_000, SecretKeyBase::new("b".repeat(64)));
    let forger = Keys::new(&other.expect("long enough"), &[], Login::SALT);
    let refused = [
        encrypted(&Data::text(EDITOR)),
        keys().sign(&Data::Binary(session.bytes.to_vec().into()), clock::now_ms(), MaxAge::DEFAULT),
        keys().sign(&Data::text(EDITOR), earlier, MaxAge::DEFAULT),
        forger.sign(&Data::text(EDITOR), clock::now_ms(), MaxAge::DEFAULT),
        signed("17"),
        signed(NOBODY),
        signed(&format!("{{{EDITOR}}}")),
        Session::new().token(),
        token[..token.len() - 2].to_owned(),
        String::new(),
    ];
    for token in refused {
        assert_eq!(served.status(&token).await, 403, "{token}");
    }
    assert_eq!(served.status(&token).await, 400);
}

#[tokio::test]
async fn a_session_is_one_for_sixty_days_and_other_tokens_are_none() {
    let lightning = Lightning::new(Version::Newer).await;
    let served = lightning.serve().await;
    let table = [
        ("session", "59 days 23 hours 59 minutes", 400),
        ("session", "60 days 1 second", 403),
        ("api", "1 hour", 403),
        ("reset_password", "1 hour", 403),
    ];
    for (context, age, expected) in table {
        let session = Session::new();
        lightning.remember(&session, EDITOR, context, age).await;
        assert_eq!(served.status(&session.token()).await, expected, "{context} {age}");
    }
}

#[tokio::test]
async fn whoever_is_disabled_leaving_or_locked_out_is_refused_by_either_token() {
    for version in [Version::Older, Version::Newer] {
        let lightning = Lightning::new(version).await;
        for verifies in [false, true] {
            let served = lightning
                .serve_with(|options| {
                    options.signed_tokens = true;
                    options.email_verification = verifies;
                })
                .await;
            let locked_out = if verifies { 403 } else { 400 };
            let table = [
                (EDITOR, 400),
                (OUTSIDER, 400),
                (DISABLED, 403),
                (LEAVING, 403),
                (UNCONFIRMED, locked_out),
                (UNSURE, 400),
            ];
            for (user, expected) in table {
                let (_, token) = lightning.log_in(user).await;
                assert_eq!(served.status(&token).await, expected, "{version:?} {verifies} {user}");
                assert_eq!(served.status(&signed(user)).await, expected, "{version:?} {verifies} {user}");
            }
        }
    }
}

#[tokio::test]
async fn a_user_is_present_under_the_names_of_the_row() {
    let lightning = Lightning::new(Version::Newer).await;
    let served = lightning.serve().await;
    lightning.execute(&format!("UPDATE users SET last_name = NULL WHERE id = '{VIEWER}'")).await;
    let (_, token) = lightning.log_in(VIEWER).await;
    let mut viewer = served.connect(&token).await;
    let topic = format!("workflow:presence:{IN_OPEN}");
    assert_eq!(viewer.join(&topic, json!({})).await.status, "ok");
    let state = viewer.expect(&topic, "presence_state").await.payload;
    let user =
        json!({"id": VIEWER, "first_name": "viewer", "last_name": null, "email": "viewer@example.org"});
    assert_eq!(state[VIEWER]["metas"][0]["user"], user);
}

#[tokio::test]
async fn the_database_may_be_behind_a_unix_socket() {
    let lightning = Lightning::new(Version::Newer).await;
    let (_, token) = lightning.log_in(EDITOR).await;
    let folder = lightning.postgres.socket_folder().to_str().expect("the path is text");
    let url = format!("{}?socket_dir={folder}", lightning.url_with_tls("nowhere.invalid"));
    assert_eq!(Served::new(options(&url)).await.status(&token).await, 400, "{url}");
}

#[tokio::test]
async fn an_upgrade_of_lightning_under_a_running_server_is_noticed() {
    let lightning = Lightning::new(Version::Older).await;
    let mut served = lightning.serve().await;
    let mut editor = served.connect(&signed(EDITOR)).await;
    let (_, token) = lightning.log_in(EDITOR).await;
    let mut with_session = served.connect(&token).await;

    lightning.upgrade().await;
    served.look_again();
    served.until_status(&signed(OWNER), 403).await;
    served.canvases.review().await.expect("the database answers");
    assert_eq!(editor.closed().await, 1001, "a signed token would not let in any more");
    with_session.heartbeat().await;
    assert_eq!(served.status(&token).await, 400);
}

/// A row that shows how its reader's session is set.
#[tokio::test]
async fn the_database_is_only_read_and_for_a_limited_time() {
    let lightning = Lightning::new(Version::Newer).await;
    let (_, token) = lightning.log_in(EDITOR).await;
    lightning
        .execute(
            "ALTER TABLE users RENAME TO real_users;
             CREATE VIEW users AS
             SELECT id, disabled, scheduled_deletion, confirmed_at, inserted_at, support_user, email, last_name,
                    concat_ws(' ', current_setting('application_name'), current_setting('statement_timeout'),
                              current_setting('transaction_read_only')) AS first_name
             FROM real_users;
             GRANT SELECT ON users TO presenced",
        )
        .await;
    let served = lightning.serve().await;
    let mut editor = served.connect(&token).await;
    let topic = format!("workflow:presence:{IN_OPEN}");
    assert_eq!(editor.join(&topic, json!({})).await.status, "ok");
    let state = editor.expect(&topic, "presence_state").await.payload;
    assert_eq!(state[EDITOR]["metas"][0]["user"]["first_name"], "presenced 15s on");
}
