//! `presenced bench`: a load generator for any server of the Phoenix channels protocol, and a judge of what it delivers.
//!
//! Owns: the modes, their flags, progress, results as a table, as JSON and as a picture, the exit code. It uses `wire`
//! and nothing of the server: it knows only what goes over the network, and what the kernel says of a process.
//! A client is a task that counts what it is owed; nothing is random but the stamp by which a run knows its own
//! messages, and the names of rooms that nobody else has. TLS and long poll are not spoken.

mod broadcast;
mod channel;
mod churn;
mod client;
mod crew;
mod cursors;
mod digits;
mod echo;
mod endpoint;
mod fanout;
mod flags;
mod frames;
mod help;
mod idle;
mod incoming;
mod latency;
mod listed;
mod pattern;
mod plot;
mod progress;
mod report;
mod run;
mod samples;
mod seen;
mod server_process;
mod stamp;
mod storm;
mod tally;
mod trouble;
mod watcher;

use std::fs;
use std::io::{self, Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use self::churn::Churn;
use self::cursors::Cursors;
use self::echo::Echo;
use self::endpoint::{Endpoint, Token, Url};
use self::fanout::Fanout;
use self::flags::{Output, Target};
use self::idle::Idle;
use self::latency::Latency;
use self::plot::Undrawn;
use self::progress::Progress;
use self::report::{Report, Subject};
use self::run::{Bench, Mode};
use self::samples::Latencies;
use self::server_process::{NoProcess, ServerProcess};
use self::storm::Storm;

/// Measure a server of the Phoenix channels protocol, and hold what it delivers against what it owes
#[derive(Debug, Args)]
#[command(after_help = help::RESULTS)]
pub struct BenchCommand {
    #[command(subcommand)]
    mode: Modes,
}

#[derive(Debug, Subcommand)]
enum Modes {
    /// Clients join, a few to a topic, and stay: joins a second, the server's memory
    #[command(after_help = help::IDLE)]
    Idle(Flags<Idle>),
    /// A member of a topic broadcasts: deliveries a second. Needs a channel that broadcasts what it is sent
    #[command(after_help = help::FANOUT)]
    Fanout(Flags<Fanout>),
    /// All join one topic at once, until each has seen all: how long that takes
    #[command(after_help = help::STORM)]
    Storm(Flags<Storm>),
    /// Clients join and leave topics with residents, who must know in the end who is there: rounds a second
    #[command(after_help = help::CHURN)]
    Churn(Flags<Churn>),
    /// Joins or broadcasts at a fixed rate: latencies, without coordinated omission
    #[command(after_help = help::LATENCY)]
    Latency(Flags<Latency>),
    /// Clients on canvases move their cursors, seen by Yjs awareness: frames and CPU a move, how long until it is seen
    #[command(after_help = help::CURSORS)]
    Cursors(Flags<Cursors>),
    /// Clients send messages that are answered, each waiting for its answer: round trips a second
    #[command(after_help = help::ECHO)]
    Echo(Flags<Echo>),
}

/// A mode's own flags, and those that all have.
#[derive(Debug, Args)]
struct Flags<M: Args> {
    #[command(flatten)]
    mode: M,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    output: Output,
}

/// Why there are no results.
#[derive(Debug, Error)]
enum Failed {
    #[error("--pid: {0}")]
    Process(#[from] NoProcess),
    #[error("{}: {}", .0.display(), .1)]
    Unopened(PathBuf, io::Error),
    #[error("{} holds no token", .0.display())]
    NoToken(PathBuf),
    #[error("cannot start the runtime: {0}")]
    Runtime(io::Error),
    #[error("cannot connect to {0}: {1}")]
    Unreachable(Url, io::Error),
    #[error("cannot write {}: {}", .0.display(), .1)]
    Unwritten(PathBuf, io::Error),
    #[error(transparent)]
    Undrawn(#[from] Undrawn),
}

impl BenchCommand {
    /// Runs it, says what came of it, and returns the process's exit code: 0 where all was as expected, 1 where
    /// anything was lost or refused or the run ended early, 2 where an argument is of no use.
    pub fn run(self) -> ExitCode {
        let passed = match self.mode {
            Modes::Idle(flags) => flags.perform(),
            Modes::Fanout(flags) => flags.perform(),
            Modes::Storm(flags) => flags.perform(),
            Modes::Churn(flags) => flags.perform(),
            Modes::Latency(flags) => flags.perform(),
            Modes::Cursors(flags) => flags.perform(),
            Modes::Echo(flags) => flags.perform(),
        };
        match passed {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(failed) => {
                // Nobody may be reading.
                let _ = writeln!(stderr(), "presenced: {failed}");
                failed.exit_code()
            }
        }
    }
}

impl Failed {
    fn exit_code(&self) -> ExitCode {
        match self {
            Failed::Process(_) | Failed::Unopened(..) | Failed::NoToken(_) => ExitCode::from(EX_ARGUMENTS),
            Failed::Runtime(_) | Failed::Unreachable(..) | Failed::Unwritten(..) | Failed::Undrawn(_) => {
                ExitCode::FAILURE
            }
        }
    }
}

impl<M: Mode> Flags<M> {
    /// Measures, and tells the results; whether all was as expected.
    fn perform(self) -> Result<bool, Failed> {
        let Flags { mode, target, output } = self;
        let process = output.pid.map(ServerProcess::of).transpose()?;
        let tokens = target.tokens()?;
        // A long run is not to end without a place for its results.
        for file in [&output.json, &output.plot].into_iter().flatten().filter(|file| !is_stdout(file)) {
            fs::File::create(file).map_err(|error| Failed::Unopened(file.clone(), error))?;
        }
        // Where the limit stays as it is, connections fail, and say so.
        let _ = rlimit::increase_nofile_limit(u64::MAX);
        let runtime = tokio::runtime::Runtime::new().map_err(Failed::Runtime)?;
        let (report, latencies) =
            runtime.block_on(measure(&mode, target, tokens, process, output.progress))?;
        runtime.shutdown_background();
        output.tell(&report, &latencies)?;
        Ok(report.passed)
    }
}

/// Runs a mode, with a line of progress beside it, until its end or Ctrl-C.
async fn measure<M: Mode>(
    mode: &M,
    target: Target,
    tokens: Vec<Token>,
    process: Option<ServerProcess>,
    tells: bool,
) -> Result<(Report, Histogram<u64>), Failed> {
    let mut params = mode.params();
    params.retain(|param| target.param.iter().all(|given| given.name() != param.name()));
    params.extend(target.param);
    let endpoint = Endpoint::resolve(&target.url, params, tokens).await;
    let endpoint = endpoint.map_err(|error| Failed::Unreachable(target.url.clone(), error))?;
    let bench = Arc::new(Bench {
        endpoint,
        join_params: target.params,
        progress: Progress::new(M::NAME, mode.counted()),
        latencies: Latencies::new(),
        connecting: usize::try_from(target.connecting).unwrap_or(usize::MAX),
        timeout: target.timeout,
        process,
        interrupted: CancellationToken::new(),
        troubles: Mutex::default(),
        cut_short: Mutex::default(),
    });
    let interrupted = bench.interrupted.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.cancel();
        }
        // Whoever asks again does not wait for results.
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(EXIT_FAILURE);
        }
    });
    let outcome = tokio::select! {
        outcome = mode.run(&bench) => outcome,
        never = bench.progress.tell(tells) => match never {},
    };
    bench.progress.clear();
    let latencies = bench.latencies.histogram();
    let subject = Subject {
        mode: M::NAME,
        counted: mode.counted(),
        url: target.url.to_string(),
        settings: serde_json::to_value(mode).expect("flags are JSON"),
        cut_short: bench.cut_short.lock().take(),
        troubles: std::mem::take(&mut *bench.troubles.lock()).into_sorted(),
    };
    Ok((Report::new(subject, outcome, &latencies), latencies))
}

