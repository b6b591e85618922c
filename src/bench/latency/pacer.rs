//! When something is due: a fixed number of times a second.
//!
//! It is told by a thread of its own, because the runtime's timers go by the millisecond.

use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// How often a second; once at least, so that a run is never quiet by itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub(in super::super) struct Rate(f64);

impl Rate {
    /// The rate of so many who keep this one each.
    pub(in super::super) fn of_all(self, many: u64) -> Rate {
        Rate(self.0 * many as f64)
    }

    /// From one time to the next.
    pub(in super::super) fn period(self) -> Duration {
        Duration::from_secs_f64(1.0 / self.0)
    }
}

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text.parse() {
            Ok(rate) if (LEAST..=MOST).contains(&rate) => Ok(Rate(rate)),
            _ => Err("must be a number from 1 to 1000000"),
        }
    }
}

/// So many times at a rate.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Schedule {
    rate: Rate,
    count: u64,
}

impl Schedule {
    /// As often as this rate is due within this time, but once at least.
    pub(in super::super) fn new(rate: Rate, time: Duration) -> Self {
        Schedule { rate, count: ((rate.0 * time.as_secs_f64()) as u64).max(1) }
    }

    /// How often.
    pub(in super::super) fn count(self) -> u64 {
        self.count
    }

    /// Begins now. Each time is told when it has come, and none is left out where nobody listens for a while; the end
    /// comes with the last one.
    pub(in super::super) fn begin(self, origin: Instant) -> UnboundedReceiver<Instant> {
        let (due, receiver) = unbounded_channel();
        thread::spawn(move || {
            for number in 0..self.count {
                let at = origin + Duration::from_secs_f64(number as f64 / self.rate.0);
                thread::sleep(at.saturating_duration_since(Instant::now()));
                if due.send(at).is_err() {
                    return;
                }
            }
        });
        receiver
    }
}

const LEAST: f64 = 1.0;
const MOST: f64 = 1e6;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_time_is_told_not_before_it_has_come_and_is_not_moved_by_a_late_listener() {
        let rate: Rate = "1000".parse().expect("a rate");
        let schedule = Schedule::new(rate, Duration::from_millis(20));
        assert_eq!(schedule.count(), 20);
        let origin = Instant::now();
        let mut due = schedule.begin(origin);
        let mut number = 0;
        while let Some(at) = due.recv().await {
            assert_eq!(at, origin + Duration::from_millis(number));
            assert!(Instant::now() >= at);
            number += 1;
        }
        assert_eq!(number, 20);
    }

    #[test]
    fn a_rate_is_once_a_second_at_least() {
        for text in ["0", "0.9", "-1", "NaN", "inf", "1e9", "x"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
