//! The owner of a share of the topics: who hears them, who is present on them, and what is still to be told.
//!
//! A plain struct: operations are applied one by one, then [`Shard::settle`] publishes what changed and tells it.
//! The task around it is in `shard_task`, which also reads the clock.
//! Rules: architecture "Who owns what" and "Coalescing"; `Phoenix.Presence`, and what phoenix.js's `Presence`
//! takes for granted.

mod returns;
mod telling;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use foldhash::{HashMap, HashSet};
use indexmap::IndexMap;
use smol_str::SmolStr;
use tokio::sync::{mpsc, oneshot};

use super::fanout::{FanOut, Held, Subscriber};
use super::fetch::Fetcher;
use super::line::{Line, StateFor};
use super::listing::Listings;
use super::metas::Changed;
use crate::channel::node::{Broadcast, Parting, UpdateRefused};
use crate::channel::observation::Observation;
use crate::pages::Departure;
use crate::presence::{
    AlreadyTracked, Attributes, Change, Entry, Meta, NotTracked, OwnerId, Pending, PhxRef, PhxRefs,
    Presences, Tracker,
};
use crate::wire::{Json, Payload, SharedPayload};

/// One share of the topics.
pub(crate) struct Shard {
    /// Boxed, because a table has room for more than it holds.
    topics: HashMap<SmolStr, Box<Topic>>,
    tracker: Tracker,
    refs: PhxRefs,
    hooks: ShardHooks,
    listings: Arc<Listings>,
    /// How long changes of a busy topic gather.
    window: Duration,
    /// How long those stay whose connection was lost; zero where they leave at once.
    grace: Duration,
    /// When which topic is to be looked at, because changes gather there; each is there at most once.
    due: BinaryHeap<Reverse<(Instant, SmolStr)>>,
    /// When the grace periods of which topic are to be looked at; each is there at most once.
    graces: BinaryHeap<Reverse<(Instant, SmolStr)>>,
    /// Those that are there.
    graced: HashSet<SmolStr>,
    /// Topics touched since the last settling.
    touched: Vec<SmolStr>,
    answers: Vec<Answer>,
    /// Who was told something that still has to be written.
    held: Held,
    /// Nothing is told any more: everybody is about to be closed.
    hushed: bool,
}

/// What the application added to presence.
pub(crate) struct ShardHooks {
    pub(crate) fetcher: Option<Fetcher>,
    pub(crate) changes: Option<mpsc::UnboundedSender<Changed>>,
    /// Where finished fetches come back to.
    pub(crate) back: mpsc::WeakUnboundedSender<Op>,
}

/// A topic that somebody hears or is present on.
#[derive(Default)]
struct Topic {
    subscribers: IndexMap<OwnerId, Subscriber, RandomState>,
    pending: Pending,
    /// Who is to be pushed the list, once this round of operations is applied.
    wanted: Vec<StateFor>,
    /// Diffs and lists behind a fetch.
    line: Line,
    /// When it last changed, or was told to have changed.
    stirred: Option<Instant>,
    /// How often something was told.
    diffs_told: u32,
    /// It stands in `due`.
    scheduled: bool,
    changed: bool,
    /// Somebody is ranked otherwise: a change that no client is told.
    reordered: bool,
    touched: bool,
}

/// What is to be present.
pub(crate) struct Tracking {
    pub(crate) key: SmolStr,
    pub(crate) meta: Meta,
    pub(crate) attributes: Attributes,
}

