//! The results of a run, for people: a table on standard output.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use super::super::digits::{grouped, rounded, time};
use super::Report;

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on {}, {:.2} s", self.mode, self.url, self.elapsed_s)?;
        let sum = &self.reconciled;
        let come = format!("{} of {}", grouped(sum.received), grouped(sum.expected));
        row(f, self.counted, &format!("{come}, {} a second", rounded(self.received_per_s)))?;
        row(f, "lost", &grouped(sum.lost))?;
        row(f, "doubled", &grouped(sum.doubled))?;
        row(f, "out of order", &grouped(sum.out_of_order))?;
        if let Some(latency) = &self.latency_us {
            row(f, "latency", &format!("{}, {} times", latency.of, grouped(latency.count)))?;
            let percentiles = [
                ("p50", latency.p50),
                ("p90", latency.p90),
                ("p99", latency.p99),
                ("p99.9", latency.p99_9),
                ("max", latency.max),
            ];
            let told =
                percentiles.map(|(name, micros)| format!("{name} {}", time(Duration::from_micros(micros))));
            row(f, "", &told.join("   "))?;
        }
        for (name, number) in &self.figures.0 {
            let whole = number.fract() == 0.0 && *number >= 0.0;
            let number = if whole { grouped(*number as u64) } else { rounded(*number) };
            row(f, &name.replace('_', " "), &number)?;
        }
        if let Some(server) = &self.server {
            let each = server
                .cpu_us_per_received
                .map(|micros| format!(", {micros:.2} µs for each of the {}", self.counted));
            let (user, system) = (server.cpu_user_s, server.cpu_system_s);
            let each = each.unwrap_or_default();
            row(f, "server CPU", &format!("{user:.2} s user, {system:.2} s system{each}"))?;
            let (before, after) = (server.resident_before_kb, server.resident_after_kb);
            row(f, "server memory", &format!("{} KiB, before {} KiB", grouped(after), grouped(before)))?;
        }
        self.fmt_verdict(f)
    }
}

impl Report {
    fn fmt_verdict(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.passed {
            return writeln!(f, "passed: all came as expected");
        }
        writeln!(f, "FAILED")?;
        if let Some(why) = &self.cut_short {
            writeln!(f, "  not complete: {why}")?;
        }
        for trouble in &self.troubles {
            writeln!(f, "  {} times: {}", grouped(trouble.count), trouble.what)?;
        }
        for short in &self.short_clients {
            let account = &short.account;
            writeln!(
                f,
                "  client {}: {} of {} {}, {} lost, {} doubled, {} out of order",
                short.client,
                grouped(account.received),
                grouped(account.expected),
                self.counted,
                grouped(account.lost),
                grouped(account.doubled),
                grouped(account.out_of_order)
            )?;
        }
        Ok(())
    }
}

fn row(f: &mut Formatter<'_>, name: &str, value: &str) -> fmt::Result {
    writeln!(f, "  {name:<WIDTH$} {value}")
}

/// Of the names, in characters.
const WIDTH: usize = 30;
