//! `presenced bench cursors`: what it counts, and that a server which tells something wrong does not pass.

use serde_json::json;

use super::canvas::{awareness, canvas};
use super::meddler::{Fate, bytes_meddler};
use super::{Run, account, bench, troubles};
use crate::support::process::Process;

/// Three members, each with 12 moves, two of them before anything is measured.
const THREE: &[&str] = &[
    "--members",
    "3",
    "--rate",
    "20",
    "--duration",
    "0.5",
    "--warmup",
    "0.1",
    "--topic",
    "canvas:{u}",
    "--timeout",
    "2",
    "--connecting",
    "1",
    "--param",
    "user={i}",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_move_is_seen_by_each_other_member_of_its_room() {
    let server = canvas().await;
    let flags = [THREE, &["--rooms", "2"]].concat();
    let json = bench("cursors", server.address(), &flags).await.passed();
    let sightings = 6 * 12 * 2;
    assert_eq!(account(&json), [sightings, sightings, 0, 0, 0]);
    let figures = &json["figures"];
    let moves = figures["moves"].as_f64().expect("a number");
    assert!(moves > 0.0 && moves < 72.0, "the warm-up is not measured: {json}");
    assert_eq!(json["latency_us"]["count"], (moves * 2.0) as u64, "{json}");
    // Each move and the echoes of it by two; two are told of it. What comes late of the warm-up counts too.
    let a_move = |key: &str| figures[key].as_f64().expect("a number");
    let counted = |key: &str| (a_move(key) * moves).round();
    assert!((3.0 * moves..=3.0 * 72.0).contains(&counted("frames_up_per_move")), "{json}");
    assert!((2.0 * moves..=2.0 * 72.0).contains(&counted("frames_down_per_move")), "{json}");
    assert!(a_move("bytes_down_per_move") > 400.0, "{json}");
    assert_eq!(figures["superseded_percent"], 0);
    assert!(figures["sent_late_p99_us"].is_number(), "{json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_echoes_a_move_is_one_message() {
    let server = canvas().await;
    let json = bench("cursors", server.address(), &[THREE, &["--no-echo"]].concat()).await.passed();
    let figure = |key: &str| json["figures"][key].as_f64().expect("a number");
    let (moves, up) = (figure("moves"), figure("frames_up_per_move") * figure("moves"));
    assert!((moves..=36.0).contains(&up.round()), "{json}");
}

/// A run of three, with what the first of them is told meddled with from some time after it has begun to move.
async fn cursors_with(mut fate: impl FnMut(usize, &[u8]) -> Fate + Send + 'static) -> Run {
    let server = canvas().await;
    let mut moves = 0;
    let stands_before = bytes_meddler(server.address(), "user=0", move |bytes| {
        if bytes.first() != Some(&2) || !bytes.windows(8).any(|part| part == br#""bench":"#) {
            return Fate::Pass;
        }
        moves += 1;
        fate(moves, bytes)
    });
    bench("cursors", stands_before.await, THREE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_is_seen_with_a_later_one() {
    let lose = |moves, _: &[u8]| if moves == 5 { Fate::Lose } else { Fate::Pass };
    let json = cursors_with(lose).await.passed();
    assert!(json["figures"]["superseded_percent"].as_f64() > Some(0.0), "{json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_move_that_is_not_told_fails_the_run() {
    let lose = |moves, _: &[u8]| if moves > 20 { Fate::Lose } else { Fate::Pass };
    let (json, text) = cursors_with(lose).await.failed();
    assert_eq!(account(&json), [72, 68, 4, 0, 0]);
    assert_eq!(json["cut_short"], "nothing came for 2 s");
    assert!(text.contains("client 0: 20 of 24 sightings, 4 lost"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ones_own_client_id_told_fails_the_run() {
    for state in ["{}", "null"] {
        let tell = move |moves, bytes: &[u8]| match moves {
            5 => Fate::Behind(in_place_of(bytes, &awareness(2_000_000_000, 99, state))),
            _ => Fate::Pass,
        };
        let (json, _) = cursors_with(tell).await.failed();
        assert_eq!(account(&json), [72, 72, 0, 0, 0], "{state}");
        assert_eq!(troubles(&json), [("told its own clientID as another's", 1)], "{state}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_told_as_gone_fails_the_run() {
    let tell = |moves, bytes: &[u8]| {
        if moves == 5 {
            Fate::Behind(in_place_of(bytes, &awareness(2_000_000_001, 5, "null")))
        } else {
            Fate::Pass
        }
    };
    let (json, _) = cursors_with(tell).await.failed();
    assert_eq!(troubles(&json), [("somebody who is there was told as gone", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_fails_the_run() {
    let tell = |moves, bytes: &[u8]| {
        if moves == 5 { Fate::Behind(in_place_of(bytes, &[1, 5, 1])) } else { Fate::Pass }
    };
    let (json, _) = cursors_with(tell).await.failed();
    assert_eq!(troubles(&json), [("an awareness message that cannot be read", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_move_behind_a_later_one_fails_the_run() {
    let mut first: Option<Vec<u8>> = None;
    let mut later = 0;
    let tell = move |_: usize, bytes: &[u8]| {
        if !is_of_one(bytes) {
            return Fate::Pass;
        }
        let first = first.get_or_insert_with(|| bytes.to_vec());
        later += usize::from(client_of(first) == client_of(bytes));
        if later < 4 { Fate::Pass } else { Fate::Behind(with_newest_clock(first)) }
    };
    let (json, _) = cursors_with(tell).await.failed();
    assert!(account(&json)[4] > 0, "{json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_canvases_is_told_with_its_reason() {
    let server = Process::start(&[]).await;
    let flags = ["--members", "2", "--topic", "nowhere:{g}", "--timeout", "10", "--duration", "0.1"];
    let (json, _) = bench("cursors", server.address(), &flags).await.failed();
    assert_eq!(troubles(&json), [(r#"join refused: {"reason":"unmatched topic"}"#, 2)]);
    assert_eq!(json["latency_us"], json!(null));
}

/// A broadcast with another payload.
fn in_place_of(broadcast: &[u8], payload: &[u8]) -> Vec<u8> {
    let head = 3 + usize::from(broadcast[1]) + usize::from(broadcast[2]);
    [&broadcast[..head], payload].concat()
}

/// A broadcast of one state with the highest clock of one byte.
fn with_newest_clock(broadcast: &[u8]) -> Vec<u8> {
    let mut told = broadcast.to_vec();
    told[payload_of(broadcast) + 9] = 0x7F;
    told
}

/// Whether a broadcast has one state, of a length that takes two bytes.
fn is_of_one(broadcast: &[u8]) -> bool {
    broadcast[payload_of(broadcast) + 3] == 1
}

/// The clientID in a broadcast of one state, as it is written.
fn client_of(broadcast: &[u8]) -> &[u8] {
    let at = payload_of(broadcast) + 4;
    &broadcast[at..at + 5]
}

/// Where the payload begins: a type, two bytes of length, the count of states, five bytes of clientID, the clock.
fn payload_of(broadcast: &[u8]) -> usize {
    3 + usize::from(broadcast[1]) + usize::from(broadcast[2])
}