/// What can be asked of a shard. Each names its topic; operations of one topic are applied in order.
pub(crate) enum Op {
    Subscribe {
        topic: SmolStr,
        id: OwnerId,
        subscriber: Subscriber,
    },
    /// A subscriber wants to be told of each list itself.
    Observe {
        topic: SmolStr,
        channel: OwnerId,
    },
    Broadcast {
        message: Broadcast,
        sent: oneshot::Sender<()>,
    },
    Track {
        topic: SmolStr,
        owner: OwnerId,
        what: Tracking,
        answer: Answering<AlreadyTracked>,
    },
    /// Gives what an owner has another rank. No client is told.
    Rank {
        topic: SmolStr,
        owner: OwnerId,
        ranked: bool,
    },
    /// The connection of an owner whose place another took has answered.
    Restore {
        topic: SmolStr,
        owner: OwnerId,
    },
    /// Ends the grace periods of those who were connected under a socket id.
    Revoke {
        socket_id: SmolStr,
        done: oneshot::Sender<()>,
    },
    Update {
        topic: SmolStr,
        owner: OwnerId,
        key: SmolStr,
        meta: Meta,
        expected: Option<PhxRef>,
        answer: Answering<UpdateRefused>,
    },
    Untrack {
        topic: SmolStr,
        owner: OwnerId,
        key: SmolStr,
        answer: oneshot::Sender<()>,
    },
    Entry {
        topic: SmolStr,
        owner: OwnerId,
        key: SmolStr,
        answer: oneshot::Sender<Option<Arc<Entry>>>,
    },
    Gone {
        topic: SmolStr,
        owner: OwnerId,
        parting: Parting,
        gone: oneshot::Sender<()>,
    },
    PushState {
        topic: SmolStr,
        to: StateFor,
    },
    /// A fetch is done: the parts of the diff or list that has this ticket.
    Fetched {
        topic: SmolStr,
        ticket: u64,
        parts: [Presences; 2],
    },
    /// Tell nothing more; answered once that is so.
    Hush {
        done: oneshot::Sender<()>,
    },
}

/// When operations are applied.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now: Instant,
    /// Nanoseconds since 1970, which date the refs of new entries.
    pub(crate) unix_ns: u64,
}

/// Where the outcome of tracking or updating goes.
pub(crate) type Answering<E> = oneshot::Sender<Result<PhxRef, E>>;

/// An outcome to give once the lists are published, so that whoever waited for it finds itself listed.
enum Answer {
    Tracked(Answering<AlreadyTracked>, PhxRef),
    Updated(Answering<UpdateRefused>, PhxRef),
    Untracked(oneshot::Sender<()>),
}

impl Shard {
    pub(crate) fn new(
        tracker: Tracker,
        refs: PhxRefs,
        hooks: ShardHooks,
        listings: Arc<Listings>,
        window: Duration,
        grace: Duration,
    ) -> Self {
        Shard {
            topics: HashMap::default(),
            tracker,
            refs,
            hooks,
            listings,
            window,
            grace,
            due: BinaryHeap::new(),
            graces: BinaryHeap::new(),
            graced: HashSet::default(),
            touched: Vec::new(),
            answers: Vec::new(),
            held: Held::new(),
            hushed: false,
        }
    }

    /// Applies one operation.
    pub(crate) fn apply(&mut self, op: Op, at: Moment) {
        match op {
            Op::Subscribe { topic, id, subscriber } => self.subscribe(&topic, id, subscriber, at.now),
            Op::Observe { topic, channel } => self.observe(&topic, channel),
            Op::Broadcast { message, sent } => {
                self.broadcast(&message);
                // Whoever asked may have ended; the same holds for every answer below.
                let _ = sent.send(());
            }
            Op::Track { topic, owner, what, answer } => self.track(&topic, owner, what, at, answer),
            Op::Rank { topic, owner, ranked } => {
                if self.tracker.set_ranked(&topic, owner, ranked) {
                    let topic = self.topic(&topic);
                    (topic.changed, topic.reordered) = (true, true);
                }
            }
            Op::Restore { topic, owner } => self.restore(&topic, owner, at),
            Op::Revoke { socket_id, done } => {
                for (topic, change) in self.tracker.revoke(&socket_id) {
                    self.changed(&topic, change, at.now);
                }
                let _ = done.send(());
            }
            Op::Update { topic, owner, key, meta, expected, answer } => {
                match self.update(&topic, owner, &key, &meta, expected, at) {
                    Ok(phx_ref) => self.answers.push(Answer::Updated(answer, phx_ref)),
                    Err(refused) => drop(answer.send(Err(refused))),
                }
            }
            Op::Untrack { topic, owner, key, answer } => {
                if let Some(change) = self.tracker.untrack(&topic, owner, &key) {
                    self.changed(&topic, change, at.now);
                }
                self.answers.push(Answer::Untracked(answer));
            }
            Op::Entry { topic, owner, key, answer } => {
                drop(answer.send(self.tracker.get(&topic, owner, &key).cloned()));
            }
            Op::Gone { topic, owner, parting, gone } => {
                self.gone(&topic, owner, parting, at.now);
                let _ = gone.send(());
            }
            Op::PushState { topic, to } => self.topic(&topic).wanted.push(to),
            Op::Fetched { topic, ticket, parts } => self.fetched(&topic, ticket, parts),
            Op::Hush { done } => {
                self.hushed = true;
                let _ = done.send(());
            }
        }
    }

