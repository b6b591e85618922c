//! A server with Lightning's habits, to stand behind the gateway in tests: its tokens, its rooms with documents, and
//! awareness as Lightning's `y_ex` 0.8 has it, blindness included. It fails when it is asked to ([`control`]).
//!
//! `cargo run --example upstream -- --port 4000` listens on 127.0.0.1 and says so in one line.

mod awareness;
mod channel;
mod control;
mod counts;
mod document;
mod lib0;
mod message;
mod other;
mod people;
mod room;
mod server;
mod topic;

use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use presenced::channel::Router;
use presenced::server::{Options, Origins, Server};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use self::channel::Workflow;
use self::other::Echo;
use self::people::Person;
use self::server::{Lightning, UserSocket};

/// The upstream of the gateway's tests.
#[derive(Parser)]
struct Flags {
    /// The port to listen on; 0 takes any that is free
    #[arg(long, default_value_t = 4000)]
    port: u16,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let listener = TcpListener::bind(("127.0.0.1", flags.port)).await.context("cannot listen")?;
    let lightning = Lightning::new();
    let options = Options {
        origins: Origins::Any,
        outbox_bytes: OUTBOX_BYTES,
        longpoll_window: Duration::from_secs(2),
        ..Options::default()
    };
    let theirs = lightning.clone();
    let router = Router::new()
        .channel("workflow:*", move |person: &Person| Workflow::new(theirs.clone(), person.clone()))
        .channel("run:*", |_: &Person| Echo);
    let server = Server::new(UserSocket(lightning.clone()), router, options);
    let control = control::routes(&lightning, server.handle(), server.metrics());
    let mut terminate = signal(SignalKind::terminate())?;
    println!("listening on {}", listener.local_addr()?);
    server.pages(control).run(listener, async { terminate.recv().await.unwrap_or_default() }).await;
    Ok(())
}

/// Documents are long, and a test may leave several of them waiting.
const OUTBOX_BYTES: usize = 512 * 1024 * 1024;
