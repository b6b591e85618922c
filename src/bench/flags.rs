//! The flags that every mode has.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use serde::Serializer;

use super::channel::JoinParams;
use super::endpoint::{Param, Token, Url};

/// Where the clients connect, and as whom.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "The endpoint")]
pub(super) struct Target {
    /// The endpoint, as phoenix.js is given it
    #[arg(long, value_name = "URL", default_value = "ws://127.0.0.1:4000/socket")]
    pub url: Url,
    /// A parameter of the connection: {i} is the client's number. Given any, the default is gone
    #[arg(long, value_name = "NAME=VALUE", default_value = "user_id={i}")]
    pub param: Vec<Param>,
    /// The parameter token of every connection: {i} is the client's number. Better in the environment, where not
    /// everybody can read it
    #[arg(long, value_name = "TOKEN", env = "BENCH_TOKEN", hide_env_values = true)]
    pub token: Option<Token>,
    /// A file with tokens instead, one a line: client 0 brings the first, and they come round
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The payload of every join: {i} is the client's number, {g} its group's
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub params: JoinParams,
    /// How many clients connect at the same time. More than a server's backlog, often 128, wait a second for TCP
    #[arg(long, value_name = "COUNT", default_value = "100", value_parser = count())]
    pub connecting: u64,
    /// How long to wait for what does not come, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub timeout: Duration,
}

/// What becomes of the results.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "The results")]
pub(super) struct Output {
    /// The server's process on this machine, whose CPU time and memory are told
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
    /// Write the results as JSON to this file; - is standard output, and the text goes to standard error
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw latencies and the time line into this file
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
    /// Say each second how far the run is, even where standard error is no terminal
    #[arg(long)]
    pub progress: bool,
}

/// A number of something of which there is one at least.
pub(super) fn count() -> RangedU64ValueParser<u64> {
    RangedU64ValueParser::new().range(1..=MOST)
}

/// A time in seconds.
pub(super) fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=A_DAY).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or("must be a number of seconds, a day at most")
}

/// A time in JSON, whose key says that it is in seconds.
pub(super) fn serialize_seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

/// Beyond any run: products of two such numbers fit.
const MOST: u64 = 1_000_000_000;
const A_DAY: f64 = 86_400.0;
