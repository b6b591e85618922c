//! A topic that is left and joined again: how often the list comes.
//!
//! Not here: what it is good for, which only phoenix.js shows (`tests/js/rejoin.test.mjs`).
//! Source: contract/phoenix.md section 4.2.1.

use std::time::{Duration, Instant};

use crate::support::process::Process;
use crate::support::raw::{PING, PONG, Raw, frame, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_join_that_may_have_been_said_before_the_last_diff_was_read_gets_its_list_twice_and_a_calm_one_once()
 {
    let process = Process::start(&[]).await;
    let mut raw = Raw::open(process.address(), "2.0.0&user_id=ada").await;
    assert_eq!(lists_of_a_join(&mut raw, "1").await, 1, "nothing was left");

    let nonce = leave(&mut raw, "1").await;
    assert_eq!(lists_of_a_join(&mut raw, "2").await, 2, "the ping is not answered");
    raw.write(&frame(PONG, &nonce)).await;

    let nonce = leave(&mut raw, "2").await;
    raw.write(&frame(PONG, &nonce)).await;
    assert_eq!(lists_of_a_join(&mut raw, "3").await, 2, "a page may not have handled yet what it has read");

    let nonce = leave(&mut raw, "3").await;
    raw.write(&frame(PONG, &nonce)).await;
    let answered = Instant::now();
    while answered.elapsed() < Duration::from_millis(80) {
        heartbeat(&mut raw).await;
    }
    assert_eq!(lists_of_a_join(&mut raw, "4").await, 1);
    // A join that replaces another is no return.
    assert_eq!(lists_of_a_join(&mut raw, "5").await, 1);
}

/// Leaves, and gives what the ping behind the answers holds.
async fn leave(raw: &mut Raw, join_ref: &str) -> Vec<u8> {
    raw.write(&message(join_ref, "phx_leave")).await;
    loop {
        let frame = raw.frame().await.expect("the stream goes on");
        if frame.first == PING {
            return frame.payload.to_vec();
        }
    }
}

/// Joins, and counts the lists that come of it before the answer to a heartbeat that is sent once the own diff has come.
async fn lists_of_a_join(raw: &mut Raw, join_ref: &str) -> usize {
    raw.write(&message(join_ref, "phx_join")).await;
    let mut lists = 0;
    loop {
        let message = raw.json().await;
        lists += usize::from(message[3] == "presence_state");
        if message[3] == "presence_diff" && !message[4]["joins"]["ada"].is_null() {
            break;
        }
    }
    lists + heartbeat(raw).await
}

/// Waits for the answer to a heartbeat; how many lists came before.
async fn heartbeat(raw: &mut Raw) -> usize {
    raw.write(&text(r#"[null,"beat","phoenix","heartbeat",{}]"#)).await;
    let mut lists = 0;
    loop {
        let message = raw.json().await;
        if message[1] == "beat" {
            return lists;
        }
        lists += usize::from(message[3] == "presence_state");
    }
}

fn message(join_ref: &str, event: &str) -> Vec<u8> {
    text(&format!(r#"["{join_ref}","{join_ref}","workflow:presence:w","{event}",{{}}]"#))
}
