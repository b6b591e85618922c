//! What comes in one packet is answered in the order in which it was asked.
//!
//! Source: Phoenix 1.8.12, `Phoenix.Socket`: a connection's messages are handled one after the other, and a
//! join is waited for.

use serde_json::{Value, json};

use super::Bench;
use crate::support::raw::{Raw, text};

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_behind_a_join_is_answered_behind_it() {
    let bench = Bench::new().await;
    for join in ["at once", "yield"] {
        for _ in 0..ROUNDS {
            let mut raw = Raw::open(bench.server.address(), "2.0.0").await;
            let asked = [
                json!(["1", "1", TOPIC, "phx_join", {"do": join}]),
                json!([null, "2", "phoenix", "heartbeat", {}]),
                json!(["1", "3", TOPIC, "echo", {}]),
                json!([null, "4", "phoenix", "heartbeat", {}]),
            ];
            raw.write(&packet(&asked)).await;
            for reference in ["1", "2", "3", "4"] {
                let reply = raw.json().await;
                assert_eq!(
                    (&reply[1], &reply[4]["status"]),
                    (&json!(reference), &json!("ok")),
                    "{join}: {reply}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_join_is_answered_before_the_close_of_the_first_and_behind_what_the_first_heard() {
    let bench = Bench::new().await;
    for join in ["at once", "yield"] {
        for _ in 0..ROUNDS {
            let mut raw = Raw::open(bench.server.address(), "2.0.0").await;
            raw.write(&packet(&[json!(["1", "1", TOPIC, "phx_join", {}])])).await;
            raw.json().await;
            let asked = [
                json!(["1", "2", TOPIC, "shout_and_push", {}]),
                json!(["3", "3", TOPIC, "phx_join", {"do": join}]),
                json!(["3", "4", TOPIC, "echo", {}]),
            ];
            raw.write(&packet(&asked)).await;
            let mut heard = Vec::new();
            while heard.last().is_none_or(|(_, reference)| *reference != "4") {
                let message = raw.json().await;
                heard.push((message[3].clone(), message[1].clone()));
            }
            // The other join ends a callback under way, and what it would have pushed behind its broadcast.
            heard.retain(|(event, _)| event != "pushed");
            let expected = [
                ("shout", Value::Null),
                ("phx_reply", json!("3")),
                ("phx_close", json!("1")),
                ("phx_reply", json!("4")),
            ];
            assert_eq!(heard, expected.map(|(event, reference)| (json!(event), reference)), "{join}");
        }
    }
}

/// These messages, to be written at once.
fn packet(messages: &[Value]) -> Vec<u8> {
    messages.iter().flat_map(|message| text(&message.to_string())).collect()
}

const TOPIC: &str = "lab:1";
/// The order must not be a matter of luck.
const ROUNDS: usize = 20;
