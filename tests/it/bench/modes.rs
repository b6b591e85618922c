//! Each mode, small, against a server that does nothing wrong.

use std::time::Duration;

use serde_json::{Value, json};

use super::load::{guarded, lobby, stalled};
use super::{account, bench, bench_with, troubles};
use crate::support::process::Process;

#[tokio::test(flavor = "multi_thread")]
async fn idle_sees_everybody_of_each_group_and_the_servers_memory() {
    let server = Process::start(&[]).await;
    let pid = server.id().to_string();
    let flags = ["--clients", "25", "--group", "10", "--duration", "0.1", "--pid", &pid];
    let json = bench("idle", server.address(), &flags).await.passed();
    let sightings = 10 * 10 + 10 * 10 + 5 * 5;
    assert_eq!(account(&json), [sightings, sightings, 0, 0, 0]);
    assert_eq!((&json["mode"], &json["counted"]), (&json!("idle"), &json!("sightings")));
    assert_eq!(json["figures"]["clients_joined"], 25);
    assert_eq!(json["latency_us"]["count"], 25);
    assert_eq!(json["settings"]["duration_s"], 0.1);
    for key in ["kb_per_connection", "joins_per_s", "connect_join_s"] {
        assert!(json["figures"][key].is_number(), "{key} in {json}");
    }
    assert!(json["server"]["resident_after_kb"].as_u64() > Some(1_000), "{json}");
    assert!(json["server"]["cpu_user_s"].is_number() && json["server"]["cpu_system_s"].is_number(), "{json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_needs_no_presence_where_the_reply_is_enough() {
    let server = lobby().await;
    let flags = ["--clients", "4", "--duration", "0", "--topic", "lobby:{g}", "--ready", "phx_reply"];
    let json = bench("idle", server.address(), &flags).await.passed();
    assert_eq!(account(&json), [0, 0, 0, 0, 0]);
    assert_eq!(json["figures"]["clients_joined"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn fanout_delivers_every_message_to_every_member() {
    let server = lobby().await;
    for window in ["1", "8", "1000"] {
        let flags = ["--clients", "7", "--messages", "50", "--window", window, "--topic", "lobby:fan"];
        let json = bench("fanout", server.address(), &flags).await.passed();
        assert_eq!(account(&json), [350, 350, 0, 0, 0]);
        assert_eq!(json["figures"]["messages_sent"], 50);
        assert_eq!(json["latency_us"]["count"], 350);
        assert!(ordered_percentiles(&json["latency_us"]), "{json}");
        let timeline = json["timeline"].as_array().expect("a list");
        let told: u64 = timeline.iter().filter_map(|part| part["received"].as_u64()).sum();
        assert_eq!(told, 350, "the time line has all of them");
        assert_eq!(json["server"], Value::Null, "no process was named");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_larger_than_a_read_arrive_whole() {
    let server = lobby().await;
    let flags = ["--clients", "3", "--messages", "10", "--bytes", "200000", "--topic", "lobby:fan"];
    let json = bench("fanout", server.address(), &flags).await.passed();
    assert_eq!(account(&json), [30, 30, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn storm_ends_when_each_has_seen_all() {
    let server = Process::start(&[]).await;
    let json = bench("storm", server.address(), &["--clients", "30"]).await.passed();
    assert_eq!(account(&json), [900, 900, 0, 0, 0]);
    assert_eq!(json["figures"]["clients_converged"], 30);
    assert_eq!(json["latency_us"]["count"], 30);
    // A reply and a list for each, at least.
    assert!(json["figures"]["frames"].as_u64() >= Some(60), "{json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn storm_knows_its_clients_by_their_presence_keys() {
    let server = lobby().await;
    let flags = ["--clients", "6", "--topic", "present:storm", "--param", "user=a-{i}-b", "--key", "a-{i}-b"];
    let json = bench("storm", server.address(), &flags).await.passed();
    assert_eq!(account(&json), [36, 36, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn churn_leaves_every_resident_with_the_list_it_had() {
    // Every change is told, however short a visit is.
    let server = Process::start(&["--flush-window", "0"]).await;
    let flags = ["--clients", "4", "--topics", "3", "--group", "2", "--duration", "0.3", "--warmup", "0.1"];
    let json = bench("churn", server.address(), &flags).await.passed();
    let [expected, received, ..] = account(&json);
    assert!(expected > 0 && expected == received, "{json}");
    let measured = json["figures"]["rounds_measured"].as_u64().expect("a number");
    assert!(0 < measured && measured < received, "the warm-up is not measured: {json}");
    assert_eq!(json["figures"]["residents"], 6);
    assert!(json["figures"]["diffs_to_residents"].as_u64() > Some(0), "{json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn latency_joins_at_its_rate() {
    let server = Process::start(&[]).await;
    let flags = ["--rate", "100", "--duration", "0.5", "--warmup", "0.1", "--clients", "5"];
    let json = bench("latency", server.address(), &flags).await.passed();
    assert_eq!(account(&json), [60, 60, 0, 0, 0]);
    assert_eq!(json["latency_us"]["count"], 50, "the warm-up is not measured");
    assert!(json["elapsed_s"].as_f64() >= Some(0.59), "the last join was not due before: {json}");
    assert!(json["figures"]["sent_late_p99_us"].is_number(), "{json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn latency_broadcasts_at_its_rate() {
    let server = lobby().await;
    let flags = ["--what", "broadcast", "--rate", "100", "--duration", "0.5", "--warmup", "0.1"];
    let flags = [&flags[..], &["--clients", "3", "--topic", "lobby:l"]].concat();
    let json = bench("latency", server.address(), &flags).await.passed();
    assert_eq!(account(&json), [180, 180, 0, 0, 0]);
    assert_eq!(json["latency_us"]["count"], 150, "the warm-up is not measured");
}

#[tokio::test(flavor = "multi_thread")]
async fn echo_waits_for_each_answer() {
    let server = lobby().await;
    let flags = ["--clients", "3", "--messages", "20", "--topic", "lobby:e{i}"];
    let json = bench("echo", server.address(), &flags).await.passed();
    assert_eq!(account(&json), [60, 60, 0, 0, 0]);
    assert_eq!(json["latency_us"]["count"], 60);
}

/// One join of a hundred is slow. Measured from when each could be sent, 99 were fast; but they were due long before.
#[tokio::test(flavor = "multi_thread")]
async fn a_stall_is_charged_with_all_that_was_due_meanwhile() {
    let server = stalled(Duration::from_millis(900)).await;
    let flags = ["--topic", "stall:{g}", "--ready", "phx_reply", "--clients", "1", "--rate", "100"];
    let flags = [&flags[..], &["--duration", "1", "--warmup", "0"]].concat();
    let json = bench("latency", server.address(), &flags).await.passed();
    assert_eq!(json["latency_us"]["count"], 100);
    assert!(json["latency_us"]["p50"].as_u64() > Some(300_000), "{json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_client_brings_its_token() {
    let server = guarded().await;
    let file = std::env::temp_dir().join(format!("bench-tokens-{}", std::process::id()));
    std::fs::write(&file, "secret-0\n\nsecret-1\nsecret-2\n").expect("it can be written");
    let path = file.display().to_string();
    let flags = ["--clients", "3", "--messages", "2", "--topic", "lobby:t", "--param", "user={i}"];
    let of_file = [&flags[..], &["--token-file", &path]].concat();
    let none = [("BENCH_TOKEN", "")];
    let json = bench_with("fanout", server.address(), &of_file, &none).await.passed();
    assert_eq!(account(&json), [6, 6, 0, 0, 0]);
    std::fs::remove_file(file).expect("it is there");
    let pattern = [("BENCH_TOKEN", "secret-{i}")];
    bench_with("fanout", server.address(), &flags, &pattern).await.passed();
    // Client 0's, for all three.
    let variable = [("BENCH_TOKEN", "secret-0")];
    let (json, text) = bench_with("fanout", server.address(), &flags, &variable).await.failed();
    assert_eq!(troubles(&json), [("connection refused with HTTP status 403", 2)]);
    assert_eq!(json["received"], 2);
    assert!(!json.to_string().contains("secret-0") && !text.contains("secret-0"), "a token is not told");
}

fn ordered_percentiles(latency: &Value) -> bool {
    let keys = ["min", "p50", "p90", "p99", "p99.9", "max"];
    let told: Vec<u64> = keys.iter().filter_map(|key| latency[key].as_u64()).collect();
    told.len() == keys.len() && told.is_sorted() && told[0] > 0
}
