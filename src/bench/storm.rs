//! `presenced bench storm`: everybody joins one topic at once, until each has seen all.
//!
//! What is owed are sightings ([`super::watcher`]).

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::channel::{Ready, Topic};
use super::crew::{Crew, Role};
use super::flags::count;
use super::pattern::{Keys, Pattern};
use super::report::Short;
use super::run::{Bench, Mode, Outcome};
use super::tally::Reconciled;
use super::trouble::Trouble;
use super::watcher::Watcher;

/// Who is to join what.
#[derive(Clone, Debug, Args, Serialize)]
pub(super) struct Storm {
    /// How many clients join
    #[arg(long, value_name = "COUNT", default_value = "200", value_parser = count())]
    clients: u64,
    /// The topic
    #[arg(long, value_name = "TOPIC", default_value = "workflow:presence:storm")]
    topic: Pattern,
    /// The presence key that a client appears under: {i} is its number
    #[arg(long, value_name = "KEY", default_value = "{i}")]
    key: Keys,
}

/// A client that joins with all the others.
struct Arrival {
    watcher: Watcher,
    joined_at: Option<Instant>,
}

impl Mode for Storm {
    const NAME: &'static str = "storm";

    fn counted(&self) -> &'static str {
        "sightings"
    }

    async fn run(&self, bench: &Arc<Bench>) -> Outcome {
        let connected = bench.gather(0..self.clients, "a connection", |number| {
            let bench = bench.clone();
            async move { bench.connect(number).await }
        });
        let topic = Topic::new(&self.topic.fill(0, 0));
        let arrivals = connected.await.into_iter().map(|client| {
            let params = bench.join_params.fill(client.number, 0);
            let watcher = Watcher::new(client, bench, topic.clone(), params, &self.key, 0..self.clients);
            Arrival { watcher, joined_at: None }
        });
        let arrivals: Vec<Arrival> = arrivals.collect();
        let expected = self.clients * arrivals.len() as u64;
        let started = bench.begin("joining", expected);
        let crew = Crew::start(bench, arrivals);
        bench.until(|| bench.progress.received() >= expected || crew.is_done()).await;
        let measured = bench.end(&started);

        let arrivals = crew.stop().await;
        let mut samples = bench.latencies.samples();
        arrivals.iter().filter_map(Arrival::time).for_each(|time| samples.record(time));
        let accounts: Vec<_> =
            arrivals.iter().map(|it| (it.watcher.client.number, it.watcher.account())).collect();
        let converged = accounts.iter().filter(|(_, account)| account.is_exact()).count();
        let got = arrivals.iter().map(|it| it.watcher.got());
        let (frames, bytes) = got.fold((0, 0), |sum, got| (sum.0 + got.0, sum.1 + got.1));
        Outcome {
            reconciled: Reconciled::sum(&accounts),
            short: Short::of(accounts),
            measured,
            latency_of: "join to sight of everybody",
            figures: vec![
                ("clients_converged", converged as f64),
                ("frames", frames as f64),
                ("megabytes", bytes as f64 / 1e6),
            ],
        }
    }
}

impl Role for Arrival {
    async fn work(&mut self) -> Result<(), Trouble> {
        self.joined_at = Some(Instant::now());
        self.watcher.join(&Ready::with_reply()).await?;
        self.watcher.watch().await
    }
}

impl Arrival {
    /// From its join until it had seen all.
    fn time(&self) -> Option<Duration> {
        Some(self.watcher.complete_at()?.saturating_duration_since(self.joined_at?))
    }
}
