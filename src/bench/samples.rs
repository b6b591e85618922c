//! Latencies of many clients in one histogram.
//!
//! A client gathers its samples and hands them over many at a time: a histogram of its own would cost each client tens
//! of kilobytes, and a shared one a lock a sample.

use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;

/// The histogram of a run, in microseconds, to three digits.
#[derive(Clone, Debug)]
pub(super) struct Latencies(Arc<Mutex<Histogram<u64>>>);

/// The samples of one client that are not in the histogram yet.
#[derive(Debug)]
pub(super) struct Samples {
    /// In microseconds; what is over an hour counts as one.
    waiting: Vec<u32>,
    latencies: Latencies,
}

impl Latencies {
    pub(super) fn new() -> Self {
        let histogram = Histogram::new(DIGITS).expect("as many digits as it can keep");
        Latencies(Arc::new(Mutex::new(histogram)))
    }

    /// For one client.
    pub(super) fn samples(&self) -> Samples {
        Samples { waiting: Vec::new(), latencies: self.clone() }
    }

    /// What was handed over by now.
    pub(super) fn histogram(&self) -> Histogram<u64> {
        self.0.lock().clone()
    }
}

impl Samples {
    /// Takes one. Less than a microsecond counts as one.
    pub(super) fn record(&mut self, latency: Duration) {
        self.waiting.push(u32::try_from(latency.as_micros()).map_or(MOST, |micros| micros.clamp(1, MOST)));
        if self.waiting.len() == AT_ONCE {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let mut histogram = self.latencies.0.lock();
        for micros in self.waiting.drain(..) {
            histogram.record(micros.into()).expect("it grows as far as its values do");
        }
    }
}

impl Drop for Samples {
    fn drop(&mut self) {
        self.hand_over();
    }
}

const DIGITS: u8 = 3;
const AT_ONCE: usize = 256;
/// An hour in microseconds.
const MOST: u32 = 3_600_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_of_every_client_arrives() {
        let latencies = Latencies::new();
        let (mut one, mut other) = (latencies.samples(), latencies.samples());
        for millis in 1..=1_000 {
            one.record(Duration::from_millis(millis));
        }
        other.record(Duration::ZERO);
        drop((one, other));
        let histogram = latencies.histogram();
        assert_eq!((histogram.len(), histogram.min()), (1_001, 1));
        let median = histogram.value_at_quantile(0.5);
        assert!((499_000..=501_000).contains(&median), "{median}");
    }
}
