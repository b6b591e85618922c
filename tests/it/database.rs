//! People out of Lightning's database: a real PostgreSQL, with Lightning's tables of two generations.
//!
//! Source: contract/lightning.md §3, §6 and §7.

mod canvases;
mod check;
mod herd;
mod lightning;
mod logins;
mod outages;
mod postgres;
mod secrets;
mod tls;
