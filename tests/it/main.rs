//! The one integration binary: everything that needs a running server.

mod api;
mod architecture;
mod bench;
mod channel_api;
mod check;
mod database;
mod fixtures;
mod gateway;
mod handshake;
mod health;
mod hooks;
mod lightning;
mod listening;
mod log;
mod longpoll;
mod malformed;
mod metrics;
mod people_file;
mod presence;
mod process;
mod proxies;
mod replay;
mod shutdown;
mod support;
mod token_command;
mod websocket;
