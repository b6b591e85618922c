//! `presenced bench churn`: on topics with residents, clients join, wait for their presence, and leave, on and on.
//!
//! What is owed are whole rounds, from a join to the close that ends its leave. And when all is over, each resident must
//! list whom it listed before: a join or a leave that it was not told of shows there.

mod resident;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use self::resident::Housing;
use super::channel::{Ready, Topic};
use super::client::Client;
use super::crew::{Crew, Role};
use super::flags::{count, seconds, serialize_seconds};
use super::pattern::Pattern;
use super::report::Short;
use super::run::{Bench, Mode, Outcome};
use super::samples::Samples;
use super::tally::Reconciled;
use super::trouble::Trouble;

/// Who comes and goes where.
#[derive(Clone, Debug, Args, Serialize)]
pub(super) struct Churn {
    /// How many clients join and leave
    #[arg(long, value_name = "COUNT", default_value = "50", value_parser = count())]
    clients: u64,
    /// How many topics there are
    #[arg(long, value_name = "COUNT", default_value = "50", value_parser = count())]
    topics: u64,
    /// How many residents each topic has
    #[arg(long, value_name = "COUNT", default_value = "10", value_parser = count())]
    group: u64,
    /// The topic: {g} is its number
    #[arg(long, value_name = "TOPIC", default_value = "workflow:presence:c{g}")]
    topic: Pattern,
    /// How long it goes on, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    #[serde(rename = "duration_s", serialize_with = "serialize_seconds")]
    duration: Duration,
    /// How long it goes on before that, unmeasured, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    #[serde(rename = "warmup_s", serialize_with = "serialize_seconds")]
    warmup: Duration,
}

/// What the workers share.
#[derive(Debug, Default)]
struct Shift {
    is_measured: AtomicBool,
    is_over: AtomicBool,
}

/// A client that comes and goes.
struct Worker {
    client: Client,
    bench: Arc<Bench>,
    shift: Arc<Shift>,
    topics: Arc<[Topic]>,
    /// The topic of the next round.
    turn: u64,
    began: u64,
    finished: u64,
    samples: Samples,
}

impl Mode for Churn {
    const NAME: &'static str = "churn";

    fn counted(&self) -> &'static str {
        "rounds"
    }

    async fn run(&self, bench: &Arc<Bench>) -> Outcome {
        let topics: Arc<[Topic]> =
            (0..self.topics).map(|topic| Topic::new(&self.topic.fill(0, topic))).collect();
        bench.progress.enter("settling");
        let housing = Housing::new(bench.clone(), topics.clone(), self.group);
        let mut residents = housing.settle().await;
        let shift = Arc::new(Shift::default());
        let workers = self.hire(bench, &topics, &shift).await;

        bench.progress.enter("warming up");
        let at_home = Crew::start(bench, residents);
        let at_work = Crew::start(bench, workers);
        bench.pass(self.warmup, || at_work.is_done()).await;
        let diffs_before = bench.progress.frames();
        shift.is_measured.store(true, Relaxed);
        let started = bench.begin("joining and leaving", 0);
        bench.pass(self.duration, || at_work.is_done()).await;
        shift.is_over.store(true, Relaxed);
        bench.until(|| at_work.is_done()).await;
        let measured = bench.end(&started);
        let workers = at_work.stop().await;
        let last_leave = Instant::now();

        bench.progress.enter("waiting for the last diffs");
        residents = housing.calm(at_home).await;
        let lag = bench.progress.last_seen().saturating_duration_since(last_leave);
        housing.inspect(&residents);

        let diffs = bench.progress.frames() - diffs_before;
        let rounds = measured.received.max(1) as f64;
        let accounts: Vec<_> = workers.iter().map(|it| (it.client.number, it.account())).collect();
        Outcome {
            reconciled: Reconciled::sum(&accounts),
            short: Short::of(accounts),
            figures: vec![
                ("residents", residents.len() as f64),
                ("rounds_measured", measured.received as f64),
                ("diffs_to_residents", diffs as f64),
                ("diffs_a_round", diffs as f64 / rounds),
                ("last_diff_behind_last_leave_s", lag.as_secs_f64()),
            ],
            measured,
            latency_of: "join to its presence",
        }
    }
}

impl Churn {
    /// The workers, connected. Their numbers follow those of the residents.
    async fn hire(&self, bench: &Arc<Bench>, topics: &Arc<[Topic]>, shift: &Arc<Shift>) -> Vec<Worker> {
        let first = self.topics * self.group;
        let hired = bench.gather(first..first + self.clients, "a connection", |number| {
            let (bench, topics, shift) = (bench.clone(), topics.clone(), shift.clone());
            async move {
                let client = bench.connect(number).await?;
                let samples = bench.latencies.samples();
                Ok(Worker { client, bench, shift, topics, turn: number, began: 0, finished: 0, samples })
            }
        });
        hired.await
    }
}

impl Worker {
    fn account(&self) -> Reconciled {
        Reconciled::of(self.began, self.finished)
    }
}

impl Role for Worker {
    async fn work(&mut self) -> Result<(), Trouble> {
        let Worker { client, bench, shift, topics, turn, began, finished, samples } = self;
        let ready = Ready::from(STATE);
        while !shift.is_over.load(Relaxed) {
            let place = *turn % topics.len() as u64;
            let topic = &topics[usize::try_from(place).expect("it is an index")];
            let params = bench.join_params.fill(client.number, place);
            *turn += 1;
            *began += 1;
            let asked = Instant::now();
            let joined = client.join(topic, &params, &ready, &mut |_, _| {}).await?;
            if shift.is_measured.load(Relaxed) {
                samples.record(joined.ready_at - asked);
            }
            client.leave(topic, joined.join_ref, &mut |_, _| {}).await?;
            *finished += 1;
            bench.progress.receive(1, Instant::now());
        }
        Ok(())
    }
}

const STATE: &str = "presence_state";
