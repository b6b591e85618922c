//! `presenced`: a presence server that speaks the Phoenix channels protocol.
//!
//! The modules in the order in which a frame travels:
//!
//! ```text
//!  client ──▶ runtime/socket ──▶ wire ──▶ session ──▶ channel (lightning)
//!                                                        │ track, broadcast
//!                                                        ▼
//!  client ◀── runtime/socket ◀── outbox ◀── fanout ◀── runtime/shard ◀─▶ presence
//! ```
//!
//! An application implements [`channel::Connect`] and [`channel::Channel`], names its topics in a
//! [`channel::Router`], and hands both to a [`server::Server`].

// pure: bytes, rules, state
pub mod awareness;
pub mod channel;
pub mod gateway;
pub mod pages;
pub mod presence;
pub mod session;
pub mod wire;

// running: tasks, sockets
mod runtime;

// the application and the process
pub mod api;
pub mod bench;
pub mod check_command;
pub mod config;
pub mod lightning;
pub mod ops;
pub mod server;
pub mod token_command;

/// The README's example is compiled with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
