//! The floor of `presenced bench cursors`: a server that reads and writes what the gateway does, and knows no rule.
//!
//! `cargo run --release --example bare -- --port 4200` listens on 127.0.0.1 and says so in one line. It believes
//! everything: what begins like a join is one, what begins like a state of the sender's first clientID is its last state
//! and goes to the others of the room as the bytes that came, at the gateway's pace. It checks no length, no name and no
//! clock, keeps no identity, answers no ping, and forgets nobody. For comparison only.

#[path = "bare/client.rs"]
mod client;
#[path = "bare/room.rs"]
mod room;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use parking_lot::Mutex;
use tokio::net::TcpSocket;

use self::room::Room;

/// The bare server.
#[derive(Parser)]
struct Flags {
    /// The port to listen on; 0 takes any that is free
    #[arg(long, default_value_t = 4200)]
    port: u16,
    /// How long a room gathers states, in milliseconds
    #[arg(long, default_value_t = 50)]
    interval: u64,
}

/// The rooms by topic, as its JSON string has it.
struct Rooms {
    rooms: Mutex<HashMap<Vec<u8>, Arc<Room>>>,
    interval: Duration,
}

impl Rooms {
    fn of(&self, topic: &[u8]) -> Arc<Room> {
        let mut rooms = self.rooms.lock();
        rooms.entry(topic.to_vec()).or_insert_with(|| Arc::new(Room::new(self.interval))).clone()
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(([127, 0, 0, 1], flags.port).into()).context("cannot listen")?;
    let listener = socket.listen(BACKLOG)?;
    println!("listening on {}", listener.local_addr()?);
    let interval = Duration::from_millis(flags.interval);
    let rooms = Arc::new(Rooms { rooms: Mutex::default(), interval });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(client::serve(stream, rooms.clone()));
    }
}

const BACKLOG: u32 = 4_096;
