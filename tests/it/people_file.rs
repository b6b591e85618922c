//! People out of a file, with tokens and without.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use presenced::lightning::clock::now_ms;
use presenced::lightning::token::{Data, Keys, MaxAge, SecretKeyBase};
use presenced::lightning::{Canvases, Login, PeopleFile, UserSocket, router};
use presenced::server::{Options, Server};
use presenced::wire::Vsn;
use serde_json::json;

use crate::support::http::request;
use crate::support::process::{self, Process};
use crate::support::{Client, Running};

const SECRET: &str = "a secret of the tests, which is long enough to be one";
const PREVIOUS: &str = "the-secret-before-that-one-which-is-long-enough-as-well";

const PEOPLE: &str = r#"
[[users]]
id = "ada"
first_name = "Ada"
last_name = "Lovelace"
email = "ada@example.org"

[[users]]
id = "vic"

[[users]]
id = "eve"
disabled = true

[[projects]]
id = "p1"
members = { ada = "editor", vic = "viewer" }
workflows = [{ id = "w1", snapshots = [3] }]

[[projects]]
id = "p2"
workflows = [{ id = "w2" }]
"#;

/// A file of its own for each test, gone with it.
pub struct TestFile(PathBuf);

impl TestFile {
    pub fn new(name: &str, text: &str) -> Self {
        let file = TestFile(std::env::temp_dir().join(format!("presenced-{}-{name}", std::process::id())));
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.0, text).expect("the temporary folder takes files");
    }

    pub fn path(&self) -> &str {
        self.0.to_str().expect("the path is text")
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        // Somebody else may have cleaned up.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn keys(secret: &str) -> Keys {
    Keys::new(&SecretKeyBase::new(secret).expect("long enough"), &[], Login::SALT)
}

fn token(secret: &str, user: &str) -> String {
    keys(secret).sign(&Data::text(user), now_ms(), MaxAge::DEFAULT)
}

async fn server(file: &TestFile) -> (Running, Arc<PeopleFile>) {
    let (running, people, _) = reviewed_server(file).await;
    (running, people)
}

async fn reviewed_server(file: &TestFile) -> (Running, Arc<PeopleFile>, Arc<Canvases>) {
    let people = Arc::new(PeopleFile::open(file.path(), Login::Claimed).expect("the file is in order"));
    let canvases = Canvases::new(people.clone());
    let server = Server::new(UserSocket::new(canvases.clone()), router(canvases.clone()), Options::default());
    (Running::serve(server).await, people, canvases)
}

/// What a WebSocket's request without the headers of an upgrade is answered with: 400 says that all else is well.
async fn status(server: SocketAddr, query: &str) -> u16 {
    let path = format!("/socket/websocket?vsn=2.0.0{query}");
    request(server, "GET", &path, &[], "").await.status
}

#[tokio::test]
async fn members_join_as_their_role_allows() {
    let file = TestFile::new("roles.toml", PEOPLE);
    let (running, _) = server(&file).await;
    let edit = |project: &str| json!({"project_id": project, "action": "edit"});
    let new = json!({"project_id": "p1", "action": "new"});
    let mut ada = Client::connect(running.address(), Vsn::V2, "user_id=ada").await;
    let mut vic = Client::connect(running.address(), Vsn::V2, "user_id=vic").await;

    assert_eq!(ada.join("workflow:collaborate:w1", edit("p1")).await.status, "ok");
    assert_eq!(ada.join("workflow:collaborate:w1:v3", edit("p1")).await.status, "ok");
    assert_eq!(ada.join("workflow:collaborate:unsaved", new.clone()).await.status, "ok");
    assert_eq!(vic.join("workflow:collaborate:w1", edit("p1")).await.status, "ok");
    assert_eq!(vic.join("workflow:presence:w1", json!({})).await.status, "ok");
    for (topic, payload, reason) in [
        ("workflow:collaborate:unsaved", new, "unauthorized"),
        ("workflow:collaborate:w2", edit("p2"), "unauthorized"),
        ("workflow:presence:w2", json!({}), "unauthorized"),
        ("workflow:collaborate:w1", edit("p3"), "project not found"),
        ("workflow:collaborate:w1", edit("p2"), "workflow does not belong to specified project"),
        ("workflow:collaborate:w1:v4", edit("p1"), "snapshot version 4 not found"),
    ] {
        let refused = vic.join(topic, payload).await;
        assert_eq!(refused.response, json!({"reason": reason}), "{topic}");
    }
}

