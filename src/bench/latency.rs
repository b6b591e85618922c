//! `presenced bench latency`: how long things take at a fixed rate.
//!
//! An open loop: what is due is begun, however the earlier ones fare, and a latency counts from when it was due. So a
//! server that stalls is charged with everything that would have been asked of it meanwhile.

mod joins;
mod pacer;

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;

pub(super) use self::pacer::{Rate, Schedule};
use super::broadcast::{self, Pace, Plan};
use super::channel::Ready;
use super::flags::{count, seconds, serialize_seconds};
use super::pattern::Pattern;
use super::run::{Bench, Mode, Outcome};
use super::samples::Latencies;

/// What to measure, and how often.
#[derive(Clone, Debug, Args, Serialize)]
pub(super) struct Latency {
    /// What is measured
    #[arg(long, value_name = "WHAT", value_enum, default_value = "join")]
    what: What,
    /// How many clients there are: who take turns to join, or the members of the topic, one of whom broadcasts
    #[arg(long, value_name = "COUNT", default_value = "50", value_parser = count())]
    clients: u64,
    /// For joins, how many clients join the same topic
    #[arg(long, value_name = "COUNT", default_value = "5", value_parser = count())]
    group: u64,
    /// How many joins or broadcasts are due each second
    #[arg(long, value_name = "PER_SECOND", default_value = "100")]
    #[serde(rename = "rate_per_s")]
    rate: Rate,
    /// For how long, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    #[serde(rename = "duration_s", serialize_with = "serialize_seconds")]
    duration: Duration,
    /// For how long before that, unmeasured, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    #[serde(rename = "warmup_s", serialize_with = "serialize_seconds")]
    warmup: Duration,
    /// The topic: {g} is the number of the group, 0 for broadcasts [default: workflow:presence:l{g} for joins,
    /// room:fan for broadcasts]
    #[arg(long, value_name = "TOPIC")]
    topic: Option<Pattern>,
    /// The event that ends a join; phx_reply for a channel without presence
    #[arg(long, value_name = "EVENT", default_value = "presence_state")]
    ready: Ready,
    /// The event that the channel answers with a broadcast of its payload
    #[arg(long, value_name = "EVENT", default_value = "shout")]
    event: String,
    /// Padding in each message, in bytes
    #[arg(long, value_name = "BYTES", default_value = "100")]
    bytes: usize,
}

/// What takes the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum What {
    /// From a join to its own presence_state
    Join,
    /// From a broadcast to its receipt by each member
    Broadcast,
}

impl Mode for Latency {
    const NAME: &'static str = "latency";

    fn counted(&self) -> &'static str {
        match self.what {
            What::Join => "joins",
            What::Broadcast => "deliveries",
        }
    }

    async fn run(&self, bench: &Arc<Bench>) -> Outcome {
        let topic = self.topic.clone().unwrap_or_else(|| match self.what {
            What::Join => Pattern::from("workflow:presence:l{g}"),
            What::Broadcast => Pattern::from("room:fan"),
        });
        let schedule = Schedule::new(self.rate, self.warmup + self.duration);
        let late = Latencies::new();
        let mut outcome = match self.what {
            What::Join => joins::run(bench, self, &topic, schedule, &late).await,
            What::Broadcast => {
                let plan = Plan {
                    clients: self.clients,
                    topic: &topic,
                    event: &self.event,
                    bytes: self.bytes,
                    messages: schedule.count(),
                    warmup: self.warmup,
                };
                broadcast::run(bench, &plan, Pace::Due(schedule), &late).await
            }
        };
        let late = late.histogram();
        outcome.figures.push(("sent_late_p50_us", late.value_at_quantile(0.5) as f64));
        outcome.figures.push(("sent_late_p99_us", late.value_at_quantile(0.99) as f64));
        outcome
    }
}