    /// Ends a round at once: see [`begin_settling`](Self::begin_settling).
    #[cfg(test)]
    pub(crate) fn settle(&mut self, now: Instant) {
        self.begin_settling(now);
        while self.settle_next(now) {}
        self.give_outcomes();
    }

    /// Begins to end a round: one topic after the other publishes what changed, pushes the lists that were asked for, and
    /// tells the diffs that are due, then the outcomes are given; in this order, so a list never lacks what a diff before
    /// it told.
    pub(crate) fn begin_settling(&mut self, now: Instant) {
        self.end_graces(now);
        while let Some(Reverse((at, _))) = self.due.peek()
            && *at <= now
        {
            let Some(Reverse((_, name))) = self.due.pop() else { break };
            if let Some(topic) = self.topics.get_mut(&name) {
                topic.scheduled = false;
                if !topic.touched {
                    topic.touched = true;
                    self.touched.push(name);
                }
            }
        }
        // They are taken from the end.
        self.touched.reverse();
    }

    /// Settles one more topic; `false` when there is none.
    pub(crate) fn settle_next(&mut self, now: Instant) -> bool {
        let Some(name) = self.touched.pop() else { return false };
        self.settle_topic(&name, now);
        true
    }

    /// Gives the outcomes of the round, whose lists are published.
    pub(crate) fn give_outcomes(&mut self) {
        for answer in self.answers.drain(..) {
            match answer {
                Answer::Tracked(to, phx_ref) => drop(to.send(Ok(phx_ref))),
                Answer::Updated(to, phx_ref) => drop(to.send(Ok(phx_ref))),
                Answer::Untracked(to) => {
                    let _ = to.send(());
                }
            }
        }
    }

    /// The lines of everybody who was told something, for the caller to flush.
    pub(crate) fn held(&mut self) -> &mut Held {
        &mut self.held
    }

    /// How many presences there are on its topics together.
    pub(crate) fn presences(&self) -> usize {
        self.tracker.len()
    }

