//! `presenced`: a presence server that speaks the Phoenix channels protocol.

pub mod presence;
pub mod session;
pub mod wire;
