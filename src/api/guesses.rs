//! Wrong tokens: whoever brings one again and again waits longer and longer for the answer, and the log says so.
//!
//! A token cannot be guessed in any case, being of 32 bytes or more; but who tries is somebody to know of.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::warn;

/// Who has brought wrong tokens lately, by address; `None` is everybody who has none.
#[derive(Default)]
pub(super) struct Guesses(Mutex<HashMap<Option<IpAddr>, Guesser>>);

struct Guesser {
    count: u32,
    last: Instant,
    told: Option<Instant>,
}

impl Guesses {
    /// Takes note of a wrong token; gives how long its answer is to take.
    pub(super) fn wrong(&self, peer: Option<IpAddr>) -> Duration {
        let now = Instant::now();
        let mut guesses = self.0.lock();
        guesses.retain(|_, guesser| guesser.last.elapsed() < FORGOTTEN_AFTER);
        if guesses.len() >= MOST && !guesses.contains_key(&peer) {
            return LONGEST;
        }
        let guesser = guesses.entry(peer).or_insert(Guesser { count: 0, last: now, told: None });
        (guesser.count, guesser.last) = (guesser.count.saturating_add(1), now);
        if guesser.count > FREE && guesser.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            guesser.told = Some(now);
            let peer = peer.map(tracing::field::display);
            warn!(peer, attempts = guesser.count, "the HTTP API is asked with wrong tokens");
        }
        delay(guesser.count)
    }
}

/// The first few cost nothing: a deployment whose token was changed.
fn delay(count: u32) -> Duration {
    match count.saturating_sub(FREE) {
        0 => Duration::ZERO,
        wrong => (FIRST * 2_u32.saturating_pow(wrong - 1)).min(LONGEST),
    }
}

const FREE: u32 = 10;
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);
const TOLD_EVERY: Duration = Duration::from_secs(60);
const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn whoever_guesses_waits_longer_and_longer_and_nobody_else_does() {
        let guesses = Guesses::default();
        let eve = Some(Ipv4Addr::new(192, 0, 2, 1).into());
        let waits: Vec<_> = (0..17).map(|_| guesses.wrong(eve).as_millis()).collect();
        assert_eq!(waits[..10], [0; 10]);
        assert_eq!(waits[10..], [100, 200, 400, 800, 1000, 1000, 1000]);
        assert_eq!(guesses.wrong(Some(Ipv4Addr::new(192, 0, 2, 2).into())), Duration::ZERO);
    }
}
