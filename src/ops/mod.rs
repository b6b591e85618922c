//! What operators see: the log, and the metrics.

pub mod background_writer;
pub mod logging;
pub mod metrics;
