//! What every mode works with: the endpoint, the counters, and the ways in which a run ends.
//!
//! Owns: how many clients connect at once, how long is waited for what does not come, the interrupt, the server's CPU
//! time and memory.
//! Not here: what the clients of a mode do.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::channel::JoinParams;
use super::client::Client;
use super::endpoint::{Endpoint, Param};
use super::progress::{Point, Progress};
use super::report::Short;
use super::samples::Latencies;
use super::server_process::{Cpu, ServerProcess};
use super::tally::Reconciled;
use super::trouble::{Trouble, Troubles};

/// A kind of run, with its flags.
pub(super) trait Mode: Args + Serialize {
    /// As it is called on the command line.
    const NAME: &'static str;

    /// What is owed and counted, such as `deliveries`.
    fn counted(&self) -> &'static str;

    /// Parameters that its clients bring, unless others of the same name were asked for.
    fn params(&self) -> Vec<Param> {
        Vec::new()
    }

    /// Runs it, to its end or the interrupt.
    async fn run(&self, bench: &Arc<Bench>) -> Outcome;
}

/// A run.
#[derive(Debug)]
pub(super) struct Bench {
    pub endpoint: Endpoint,
    pub join_params: JoinParams,
    pub progress: Progress,
    pub latencies: Latencies,
    /// How many clients connect and join at the same time.
    pub connecting: usize,
    /// How long to wait for what does not come.
    pub timeout: Duration,
    /// The server's process, where it can be looked at.
    pub process: Option<ServerProcess>,
    /// Ctrl-C.
    pub interrupted: CancellationToken,
    pub troubles: Mutex<Troubles>,
    /// Why the run ended before its end.
    pub cut_short: Mutex<Option<String>>,
}

/// What a mode found.
#[derive(Debug)]
pub(super) struct Outcome {
    pub reconciled: Reconciled,
    /// The clients whose own account is not exact.
    pub short: Vec<Short>,
    pub measured: Measured,
    /// What a latency is, such as `broadcast to receipt`.
    pub latency_of: &'static str,
    /// The mode's own numbers, with their units in their names.
    pub figures: Vec<(&'static str, f64)>,
}

/// The beginning of what is measured.
pub(super) struct Started {
    at: Instant,
    received: u64,
    cpu: Option<Cpu>,
    resident_kb: Option<u64>,
}

/// What was measured.
#[derive(Debug)]
pub(super) struct Measured {
    pub elapsed: Duration,
    /// What came meanwhile.
    pub received: u64,
    pub cpu: Option<Cpu>,
    /// The server's memory before and after.
    pub resident_kb: Option<(u64, u64)>,
    pub timeline: Vec<Point>,
}

impl Bench {
    /// Connects one of the run's clients.
    ///
    /// # Errors
    /// Those of [`Client::connect`].
    pub(super) async fn connect(&self, number: u64) -> Result<Client, Trouble> {
        let client = Client::connect(&self.endpoint, number).await?;
        self.progress.connected();
        Ok(client)
    }

    /// Notes what went wrong with a client.
    pub(super) fn trouble(&self, trouble: &Trouble) {
        self.troubles.lock().note(trouble);
    }

    /// Lets these clients start, so many at a time, and returns those who could within the timeout. What kept the
    /// others from it is noted, as the lack of `what` where it was nothing but time.
    pub(super) async fn gather<T, S, F>(
        self: &Arc<Self>,
        clients: Range<u64>,
        what: &'static str,
        start: S,
    ) -> Vec<T>
    where
        T: Send + 'static,
        S: Fn(u64) -> F,
        F: Future<Output = Result<T, Trouble>> + Send + 'static,
    {
        let room = Arc::new(Semaphore::new(self.connecting));
        let mut starting = JoinSet::new();
        for client in clients {
            let (room, started, timeout) = (room.clone(), start(client), self.timeout);
            starting.spawn(async move {
                let _place = room.acquire_owned().await.expect("the semaphore is not closed");
                tokio::time::timeout(timeout, started).await.unwrap_or(Err(Trouble::Silent(what)))
            });
        }
        let mut gathered = Vec::with_capacity(starting.len());
        loop {
            tokio::select! {
                started = starting.join_next() => match started {
                    Some(Ok(Ok(started))) => gathered.push(started),
                    Some(Ok(Err(trouble))) => self.trouble(&trouble),
                    Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
                    None => return gathered,
                },
                () = self.interrupted.cancelled() => {
                    self.cut_short("interrupted");
                    return gathered;
                }
            }
        }
    }

    /// Waits until it is done, or until nothing has come for the timeout, or the interrupt: then the run is cut short.
    pub(super) async fn until(&self, mut is_done: impl FnMut() -> bool) {
        if self.is_cut_short() {
            return;
        }
        let mut ticks = tokio::time::interval(LOOK);
        let mut activity = self.progress.activity();
        let mut last = Instant::now();
        while !is_done() {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.interrupted.cancelled() => return self.cut_short("interrupted"),
            }
            let now = self.progress.activity();
            if now != activity {
                (activity, last) = (now, Instant::now());
            } else if last.elapsed() > self.timeout {
                return self.cut_short(&format!("nothing came for {} s", self.timeout.as_secs_f64()));
            }
        }
    }

    /// Lets time pass, but not beyond the interrupt, nor when nobody is left for whom it would.
    pub(super) async fn pass(&self, time: Duration, is_deserted: impl Fn() -> bool) {
        let mut ticks = tokio::time::interval(LOOK);
        let end = Instant::now() + time;
        while Instant::now() < end && !is_deserted() {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.interrupted.cancelled() => return self.cut_short("interrupted"),
            }
        }
    }

    /// Notes why the run ends before its end; the first reason counts.
    pub(super) fn cut_short(&self, why: &str) {
        self.cut_short.lock().get_or_insert_with(|| why.to_owned());
    }

    /// Whether the run has ended before its end.
    pub(super) fn is_cut_short(&self) -> bool {
        self.cut_short.lock().is_some()
    }

    /// Begins to measure.
    pub(super) fn begin(&self, stage: &'static str, expected: u64) -> Started {
        self.progress.enter(stage);
        self.progress.expect(expected);
        let (cpu, resident_kb) = (self.cpu(), self.resident_kb());
        Started { at: self.progress.begin(), received: self.progress.received(), cpu, resident_kb }
    }

    /// Ends what was begun. The time is that of the last thing that came.
    pub(super) fn end(&self, started: &Started) -> Measured {
        let timeline = self.progress.end();
        Measured {
            elapsed: self.progress.last_seen().saturating_duration_since(started.at),
            received: self.progress.received() - started.received,
            cpu: self.cpu().zip(started.cpu).map(|(now, before)| now.since(before)),
            resident_kb: started.resident_kb.zip(self.resident_kb()),
            timeline,
        }
    }

    fn cpu(&self) -> Option<Cpu> {
        self.looked_at(self.process.map(ServerProcess::cpu))
    }

    fn resident_kb(&self) -> Option<u64> {
        self.looked_at(self.process.map(ServerProcess::resident_kb))
    }

    /// A server that ends within a run is a trouble of its own.
    fn looked_at<T>(&self, read: Option<Result<T, super::server_process::NoProcess>>) -> Option<T> {
        read?.inspect_err(|error| self.troubles.lock().note_many(&error.to_string(), 1)).ok()
    }
}

/// How often it is looked whether a run is done. Its time does not depend on it.
const LOOK: Duration = Duration::from_millis(5);
