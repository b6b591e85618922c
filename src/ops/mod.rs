//! What operators see: the log, and the metrics.

pub mod logging;
pub mod metrics;
