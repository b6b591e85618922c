//! The members of one topic, one of whom broadcasts: what `fanout` and `latency` have in common.
//!
//! Owns: the members, what each of them is owed, when the next message is sent.
//! Every member is owed every message once and in order, the speaker too. Each message carries its number and its time,
//! so a delivery can be told from any other.

mod room;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;

use self::room::Room;
use super::channel::{Joined, Ready, Topic};
use super::client::Client;
use super::crew::{Crew, Role};
use super::incoming::Incoming;
use super::latency::Schedule;
use super::pattern::Pattern;
use super::report::Short;
use super::run::{Bench, Outcome};
use super::samples::{Latencies, Samples};
use super::stamp::Stamps;
use super::tally::{Reconciled, Tally};
use super::trouble::Trouble;

/// What is broadcast.
pub(super) struct Plan<'a> {
    pub clients: u64,
    pub topic: &'a Pattern,
    pub event: &'a str,
    /// Of padding in each message.
    pub bytes: usize,
    pub messages: u64,
    /// Messages of the beginning that are owed as all others, but whose latency does not count.
    pub warmup: Duration,
}

/// When the next message is sent.
pub(super) enum Pace {
    /// As soon as no more than so many are under way.
    Window(u64),
    /// When it is due, however the earlier ones fare.
    Due(Schedule),
}

/// A pace once it has begun.
enum Beat {
    Window,
    Due(UnboundedReceiver<Instant>),
}

/// What all members know.
struct Hall {
    bench: Arc<Bench>,
    topic: Topic,
    stamps: Stamps,
    room: Room,
    warmup: Duration,
}

/// A member.
struct Listener {
    client: Client,
    joined: Joined,
    hall: Arc<Hall>,
    account: Account,
}

/// What a member has received.
struct Account {
    tally: Tally,
    samples: Samples,
    /// Since the counters were last told.
    received: u64,
    settled: u64,
    trouble: Option<Trouble>,
    now: Instant,
}

/// The member who broadcasts.
struct Speaker {
    listener: Listener,
    beat: Beat,
    /// As a JSON string.
    event: String,
    padding: String,
    messages: u64,
    sent: u64,
    /// How late messages were sent that were due.
    late: Samples,
}

/// Runs it; `late` takes how late the generator itself was.
pub(super) async fn run(bench: &Arc<Bench>, plan: &Plan<'_>, pace: Pace, late: &Latencies) -> Outcome {
    let topic = Topic::new(&plan.topic.fill(0, 0));
    bench.progress.enter("joining");
    let members = bench.gather(0..plan.clients, "a connection, or the reply to a join", |number| {
        let (bench, topic) = (bench.clone(), topic.clone());
        async move {
            let mut client = bench.connect(number).await?;
            let params = bench.join_params.fill(number, 0);
            let joined = client.join(&topic, &params, &Ready::with_reply(), &mut |_, _| {}).await?;
            Ok((client, joined))
        }
    });
    let members = members.await;
    let expected = plan.messages * members.len() as u64;
    let origin = Instant::now();
    let (window, beat) = match pace {
        Pace::Window(window) => (window, Beat::Window),
        Pace::Due(schedule) => (u64::MAX, Beat::Due(schedule.begin(origin))),
    };
    let hall = Arc::new(Hall {
        bench: bench.clone(),
        topic,
        stamps: Stamps::new(plan.messages, origin),
        room: Room::new(members.len() as u64, window),
        warmup: plan.warmup,
    });
    let mut listeners: Vec<Listener> =
        members.into_iter().map(|(client, joined)| Listener::new(client, joined, &hall)).collect();
    let speaker = listeners.pop().map(|listener| Speaker::new(listener, plan, beat, late));

    let started = bench.begin("sending", expected);
    let audience = Crew::start(bench, listeners);
    let speakers = Crew::start(bench, speaker);
    bench.until(|| hall.room.settled() >= expected || speakers.is_done()).await;
    let measured = bench.end(&started);

    bench.progress.enter("calling in");
    let speakers = speakers.stop().await;
    let sent = speakers.first().map_or(0, |speaker| speaker.sent);
    let members = audience.stop().await.into_iter().chain(speakers.into_iter().map(|it| it.listener));
    let members = Crew::start(bench, members.map(LastCall)).finish(bench.timeout).await;
    let accounts = members.iter().map(|LastCall(it)| (it.client.number, it.account.tally.reconcile(sent)));
    let accounts: Vec<(u64, Reconciled)> = accounts.collect();
    Outcome {
        reconciled: Reconciled::sum(&accounts),
        short: Short::of(accounts),
        measured,
        latency_of: "broadcast to receipt",
        figures: vec![("messages_sent", sent as f64)],
    }
}

