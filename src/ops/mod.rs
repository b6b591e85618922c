//! What operators see: the log.

pub mod logging;