#[tokio::test]
async fn a_changed_file_is_taken_up_and_a_broken_one_is_not() {
    let file = TestFile::new("changed.toml", PEOPLE);
    let (running, people) = server(&file).await;
    let join = || json!({"project_id": "p2", "action": "edit"});
    let mut ada = Client::connect(running.address(), Vsn::V2, "user_id=ada").await;
    assert_eq!(ada.join("workflow:collaborate:w2", join()).await.status, "error");

    file.write(&PEOPLE.replace("id = \"p2\"", "id = \"p2\"\nmembers = { ada = \"owner\" }"));
    people.look();
    assert_eq!(ada.join("workflow:collaborate:w2", join()).await.status, "ok");

    file.write("[[users]]\nid = 1");
    people.look();
    assert_eq!(ada.join("workflow:collaborate:w2", join()).await.status, "ok");
}

#[tokio::test]
async fn with_a_secret_only_a_good_token_of_a_known_user_lets_in() {
    let file = TestFile::new("tokens.toml", PEOPLE);
    let variables =
        [("SECRET_KEY_BASE", SECRET), ("SECRET_KEY_BASE_PREVIOUS", PREVIOUS), ("LISTEN_ADDRESS", "0.0.0.0")];
    let process = Process::start_with(&["--people", file.path()], &variables).await;
    let server = SocketAddr::from(([127, 0, 0, 1], process.address().port()));
    for (user, secret, expected) in [
        ("ada", SECRET, 400),
        ("ada", PREVIOUS, 400),
        ("ada", "another secret, which nobody but an attacker knows", 403),
        ("eve", SECRET, 403),
        ("nobody", SECRET, 403),
    ] {
        let query = format!("&token={}", token(secret, user));
        assert_eq!(status(server, &query).await, expected, "{user} {secret}");
    }
    assert_eq!(status(server, "&user_id=ada").await, 403);
    assert_eq!(status(server, "").await, 403);

    let path = format!("user_id=vic&token={}", token(SECRET, "ada"));
    let mut ada = Client::connect(server, Vsn::V2, &path).await;
    ada.join("workflow:presence:w1", json!({})).await;
    let state = ada.expect("workflow:presence:w1", "presence_state").await;
    assert_eq!(state.payload["ada"]["metas"][0]["user"]["email"], "ada@example.org");
    assert_eq!(request(server, "GET", "/", &[], "").await.status, 404, "the demo is for development");
}

#[tokio::test]
async fn a_file_that_is_broken_at_the_start_ends_with_78_and_its_line() {
    let file = TestFile::new("broken.toml", "[[users]]\nid = \"a\"\nnmae = \"A\"");
    let ended = process::run(&["--people", file.path()], &[]).await;
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.stderr.contains("line 3: unknown field `nmae`"), "{ended:?}");

    let ended = process::run(&["--people", "/nowhere/people.toml"], &[]).await;
    assert_eq!(ended.code, Some(78), "{ended:?}");
}

#[tokio::test]
async fn a_secret_that_is_no_text_is_not_taken_for_none() {
    let file = TestFile::new("bytes.toml", PEOPLE);
    let secret = OsStr::from_bytes(&[0xff; 64]);
    let ended = process::run_with_bytes(&["--people", file.path()], "SECRET_KEY_BASE", secret).await;
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert_eq!(ended.stderr, "presenced: SECRET_KEY_BASE: is not UTF-8\n");
}

