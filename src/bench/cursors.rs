//! `presenced bench cursors`: what the cursors of people on a canvas cost a server, and how long until others see them.
//!
//! Owns: the rooms, who moves when, what of it is measured.
//! An open loop: each member moves at its rate, however the earlier moves fare, and the members of a room never move at
//! the same time. A move's time counts from when it was due to the first sight of it, or of a later move of the same
//! member, by each of the others.
//! Not here: what a page says ([`member`]), what it is owed ([`account`]).

mod account;
mod awareness;
mod hall;
mod member;
mod others;
mod pushed;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::RangedU64ValueParser;
use serde::Serialize;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use uuid::Uuid;

use self::hall::Hall;
use self::member::Member;
use super::crew::Crew;
use super::endpoint::Param;
use super::flags::{count, seconds, serialize_seconds};
use super::latency::{Rate, Schedule};
use super::pattern::Pattern;
use super::report::Short;
use super::run::{Bench, Mode, Outcome};
use super::samples::Latencies;
use super::tally::Reconciled;
use super::trouble::Trouble;

/// Who moves, where and how often.
#[derive(Clone, Debug, Args, Serialize)]
pub(super) struct Cursors {
    /// How many rooms there are
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = count())]
    rooms: u64,
    /// How many members each room has. All of them move
    #[arg(long, value_name = "COUNT", default_value = "20", value_parser = several())]
    members: u64,
    /// How many moves each member makes a second; a page makes 20 at most
    #[arg(long, value_name = "PER_SECOND", default_value = "20")]
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
    /// The topic of a room: {g} is its number, {u} a UUID that nobody else has
    #[arg(long, value_name = "TOPIC", default_value = "workflow:collaborate:{u}", value_parser = topic)]
    topic: Pattern,
    /// Send nothing again. A page's provider sends every state again that it takes, whoever it came from
    #[arg(long)]
    no_echo: bool,
}

impl Mode for Cursors {
    const NAME: &'static str = "cursors";

    fn counted(&self) -> &'static str {
        "sightings"
    }

    fn params(&self) -> Vec<Param> {
        vec![Param::new("request_id", "presenced-bench-page-{i}")]
    }

    async fn run(&self, bench: &Arc<Bench>) -> Outcome {
        let clients = self.rooms * self.members;
        let schedule = Schedule::new(self.rate.of_all(clients), self.warmup + self.duration);
        let topics = (0..self.rooms).map(|room| self.topic_of(room)).collect();
        let (moves, period) = (schedule.count(), self.rate.period());
        let hall = Arc::new(Hall::new(bench.clone(), topics, self.members, moves, period, !self.no_echo));
        let late = Latencies::new();
        bench.progress.enter("joining");
        let members = bench.gather(0..clients, "a connection, a join or get_context", |number| {
            Member::enter(hall.clone(), number, late.samples())
        });
        let mut members = members.await;
        let sizes = self.sizes(&members);
        let pairs: u64 = sizes.values().map(|size| size * (size - 1)).sum();
        let movers = members.iter_mut().map(|member| {
            let (sender, due) = unbounded_channel();
            member.move_when(due);
            (member.number(), (sender, sizes[&self.room_of(member.number())] - 1))
        });
        let movers: Movers = movers.collect();

        bench.progress.enter("meeting");
        let crew = Crew::start(bench, members);
        bench.until(|| hall.have_met() >= pairs || crew.is_done()).await;
        if hall.have_met() < pairs {
            bench.trouble(&Trouble::Silent("the sight of everybody in the room"));
        }
        let due = (!bench.is_cut_short()).then(|| schedule.begin(Instant::now()));
        let turns = tokio::spawn(take_turns(due, movers, hall.clone(), self.clone()));
        bench.progress.enter("warming up");
        bench.pass(self.warmup, || crew.is_done()).await;
        hall.measure();
        let before = hall.traffic.counted();
        let started = bench.begin("moving", moves * (self.members - 1));
        bench.until(|| turns.is_finished() && hall.is_square() || crew.is_done()).await;
        let measured = bench.end(&started);
        let traffic = hall.traffic.counted().since(before);
        turns.abort();

        let members = crew.stop().await;
        let superseded: u64 = members.iter().map(|member| member.account().superseded).sum();
        let accounts = self.accounts(&members);
        drop(members);
        let reconciled = Reconciled::sum(&accounts);
        let late = late.histogram();
        let moves = traffic.moves.max(1) as f64;
        let mut figures = vec![
            ("moves", traffic.moves as f64),
            ("frames_up_per_move", traffic.up as f64 / moves),
            ("frames_down_per_move", traffic.down as f64 / moves),
            ("bytes_down_per_move", traffic.down_bytes as f64 / moves),
            ("superseded_percent", superseded as f64 * 100.0 / reconciled.received.max(1) as f64),
            ("sent_late_p50_us", late.value_at_quantile(0.5) as f64),
            ("sent_late_p99_us", late.value_at_quantile(0.99) as f64),
        ];
        if let Some(cpu) = measured.cpu {
            figures.push(("cpu_us_per_move", (cpu.user + cpu.system).as_secs_f64() * 1e6 / moves));
        }
        Outcome {
            reconciled,
            short: Short::of(accounts),
            measured,
            latency_of: "move due to its sight",
            figures,
        }
    }
}

