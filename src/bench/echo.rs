//! `presenced bench echo`: how many messages a second a server answers, to clients who wait for each answer.
//!
//! A closed loop on each connection, as for `fanout`. It is the load by which a proxy is compared with another.

use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::channel::{Joined, Ready, Topic};
use super::client::Client;
use super::crew::{Crew, Role};
use super::flags::count;
use super::incoming::Incoming;
use super::pattern::Pattern;
use super::report::Short;
use super::run::{Bench, Mode, Outcome};
use super::samples::Samples;
use super::tally::Reconciled;
use super::trouble::Trouble;

/// What to send, and how often.
#[derive(Clone, Debug, Args, Serialize)]
pub(super) struct Echo {
    /// How many clients there are, each with one message under way
    #[arg(long, value_name = "COUNT", default_value = "50", value_parser = count())]
    clients: u64,
    /// The topic that a client joins: {i} is its number
    #[arg(long, value_name = "TOPIC", default_value = "room:echo{i}")]
    topic: Pattern,
    /// The event that the channel replies to
    #[arg(long, value_name = "EVENT", default_value = "echo")]
    event: String,
    /// How many messages each client sends
    #[arg(long, value_name = "COUNT", default_value = "4000", value_parser = count())]
    messages: u64,
    /// Padding in each message, in bytes
    #[arg(long, value_name = "BYTES", default_value = "150")]
    bytes: usize,
}

/// A client that sends and waits.
struct Caller {
    client: Client,
    joined: Joined,
    bench: Arc<Bench>,
    topic: Topic,
    /// What of each message is the same, behind its ref.
    tail: String,
    messages: u64,
    answered: u64,
    samples: Samples,
}

impl Mode for Echo {
    const NAME: &'static str = "echo";

    fn counted(&self) -> &'static str {
        "round trips"
    }

    async fn run(&self, bench: &Arc<Bench>) -> Outcome {
        bench.progress.enter("joining");
        let callers = bench.gather(0..self.clients, "a connection, or the reply to a join", |number| {
            let (bench, flags) = (bench.clone(), self.clone());
            async move {
                let mut client = bench.connect(number).await?;
                let topic = Topic::new(&flags.topic.fill(number, number));
                let params = bench.join_params.fill(number, number);
                let joined = client.join(&topic, &params, &Ready::with_reply(), &mut |_, _| {}).await?;
                let (event, padding) = (Value::from(flags.event), "x".repeat(flags.bytes));
                let tail = format!(r#",{},{event},{{"padding":"{padding}"}}]"#, topic.json());
                let samples = bench.latencies.samples();
                let messages = flags.messages;
                Ok(Caller { client, joined, bench, topic, tail, messages, answered: 0, samples })
            }
        });
        let callers = callers.await;
        let expected = self.messages * callers.len() as u64;
        let started = bench.begin("calling", expected);
        let crew = Crew::start(bench, callers);
        bench.until(|| crew.is_done()).await;
        let measured = bench.end(&started);
        let callers = crew.stop().await;
        let account = |it: &Caller| (it.client.number, Reconciled::of(it.messages, it.answered));
        let accounts: Vec<(u64, Reconciled)> = callers.iter().map(account).collect();
        Outcome {
            reconciled: Reconciled::sum(&accounts),
            short: Short::of(accounts),
            measured,
            latency_of: "message to its answer",
            figures: Vec::new(),
        }
    }
}

impl Role for Caller {
    async fn work(&mut self) -> Result<(), Trouble> {
        let Caller { client, joined, bench, topic, tail, messages, answered, samples } = self;
        while *answered < *messages {
            let reference = client.next_ref().to_string();
            client.writing.put(&format!(r#"["{}","{reference}"{tail}"#, joined.join_ref));
            let began = Instant::now();
            let mut answer = None;
            while answer.is_none() {
                client
                    .exchange(&mut |frame, now| {
                        let Some(message) = Incoming::read(frame) else { return };
                        if message.reference == reference.as_bytes() {
                            answer = Some(message.outcome().map(|()| now).map_err(Trouble::MessageRefused));
                        } else if let Some(trouble) = message.trouble(topic.written()) {
                            answer = Some(Err(trouble));
                        }
                    })
                    .await?;
            }
            let at = answer.expect("the loop ends with it")?;
            samples.record(at.saturating_duration_since(began));
            bench.progress.receive(1, at);
            *answered += 1;
        }
        Ok(())
    }
}
