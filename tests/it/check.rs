//! `presenced check`: it says the whole configuration, and listens for a moment where the server would.
//!
//! Not here: what it says of Lightning's database ([`crate::database`]), and
//! of an upstream ([`crate::check_upstream`]).

use std::net::Ipv4Addr;

use tokio::net::TcpListener;

use crate::support::process::run;

#[tokio::test]
async fn the_whole_configuration_is_said_whichever_side_of_the_word_a_flag_stands() {
    let flags =
        ["--port", "0", "check", "--listen-address", "127.0.0.1,::1", "--api-listen-address", "127.0.0.1:0"];
    let token = "an-API-token-that-is-long-enough-to-be-one";
    let variables = [
        ("API_TOKEN", token),
        ("TRUSTED_PROXIES", "10.0.0.0/8,unix"),
        ("ORIGINS", "//a.example"),
        ("PORT", "x"),
    ];
    let ended = run(&flags, &variables).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    let said: Vec<&str> = ended.stdout.lines().collect();
    let expected = [
        "listen address: 127.0.0.1:0",
        "listen address: [::1]:0",
        "HTTP API: 127.0.0.1:0, asks for its token",
        "people: who they say they are, for development",
        "token keys: 0; no token is required",
        "origins: //a.example",
        "trusted proxies: 10.0.0.0/8, unix",
        "grace period: 5 s",
        "WebSocket idle timeout: 60 s",
        "HTTP idle timeout: 75 s",
        "connections: as many as file descriptors and memory allow",
        "channels of a connection: 100",
        "bytes of a message: 1048576",
        "bytes of unfinished messages and requests: 67108864",
        "bytes that wait for a slow reader: 8388608",
        "flush window: 5 ms",
        "long-poll window: 10000 ms",
        "shutdown timeout: 10 s",
        "review interval: 60 s",
        "configuration OK",
    ];
    assert_eq!(said, expected);

    for (variables, line) in [
        (&[("API_TOKEN", token)][..], "HTTP API: on the main listener, asks for its token"),
        (&[("API_LISTEN_ADDRESS", "127.0.0.1:0")], "HTTP API: 127.0.0.1:0, asks for no token"),
        (&[], "HTTP API: disabled"),
    ] {
        let ended = run(&["check", "--port", "0"], variables).await;
        assert!(ended.stdout.lines().any(|said| said == line), "{line}: {ended:?}");
    }
}

#[tokio::test]
async fn a_setting_whose_meaning_is_another_than_before_is_warned_of() {
    for (variables, warns) in [
        (&[("IDLE_TIMEOUT", "60")][..], true),
        (&[("IDLE_TIMEOUT", "60"), ("WEBSOCKET_IDLE_TIMEOUT", "60")], false),
        (&[], false),
    ] {
        let ended = run(&["check", "--port", "0"], variables).await;
        let warned = ended.stdout.lines().any(|line| line.starts_with("warning: IDLE_TIMEOUT"));
        assert_eq!((warned, ended.code), (warns, Some(0)), "{ended:?}");
    }
}

#[tokio::test]
async fn an_address_that_is_taken_or_cannot_be_is_wrong() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("the loopback has a free port");
    let address = taken.local_addr().expect("a bound socket has an address").to_string();
    let socket = "unix:/nowhere/at/all/presenced.sock";
    for flags in [
        ["--port", &address["127.0.0.1:".len()..], "--api-listen-address", socket],
        ["--listen-address", socket, "--api-listen-address", &address],
    ] {
        let ended = run(&[&["check"], &flags[..]].concat(), &[]).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""), "{ended:?}");
        for place in [&address, socket] {
            let wrong = format!("error: cannot listen on {place}: ");
            assert!(ended.stdout.lines().any(|line| line.starts_with(&wrong)), "{wrong} is not in {ended:?}");
        }
        assert!(ended.stdout.ends_with("\n2 errors\n"), "{ended:?}");
    }
}

#[tokio::test]
async fn every_bad_value_is_said_before_anything_is_tried() {
    let bad = [("PORT", "abc"), ("API_TOKEN", "short"), ("REVIEW_INTERVAL", "0")];
    let ended = run(&["check"], &bad).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), bad.len(), "{ended:?}");
    let ended = run(&["check", "--port", "abc"], &[]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
}
