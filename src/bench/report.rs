//! The results of a run, for programs: the JSON object that `--json` writes. Keys end in their units.
//!
//! Not here: the table for people ([`text`]), the picture ([`super::plot`]).

mod text;

use hdrhistogram::Histogram;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::progress::Point;
use super::run::{Measured, Outcome};
use super::tally::Reconciled;

/// The results. A key that is not known for a run is null.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// As the mode is called on the command line.
    pub mode: &'static str,
    /// The endpoint, without parameters.
    pub url: String,
    /// The mode's flags.
    pub settings: serde_json::Value,
    /// Whether all came as expected, and nothing went wrong: exit code 0.
    pub passed: bool,
    /// Why the run ended before its end: `interrupted`, or for how long nothing came.
    pub cut_short: Option<String>,
    /// What `expected`, `received` and the like count.
    pub counted: &'static str,
    #[serde(flatten)]
    pub reconciled: Reconciled,
    /// The first clients whose own account is not exact.
    pub short_clients: Vec<Short>,
    /// What went wrong, the most frequent first.
    pub troubles: Vec<TroubleCount>,
    /// From the beginning to the last thing that came, without connecting and, of `churn`, without the warm-up.
    pub elapsed_s: f64,
    /// What came within that, for each second of it.
    pub received_per_s: f64,
    pub latency_us: Option<LatencyTable>,
    /// The mode's own numbers.
    pub figures: Figures,
    /// Where `--pid` names the server's process.
    pub server: Option<ServerUse>,
    /// What came, in parts of a tenth of a second.
    pub timeline: Vec<Point>,
}

/// The account of one client that is not exact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Short {
    /// Its number.
    pub client: u64,
    #[serde(flatten)]
    pub account: Reconciled,
}

/// What went wrong, and how often.
#[derive(Debug, Serialize)]
pub(super) struct TroubleCount {
    pub what: String,
    pub count: u64,
}

/// Latencies in microseconds, to three digits.
#[derive(Debug, Serialize)]
pub(super) struct LatencyTable {
    /// From what to what.
    pub of: &'static str,
    pub count: u64,
    pub min: u64,
    pub mean: f64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    #[serde(rename = "p99.9")]
    pub p99_9: u64,
    pub max: u64,
}

/// What the server's process used.
#[derive(Debug, Serialize)]
pub(super) struct ServerUse {
    pub cpu_user_s: f64,
    pub cpu_system_s: f64,
    /// Of both, for each thing that came.
    pub cpu_us_per_received: Option<f64>,
    /// Resident memory, in KiB.
    pub resident_before_kb: u64,
    pub resident_after_kb: u64,
}

/// Names and numbers, an object in JSON.
#[derive(Debug)]
pub(super) struct Figures(pub Vec<(&'static str, f64)>);

impl Serialize for Figures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, number) in &self.0 {
            // A count is to look like one.
            if number.fract() == 0.0 && (0.0..WHOLE).contains(number) {
                map.serialize_entry(name, &(*number as u64))?;
            } else {
                map.serialize_entry(name, number)?;
            }
        }
        map.end()
    }
}

impl Short {
    /// Those of all clients' accounts that are not exact, by number, and not more than ten.
    pub(super) fn of(accounts: Vec<(u64, Reconciled)>) -> Vec<Short> {
        let short = accounts.into_iter().filter(|(_, account)| !account.is_exact());
        let mut short: Vec<Short> = short.map(|(client, account)| Short { client, account }).collect();
        short.sort_by_key(|short| short.client);
        short.truncate(MOST_SHORT);
        short
    }
}

/// What a report is of.
pub(super) struct Subject {
    pub mode: &'static str,
    pub counted: &'static str,
    pub url: String,
    pub settings: serde_json::Value,
    pub cut_short: Option<String>,
    pub troubles: Vec<(String, u64)>,
}

impl Report {
    pub(super) fn new(subject: Subject, outcome: Outcome, latencies: &Histogram<u64>) -> Self {
        let Subject { mode, counted, url, settings, cut_short, troubles } = subject;
        let Outcome { reconciled, short, measured, latency_of, figures } = outcome;
        let elapsed_s = measured.elapsed.as_secs_f64();
        let troubles: Vec<_> =
            troubles.into_iter().map(|(what, count)| TroubleCount { what, count }).collect();
        Report {
            mode,
            url,
            settings,
            passed: reconciled.is_exact() && troubles.is_empty() && cut_short.is_none(),
            cut_short,
            counted,
            reconciled,
            short_clients: short,
            troubles,
            elapsed_s,
            received_per_s: if elapsed_s > 0.0 { measured.received as f64 / elapsed_s } else { 0.0 },
            latency_us: LatencyTable::of(latency_of, latencies),
            figures: Figures(figures),
            server: ServerUse::of(&measured),
            timeline: measured.timeline,
        }
    }

    /// The JSON object, with an end of line.
    pub(super) fn json(&self) -> String {
        let json = serde_json::to_string_pretty(self).expect("keys are strings, and memory takes it");
        json + "\n"
    }
}

impl LatencyTable {
    fn of(of: &'static str, histogram: &Histogram<u64>) -> Option<Self> {
        (!histogram.is_empty()).then(|| LatencyTable {
            of,
            count: histogram.len(),
            min: histogram.min(),
            mean: histogram.mean(),
            p50: histogram.value_at_quantile(0.5),
            p90: histogram.value_at_quantile(0.9),
            p99: histogram.value_at_quantile(0.99),
            p99_9: histogram.value_at_quantile(0.999),
            max: histogram.max(),
        })
    }
}

impl ServerUse {
    fn of(measured: &Measured) -> Option<Self> {
        let (cpu, (before, after)) = measured.cpu.zip(measured.resident_kb)?;
        let both = (cpu.user + cpu.system).as_secs_f64();
        Some(ServerUse {
            cpu_user_s: cpu.user.as_secs_f64(),
            cpu_system_s: cpu.system.as_secs_f64(),
            cpu_us_per_received: (measured.received > 0).then(|| both * 1e6 / measured.received as f64),
            resident_before_kb: before,
            resident_after_kb: after,
        })
    }
}

/// Up to which whole numbers are exact.
const WHOLE: f64 = 9e15;
/// Of the clients that a report names.
const MOST_SHORT: usize = 10;
