//! Whether an unfinished message goes on.
//!
//! Whoever sends a long message byte by byte would hold its memory for as long as they like.

use std::time::{Duration, Instant};

/// The message under way on a connection, if one is unfinished. Boxed, because most come in one piece.
#[derive(Debug, Default)]
pub struct Progress(Option<Box<UnderWay>>);

#[derive(Debug)]
struct UnderWay {
    since: Instant,
    /// What has come since then.
    bytes: usize,
}

impl Progress {
    /// So many bytes were read, and what they end with is a message's end or is not.
    pub fn read(&mut self, bytes: usize, is_unfinished: bool, now: impl Fn() -> Instant) {
        match &mut self.0 {
            None if is_unfinished => self.0 = Some(Box::new(UnderWay { since: now(), bytes: 0 })),
            Some(under_way) if is_unfinished => under_way.bytes += bytes,
            _ => self.0 = None,
        }
    }

    /// When it is to be looked at; `None` where no message is unfinished.
    pub fn expires(&self) -> Option<Instant> {
        self.0.as_ref().map(|under_way| under_way.since + INTERVAL)
    }

    /// Its time begins anew: nothing was read meanwhile, by no fault of the client.
    pub fn restart(&mut self, now: Instant) {
        if let Some(under_way) = &mut self.0 {
            **under_way = UnderWay { since: now, bytes: 0 };
        }
    }

    /// Whether too little has come in its time. Otherwise the next one begins.
    pub fn is_too_slow(&mut self, now: Instant) -> bool {
        let Some(under_way) = &mut self.0 else { return false };
        if now < under_way.since + INTERVAL {
            return false;
        }
        if under_way.bytes < LEAST_BYTES {
            return true;
        }
        **under_way = UnderWay { since: now, bytes: 0 };
        false
    }
}

/// In this time
pub const INTERVAL: Duration = Duration::from_secs(5);
/// at least so much of an unfinished message, or of a body, has to come, or its end.
pub const LEAST_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_message_has_to_go_on() {
        let start = Instant::now();
        let mut progress = Progress::default();
        progress.read(100, true, || start);
        assert_eq!(progress.expires(), Some(start + INTERVAL));
        progress.read(LEAST_BYTES, true, || start);
        assert!(!progress.is_too_slow(start + INTERVAL));
        progress.read(LEAST_BYTES - 1, true, || start);
        assert!(!progress.is_too_slow(start + INTERVAL * 2 - Duration::from_millis(1)));
        assert!(progress.is_too_slow(start + INTERVAL * 2));
    }

    #[test]
    fn what_is_finished_or_could_not_be_read_has_no_limit() {
        let start = Instant::now();
        let mut progress = Progress::default();
        progress.read(100, true, || start);
        progress.restart(start + INTERVAL);
        assert!(!progress.is_too_slow(start + INTERVAL));
        progress.read(100, false, || start);
        assert_eq!(progress.expires(), None);
        assert!(!progress.is_too_slow(start + INTERVAL * 9));
    }
}