    /// When the next gathered diff is due, or the end of a grace period.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let next = [&self.due, &self.graces].map(|heap| heap.peek().map(|Reverse((at, _))| *at));
        next.into_iter().flatten().min()
    }

    fn topic(&mut self, name: &SmolStr) -> &mut Topic {
        let topic = match self.topics.get_mut(name) {
            Some(_) => self.topics.get_mut(name).expect("it was there a line above"),
            None => self.topics.entry(name.clone()).or_default(),
        };
        if !topic.touched {
            topic.touched = true;
            self.touched.push(name.clone());
        }
        topic
    }

    /// What happened on a quiet topic before is told first, to those who were there.
    fn subscribe(&mut self, name: &SmolStr, id: OwnerId, subscriber: Subscriber, now: Instant) {
        if self
            .topics
            .get(name)
            .is_some_and(|topic| !topic.pending.is_empty() && topic.is_quiet(now, topic.window(self.window)))
        {
            self.settle_topic(name, now);
        }
        let topic = self.topic(name);
        let before = topic.subscribers.get(&id).map(|subscriber| subscriber.heard_since);
        let heard_since = before.unwrap_or(Some(topic.diffs_told));
        topic.subscribers.insert(id, Subscriber { heard_since, ..subscriber });
    }

    fn observe(&mut self, name: &SmolStr, channel: OwnerId) {
        let subscribers = self.topics.get_mut(name).map(|topic| &mut topic.subscribers);
        if let Some(subscriber) = subscribers.and_then(|subscribers| subscribers.get_mut(&channel)) {
            subscriber.observation = Some(Arc::new(Observation::new(name.clone())));
        }
    }

    fn broadcast(&mut self, Broadcast { topic: name, event, payload, except }: &Broadcast) {
        let Some(topic) = self.topics.get(name) else { return };
        let mut fan_out = FanOut::new(name, event, payload, &mut self.held);
        for (id, subscriber) in topic.subscribers.iter().filter(|(id, _)| Some(**id) != *except) {
            fan_out.broadcast(*id, subscriber);
        }
    }

    fn track(
        &mut self,
        topic: &SmolStr,
        owner: OwnerId,
        what: Tracking,
        at: Moment,
        answer: Answering<AlreadyTracked>,
    ) {
        let Tracking { key, meta, attributes } = what;
        let phx_ref = self.refs.next(at.unix_ns);
        match self.tracker.track(topic, owner, key, &meta, attributes, phx_ref.clone()) {
            Ok(tracked) => {
                self.changed(topic, tracked.change, at.now);
                self.ask_for_life(topic, owner, &tracked.asked, at);
                self.answers.push(Answer::Tracked(answer, phx_ref));
            }
            Err(error) => drop(answer.send(Err(error))),
        }
    }

    fn update(
        &mut self,
        topic: &SmolStr,
        owner: OwnerId,
        key: &SmolStr,
        meta: &Meta,
        expected: Option<PhxRef>,
        at: Moment,
    ) -> Result<PhxRef, UpdateRefused> {
        if let Some(expected) = expected {
            let entry = self.tracker.get(topic, owner, key).ok_or(UpdateRefused::NotTracked(NotTracked))?;
            if entry.phx_ref != expected {
                return Err(UpdateRefused::Outdated);
            }
        }
        let phx_ref = self.refs.next(at.unix_ns);
        let change = self.tracker.update(topic, owner, key, meta, phx_ref.clone());
        self.changed(topic, change.map_err(UpdateRefused::NotTracked)?, at.now);
        Ok(phx_ref)
    }

    /// The leaver does not hear of its own leave.
    fn gone(&mut self, name: &SmolStr, owner: OwnerId, parting: Parting, now: Instant) {
        if parting.departure == Departure::Disconnected && !self.grace.is_zero() {
            self.begin_grace(name, owner, parting.socket_id, now);
        } else if let Some(change) = self.tracker.untrack_owner(name, owner) {
            self.changed(name, change, now);
        }
        let topic = self.topic(name);
        topic.subscribers.swap_remove(&owner);
        topic.pending.parted(owner);
    }

    fn changed(&mut self, name: &SmolStr, change: Change, now: Instant) {
        let topic = self.topic(name);
        topic.pending.absorb(change, now);
        topic.changed = true;
    }

    fn settle_topic(&mut self, name: &SmolStr, now: Instant) {
        let Some(topic) = self.topics.get_mut(name) else { return };
        topic.touched = false;
        let changed = std::mem::take(&mut topic.changed);
        if changed {
            let list = self.tracker.snapshot(name);
            if std::mem::take(&mut topic.reordered) && topic.pending.is_empty() {
                // No diff will tell the channels that observe.
                for (id, subscriber) in &topic.subscribers {
                    subscriber.tell_observation(*id, &list);
                }
            }
            self.listings.put(name, list);
        }
        if !topic.wanted.is_empty() {
            // Whoever asked may have gone in the same round.
            for to in &topic.wanted {
                let id = to.seat.id();
                let Some(subscriber) = topic.subscribers.get_mut(&id) else { continue };
                let holds = to.seat.may_hold_diffs;
                let since = subscriber.heard_since.take();
                let heard = since.is_some_and(|since| holds || since != topic.diffs_told);
                topic.pending.snapshot_taken(id, heard);
            }
            let wanted = std::mem::take(&mut topic.wanted);
            self.push_states(name, wanted);
        }
        self.tell_or_wait(name, changed, now);
        if self.topics.get(name).is_some_and(|topic| topic.is_idle()) {
            self.topics.remove(name);
        }
    }

    fn push_states(&mut self, name: &SmolStr, wanted: Vec<StateFor>) {
        let Some(topic) = self.topics.get_mut(name) else { return };
        let listing = self.listings.get(name);
        match &self.hooks.fetcher {
            None => {
                let list = Json::from_encoded(listing.encoded().clone());
                let payload = SharedPayload::new(Payload::Json(list));
                for to in wanted {
                    to.push(&topic.subscribers, &payload, &listing.snapshot, &mut self.held);
                }
            }
            Some(fetcher) => {
                let ticket = topic.line.wait_for_list(wanted, listing.snapshot.clone());
                let parts = [listing.snapshot.presences(), Presences::default()];
                self.hooks.start(fetcher, name, ticket, parts);
            }
        }
    }

    /// The first change of a quiet topic is told at once. On a busy one changes gather, until one of them has waited for
    /// a window: whoever comes and goes within it is told to nobody, and ends nobody's wait.
    fn tell_or_wait(&mut self, name: &SmolStr, changed: bool, now: Instant) {
        let Some(topic) = self.topics.get_mut(name) else { return };
        let window = topic.window(self.window);
        let quiet = topic.is_quiet(now, window);
        if changed {
            topic.stirred = Some(now);
        }
        if self.hushed || topic.scheduled && !quiet {
            return;
        }
        let Some(end) = topic.pending.waits_since().map(|oldest| oldest + window) else { return };
        if quiet || end <= now {
            topic.stirred = Some(now);
            let told = topic.pending.take();
            self.tell(name, told);
        } else if !topic.scheduled {
            topic.scheduled = true;
            self.due.push(Reverse((end, name.clone())));
        }
    }
}

