//! One message through a real server to everyone on a topic, until all have read it.
//!
//! Owns the server and what it is asked. The clients ([`Client`]) are in the same process, over a Unix socket; each
//! takes two open files. So the time is that of the shard, the outboxes and the connections' tasks, and of what the
//! kernel takes to hand over a frame.

mod client;

use std::path::PathBuf;
use std::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use futures::future::join_all;
use presenced::channel::{
    BoxError, Channel, Connect, ConnectInfo, Connected, Context, Handle, Incoming, JoinError, Outcome,
    Payload, Refusal, Router,
};
use presenced::server::{ListenAddress, Listeners, Options, Server};
use presenced::wire::{Vsn, encode_broadcast};
use serde_json::json;
use tokio::runtime::Runtime;

use self::client::Client;
use super::people;

/// A broadcast from outside channels.
#[divan::bench(args = [1, 100, 1000])]
fn broadcast_of_1_kb(bencher: Bencher, clients: usize) {
    let served = Served::start();
    let mut members = served.members(clients);
    let payload = Payload::from(json!({"text": "x".repeat(1024)}));
    let frame = encode_broadcast(Vsn::V2, TOPIC, "shout", &payload).expect("an object");
    bencher.counter(ItemsCount::new(clients)).bench_local(|| {
        let sent = served.handle.broadcast(TOPIC, "shout", payload.clone());
        served.runtime.block_on(sent).expect("an object");
        for member in &mut members {
            assert!(member.read(frame.len()) == &frame.websocket()[..], "another frame has come");
        }
    });
}

/// One of as many people as there are clients is updated: a change of the list, a diff, and its way to all.
#[divan::bench(args = [1, 100, 1000])]
fn presence_diff(bencher: Bencher, clients: usize) {
    let served = Served::start();
    let owner = served.handle.owner();
    let tracked = (0..clients).map(|nth| owner.track(TOPIC, people::user_id(nth), people::meta(nth)));
    for outcome in served.runtime.block_on(join_all(tracked)) {
        outcome.expect("each is another key");
    }
    let mut members = served.members(clients);
    let (key, meta) = (people::user_id(0), people::meta(0));
    let update = || {
        let updated = owner.update(TOPIC, key.clone(), meta.clone());
        served.runtime.block_on(updated).expect("it is tracked")
    };
    // The first has no earlier reference in its leave; from the second on all diffs are of one length.
    update();
    members.iter_mut().for_each(|member| _ = member.read_frame());
    update();
    let length = members.iter_mut().map(Client::read_frame).max().expect("there are members");
    bencher.counter(ItemsCount::new(clients)).bench_local(|| {
        let phx_ref = update();
        for member in &mut members {
            let told = member.read(length);
            let told = told.windows(phx_ref.as_str().len()).any(|part| part == phx_ref.as_str().as_bytes());
            assert!(told, "another frame has come");
        }
    });
}

/// A server of rooms, on a Unix socket that goes with it.
struct Served {
    runtime: Runtime,
    handle: Handle,
    path: PathBuf,
}

impl Served {
    fn start() -> Self {
        let path = std::env::temp_dir().join(format!("presenced-pieces-{}.sock", std::process::id()));
        let runtime = Runtime::new().expect("the system has threads");
        let handle = runtime.block_on(async {
            // No window: every change is told at once, and the diff's way is measured instead of a wait.
            let options = Options { flush_window: Duration::ZERO, ..Options::default() };
            let server = Server::new(Anybody, Router::new().channel("room:*", |_: &()| Room), options);
            let handle = server.handle();
            let listeners = Listeners::bind(&[ListenAddress::Unix(path.clone())]).await;
            tokio::spawn(server.run(listeners.expect("nobody listens there"), std::future::pending()));
            handle
        });
        Served { runtime, handle, path }
    }

    /// Clients that have joined the topic.
    fn members(&self, count: usize) -> Vec<Client> {
        (0..count).map(|_| Client::join(&self.path, TOPIC)).collect()
    }
}

struct Anybody;

impl Connect for Anybody {
    type Identity = ();

    async fn connect(&self, _: &ConnectInfo) -> Result<Connected<()>, Refusal> {
        Ok(Connected { identity: (), socket_id: None })
    }
}

struct Room;

impl Channel for Room {
    type Info = ();

    async fn join(&mut self, _: Payload, _: &Context<()>) -> Result<Payload, JoinError> {
        Ok(Payload::empty())
    }

    async fn handle_in(&mut self, _: Incoming, _: &Context<()>) -> Result<Outcome, BoxError> {
        Ok(Outcome::NoReply)
    }
}

const TOPIC: &str = "room:6c1b7e8e-1f0a-4f5e-9d42-0a6f6f6b6c1b";
