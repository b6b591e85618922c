//! The application's clock: what sessions and tokens are dated with.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Microseconds of Unix time, as in `joined_at`.
pub fn now_us() -> i64 {
    i64::try_from(since_1970().as_micros()).unwrap_or(i64::MAX)
}

/// Milliseconds of Unix time, as in tokens.
pub fn now_ms() -> i64 {
    i64::try_from(since_1970().as_millis()).unwrap_or(i64::MAX)
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