impl Listener {
    fn new(client: Client, joined: Joined, hall: &Arc<Hall>) -> Self {
        let account = Account {
            tally: Tally::default(),
            samples: hall.bench.latencies.samples(),
            received: 0,
            settled: 0,
            trouble: None,
            now: Instant::now(),
        };
        Listener { client, joined, hall: hall.clone(), account }
    }
}

impl Role for Listener {
    async fn work(&mut self) -> Result<(), Trouble> {
        let Listener { client, hall, account, .. } = self;
        loop {
            client.receive(&mut |frame, now| account.note(hall, frame, now)).await?;
            account.tell(hall)?;
        }
    }
}

/// A member who listens up to the end of what stands in line for it.
struct LastCall(Listener);

impl Role for LastCall {
    async fn work(&mut self) -> Result<(), Trouble> {
        let Listener { client, hall, account, .. } = &mut self.0;
        if client.has_ended() {
            return Ok(());
        }
        client.last_call(&mut |frame, now| account.note(hall, frame, now)).await
    }
}

impl Speaker {
    fn new(listener: Listener, plan: &Plan<'_>, beat: Beat, late: &Latencies) -> Self {
        Speaker {
            listener,
            beat,
            event: Value::from(plan.event).to_string(),
            padding: "x".repeat(plan.bytes),
            messages: plan.messages,
            sent: 0,
            late: late.samples(),
        }
    }

    /// Puts the next message into the line. It was due at this time.
    fn say(&mut self, due: Instant) {
        let Speaker { listener: Listener { client, joined, hall, .. }, event, padding, .. } = self;
        let (join_ref, reference, topic) = (joined.join_ref, client.next_ref(), hall.topic.json());
        let stamp = hall.stamps.write(self.sent, due);
        client.writing.put(&format!(
            r#"["{join_ref}","{reference}",{topic},{event},{{{stamp},"padding":"{padding}"}}]"#
        ));
        self.sent += 1;
    }
}

impl Role for Speaker {
    /// Reads while it writes: a server that is not read from may stop to read.
    async fn work(&mut self) -> Result<(), Trouble> {
        loop {
            let Listener { client, hall, account, .. } = &mut self.listener;
            let is_sent = client.writing.is_empty();
            if is_sent && self.sent == self.messages {
                return self.listener.work().await;
            }
            let mut note = |frame: &[u8], now| account.note(hall, frame, now);
            tokio::select! {
                read = client.reading.batch(&mut note) => {
                    read?;
                    account.tell(hall)?;
                }
                flushed = client.writing.flush(), if !is_sent => flushed?,
                due = self.beat.next(&hall.room, self.sent), if is_sent => {
                    let Some(due) = due else { return self.listener.work().await };
                    if matches!(self.beat, Beat::Due(_)) {
                        self.late.record(due.elapsed());
                    }
                    self.say(due);
                }
            }
        }
    }
}

impl Beat {
    /// Waits until message number `sent` is to be sent, and returns when it was due. `None` where no more is.
    async fn next(&mut self, room: &Room, sent: u64) -> Option<Instant> {
        match self {
            Beat::Window => {
                room.wait_for(sent).await;
                Some(Instant::now())
            }
            Beat::Due(due) => due.recv().await,
        }
    }
}

impl Account {
    fn note(&mut self, hall: &Hall, frame: &[u8], now: Instant) {
        let Some((number, sent)) = hall.stamps.read(frame) else {
            let message = Incoming::read(frame);
            let trouble = message.and_then(|message| message.trouble(hall.topic.written()));
            self.trouble = self.trouble.take().or(trouble);
            return;
        };
        self.now = now;
        self.received += 1;
        self.settled += self.tally.note(number);
        if sent >= hall.warmup {
            self.samples.record(now.saturating_duration_since(hall.stamps.at(sent)));
        }
    }

    /// Tells the counters of what came since they were told last.
    fn tell(&mut self, hall: &Hall) -> Result<(), Trouble> {
        if self.received > 0 {
            hall.bench.progress.receive(std::mem::take(&mut self.received), self.now);
            hall.room.settle(std::mem::take(&mut self.settled));
        }
        self.trouble.take().map_or(Ok(()), Err)
    }
}
