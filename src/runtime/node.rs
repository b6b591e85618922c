//! The process as channels and the program see it: finds the shard of a topic and asks it.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use foldhash::fast::RandomState;
use futures::FutureExt;
use futures::future::BoxFuture;
use smol_str::SmolStr;
use tokio::sync::{mpsc, oneshot};

use super::connections::Connections;
use super::counters::Counters;
use super::fanout::{Role, Subscriber};
use super::fetch::Fetcher;
use super::flusher::Flusher;
use super::line::StateFor;
use super::listing::Listings;
use super::shard::{Op, Shard, ShardHooks, Tracking};
use super::{metas, shard_task};
use crate::channel::Hooks;
use crate::channel::context::Seat;
use crate::channel::handle::DISCONNECT;
use crate::channel::node::{Asked, Broadcast, Node as NodePort, Parting, UpdateRefused};
use crate::presence::{
    AlreadyTracked, Attributes, Entry, Headcount, Meta, OwnerId, PhxRef, PhxRefs, Presence, Presences,
    ReplicaId, Snapshot, Tracker,
};

/// All topics of this process.
pub(crate) struct Node {
    shards: Vec<ShardHandle>,
    hasher: RandomState,
    next_id: AtomicU64,
    fetcher: Option<Fetcher>,
    _flusher: Flusher,
    pub(crate) counters: Arc<Counters>,
    pub(crate) connections: Arc<Connections>,
}

/// The way to a shard. What waits there is bounded by who asks: each waits for its outcome.
struct ShardHandle {
    ops: mpsc::UnboundedSender<Op>,
    listings: Arc<Listings>,
}

impl Node {
    /// Starts one shard for each core, and the tasks of the hooks. They end when the node is dropped.
    pub(crate) fn start(hooks: &Hooks, flush_window: Duration, grace: Duration) -> Arc<Self> {
        let fetcher = hooks.fetch.clone().map(Fetcher::new);
        let changes = hooks.handle_metas.as_ref().map(|init| {
            let (changes, receiver) = mpsc::unbounded_channel();
            tokio::spawn(metas::run(init(), receiver));
            changes
        });
        let counters = Arc::new(Counters::new());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let flusher = Flusher::start(cores);
        let node_hash = uuid::Uuid::new_v4().as_u64_pair().0 as u16;
        let incarnation = uuid::Uuid::new_v4().as_u64_pair().0;
        let shards = (0..cores)
            .map(|index| {
                let (ops, asked) = mpsc::unbounded_channel();
                let listings = Arc::new(Listings::default());
                let node = SmolStr::new(format!("presenced/{index}"));
                let replica = ReplicaId { node, incarnation };
                let tracker = match grace {
                    Duration::ZERO => Tracker::new(replica),
                    _ => Tracker::knowing_pages(replica),
                };
                // Refs of one moment differ between shards by this number.
                let refs = PhxRefs::new(node_hash.wrapping_add(index as u16));
                let hooks =
                    ShardHooks { fetcher: fetcher.clone(), changes: changes.clone(), back: ops.downgrade() };
                let shard = Shard::new(tracker, refs, hooks, listings.clone(), flush_window, grace);
                tokio::spawn(shard_task::run(shard, asked, counters.clone(), flusher.lines()));
                ShardHandle { ops, listings }
            })
            .collect();
        Arc::new(Node {
            shards,
            hasher: RandomState::default(),
            next_id: AtomicU64::new(1),
            fetcher,
            _flusher: flusher,
            counters,
            connections: Arc::default(),
        })
    }

    /// A channel of its own topic starts to hear it.
    pub(crate) fn subscribe(&self, seat: &Seat, intercepts: &'static [&'static str]) {
        self.enter(seat.topic.clone(), seat, Role::Member { intercepts });
    }

    /// From now on nobody is told of any presence.
    pub(crate) async fn hush(&self) {
        for shard in &self.shards {
            let (done, hushed) = oneshot::channel();
            if shard.ops.send(Op::Hush { done }).is_ok() {
                // An error says that the shard has ended, which is quiet enough.
                let _ = hushed.await;
            }
        }
    }

    /// The connection of an owner whose page had joined again has answered: both are there.
    pub(crate) fn restore(&self, topic: SmolStr, owner: OwnerId) {
        self.shard(&topic).tell(Op::Restore { topic, owner });
    }

    fn enter(&self, topic: SmolStr, seat: &Seat, role: Role) {
        let subscriber = Subscriber::new(seat.peer.clone(), seat.vsn, role);
        self.shard(&topic).tell(Op::Subscribe { topic, id: seat.id(), subscriber });
    }

    fn shard(&self, topic: &str) -> &ShardHandle {
        let hash = self.hasher.hash_one(topic) as usize;
        &self.shards[hash % self.shards.len()]
    }
}

impl ShardHandle {
    fn tell(&self, op: Op) {
        // A shard ends only with the process; then nobody is left to miss what it was told.
        let _ = self.ops.send(op);
    }

    fn ask<T: Send + 'static>(&self, op: impl FnOnce(oneshot::Sender<T>) -> Op) -> Asked<T> {
        let (answer, answered) = oneshot::channel();
        self.tell(op(answer));
        answered.map(Result::ok).boxed()
    }
}

