//! Every recorded fixture, played against a live conformance server; and proof that the replayer notices.
//!
//! Owns: which fixtures are played, and the report of all that fail.
//! Not here: how a fixture is played ([`crate::replay`]).
//! Source: the files of `js-client-fixtures/`, recorded from Phoenix 1.8.12.

use std::fs;
use std::path::{Path, PathBuf};

use futures::{StreamExt, stream};
use serde_json::{Value, json};

use crate::replay::{Conformance, Failure, Fixture, Problem, replay};

#[tokio::test(flavor = "multi_thread")]
async fn every_fixture_is_answered_as_recorded() {
    let replays = recorded().into_iter().map(|fixture| async move {
        let server = Conformance::start().await.map_err(|error| error.to_string())?;
        let outcome = replay(&fixture, server.address()).await;
        outcome.map_err(|failure| format!("{failure}\n  the server printed:\n{}", server.output()))
    });
    let outcomes: Vec<Result<(), String>> = stream::iter(replays).buffer_unordered(AT_ONCE).collect().await;

    let is_dialogue =
        |path: &PathBuf| !NO_DIALOGUES.iter().any(|folder| path.starts_with(root().join(folder)));
    let everything: Vec<PathBuf> = files(root()).into_iter().filter(is_dialogue).collect();
    assert!(!everything.is_empty(), "there are no fixtures");
    assert_eq!(outcomes.len(), everything.len(), "fixtures lie where nobody plays them: {everything:?}");
    let failures: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{} fixtures fail:\n\n{}", failures.len(), failures.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_frame_is_noticed() {
    let failure = altered("channels/broadcast.json", |fixture| {
        *at(fixture, "/steps/6/see/b/0/frame/4/m") = json!("ho");
    });
    assert_eq!(parted(&failure.await), (7, vec![("b", "/0/frame/4/m")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_frame_that_does_not_come_is_noticed() {
    let failure = altered("channels/replies.json", |fixture| {
        *at(fixture, "/steps/5/see") = json!({"a": [{"frame": ["1", "5", "room:lobby", "phx_reply", {}]}]});
    });
    assert_eq!(parted(&failure.await), (6, vec![("a", "/0")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_is_not_recorded_is_noticed() {
    let failure = altered("channels/leave.json", |fixture| {
        at(fixture, "/steps/2/see/a").as_array_mut().expect("a list of sights").pop();
    });
    assert_eq!(parted(&failure.await), (3, vec![("a", "/1")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_for_a_client_that_should_see_nothing_is_noticed() {
    let failure = altered("channels/broadcast-from.json", |fixture| {
        *at(fixture, "/steps/4/see") = json!({});
    });
    assert_eq!(parted(&failure.await), (5, vec![("b", "/0")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_in_another_order_are_noticed() {
    let failure = altered("phoenix-js/phoenix-js-1.8.16-heartbeats-and-push-buffer.json", |fixture| {
        at(fixture, "/steps/0/see/a").as_array_mut().expect("a list of sights").swap(2, 3);
    });
    assert_eq!(parted(&failure.await), (1, vec![("a", "/2/frame/1")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_close_code_is_noticed() {
    let failure = altered("channels/malformed-json.json", |fixture| {
        *at(fixture, "/steps/1/see/a/0/closed") = json!(1000);
    });
    assert_eq!(parted(&failure.await), (2, vec![("a", "/0/closed")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_should_be_refused_is_noticed() {
    let failure = altered("channels/connect-origins.json", |fixture| {
        *at(fixture, "/steps/1/see/b/0") = json!({"refused": 403, "body": ""});
    });
    assert_eq!(parted(&failure.await), (2, vec![("b", "/0")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_binary_frame_is_noticed() {
    let failure = altered("channels/binary-push.json", |fixture| {
        *at(fixture, "/steps/2/see/a/0/binary") = json!("01010106023132726f6f6d3a626f6b00ff11");
    });
    assert_eq!(parted(&failure.await), (3, vec![("a", "/0/binary")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_long_poll_message_is_noticed() {
    let failure = altered("longpoll/longpoll-session.json", |fixture| {
        *at(fixture, "/steps/4/see/a/0/body/messages/0/1") = json!("3");
    });
    assert_eq!(parted(&failure.await), (5, vec![("a", "/0/body/messages/0/1")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn different_refs_recorded_as_equal_are_noticed() {
    let failure = altered("channels/presence-two-topics.json", |fixture| {
        let text = fixture.to_string().replace("<phx_ref:2>", "<phx_ref:1>");
        *fixture = serde_json::from_str(&text).expect("it was JSON before");
    });
    assert_eq!(parted(&failure.await), (4, vec![("b", "/2/frame/4/joins/2/metas/0/phx_ref")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_refs_recorded_as_different_are_noticed() {
    let failure = altered("channels/presence-two-topics.json", |fixture| {
        *at(fixture, "/steps/4/see/b/0/frame/4/response/2/metas/0/phx_ref") = json!("<phx_ref:3>");
    });
    assert_eq!(parted(&failure.await), (5, vec![("b", "/0/frame/4/response/2/metas/0/phx_ref")]));
}

/// Every recorded conversation with Phoenix.
pub fn recorded() -> Vec<Fixture> {
    let paths = FOLDERS.iter().flat_map(|folder| files(&root().join(folder)));
    let read = |path: PathBuf| {
        Fixture::read(&name(&path), &json(&path)).map_err(|what| format!("{}: {what}", name(&path)))
    };
    paths.map(read).collect::<Result<_, _>>().unwrap_or_else(|what| panic!("{what}"))
}

/// How the replay of a changed copy of a fixture fails.
async fn altered(file: &str, change: impl FnOnce(&mut Value)) -> Failure {
    let mut fixture = json(&root().join(file));
    change(&mut fixture);
    let fixture = Fixture::read(file, &fixture).expect("the copy is still a fixture");
    let server = Conformance::start().await.unwrap_or_else(|error| panic!("{error}"));
    replay(&fixture, server.address()).await.expect_err("the copy is not what the server does")
}

/// The step, and for each client that saw something else its name and the place of the first difference.
fn parted(failure: &Failure) -> (usize, Vec<(&str, &str)>) {
    let Problem::Mismatch(clients) = &failure.problem else {
        panic!("an answer is missing altogether: {failure}");
    };
    let places = clients.iter().map(|client| (client.client.as_str(), client.difference.place.as_str()));
    (failure.step, places.collect())
}

/// The place in a fixture that a JSON pointer names.
fn at<'a>(fixture: &'a mut Value, pointer: &str) -> &'a mut Value {
    fixture.pointer_mut(pointer).expect("the fixture has this place")
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/js-client-fixtures"))
}

/// A file's path below the fixtures' folder.
fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn json(path: &Path) -> Value {
    let value = fs::read(path).map_err(serde_json::Error::io).and_then(|text| serde_json::from_slice(&text));
    value.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The JSON files of a folder and of those below it, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the fixtures' folder can be read");
    let entries = entries.map(|entry| entry.expect("the folder can be read on").path());
    let (folders, mut found): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    found.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    found.extend(folders.iter().flat_map(|folder| files(folder)));
    found.sort();
    found
}

/// The folders that hold dialogues.
const FOLDERS: [&str; 3] = ["channels", "longpoll", "phoenix-js"];

/// The folders that hold tables, and conversations with other servers. Each has tests of its own.
const NO_DIALOGUES: [&str; 2] = ["lightning", "canvas"];

/// Fixtures played at the same time, each against a server of its own.
const AT_ONCE: usize = 8;
