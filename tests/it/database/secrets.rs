//! Nothing secret is printed, at whatever level the log is.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use presenced::wire::Vsn;

use super::lightning::*;
use crate::support::http::request;
use crate::support::process::{Ended, Process, run};
use crate::support::{Client, within};

/// Every form in which somebody could print these bytes.
fn forms(bytes: &[u8]) -> Vec<String> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = |bytes: &[u8]| bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    vec![
        hex.to_uppercase(),
        hex,
        // The ends of what is encoded depend on what is beside it.
        STANDARD.encode(&bytes[..30]),
        URL_SAFE_NO_PAD.encode(&bytes[..30]),
        bytes.escape_ascii().to_string(),
        list(&bytes[..8]),
        String::from_utf8_lossy(bytes).into_owned(),
    ]
}

fn assert_keeps(ended: &Ended, secrets: &[String]) {
    for line in ended.stdout.lines().chain(ended.stderr.lines()) {
        for secret in secrets {
            assert!(!line.contains(secret.as_str()), "{secret} is in {line}");
        }
    }
}

fn common() -> Vec<String> {
    [SECRET, PASSWORD, PASSWORD_IN_URL].map(str::to_owned).to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_logs_everything_keeps_tokens_sessions_and_passwords_to_itself() {
    let lightning = Lightning::new(Version::Newer).await;
    let process = lightning.start(&[("LOG", "trace"), ("DATABASE_TIMEOUT", "500")]).await;
    let (session, token) = lightning.log_in(EDITOR).await;
    let (unknown, signed) = (Session::new(), signed(EDITOR));
    let server = process.address();
    let mut editor = Client::connect(server, Vsn::V2, &format!("token={token}")).await;
    let canvas = format!("workflow:collaborate:{IN_OPEN}");
    assert_eq!(editor.join(&canvas, edit(OPEN)).await.status, "ok");
    editor.expect(&canvas, "presence_state").await;
    for (refused, expected) in [(unknown.token(), 403), (signed.clone(), 403), (format!("{token}x"), 403)] {
        assert_eq!(status(server, &refused).await, expected);
    }
    let path = format!("/socket/longpoll?vsn=2.0.0&token={token}");
    assert_eq!(request(server, "GET", &path, &[], "").await.json()["status"], 410);

    // A look-up that fails says more than one that does not.
    let (late, _) = lightning.log_in(VIEWER).await;
    lightning.execute("BEGIN; LOCK TABLE users_tokens IN ACCESS EXCLUSIVE MODE").await;
    assert_eq!(status(server, &late.token()).await, 503);
    lightning.execute("COMMIT").await;
    let back = async { while status(server, &late.token()).await != 400 {} };
    within("the database to be back", back).await;
    lightning.execute("ALTER TABLE users_tokens RENAME COLUMN context TO what").await;
    let another = Session::new();
    assert_eq!(status(server, &another.token()).await, 503);

    process.signal("TERM").await;
    assert_eq!(editor.closed().await, 1012);
    drop(editor);
    let ended = process.ended().await;
    for said in ["TRACE tokio_postgres", "refused with 503"] {
        assert!(ended.stderr.contains(said), "the log is on, that of the driver as well: {}", ended.stderr);
    }
    let mut secrets = common();
    secrets.extend([token, signed]);
    for session in [&session, &unknown, &late, &another] {
        secrets.extend(forms(&session.bytes));
    }
    assert_keeps(&ended, &secrets);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_a_broken_url_are_not_printed() {
    let lightning = Lightning::new(Version::Newer).await;
    let wrong = lightning.url().replace(PASSWORD_IN_URL, "wr0ng%40pa55");
    let process =
        Process::start_with(&[], &[("DATABASE_URL", &wrong), ("SECRET_KEY_BASE", SECRET), ("LOG", "trace")])
            .await;
    let (_, token) = lightning.log_in(EDITOR).await;
    assert_eq!(status(process.address(), &token).await, 503);
    process.signal("TERM").await;
    let ended = process.ended().await;
    assert!(ended.stderr.contains("password authentication failed"), "{}", ended.stderr);
    let mut secrets = common();
    secrets.extend(["wr0ng%40pa55".to_owned(), "wr0ng@pa55".to_owned(), token]);
    assert_keeps(&ended, &secrets);

    for broken in
        ["ecto://u:s3cr3t@[::1/l", "ecto://u:s3cr3t@h:port/l", "mysql://u:s3cr3t@h/l", "ecto://u:s3@cr3t@h/l"]
    {
        let variables = [("DATABASE_URL", broken), ("SECRET_KEY_BASE", SECRET), ("LOG", "trace")];
        let ended = run(&[], &variables).await;
        assert_eq!(ended.code, Some(78), "{ended:?}");
        assert_keeps(&ended, &["s3cr3t".to_owned(), "cr3t".to_owned(), SECRET.to_owned()]);
    }
}
