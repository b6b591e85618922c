//! The residents of churned topics: they are told of everybody who comes and goes, and keep a list.
//!
//! Their own metas are taken to stay as they are: a channel that updates them by itself makes a resident look like
//! another.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use parking_lot::Mutex;
use smol_str::SmolStr;

use super::super::channel::{Ready, Topic};
use super::super::client::Client;
use super::super::crew::{Crew, Role};
use super::super::incoming::Incoming;
use super::super::listed::Listed;
use super::super::run::Bench;
use super::super::trouble::Trouble;
use super::STATE;

/// Where the residents are.
pub(super) struct Housing {
    bench: Arc<Bench>,
    topics: Arc<[Topic]>,
    /// How many live on a topic.
    group: u64,
    /// How many residents list as many as live with them.
    settled: Arc<AtomicU64>,
}

/// A resident.
pub(super) struct Resident {
    client: Client,
    list: List,
    /// Whom it listed when all residents were there, and nobody else.
    neighbours: HashSet<SmolStr>,
}

struct List {
    bench: Arc<Bench>,
    topic: Topic,
    group: u64,
    listed: Listed,
    settled: Arc<AtomicU64>,
    is_settled: bool,
    /// Lists and diffs since the counters were last told.
    frames: u64,
    trouble: Option<Trouble>,
}

impl Housing {
    pub(super) fn new(bench: Arc<Bench>, topics: Arc<[Topic]>, group: u64) -> Self {
        Housing { bench, topics, group, settled: Arc::default() }
    }

    /// Lets the residents join, and waits until each lists all of its topic.
    pub(super) async fn settle(&self) -> Vec<Resident> {
        let count = self.group * self.topics.len() as u64;
        // Who has joined reads from then on, while others join.
        let crew = Arc::new(Mutex::new(Crew::default()));
        let joins = self.bench.gather(0..count, "a connection, or a resident's presence", |number| {
            let (bench, crew) = (self.bench.clone(), crew.clone());
            let place = number / self.group;
            let topic = usize::try_from(place).ok().and_then(|place| self.topics.get(place));
            let topic = topic.expect("there are as many topics as groups").clone();
            let params = self.bench.join_params.fill(number, place);
            let mut list = List::new(self, topic.clone());
            async move {
                let mut client = bench.connect(number).await?;
                client.join(&topic, &params, &Ready::from(STATE), &mut |frame, _| list.note(frame)).await?;
                list.tell()?;
                crew.lock().add(&bench, Resident { client, list, neighbours: HashSet::new() });
                Ok(())
            }
        });
        joins.await;
        let crew = std::mem::take(&mut *crew.lock());
        let mut residents = self.calm(crew).await;
        for resident in &mut residents {
            resident.neighbours = resident.list.listed.present().clone();
        }
        residents
    }

    /// Waits until each resident lists as many as live with it, and nothing more is on its way.
    pub(super) async fn calm(&self, mut crew: Crew<Resident>) -> Vec<Resident> {
        loop {
            let count = crew.len() as u64;
            self.bench.until(|| self.settled.load(Relaxed) >= count || crew.is_done()).await;
            let is_over = crew.is_done() || self.bench.is_cut_short();
            let called = crew.stop().await.into_iter().map(LastCall);
            let called = Crew::start(&self.bench, called).finish(self.bench.timeout).await;
            let residents: Vec<Resident> = called.into_iter().map(|LastCall(resident)| resident).collect();
            let is_calm = residents.iter().all(|resident| resident.list.is_settled);
            if is_calm || is_over {
                return residents;
            }
            crew = Crew::start(&self.bench, residents);
        }
    }

    /// Notes who is listed and gone, or there and not listed.
    pub(super) fn inspect(&self, residents: &[Resident]) {
        let count = |differ: fn(&HashSet<SmolStr>, &HashSet<SmolStr>) -> usize| -> u64 {
            residents.iter().map(|it| differ(it.list.listed.present(), &it.neighbours) as u64).sum()
        };
        let mut troubles = self.bench.troubles.lock();
        let gone = count(|present, neighbours| present.difference(neighbours).count());
        troubles.note_many("a resident still lists somebody who has left", gone);
        let missing = count(|present, neighbours| neighbours.difference(present).count());
        troubles.note_many("a resident does not list somebody who has stayed", missing);
    }
}

impl Role for Resident {
    async fn work(&mut self) -> Result<(), Trouble> {
        let Resident { client, list, .. } = self;
        loop {
            client.receive(&mut |frame, _| list.note(frame)).await?;
            list.tell()?;
        }
    }
}

/// A resident who listens up to the end of what stands in line for it.
struct LastCall(Resident);

impl Role for LastCall {
    async fn work(&mut self) -> Result<(), Trouble> {
        let Resident { client, list, .. } = &mut self.0;
        if client.has_ended() {
            return Ok(());
        }
        client.last_call(&mut |frame, _| list.note(frame)).await?;
        list.tell()
    }
}

impl List {
    fn new(housing: &Housing, topic: Topic) -> Self {
        List {
            bench: housing.bench.clone(),
            topic,
            group: housing.group,
            listed: Listed::new(),
            settled: housing.settled.clone(),
            is_settled: false,
            frames: 0,
            trouble: None,
        }
    }

    /// Tells the counters of what came since they were told last, and whether it was trouble.
    fn tell(&mut self) -> Result<(), Trouble> {
        if self.frames > 0 {
            self.bench.progress.see_frames(std::mem::take(&mut self.frames), Instant::now());
            self.count_settled();
        }
        self.trouble.take().map_or(Ok(()), Err)
    }

    fn count_settled(&mut self) {
        let is_settled = self.listed.present().len() as u64 == self.group;
        match (self.is_settled, is_settled) {
            (false, true) => drop(self.settled.fetch_add(1, Relaxed)),
            (true, false) => drop(self.settled.fetch_sub(1, Relaxed)),
            _ => {}
        }
        self.is_settled = is_settled;
    }

    /// Folds a frame in.
    fn note(&mut self, frame: &[u8]) {
        let message = Incoming::read(frame).filter(|message| message.topic == self.topic.written());
        let Some(message) = message else { return };
        if self.listed.note(&message) {
            self.frames += 1;
        } else {
            self.trouble = self.trouble.take().or(message.trouble(self.topic.written()));
        }
    }
}
