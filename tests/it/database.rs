//! People out of Lightning's database: a real PostgreSQL, with Lightning's tables of two generations.
//!
//! Source: Lightning 2.13, `LightningWeb.UserSocket`, `Lightning.Accounts` and `Lightning.Projects`.

mod canvases;
mod check;
mod crowded;
mod herd;
mod lightning;
mod logins;
mod outages;
mod postgres;
mod secrets;
mod tls;