impl Cursors {
    fn topic_of(&self, room: u64) -> String {
        self.topic.fill(0, room).replace(UUID, &Uuid::new_v4().to_string())
    }

    fn room_of(&self, client: u64) -> u64 {
        client / self.members
    }

    /// How many members each room has.
    fn sizes(&self, members: &[Member]) -> HashMap<u64, u64> {
        let mut sizes = HashMap::new();
        members.iter().for_each(|it| *sizes.entry(self.room_of(it.number())).or_default() += 1);
        sizes
    }

    /// What each member was owed and got.
    fn accounts(&self, members: &[Member]) -> Vec<(u64, Reconciled)> {
        let mut rooms: HashMap<u64, Vec<&Member>> = HashMap::new();
        members.iter().for_each(|it| rooms.entry(self.room_of(it.number())).or_default().push(it));
        let in_rooms = rooms.values().flat_map(|room| room.iter().map(move |member| (member, room)));
        let accounts = in_rooms.map(|(member, room)| {
            let others = room.iter().filter(|other| other.number() != member.number());
            let made = others.map(|other| (other.account().own, other.moves()));
            (member.number(), member.account().reconcile(made))
        });
        accounts.collect()
    }

    /// Whose turn is this? Rooms come one after the other, so that the members of one are as far apart as can be.
    fn client_of(&self, turn: u64) -> u64 {
        let turn = turn % (self.rooms * self.members);
        turn % self.rooms * self.members + turn / self.rooms
    }
}

/// Tells members when their moves are due.
async fn take_turns(
    due: Option<UnboundedReceiver<Instant>>,
    movers: Movers,
    hall: Arc<Hall>,
    flags: Cursors,
) {
    let Some(mut due) = due else { return };
    let mut turn = 0;
    while let Some(at) = due.recv().await {
        if let Some((mover, others)) = movers.get(&flags.client_of(turn)) {
            hall.ask(*others);
            // Whoever has ended moves no more, and that is noted with its end.
            let _ = mover.send(at);
        }
        turn += 1;
    }
}

/// Members by number, with how many others see each.
type Movers = HashMap<u64, (UnboundedSender<Instant>, u64)>;

/// Who is alone is seen by nobody.
fn several() -> RangedU64ValueParser<u64> {
    RangedU64ValueParser::new().range(2..=MOST_MEMBERS)
}

/// A topic that fits into a binary message, whatever is filled in.
fn topic(text: &str) -> Result<Pattern, &'static str> {
    let pattern = Pattern::from(text);
    let longest = pattern.fill(u64::MAX, u64::MAX).replace(UUID, &Uuid::nil().to_string());
    if longest.len() > usize::from(u8::MAX) { Err("must fit into 255 bytes") } else { Ok(pattern) }
}

/// In a topic: what is replaced by a room's own UUID.
const UUID: &str = "{u}";
const MOST_MEMBERS: u64 = 100_000;

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: Cursors,
    }

    fn flags(line: &str) -> Cursors {
        Line::parse_from(std::iter::once("bench").chain(line.split(' '))).flags
    }

    #[test]
    fn everybody_has_a_turn_and_those_of_a_room_are_as_far_apart_as_can_be() {
        let flags = flags("--rooms 3 --members 2");
        let turns: Vec<u64> = (0..7).map(|turn| flags.client_of(turn)).collect();
        assert_eq!(turns, [0, 2, 4, 1, 3, 5, 0]);
    }

    #[test]
    fn every_room_has_a_topic_of_its_own_that_fits_into_a_binary_message() {
        let flags = flags("--topic t:{g}:{u}");
        let (one, again) = (flags.topic_of(7), flags.topic_of(7));
        assert!(one.starts_with("t:7:") && one.len() == "t:7:".len() + 36, "{one}");
        assert_ne!(one, again);
        let long = ["bench", "--topic", &"{u}".repeat(8)];
        assert!(Line::try_parse_from(long).is_err());
    }
}