#[tokio::test]
async fn a_file_that_was_replaced_is_taken_up_though_its_size_and_time_are_the_same() {
    let file = TestFile::new("replaced.toml", PEOPLE);
    let (running, people) = server(&file).await;
    let new = || json!({"project_id": "p1", "action": "new"});
    let mut ada = Client::connect(running.address(), Vsn::V2, "user_id=ada").await;
    assert_eq!(ada.join("workflow:collaborate:unsaved", new()).await.status, "ok");

    let modified = std::fs::metadata(file.path()).and_then(|file| file.modified()).expect("it is there");
    let other = TestFile::new("replacement.toml", &PEOPLE.replace("\"editor\"", "\"viewer\""));
    let opened = std::fs::File::options().write(true).open(other.path()).expect("it was just written");
    opened.set_modified(modified).expect("it is this user's file");
    std::fs::rename(other.path(), file.path()).expect("both are in one folder");
    people.look();
    assert_eq!(ada.join("workflow:collaborate:unsaved", new()).await.status, "error");
}

#[tokio::test]
async fn what_is_no_file_is_not_waited_for() {
    let ended = process::run(&["--people", "/dev/zero"], &[]).await;
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.stderr.contains("not a regular file"), "{ended:?}");
}

#[tokio::test]
async fn a_secret_without_people_or_too_short_ends_with_78_and_is_not_printed() {
    let file = TestFile::new("secret.toml", PEOPLE);
    let short = "too short";
    for (flags, secret) in [(vec![], SECRET), (vec!["--people", file.path()], short)] {
        let ended = process::run(&flags, &[("SECRET_KEY_BASE", secret)]).await;
        assert_eq!(ended.code, Some(78), "{ended:?}");
        assert!(ended.stderr.contains("SECRET_KEY_BASE: ") && !ended.stderr.contains(secret), "{ended:?}");
    }
}

#[tokio::test]
async fn each_secret_that_is_of_no_use_is_named_for_itself() {
    let file = TestFile::new("previous.toml", PEOPLE);
    let short = "a secret key base has at least 20 bytes";
    let table = [
        (
            &[("SECRET_KEY_BASE", SECRET), ("SECRET_KEY_BASE_PREVIOUS", "too-short")][..],
            vec![format!("SECRET_KEY_BASE_PREVIOUS: {short}")],
        ),
        (
            &[("SECRET_KEY_BASE", "too-short"), ("SECRET_KEY_BASE_PREVIOUS", "too-short")],
            vec![format!("SECRET_KEY_BASE: {short}"), format!("SECRET_KEY_BASE_PREVIOUS: {short}")],
        ),
        (
            &[("SECRET_KEY_BASE_PREVIOUS", PREVIOUS)],
            vec!["SECRET_KEY_BASE_PREVIOUS: is of no use without SECRET_KEY_BASE".to_owned()],
        ),
    ];
    for (variables, lines) in table {
        for flags in [&["--people", file.path()][..], &["token", "make", "ada"]] {
            let ended = process::run(flags, variables).await;
            assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""), "{flags:?} {ended:?}");
            let expected: String = lines.iter().map(|line| format!("presenced: {line}\n")).collect();
            assert_eq!(ended.stderr, expected, "{flags:?}");
        }
    }
    let ended = process::run(&[], &[("SECRET_KEY_BASE_PREVIOUS", PREVIOUS)]).await;
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(78), 1), "{ended:?}");
}

#[tokio::test]
async fn whoever_is_disabled_or_loses_a_role_is_shown_out_at_the_next_review() {
    let file = TestFile::new("review.toml", PEOPLE);
    let (running, people, canvases) = reviewed_server(&file).await;
    let room = "workflow:presence:w1";
    let mut ada = Client::connect(running.address(), Vsn::V2, "user_id=ada").await;
    let mut vic = Client::connect(running.address(), Vsn::V2, "user_id=vic").await;
    for client in [&mut ada, &mut vic] {
        assert_eq!(client.join(room, json!({})).await.status, "ok");
        client.expect(room, "presence_state").await;
    }
    canvases.review().await.expect("a file can always answer");
    vic.heartbeat().await;

    file.write(&PEOPLE.replace("vic = \"viewer\"", ""));
    people.look();
    canvases.review().await.expect("a file can always answer");
    vic.expect(room, "phx_close").await;
    vic.heartbeat().await;

    file.write("");
    people.look();
    canvases.review().await.expect("a file can always answer");
    assert_eq!((ada.closed().await, vic.closed().await), (1001, 1001));
}
