//! What the hot path costs, in counts and not in times: what an idle connection keeps, and what a join and a delivery
//! take. A number that grows here is memory or work that every connection or recipient pays for.
//!
//! A binary of its own, because it counts every allocation of its process; its tests run one after the other.

mod client;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use dhat::{HeapStats, Profiler};
use presenced::channel::{Handle, Payload};
use presenced::lightning::{Canvases, Development, UserSocket, router};
use presenced::ops::metrics::Metrics;
use presenced::server::{Options, Server};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use self::client::Client;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// A server of canvases, and nearly the only thing in this process that allocates.
struct Served {
    runtime: Runtime,
    handle: Handle,
    metrics: Metrics,
    port: u16,
    _counting: Profiler,
    _alone: MutexGuard<'static, ()>,
}

impl Served {
    fn start() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let counting = Profiler::builder().testing().build();
        let runtime = Runtime::new().expect("the system has threads");
        let inside = runtime.enter();
        let canvases = Canvases::new(Arc::new(Development::default()));
        let server = Server::new(UserSocket::new(canvases.clone()), router(canvases), Options::default());
        let (handle, metrics) = (server.handle(), server.metrics());
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("there is a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        runtime.spawn(server.run(listener, std::future::pending()));
        drop(inside);
        Served { runtime, handle, metrics, port, _counting: counting, _alone: alone }
    }

    /// Clients on a topic each names, who have their list.
    fn members(&self, users: std::ops::Range<usize>, topic: impl Fn(usize) -> String) -> Vec<Client> {
        let mut members: Vec<_> = users.clone().map(|user| Client::connect(self.port, user)).collect();
        for (user, member) in users.zip(&mut members) {
            member.join(&topic(user));
        }
        members
    }

    /// Waits until all that was sent has been written, and nothing more comes: silence is nothing but time without a
    /// frame.
    fn settle(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut before = self.counted("presenced_sent_frames_total");
        loop {
            assert!(Instant::now() < deadline, "frames go on and on");
            thread::sleep(20 * FLUSH_WINDOW);
            let now = self.counted("presenced_sent_frames_total");
            if now == before {
                return;
            }
            before = now;
        }
    }

    fn counted(&self, name: &str) -> f64 {
        let page = self.metrics.encode();
        let number = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{name} is not in {page}"))
    }
}

/// The table is what anybody reads who wants to know where the memory is; it has to be true.
#[test]
fn an_idle_connection_keeps_what_is_listed() {
    let served = Served::start();
    let topic = |user| format!("workflow:presence:{}", user / 3);
    // What is there once, whoever connects, is there now.
    let first = served.members(0..60, topic);
    served.settle();
    let before = HeapStats::get().curr_bytes;
    let others = served.members(60..960, topic);
    served.settle();
    let clients_own = others.len() * Client::BYTES;
    let kept = (HeapStats::get().curr_bytes - before - clients_own) as f64 / others.len() as f64;
    let listed: f64 = listed().iter().sum();
    assert!((kept / listed - 1.0).abs() < 0.05, "{kept:.0} bytes are kept, {listed} are listed");
    drop((first, others));
}

#[test]
fn a_broadcast_is_encoded_once_and_no_recipient_pays_an_allocation() {
    let served = Served::start();
    let mut members = served.members(0..100, |_| TOPIC.to_owned());
    served.settle();
    let broadcast = |n: u64| {
        let payload = Payload::from(json!({"n": n}));
        served.runtime.block_on(served.handle.broadcast(TOPIC, "shout", payload)).expect("an object");
    };
    // The lines have found their size.
    broadcast(0);
    served.settle();
    let (blocks, writes) = (HeapStats::get().total_blocks, served.counted(WRITES));
    let read_of_pages = blocks_of(|| served.settle()) + blocks_of(|| _ = served.counted(WRITES));
    for n in 1..=MESSAGES {
        broadcast(n);
        for member in &mut members {
            member.read_to(b"shout");
        }
    }
    let deliveries = (MESSAGES * members.len() as u64) as f64;
    let blocks = (HeapStats::get().total_blocks - blocks - read_of_pages) as f64 / deliveries;
    let writes = (served.counted(WRITES) - writes) / deliveries;
    assert!(blocks < 0.25, "{blocks} allocations a delivery");
    assert!(writes <= 1.0, "{writes} writes a delivery");
}

#[test]
fn what_waits_for_a_client_leaves_in_one_write() {
    let served = Served::start();
    let mut member = served.members(0..1, |_| TOPIC.to_owned()).remove(0);
    served.settle();
    let (frames, writes) = (served.counted(FRAMES), served.counted(WRITES));
    served.runtime.block_on(async {
        let told = (0..MESSAGES).map(|n| served.handle.broadcast(TOPIC, "shout", json!({"n": n}).into()));
        futures::future::join_all(told).await;
    });
    member.read_to(format!(r#""n":{}}}"#, MESSAGES - 1).as_bytes());
    served.settle();
    let frames = served.counted(FRAMES) - frames;
    let writes = served.counted(WRITES) - writes;
    assert_eq!(frames, MESSAGES as f64);
    assert!(writes <= frames / 4.0, "{writes} writes for {frames} frames");
}

#[test]
fn a_storm_of_joins_shares_its_lists_and_diffs() {
    const JOINERS: usize = 200;
    let served = Served::start();
    let mut members: Vec<_> = (0..JOINERS).map(|user| Client::connect(served.port, user)).collect();
    for member in &mut members {
        member.send(&format!(r#"["1","1","{TOPIC}","phx_join",{{}}]"#));
    }
    for member in &mut members {
        member.read_to(b"presence_state");
    }
    served.settle();
    let frames = served.counted(FRAMES) / JOINERS as f64;
    // Told one by one it would be a hundred diffs each.
    assert!(frames < 40.0, "{frames} frames a member");
}

/// The first column of the table in `runtime/mod.rs`.
fn listed() -> Vec<f64> {
    let source = include_str!("../../src/runtime/mod.rs");
    let rows = source.lines().filter_map(|line| line.strip_prefix("//! | "));
    rows.filter_map(|row| row.split(' ').next()?.parse().ok()).collect()
}

/// How many allocations something takes.
fn blocks_of(act: impl FnOnce()) -> u64 {
    let before = HeapStats::get().total_blocks;
    act();
    HeapStats::get().total_blocks - before
}

const TOPIC: &str = "workflow:presence:busy";
const MESSAGES: u64 = 50;
const FRAMES: &str = "presenced_sent_frames_total";
const WRITES: &str = "presenced_socket_writes_total";
const FLUSH_WINDOW: Duration = Duration::from_millis(5);
