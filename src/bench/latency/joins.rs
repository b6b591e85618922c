//! Joins at a fixed rate, by clients who take turns: whoever is free joins, waits for its presence, and leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;

use super::super::channel::{Ready, Topic};
use super::super::client::Client;
use super::super::crew::{Crew, Role};
use super::super::pattern::Pattern;
use super::super::run::{Bench, Outcome};
use super::super::samples::{Latencies, Samples};
use super::super::tally::Reconciled;
use super::super::trouble::Trouble;
use super::Latency;
use super::pacer::Schedule;

/// A client that joins when its turn comes.
struct Joiner {
    client: Client,
    bench: Arc<Bench>,
    topic: Topic,
    params: String,
    ready: Ready,
    turns: Arc<Turns>,
    samples: Samples,
    late: Samples,
}

/// What is due, for whoever is free.
struct Turns {
    due: Mutex<UnboundedReceiver<Instant>>,
    measured_from: Instant,
    begun: AtomicU64,
}

/// Runs it; `late` takes how late joins were begun.
pub(super) async fn run(
    bench: &Arc<Bench>,
    flags: &Latency,
    topic: &Pattern,
    schedule: Schedule,
    late: &Latencies,
) -> Outcome {
    let clients = bench.gather(0..flags.clients, "a connection", |number| {
        let bench = bench.clone();
        async move { bench.connect(number).await }
    });
    let clients = clients.await;
    let started = bench.begin("joining", schedule.count());
    let origin = Instant::now();
    let turns = Arc::new(Turns {
        due: Mutex::new(schedule.begin(origin)),
        measured_from: origin + flags.warmup,
        begun: AtomicU64::new(0),
    });
    let joiners = clients.into_iter().map(|client| {
        let group = client.number / flags.group;
        Joiner {
            topic: Topic::new(&topic.fill(client.number, group)),
            params: bench.join_params.fill(client.number, group),
            client,
            bench: bench.clone(),
            ready: flags.ready.clone(),
            turns: turns.clone(),
            samples: bench.latencies.samples(),
            late: late.samples(),
        }
    });
    let crew = Crew::start(bench, joiners);
    bench.until(|| crew.is_done()).await;
    let measured = bench.end(&started);
    drop(crew.stop().await);
    Outcome {
        reconciled: Reconciled::of(turns.begun.load(Relaxed), bench.progress.received()),
        short: Vec::new(),
        measured,
        latency_of: "join due to its presence",
        figures: Vec::new(),
    }
}

impl Role for Joiner {
    async fn work(&mut self) -> Result<(), Trouble> {
        let Joiner { client, bench, topic, params, ready, turns, samples, late } = self;
        loop {
            let Some(due) = turns.due.lock().await.recv().await else { return Ok(()) };
            turns.begun.fetch_add(1, Relaxed);
            late.record(due.elapsed());
            let joined = client.join(topic, params, ready, &mut |_, _| {}).await?;
            if due >= turns.measured_from {
                samples.record(joined.ready_at.saturating_duration_since(due));
            }
            bench.progress.receive(1, joined.ready_at);
            client.leave(topic, joined.join_ref, &mut |_, _| {}).await?;
        }
    }
}
