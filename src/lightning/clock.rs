//! The application's clock: what sessions and tokens are dated with.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Microseconds of Unix time, as in `joined_at`. It never goes back, nor stands still: whoever joins later ranks behind, also
/// where somebody has set the clock meanwhile.
pub fn now_us() -> i64 {
    static LAST: AtomicI64 = AtomicI64::new(0);
    let now = i64::try_from(since_1970().as_micros()).unwrap_or(i64::MAX);
    let later = |last: i64| now.max(last.saturating_add(1));
    LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(later(last))).map_or(now, later)
}

/// Milliseconds of Unix time, as in tokens.
pub fn now_ms() -> i64 {
    i64::try_from(since_1970().as_millis()).unwrap_or(i64::MAX)
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_joins_later_is_later() {
        let times: Vec<_> = (0..1000).map(|_| now_us()).collect();
        assert!(times.is_sorted_by(|one, next| one < next));
    }
}
