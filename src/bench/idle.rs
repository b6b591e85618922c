//! `presenced bench idle`: many clients join, a few to a topic, and stay.
//!
//! What is owed are sightings ([`super::watcher`]) of the own group; where the channel has no presence, none are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use parking_lot::Mutex;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::channel::{Ready, Topic};
use super::client::HEARTBEAT;
use super::crew::{Crew, Role};
use super::flags::{count, seconds, serialize_seconds};
use super::pattern::{Keys, Pattern};
use super::report::Short;
use super::run::{Bench, Mode, Outcome};
use super::tally::Reconciled;
use super::trouble::Trouble;
use super::watcher::Watcher;

/// Who is to join what, and for how long.
#[derive(Clone, Debug, Args, Serialize)]
pub(super) struct Idle {
    /// How many clients join
    #[arg(long, value_name = "COUNT", default_value = "1000", value_parser = count())]
    clients: u64,
    /// How many of them join the same topic
    #[arg(long, value_name = "COUNT", default_value = "2", value_parser = count())]
    group: u64,
    /// The topic: {g} is the number of the group
    #[arg(long, value_name = "TOPIC", default_value = "workflow:presence:{g}")]
    topic: Pattern,
    /// The presence key that a client appears under: {i} is its number
    #[arg(long, value_name = "KEY", default_value = "{i}")]
    key: Keys,
    /// The event that ends a join; phx_reply for a channel without presence, where nobody is looked for
    #[arg(long, value_name = "EVENT", default_value = "presence_state")]
    ready: Ready,
    /// How long they stay once all have joined, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    #[serde(rename = "duration_s", serialize_with = "serialize_seconds")]
    duration: Duration,
}

/// A client that stays.
struct Resident {
    watcher: Watcher,
    /// Whether all have joined.
    joined: CancellationToken,
}

impl Mode for Idle {
    const NAME: &'static str = "idle";

    fn counted(&self) -> &'static str {
        "sightings"
    }

    async fn run(&self, bench: &Arc<Bench>) -> Outcome {
        let looks = !self.ready.is_reply();
        let group_of = move |number: u64, group: u64, clients: u64| {
            let first = number / group * group;
            first..if looks { clients.min(first + group) } else { first }
        };
        let expected = (0..self.clients).map(|number| group_of(number, self.group, self.clients));
        let expected: u64 = expected.map(|group| group.end - group.start).sum();
        let started = bench.begin("joining", expected);
        let began = Instant::now();
        let crew = Arc::new(Mutex::new(Crew::default()));
        let all_joined = CancellationToken::new();
        let joins = bench.gather(0..self.clients, "a connection, or the end of a join", |number| {
            let (bench, flags) = (bench.clone(), self.clone());
            let (crew, all_joined) = (crew.clone(), all_joined.clone());
            async move {
                let group = number / flags.group;
                let began = Instant::now();
                let client = bench.connect(number).await?;
                let topic = Topic::new(&flags.topic.fill(number, group));
                let params = bench.join_params.fill(number, group);
                let whom = group_of(number, flags.group, flags.clients);
                let mut watcher = Watcher::new(client, &bench, topic, params, &flags.key, whom);
                let joined = watcher.join(&flags.ready).await?;
                bench.latencies.samples().record(joined.ready_at - began);
                crew.lock().add(&bench, Resident { watcher, joined: all_joined });
                Ok(())
            }
        });
        joins.await;
        let took = began.elapsed().as_secs_f64();
        let crew = std::mem::take(&mut *crew.lock());
        let joined = crew.len() as f64;

        bench.progress.enter("staying");
        all_joined.cancel();
        bench.pass(self.duration, || crew.is_done()).await;
        bench.until(|| bench.progress.received() >= expected || crew.is_done()).await;
        let measured = bench.end(&started);
        let mut figures =
            vec![("clients_joined", joined), ("connect_join_s", took), ("joins_per_s", joined / took)];
        if let Some((before, after)) = measured.resident_kb {
            figures.push(("kb_per_connection", after.saturating_sub(before) as f64 / joined.max(1.0)));
        }
        let residents = crew.stop().await;
        let accounts: Vec<_> =
            residents.iter().map(|it| (it.watcher.client.number, it.watcher.account())).collect();
        Outcome {
            reconciled: Reconciled::sum(&accounts),
            short: Short::of(accounts),
            measured,
            latency_of: "connection and join to its presence",
            figures,
        }
    }
}

impl Role for Resident {
    /// What comes meanwhile is read when all have joined: the joins are measured, and share the machine with this. Only
    /// where they take long must the client show that it lives.
    async fn work(&mut self) -> Result<(), Trouble> {
        // In time or not: it reads from now on.
        let _ = tokio::time::timeout(HEARTBEAT, self.joined.cancelled()).await;
        self.watcher.watch().await
    }
}
