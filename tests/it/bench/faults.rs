//! Servers that lose, double, mix up or refuse: no run with one of them passes, and each says what it was.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::json;
use tokio::net::TcpListener;

use super::load::{lobby, prompt_lobby};
use super::meddler::{Fate, meddler};
use super::{Run, account, bench, troubles};
use crate::support::process::{Process, run};

/// A fanout to three, with a server's message number 7 meddled with on its way to one of them.
async fn fanout_with(fate: fn() -> Fate) -> Run {
    let server = lobby().await;
    let stands_before =
        meddler(server.address(), move |text| if is_number(text, 7) { fate() } else { Fate::Pass });
    let flags = ["--clients", "3", "--messages", "20", "--topic", "lobby:fan", "--connecting", "1"];
    bench("fanout", stands_before.await, &flags).await
}

/// Whether a message is the broadcast with this number.
fn is_number(text: &str, number: u64) -> bool {
    let stamp = text.split_once(r#""bench":""#).and_then(|(_, stamp)| stamp.split('/').nth(1));
    stamp == Some(&number.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_broadcast_fails_the_run() {
    let (json, text) = fanout_with(|| Fate::Lose).await.failed();
    assert_eq!(account(&json), [60, 59, 1, 0, 0]);
    assert_eq!(json["cut_short"], json!(null), "nobody waits for what later ones have overtaken");
    assert_eq!(json["figures"]["messages_sent"], 20, "the others were sent all the same");
    let short = json["short_clients"].as_array().expect("a list");
    assert_eq!(short.len(), 1);
    assert_eq!(account(&short[0]), [20, 19, 1, 0, 0]);
    assert_eq!(short[0]["client"], 0);
    assert!(text.contains("client 0: 19 of 20 deliveries, 1 lost, 0 doubled, 0 out of order"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doubled_broadcast_fails_the_run() {
    let (json, _) = fanout_with(|| Fate::Double).await.failed();
    assert_eq!(account(&json), [60, 60, 0, 1, 0]);
    assert_eq!(json["cut_short"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_behind_a_later_one_fails_the_run() {
    let (json, _) = fanout_with(|| Fate::Hold).await.failed();
    assert_eq!(account(&json), [60, 60, 0, 0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_is_never_shown_fails_a_storm() {
    let server = lobby().await;
    // Whatever names client 2 is lost on its way to one client: a list, a diff, or both.
    let stands_before =
        meddler(server.address(), |text| if text.contains(r#""u2":{"#) { Fate::Lose } else { Fate::Pass });
    let flags = ["--clients", "3", "--topic", "present:s", "--param", "user=u{i}", "--key", "u{i}"];
    let flags = [&flags[..], &["--timeout", "3"]].concat();
    let (json, text) = bench("storm", stands_before.await, &flags).await.failed();
    let [expected, received, lost, ..] = account(&json);
    assert!(expected == 9 && received < 9 && lost == 9 - received, "{json}");
    assert_eq!(json["cut_short"], "nothing came for 3 s");
    assert!(text.contains("not complete: nothing came for 3 s"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leave_that_a_resident_is_not_told_of_fails_a_churn() {
    let server = prompt_lobby().await;
    let mut lost = false;
    let stands_before = meddler(server.address(), move |text| {
        let is_leave = text.contains("presence_diff") && !text.contains(r#""leaves":{}"#);
        if is_leave && !std::mem::replace(&mut lost, true) { Fate::Lose } else { Fate::Pass }
    });
    let flags = ["--topic", "present:c{g}", "--param", "user={i}", "--topics", "1", "--group", "2"];
    let more = ["--clients", "1", "--duration", "0.2", "--connecting", "1", "--timeout", "3"];
    let (json, text) = bench("churn", stands_before.await, &[&flags[..], &more].concat()).await.failed();
    let [expected, received, ..] = account(&json);
    assert!(expected > 0 && expected == received, "every round was made: {json}");
    assert_eq!(troubles(&json), [("a resident still lists somebody who has left", 1)]);
    assert!(text.contains("1 times: a resident still lists somebody who has left"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_joins_are_told_with_their_reason() {
    let server = Process::start(&[]).await;
    for mode in ["idle", "fanout", "storm", "churn", "latency"] {
        let flags = ["--clients", "3", "--topic", "nowhere:{g}", "--timeout", "5"];
        let (json, text) = bench(mode, server.address(), &flags).await.failed();
        let reason = r#"join refused: {"reason":"unmatched topic"}"#;
        let (what, count) = troubles(&json)[0];
        assert!(what == reason && count >= 3, "{mode}: {json}");
        assert!(text.contains(reason), "{mode}: {text}");
        assert_eq!(json["received"], 0, "{mode}: {json}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_an_answer_fails_an_echo() {
    let server = lobby().await;
    let flags = ["--clients", "1", "--messages", "5", "--topic", "lobby:e", "--event", "quiet"];
    let flags = [&flags[..], &["--timeout", "1"]].concat();
    let (json, _) = bench("echo", server.address(), &flags).await.failed();
    assert_eq!(account(&json), [5, 0, 5, 0, 0]);
    assert_eq!(json["cut_short"], "nothing came for 1 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_messages_and_channels_that_end_are_told() {
    let server = Process::start(&[]).await;
    let flags = ["--clients", "2", "--topic", "workflow:presence:x", "--timeout", "5"];
    let (json, _) = bench("fanout", server.address(), &flags).await.failed();
    let (what, _) = troubles(&json)[0];
    assert!(what.starts_with("channel ended with ") || what.starts_with("message refused: "), "{json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_closed_is_told_with_its_code() {
    let server = lobby().await;
    let stop = server.handle().clone();
    // Once the second message is out, the server shows client 0 out.
    let stands_before = meddler(server.address(), move |text| {
        if is_number(text, 1) {
            let stop = stop.clone();
            tokio::spawn(async move { stop.disconnect("user:0").await });
        }
        Fate::Pass
    });
    let flags = ["--clients", "2", "--messages", "1000000", "--topic", "lobby:fan", "--param", "user={i}"];
    let flags = [&flags[..], &["--connecting", "1", "--timeout", "3"]].concat();
    let (json, _) = bench("fanout", stands_before.await, &flags).await.failed();
    let told = troubles(&json);
    assert!(told.iter().any(|(what, _)| what.starts_with("connection ")), "{json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listening_ends_with_1_and_one_line() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("the loopback has a free port");
    let address: SocketAddr = free.local_addr().expect("a bound socket has an address");
    drop(free);
    let ended = run(&["bench", "storm", "--url", &format!("ws://{address}/socket")], &[]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    let line = format!("presenced: cannot connect to ws://{address}/socket: ");
    assert!(ended.stderr.starts_with(&line) && ended.stderr.lines().count() == 1, "{}", ended.stderr);
}