impl ShardHooks {
    /// Lets the fetch hook decorate the parts; they come back as [`Op::Fetched`].
    fn start(&self, fetcher: &Fetcher, topic: &SmolStr, ticket: u64, parts: [Presences; 2]) {
        let (topic, back) = (topic.clone(), self.back.clone());
        let decorated = fetcher.decorate(topic.clone(), parts);
        tokio::spawn(async move {
            let parts = decorated.await;
            if let Some(back) = back.upgrade() {
                // The shard has ended: there is nobody left to tell.
                let _ = back.send(Op::Fetched { topic, ticket, parts });
            }
        });
    }

    /// Hands a diff that was told to the application.
    fn report(&self, topic: &SmolStr, parts: impl FnOnce() -> (Presences, Presences)) {
        if let Some(changes) = &self.changes {
            let (joins, leaves) = parts();
            // The hook's task ends only with the process.
            let _ = changes.send(Changed { topic: topic.clone(), joins, leaves });
        }
    }
}

impl Topic {
    /// How long changes gather: longer, where they are told to so many that telling them once a window would take more
    /// than a quarter of a core.
    fn window(&self, least: Duration) -> Duration {
        if least.is_zero() {
            return least;
        }
        let subscribers = u32::try_from(self.subscribers.len()).unwrap_or(u32::MAX);
        least.max((TELLING * 4).saturating_mul(subscribers).min(LONGEST_WINDOW))
    }

    /// Within the window it has not changed, nor was a change told.
    fn is_quiet(&self, now: Instant, window: Duration) -> bool {
        self.stirred.is_none_or(|stirred| stirred + window <= now)
    }

    /// Nobody hears it, and nothing of it is left to be told. Who is present is kept in the tracker.
    fn is_idle(&self) -> bool {
        self.subscribers.is_empty() && self.pending.is_empty() && self.line.is_empty() && !self.scheduled
    }
}

/// What it takes to tell one subscriber: for the most part, that of a call to the kernel.
const TELLING: Duration = Duration::from_micros(3);
/// However many they are, nobody hears of a change later than this.
const LONGEST_WINDOW: Duration = Duration::from_millis(250);
