//! `presenced bench`, as a process, against running servers.
//!
//! Owns: how it is run, and how its results are read.
//! Not here: its parts by themselves, which are tested beside the code.

mod canvas;
mod cursors;
mod faults;
mod load;
mod meddler;
mod modes;
mod results;

use std::net::SocketAddr;

use serde_json::Value;

use crate::support::process::{Ended, run};

/// What came of a run.
struct Run {
    code: Option<i32>,
    json: Value,
    /// The table.
    text: String,
}

/// Runs a mode against an endpoint at this address, and reads its JSON.
async fn bench(mode: &str, server: SocketAddr, flags: &[&str]) -> Run {
    bench_with(mode, server, flags, &[]).await
}

/// The same with these variables.
async fn bench_with(mode: &str, server: SocketAddr, flags: &[&str], variables: &[(&str, &str)]) -> Run {
    let url = format!("ws://{server}/socket");
    let flags = [&["bench", mode, "--url", &url, "--json", "-"], flags].concat();
    let Ended { code, stdout, stderr } = run(&flags, variables).await;
    let json = serde_json::from_str(&stdout);
    let json = json.unwrap_or_else(|error| panic!("{error} in {stdout}; and it said {stderr}"));
    Run { code, json, text: stderr }
}

impl Run {
    /// # Panics
    /// If not all came as expected.
    fn passed(self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.text);
        assert_eq!(self.json["passed"], true, "{}", self.json);
        assert!(self.text.contains("passed: all came as expected"), "{}", self.text);
        self.json
    }

    /// # Panics
    /// If it ended in any other way than by what was lost, refused or cut short.
    fn failed(self) -> (Value, String) {
        assert_eq!(self.code, Some(1), "{}", self.text);
        assert_eq!(self.json["passed"], false, "{}", self.json);
        assert!(self.text.contains("\nFAILED\n"), "{}", self.text);
        (self.json, self.text)
    }
}

/// Expected, received, lost, doubled, out of order.
fn account(json: &Value) -> [u64; 5] {
    ["expected", "received", "lost", "doubled", "out_of_order"]
        .map(|key| json[key].as_u64().unwrap_or_else(|| panic!("{key} is no number in {json}")))
}

/// What went wrong, and how often.
fn troubles(json: &Value) -> Vec<(&str, u64)> {
    let troubles = json["troubles"].as_array().expect("a list");
    let trouble = |it: &'_ Value| it["count"].as_u64().expect("a number");
    troubles.iter().map(|it| (it["what"].as_str().expect("a text"), trouble(it))).collect()
}
