//! `presenced bench fanout`: how many deliveries a second a server makes of one member's broadcasts.
//!
//! A closed loop: the next message waits for the ones before. Its latency shows what a full server does, not what users
//! of an idle one see; that is what `latency` measures.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::broadcast::{self, Pace, Plan};
use super::flags::count;
use super::pattern::Pattern;
use super::run::{Bench, Mode, Outcome};
use super::samples::Latencies;

/// What to broadcast, and to how many.
#[derive(Clone, Debug, Args, Serialize)]
pub(super) struct Fanout {
    /// The members of the topic; the last of them broadcasts, and gets its own messages too
    #[arg(long, value_name = "COUNT", default_value = "1000", value_parser = count())]
    clients: u64,
    /// The topic
    #[arg(long, value_name = "TOPIC", default_value = "room:fan")]
    topic: Pattern,
    /// The event that the channel answers with a broadcast of its payload
    #[arg(long, value_name = "EVENT", default_value = "shout")]
    event: String,
    /// How many messages to broadcast
    #[arg(long, value_name = "COUNT", default_value = "500", value_parser = count())]
    messages: u64,
    /// How many messages may be under way, not yet with every member, when one more is sent
    #[arg(long, value_name = "COUNT", default_value = "8", value_parser = count())]
    window: u64,
    /// Padding in each message, in bytes
    #[arg(long, value_name = "BYTES", default_value = "100")]
    bytes: usize,
}

impl Mode for Fanout {
    const NAME: &'static str = "fanout";

    fn counted(&self) -> &'static str {
        "deliveries"
    }

    async fn run(&self, bench: &Arc<Bench>) -> Outcome {
        let plan = Plan {
            clients: self.clients,
            topic: &self.topic,
            event: &self.event,
            bytes: self.bytes,
            messages: self.messages,
            warmup: Duration::ZERO,
        };
        broadcast::run(bench, &plan, Pace::Window(self.window), &Latencies::new()).await
    }
}
