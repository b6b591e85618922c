//! How far a run is: what its clients count, the line that says so, and the time line that is left of it.
//!
//! Clients count whole reads, not single frames.

use std::convert::Infallible;
use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;

use super::digits::grouped;

/// The counters of a run.
#[derive(Debug)]
pub(super) struct Progress {
    mode: &'static str,
    /// What is counted, such as `deliveries`.
    counted: &'static str,
    began: Instant,
    connected: AtomicU64,
    received: AtomicU64,
    /// 0 where it is not known.
    expected: AtomicU64,
    frames: AtomicU64,
    /// When something was counted last, in microseconds since `began`.
    last: AtomicU64,
    stage: Mutex<Stage>,
}

#[derive(Debug)]
struct Stage {
    name: &'static str,
    /// When measuring began, and what had been received before.
    measuring: Option<(Instant, u64)>,
    timeline: Vec<Point>,
    /// What the time line holds of `received`.
    told: u64,
}

/// A part of the time line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Point {
    /// The end of the part, in seconds since measuring began.
    pub at_s: f64,
    /// What came within it.
    pub received: u64,
}

impl Progress {
    pub(super) fn new(mode: &'static str, counted: &'static str) -> Self {
        let stage = Stage { name: "connecting", measuring: None, timeline: Vec::new(), told: 0 };
        Progress {
            mode,
            counted,
            began: Instant::now(),
            connected: AtomicU64::new(0),
            received: AtomicU64::new(0),
            expected: AtomicU64::new(0),
            frames: AtomicU64::new(0),
            last: AtomicU64::new(0),
            stage: Mutex::new(stage),
        }
    }

    /// Names what the clients do now.
    pub(super) fn enter(&self, stage: &'static str) {
        self.stage.lock().name = stage;
    }

    /// Says how much is to be received in all.
    pub(super) fn expect(&self, count: u64) {
        self.expected.store(count, Relaxed);
    }

    /// One client more is connected.
    pub(super) fn connected(&self) {
        self.connected.fetch_add(1, Relaxed);
    }

    /// Counts what is to be received.
    pub(super) fn receive(&self, count: u64, now: Instant) {
        self.received.fetch_add(count, Relaxed);
        self.see(now);
    }

    /// Counts frames that are owed to nobody in particular.
    pub(super) fn see_frames(&self, count: u64, now: Instant) {
        self.frames.fetch_add(count, Relaxed);
        self.see(now);
    }

    fn see(&self, now: Instant) {
        let micros = now.saturating_duration_since(self.began).as_micros();
        self.last.fetch_max(u64::try_from(micros).unwrap_or(u64::MAX), Relaxed);
    }

    /// What was received by now.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// The frames seen by now.
    pub(super) fn frames(&self) -> u64 {
        self.frames.load(Relaxed)
    }

    /// A number that changes whenever anything comes.
    pub(super) fn activity(&self) -> u64 {
        self.received() + self.frames() + self.connected.load(Relaxed)
    }

    /// When something was counted last.
    pub(super) fn last_seen(&self) -> Instant {
        self.began + Duration::from_micros(self.last.load(Relaxed))
    }

    /// Begins the time line.
    pub(super) fn begin(&self) -> Instant {
        let now = Instant::now();
        let received = self.received();
        let mut stage = self.stage.lock();
        stage.measuring = Some((now, received));
        stage.told = received;
        now
    }

    /// Ends the time line, and returns it.
    pub(super) fn end(&self) -> Vec<Point> {
        self.sample(self.last_seen());
        let mut stage = self.stage.lock();
        stage.measuring = None;
        let mut timeline = std::mem::take(&mut stage.timeline);
        // A rate cannot be told of a moment: what is left at the end belongs to the part before.
        if let [.., before, last] = &mut timeline[..]
            && last.at_s - before.at_s < PART.as_secs_f64() / 2.0
        {
            *before = Point { at_s: last.at_s, received: before.received + last.received };
            timeline.pop();
        }
        timeline
    }

    fn sample(&self, now: Instant) {
        let received = self.received();
        let mut stage = self.stage.lock();
        let Some((began, _)) = stage.measuring else { return };
        let at_s = now.saturating_duration_since(began).as_secs_f64();
        let part = received - stage.told;
        let is_later = stage.timeline.last().is_none_or(|last| at_s > last.at_s) && at_s > 0.0;
        if is_later {
            stage.timeline.push(Point { at_s, received: part });
            stage.told = received;
        } else if let Some(last) = stage.timeline.last_mut() {
            last.received += part;
            stage.told = received;
        }
    }

    /// Keeps the time line, and says each second on standard error how far the run is: over and over on one line of a
    /// terminal, else, where it `is_wanted`, on a line each. Does not return.
    pub(super) async fn tell(&self, is_wanted: bool) -> Infallible {
        let is_terminal = stderr().is_terminal();
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + PART, PART);
        let mut before = 0;
        let mut tick = 0_u64;
        loop {
            ticks.tick().await;
            self.sample(Instant::now());
            tick += 1;
            if tick.is_multiple_of(PARTS_A_LINE) && (is_terminal || is_wanted) {
                let received = self.received();
                let line = self.line(received.saturating_sub(before));
                before = received;
                let (start, end) = if is_terminal { ("\r\x1b[K", "") } else { ("", "\n") };
                // Nobody may be reading.
                let _ = write!(stderr(), "{start}{line}{end}");
            }
        }
    }

    /// Removes the line from a terminal.
    pub(super) fn clear(&self) {
        if stderr().is_terminal() {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }

    fn line(&self, in_last_second: u64) -> String {
        let seconds = self.began.elapsed().as_secs();
        let connected = grouped(self.connected.load(Relaxed));
        let received = grouped(self.received());
        let of = match self.expected.load(Relaxed) {
            0 => String::new(),
            expected => format!(" of {}", grouped(expected)),
        };
        let Progress { mode, counted, .. } = self;
        let stage = self.stage.lock().name;
        let rate = grouped(in_last_second);
        format!("{mode} {seconds} s, {stage}: {connected} connected, {received}{of} {counted}, {rate}/s")
    }
}

/// Of the time line.
const PART: Duration = Duration::from_millis(100);
const PARTS_A_LINE: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is() {
        let progress = Progress::new("fanout", "deliveries");
        progress.connected();
        progress.enter("sending");
        progress.receive(12_345, Instant::now());
        assert_eq!(progress.line(1_000), "fanout 0 s, sending: 1 connected, 12 345 deliveries, 1 000/s");
        progress.expect(20_000);
        assert!(progress.line(0).contains("12 345 of 20 000 deliveries"));
    }

    #[test]
    fn the_time_line_has_all_that_came_while_it_was_measured() {
        let progress = Progress::new("fanout", "deliveries");
        progress.receive(5, Instant::now());
        let began = progress.begin();
        progress.receive(2, began + Duration::from_millis(50));
        progress.sample(began + Duration::from_millis(100));
        progress.receive(3, began + Duration::from_millis(150));
        progress.sample(began + Duration::from_millis(200));
        progress.receive(4, began + Duration::from_millis(210));
        let timeline = progress.end();
        let parts: Vec<_> = timeline.iter().map(|part| ((part.at_s * 1e3).round(), part.received)).collect();
        assert_eq!(parts, [(100.0, 2), (210.0, 7)], "the last part is too short to stand for itself");
    }
}