impl Target {
    /// The tokens that clients bring in turn. None is none of an empty variable.
    fn tokens(&self) -> Result<Vec<Token>, Failed> {
        let Some(file) = &self.token_file else {
            return Ok(self.token.iter().filter(|token| !token.is_empty()).cloned().collect());
        };
        let text = fs::read_to_string(file).map_err(|error| Failed::Unopened(file.clone(), error))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let tokens: Vec<Token> = lines.map(Token::from).collect();
        if tokens.is_empty() { Err(Failed::NoToken(file.clone())) } else { Ok(tokens) }
    }
}

impl Output {
    /// The table on standard output, JSON and picture where they were asked for.
    fn tell(&self, report: &Report, latencies: &Histogram<u64>) -> Result<(), Failed> {
        let takes_stdout = self.json.as_deref().is_some_and(is_stdout);
        let text = report.to_string();
        let told = if takes_stdout {
            stderr().write_all(text.as_bytes())
        } else {
            stdout().write_all(text.as_bytes())
        };
        told.map_err(|error| Failed::Unwritten(STDOUT.into(), error))?;
        if let Some(file) = &self.json {
            let json = report.json();
            let written =
                if takes_stdout { stdout().write_all(json.as_bytes()) } else { fs::write(file, json) };
            written.map_err(|error| Failed::Unwritten(file.clone(), error))?;
        }
        if let Some(file) = &self.plot {
            let svg = plot::draw(report, latencies)?;
            fs::write(file, svg).map_err(|error| Failed::Unwritten(file.clone(), error))?;
        }
        Ok(())
    }
}

fn is_stdout(file: impl AsRef<Path>) -> bool {
    file.as_ref() == Path::new(STDOUT)
}

/// What stands for standard output.
const STDOUT: &str = "-";
/// As that of a run that did not pass.
const EXIT_FAILURE: i32 = 1;
/// As clap's.
const EX_ARGUMENTS: u8 = 2;