impl NodePort for Node {
    fn new_owner(&self) -> OwnerId {
        OwnerId(self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// One of [`DISCONNECT`] is for the connections that have the topic as their socket id as well.
    fn broadcast(&self, message: Broadcast) -> Asked<()> {
        let revoked = (message.event == DISCONNECT).then(|| {
            self.connections.disconnect(&message.topic);
            self.revoke(&message.topic)
        });
        let sent = self.shard(&message.topic).ask(|sent| Op::Broadcast { message, sent });
        let Some(revoked) = revoked else { return sent };
        revoked.then(|_| sent).boxed()
    }

    fn track(
        &self,
        topic: SmolStr,
        owner: OwnerId,
        key: SmolStr,
        meta: Meta,
        attributes: Attributes,
    ) -> Asked<Result<PhxRef, AlreadyTracked>> {
        let what = Tracking { key, meta, attributes };
        self.shard(&topic).ask(|answer| Op::Track { topic, owner, what, answer })
    }

    fn rank(&self, topic: SmolStr, owner: OwnerId, ranked: bool) {
        self.shard(&topic).tell(Op::Rank { topic, owner, ranked });
    }

    fn update(
        &self,
        topic: SmolStr,
        owner: OwnerId,
        key: SmolStr,
        meta: Meta,
        expected: Option<PhxRef>,
    ) -> Asked<Result<PhxRef, UpdateRefused>> {
        self.shard(&topic).ask(|answer| Op::Update { topic, owner, key, meta, expected, answer })
    }

    fn untrack(&self, topic: SmolStr, owner: OwnerId, key: SmolStr) -> Asked<()> {
        self.shard(&topic).ask(|answer| Op::Untrack { topic, owner, key, answer })
    }

    fn entry(&self, topic: SmolStr, owner: OwnerId, key: SmolStr) -> Asked<Option<Arc<Entry>>> {
        self.shard(&topic).ask(|answer| Op::Entry { topic, owner, key, answer })
    }

    fn gone(&self, topic: SmolStr, owner: OwnerId, parting: Parting) -> Asked<()> {
        self.shard(&topic).ask(|gone| Op::Gone { topic, owner, parting, gone })
    }

    fn revoke(&self, socket_id: &str) -> Asked<()> {
        let socket_id = SmolStr::new(socket_id);
        let asked = self.shards.iter().map(|shard| {
            let socket_id = socket_id.clone();
            shard.ask(|done| Op::Revoke { socket_id, done })
        });
        futures::future::join_all(asked).map(|_| Some(())).boxed()
    }

    fn push_state(&self, topic: SmolStr, seat: &Arc<Seat>) -> Asked<()> {
        let seat = seat.clone();
        self.shard(&topic).ask(|done| Op::PushState { topic, to: StateFor { seat, done } })
    }

    fn follow(&self, topic: SmolStr, seat: &Arc<Seat>) {
        self.enter(topic, seat, Role::Follower { under: seat.topic.clone() });
    }

    fn observe(&self, topic: SmolStr, channel: OwnerId) {
        self.shard(&topic).tell(Op::Observe { topic, channel });
    }

    fn watch(&self, topic: SmolStr, seat: &Arc<Seat>) {
        self.enter(topic, seat, Role::Watcher);
    }

    fn list(&self, topic: SmolStr) -> BoxFuture<'static, Presences> {
        let list = self.shard(&topic).listings.get(&topic).snapshot.presences();
        let Some(fetcher) = &self.fetcher else { return futures::future::ready(list).boxed() };
        fetcher.decorate(topic, [list]).map(|[list]| list).boxed()
    }

    fn list_encoded(&self, topic: SmolStr) -> BoxFuture<'static, Bytes> {
        if self.fetcher.is_none() {
            let list = self.shard(&topic).listings.get(&topic).encoded().clone();
            return futures::future::ready(list).boxed();
        }
        let list = self.list(topic);
        async move { serde_json::to_vec(&list.await).expect("maps of texts are JSON").into() }.boxed()
    }

    fn get_by_key(&self, topic: SmolStr, key: SmolStr) -> BoxFuture<'static, Option<Presence>> {
        let found = self.shard(&topic).listings.get(&topic).snapshot.get(&key);
        let (Some(fetcher), Some(entry)) = (&self.fetcher, &found) else {
            return futures::future::ready(found).boxed();
        };
        let mut alone = Presences::default();
        alone.0.insert(key.to_string(), entry.clone());
        fetcher.decorate(topic, [alone]).map(move |[mut fetched]| fetched.0.remove(key.as_str())).boxed()
    }

    fn snapshot(&self, topic: &str) -> Snapshot {
        self.shard(topic).listings.get(topic).snapshot.clone()
    }

    fn count(&self, topic: &str) -> Headcount {
        self.shard(topic).listings.get(topic).snapshot.count()
    }

    fn fetches_done(&self) -> BoxFuture<'static, ()> {
        match &self.fetcher {
            Some(fetcher) => fetcher.done().boxed(),
            None => futures::future::ready(()).boxed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{Handle, Watched};

    #[tokio::test]
    async fn a_watch_that_is_dropped_leaves_nothing_behind() {
        let handle = Handle::new(Node::start(&Hooks::new(), Duration::ZERO, Duration::ZERO));
        let mut watch = handle.watch("t", 1024);
        assert!(matches!(watch.next().await, Some(Watched::State(_))));
        let subscription = watch.subscription();
        assert!(subscription.upgrade().is_some());
        drop(watch);
        // It stands behind the watch's end in the line of the topic.
        handle.broadcast("t", "event", crate::wire::Payload::empty()).await.expect("an object");
        assert!(subscription.upgrade().is_none());
    }
}
