//! The `presenced` program: its flags and variables, its exit codes, and what it prints.
//!
//! Not here: how it stops ([`crate::shutdown`]).
//! Source: the architecture, "Errors, by what they end" and "Configuration, logs, metrics".

use std::net::Ipv4Addr;

use presenced::wire::Vsn;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::Client;
use crate::support::http::request;
use crate::support::process::{Ended, Process, run};
use crate::support::raw::{Raw, binary, text};

#[tokio::test(flavor = "multi_thread")]
async fn help_names_every_flag_with_its_variable() {
    let Ended { code, stdout, stderr } = run(&["--help"], &[]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    for (flag, variable) in KNOBS {
        let forms = [format!("{flag} <"), format!("{flag}[=<")];
        let named = stdout.lines().any(|line| forms.iter().any(|form| line.contains(form)));
        assert!(named, "{flag} is missing from {stdout}");
        assert!(stdout.contains(&format!("[env: {variable}=]")), "{variable} is missing from {stdout}");
    }
    let flags = stdout.lines().filter(|line| line.trim_start().starts_with("--")).count();
    assert_eq!(flags, KNOBS.len(), "a flag is not in the table of this test: {stdout}");
    // Lines are as long as the terminal is wide.
    let words = stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for code in ["0 stopped", "1 cannot listen", "2 unusable arguments", "78 unusable configuration"] {
        assert!(words.contains(code), "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn version_names_the_version() {
    let Ended { code, stdout, .. } = run(&["--version"], &[]).await;
    assert_eq!((code, stdout), (Some(0), format!("presenced {}\n", env!("CARGO_PKG_VERSION"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_that_cannot_be_read_end_with_2() {
    let table: [(&[&str], &str); 5] = [
        (&["--no-such-flag"], "--no-such-flag"),
        (&["stray"], "stray"),
        (&["--port", "abc"], "invalid value 'abc' for '--port'"),
        (&["--port", "65536"], "invalid value '65536' for '--port'"),
        (&["--log-format", "xml"], "expected 'human' or 'json'"),
    ];
    for (flags, words) in table {
        let Ended { code, stdout, stderr } = run(flags, &[]).await;
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{flags:?}");
        assert!(stderr.contains(words), "{flags:?}: {stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_cannot_be_read_ends_with_78() {
    let ended = run(&[], &[("PORT", "abc")]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.starts_with("presenced: PORT: 'abc': "), "{}", ended.stderr);
}

/// phoenix.js up to 1.8.5 keeps its lists in plain objects, and would keep this key's in every one of them.
#[tokio::test(flavor = "multi_thread")]
async fn in_development_nobody_has_a_name_that_every_javascript_object_has() {
    let process = Process::start(&[]).await;
    for (name, status) in [("__proto__", 403), ("constructor", 403), ("proto", 400)] {
        let path = format!("/socket/websocket?vsn=2.0.0&user_id={name}");
        // 400 says that only the upgrade is lacking.
        assert_eq!(request(process.address(), "GET", &path, &[], "").await.status, status, "{name}");
    }
}

/// It is how a compose file says that a variable is not set.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_variable_is_as_good_as_none() {
    let process = Process::start_with(&[], &KNOBS.map(|(_, variable)| (variable, ""))).await;
    assert_eq!(process.address().ip(), Ipv4Addr::LOCALHOST);
    let mut client = Client::connect(process.address(), Vsn::V2, "user_id=1").await;
    client.heartbeat().await;
    process.signal("TERM").await;
    assert_eq!(client.closed().await, 1012);
    drop(client);
    let ended = process.ended().await;
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("INFO"), "the log is as it is by default: {}", ended.stderr);

    // A process that was given no port takes one that may be in use here: another variable stops it before.
    let ended = run(&[], &[("PORT", ""), ("IDLE_TIMEOUT", "0")]).await;
    assert_eq!(ended.stderr, "presenced: IDLE_TIMEOUT: must be at least 1 second\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_value_that_cannot_be_used_has_a_line_of_its_own() {
    let bad = [
        ("LISTEN_ADDRESS", "nowhere"),
        ("PORT", "-1"),
        ("ORIGINS", "https://good.example,bad"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,proxy.example"),
        ("API_LISTEN_ADDRESS", "nowhere"),
        ("API_TOKEN", "short"),
        ("DATABASE_POOL_SIZE", "0"),
        ("DATABASE_TIMEOUT", "99"),
        ("DISABLE_DB_SSL", "y"),
        ("DISABLE_DB_SSL_CERT_VERIFY", "1"),
        ("REQUIRE_EMAIL_VERIFICATION", "on"),
        ("SIGNED_TOKENS", "0"),
        ("REVIEW_INTERVAL", "0"),
        ("IDLE_TIMEOUT", "0"),
        ("MAX_CHANNELS", "0"),
        ("OUTBOX_BYTES", "1"),
        ("FLUSH_WINDOW", "5ms"),
        ("LONGPOLL_WINDOW", "1"),
        ("SHUTDOWN_TIMEOUT", "ten"),
        ("LOG", "presenced=loud"),
        ("LOG_FORMAT", "xml"),
    ];
    let ended = run(&[], &bad).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""));
    for (variable, _) in bad {
        let lines = ended.stderr.lines().filter(|line| line.starts_with(&format!("presenced: {variable}: ")));
        assert_eq!(lines.count(), 1, "{variable} in {}", ended.stderr);
    }
    assert_eq!(ended.stderr.lines().count(), bad.len(), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_who_are_who_they_say_they_are_stay_on_this_machine() {
    let from_variable = run(&[], &[("LISTEN_ADDRESS", "0.0.0.0")]).await;
    let from_flag = run(&["--listen-address", "::"], &[]).await;
    let among_others = run(&["--listen-address", "127.0.0.1,unix:/nowhere,10.0.0.1"], &[]).await;
    for (ended, name) in [
        (from_variable, "LISTEN_ADDRESS: 0.0.0.0:4000"),
        (from_flag, "--listen-address: [::]:4000"),
        (among_others, "--listen-address: 10.0.0.1:4000"),
    ] {
        assert_eq!(ended.code, Some(78));
        assert!(
            ended.stderr.starts_with(&format!("presenced: {name} is neither loopback nor a Unix socket; ")),
            "{}",
            ended.stderr
        );
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_ends_with_1_and_one_line() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("the loopback has a free port");
    let address = taken.local_addr().expect("a bound socket has an address");
    let ended = run(&[], &[("PORT", &address.port().to_string())]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(
        ended.stderr.starts_with(&format!("presenced: cannot listen on {address}: ")),
        "{}",
        ended.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_counts_before_its_variable() {
    let ended = run(&["--port", "0", "--idle-timeout", "0"], &[("PORT", "abc"), ("IDLE_TIMEOUT", "5")]).await;
    assert_eq!(ended.code, Some(78));
    assert_eq!(ended.stderr, "presenced: --idle-timeout: must be at least 1 second\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_where_it_listens_and_that_it_is_for_development() {
    let process = Process::start(&[]).await;
    let page = format!("http://{}/", process.address());
    let answer = request(process.address(), "GET", "/", &[], "").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/html; charset=utf-8"));
    process.signal("TERM").await;
    let ended = process.ended().await;
    assert_eq!(ended.stdout, "", "standard output has the address and nothing else");
    let line = ended.stderr.lines().find(|line| line.contains("for development"));
    assert!(line.is_some_and(|line| line.contains(&page)), "{}", ended.stderr);
    for stage in ["shutting down", "stopped"] {
        assert!(ended.stderr.contains(stage), "{}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_log_is_an_object_a_line() {
    let process = Process::start(&["--log-format", "json", "--log", "trace"]).await;
    let mut client = Client::connect(process.address(), Vsn::V2, "user_id=1").await;
    client.heartbeat().await;
    process.signal("TERM").await;
    assert_eq!(client.closed().await, 1012);
    drop(client);
    let ended = process.ended().await;
    let lines: Vec<Value> = ended
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}")))
        .collect();
    let said = |message: &str| lines.iter().find(|line| line["message"] == message);
    assert_eq!(said("shutting down").expect("it says so")["connections"], 1);
    assert!(said("connection closed").expect("it says so")["reason"] == "shutdown", "{lines:#?}");
    for line in &lines {
        for field in ["timestamp", "level", "target", "message"] {
            assert!(line[field].is_string(), "{field} in {line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_has_only_what_its_filter_lets_through() {
    let process = Process::start(&["--log", "warn"]).await;
    process.signal("TERM").await;
    assert_eq!(process.ended().await.stderr, "");
}

/// Every way for a client to say something: none of it may be found in the log, whatever the level.
#[tokio::test(flavor = "multi_thread")]
async fn what_clients_say_is_never_logged() {
    let process = Process::start(&["--log", "trace"]).await;
    let server = process.address();
    let query = format!("token={SECRET}&user_id={SECRET}&first_name={SECRET}&email={SECRET}");
    let mut client = Client::connect(server, Vsn::V2, &query).await;
    let joined = client.join("workflow:presence:w", json!({"project_id": SECRET, "token": SECRET})).await;
    assert_eq!(joined.status, "ok", "{joined:?}");
    client.expect("workflow:presence:w", "presence_state").await;
    let refused =
        client.join("workflow:collaborate:w", json!({"project_id": SECRET, "action": SECRET})).await;
    assert_eq!(refused.status, "error");
    client.call("workflow:presence:w", "event", json!({"said": SECRET})).await;
    client.push_binary("workflow:presence:w", "event", SECRET.as_bytes()).await;
    client.heartbeat().await;

    for malformed in [text(&format!(r#"["{SECRET}"#)), binary(SECRET.as_bytes())] {
        let mut raw = Raw::open(server, "2.0.0").await;
        raw.write(&malformed).await;
        assert_eq!(raw.closed().await, 1011);
    }
    let path = format!("/socket/longpoll?vsn=2.0.0&{query}");
    let headers = [("x-phoenix-authtoken", SECRET), ("cookie", SECRET), ("authorization", SECRET)];
    let opened = request(server, "GET", &path, &headers, "").await.json();
    let token = opened["token"].as_str().expect("a token");
    let path = format!("/socket/longpoll?vsn=2.0.0&token={token}");
    let body = json!(["1", "1", "workflow:presence:w", "phx_join", {"token": SECRET}]).to_string();
    assert_eq!(request(server, "POST", &path, &headers, body).await.json()["status"], 200);
    assert_eq!(request(server, "POST", &path, &[], format!("{{{SECRET}")).await.json()["status"], 408);
    request(server, "GET", &format!("/nowhere?{SECRET}"), &headers, "").await;

    process.signal("TERM").await;
    assert_eq!(client.closed().await, 1012);
    drop(client);
    let ended = process.ended().await;
    assert!(
        ended.stderr.contains("TRACE") || ended.stderr.contains("DEBUG"),
        "the log is on: {}",
        ended.stderr
    );
    for said in [SECRET, token] {
        let found: Vec<&str> = ended.stderr.lines().filter(|line| line.contains(said)).collect();
        assert!(found.is_empty(), "{found:#?}");
    }
}

/// All that can be set.
const KNOBS: [(&str, &str); 31] = [
    ("--listen-address", "LISTEN_ADDRESS"),
    ("--port", "PORT"),
    ("--people", "PEOPLE"),
    ("--database-pool-size", "DATABASE_POOL_SIZE"),
    ("--database-timeout", "DATABASE_TIMEOUT"),
    ("--disable-db-ssl", "DISABLE_DB_SSL"),
    ("--disable-db-ssl-cert-verify", "DISABLE_DB_SSL_CERT_VERIFY"),
    ("--require-email-verification", "REQUIRE_EMAIL_VERIFICATION"),
    ("--signed-tokens", "SIGNED_TOKENS"),
    ("--origins", "ORIGINS"),
    ("--url-host", "URL_HOST"),
    ("--trusted-proxies", "TRUSTED_PROXIES"),
    ("--api-listen-address", "API_LISTEN_ADDRESS"),
    ("--review-interval", "REVIEW_INTERVAL"),
    ("--idle-timeout", "IDLE_TIMEOUT"),
    ("--websocket-idle-timeout", "WEBSOCKET_IDLE_TIMEOUT"),
    ("--max-connections", "MAX_CONNECTIONS"),
    ("--max-channels", "MAX_CHANNELS"),
    ("--max-message-bytes", "MAX_MESSAGE_BYTES"),
    ("--input-bytes", "INPUT_BYTES"),
    ("--outbox-bytes", "OUTBOX_BYTES"),
    ("--flush-window", "FLUSH_WINDOW"),
    ("--longpoll-window", "LONGPOLL_WINDOW"),
    ("--shutdown-timeout", "SHUTDOWN_TIMEOUT"),
    ("--log", "LOG"),
    ("--log-format", "LOG_FORMAT"),
    ("--upstream", "UPSTREAM"),
    ("--grace", "GRACE"),
    ("--awareness-interval", "AWARENESS_INTERVAL"),
    ("--trust-awareness-identity", "TRUST_AWARENESS_IDENTITY"),
    ("--gateway-bytes", "GATEWAY_BYTES"),
];

const SECRET: &str = "s3cr3t-m4rk3r";
