//! What a run leaves: files, a picture, progress, an exit code.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

use super::bench;
use super::load::lobby;
use crate::support::process::{Process, run};
use crate::support::within;

#[tokio::test(flavor = "multi_thread")]
async fn the_picture_is_an_svg_with_both_axes_of_both_charts_named() {
    let server = lobby().await;
    let file = std::env::temp_dir().join(format!("bench-{}.svg", std::process::id()));
    let path = file.display().to_string();
    let flags = ["--clients", "3", "--messages", "200", "--topic", "lobby:fan", "--plot", &path];
    bench("fanout", server.address(), &flags).await.passed();
    let svg = std::fs::read_to_string(&file).expect("it was written");
    std::fs::remove_file(file).expect("it is there");
    let picture = roxmltree::Document::parse(&svg).expect("it is well-formed");
    assert_eq!(picture.root_element().tag_name().name(), "svg");
    let texts: Vec<&str> = picture.descendants().filter_map(|node| node.text()).map(str::trim).collect();
    for title in ["percentile (%)", "broadcast to receipt (ms)", "time (s)", "deliveries a second", "99"] {
        assert!(texts.contains(&title), "{title} is missing from {texts:?}");
    }
    assert!(texts.iter().any(|text| text.starts_with("fanout: ") && text.contains(" ms, p99 ")), "{texts:?}");
    let lines = picture.descendants().filter(|node| node.tag_name().name() == "polyline");
    let points = lines.filter_map(|node| node.attribute("points")).map(|points| points.split(' ').count());
    assert!(points.max() > Some(10), "a curve has points");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_on_standard_output_and_json_in_a_file() {
    let server = lobby().await;
    let file = std::env::temp_dir().join(format!("bench-{}.json", std::process::id()));
    let (url, path) = (format!("ws://{}/socket", server.address()), file.display().to_string());
    let flags = ["bench", "fanout", "--url", &url, "--topic", "lobby:fan", "--clients", "2", "--json", &path];
    let ended = run(&[&flags[..], &["--messages", "1500"]].concat(), &[]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(ended.stdout.starts_with(&format!("fanout on {url}, ")), "{}", ended.stdout);
    assert!(ended.stdout.contains("3 000 of 3 000, "), "{}", ended.stdout);
    let json: Value =
        serde_json::from_str(&std::fs::read_to_string(&file).expect("it was written")).expect("JSON");
    std::fs::remove_file(file).expect("it is there");
    assert_eq!(json["url"], url);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_help_names_every_key_of_the_json() {
    let server = Process::start(&[]).await;
    let pid = server.id().to_string();
    let json = bench("storm", server.address(), &["--clients", "3", "--pid", &pid]).await.passed();
    let help = run(&["bench", "--help"], &[]).await.stdout;
    let is_told = |key: &str| help.split([' ', ',', ':', ';', '\n']).any(|word| word == key);
    let within = [&json, &json["latency_us"], &json["server"], &json["timeline"][0]];
    for object in within {
        let keys = object.as_object().unwrap_or_else(|| panic!("no object: {object}")).keys();
        assert_eq!(keys.filter(|key| !is_told(key)).collect::<Vec<_>>(), Vec::<&String>::new());
    }
    let keys = json.as_object().expect("an object");
    let named = ["passed", "cut_short", "lost", "short_clients", "troubles", "figures", "received_per_s"];
    assert!(named.iter().all(|key| keys.contains_key(*key)), "{json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_a_run_early_and_tells_what_it_has() {
    let server = Process::start(&[]).await;
    let url = format!("ws://{}/socket", server.address());
    let mut child = Command::new(env!("CARGO_BIN_EXE_presenced"))
        .args(["bench", "latency", "--url", &url, "--rate", "50", "--duration", "3600", "--warmup", "0"])
        .args(["--progress", "--json", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let line = within("a line of progress", stderr.next_line()).await.expect("it is text").expect("a line");
    assert!(line.starts_with("latency 1 s, joining: 50 connected, "), "{line}");
    assert!(line.contains(" of 180 000 joins, "), "{line}");

    let id = child.id().expect("it has not ended").to_string();
    let sent = Command::new("kill").args(["-s", "INT", &id]).status().await.expect("there is a kill");
    assert!(sent.success());
    let mut json = String::new();
    let mut stdout = child.stdout.take().expect("it is piped");
    within("its results", stdout.read_to_string(&mut json)).await.expect("they are text");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&json["cut_short"], &json["passed"]), (&"interrupted".into(), &false.into()));
    assert!(json["received"].as_u64() > Some(10), "{json}");
    assert!(json["latency_us"]["count"].as_u64() > Some(10), "{json}");
    assert_eq!(within("the end", child.wait()).await.expect("it is ours").code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_of_no_use_end_with_2_before_anything_is_asked_of_a_server() {
    let none = u32::MAX.to_string();
    let table: [(&[&str], &str); 11] = [
        (&["storm", "--url", "wss://127.0.0.1/socket"], "wss:// is not spoken"),
        (&["storm", "--url", "127.0.0.1:4000"], "not a URL"),
        (&["storm", "--key", "user"], "must hold {i} once"),
        (&["storm", "--clients", "0"], "0 is not in 1.."),
        (&["storm", "--params", "[1]"], "must be a JSON object"),
        (&["storm", "--param", "user"], "must be NAME=VALUE"),
        (&["storm", "--pid", &none], "cannot read of process"),
        (&["storm", "--json", "/nowhere/at/all.json"], "/nowhere/at/all.json: "),
        (&["storm", "--token-file", "/nowhere/tokens"], "/nowhere/tokens: "),
        (&["latency", "--rate", "0"], "must be a number from 1"),
        (&["flood"], "unrecognized subcommand"),
    ];
    for (flags, words) in table {
        let ended = run(&[&["bench"], flags].concat(), &[]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{flags:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{flags:?}: {}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_help_of_each_mode_is_enough_by_itself() {
    for mode in ["idle", "fanout", "storm", "churn", "latency"] {
        let ended = run(&["bench", mode, "--help"], &[]).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        for words in [
            "--url <URL>",
            "Exit codes: 0 all came as expected; 1",
            "presenced bench ",
            "\nFigures: ",
            "\nLatency: ",
        ] {
            assert!(ended.stdout.contains(words), "{words} is missing from {}", ended.stdout);
        }
        assert!(!ended.stdout.contains("--listen-address"), "a flag of the server: {}", ended.stdout);
    }
}
