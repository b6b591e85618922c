//! The picture of a run: its latencies by percentile, and what came over time. SVG, on white.
//!
//! The axis of percentiles is that of HdrHistogram's plots: each step to the right is a tenth of what is left, so the
//! slowest thousandth has as much room as the slowest tenth.

use hdrhistogram::Histogram;
use plotters::coord::Shift;
use plotters::prelude::*;
use thiserror::Error;

use super::digits::rounded;
use super::report::Report;

/// Why there is no picture.
#[derive(Debug, Error)]
#[error("cannot draw: {0}")]
pub(super) struct Undrawn(String);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws a run.
pub(super) fn draw(report: &Report, latencies: &Histogram<u64>) -> Result<String, Undrawn> {
    let mut svg = String::new();
    draw_into(&mut svg, report, latencies).map_err(|error| Undrawn(error.to_string()))?;
    Ok(svg)
}

fn draw_into(
    svg: &mut String,
    report: &Report,
    latencies: &Histogram<u64>,
) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.margin(12, 0, 0, 0);
    let root = root.titled(&title(report), (FONT, 20).into_font().color(&INK))?;
    let root = root.titled(&subtitle(report), (FONT, 14).into_font().color(&FAINT))?;
    let (upper, lower) = root.split_vertically(HEIGHT_OF_LATENCIES);
    draw_latencies(&upper, report, latencies)?;
    draw_timeline(&lower, report)?;
    root.present()?;
    Ok(())
}

fn draw_latencies(
    area: &Area<'_>,
    report: &Report,
    latencies: &Histogram<u64>,
) -> Result<(), Box<dyn std::error::Error>> {
    let curve = curve(latencies);
    let right = curve.last().map_or(10.0, |(x, _)| *x).max(10.0);
    let top = curve.iter().map(|(_, ms)| *ms).fold(0.0, f64::max) * HEADROOM;
    let of = report.latency_us.as_ref().map_or("latency", |latency| latency.of);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(76)
        .build_cartesian_2d((1.0..right).log_scale(), 0.0..top.max(LEAST_TOP))?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .axis_style(FAINT)
        .label_style((FONT, 13).into_font().color(&INK))
        .axis_desc_style((FONT, 15).into_font().color(&INK))
        .x_desc("percentile (%)")
        .y_desc(format!("{of} (ms)"))
        .x_label_formatter(&|x| percentile(*x))
        .y_label_formatter(&|ms| short(*ms))
        .draw()?;
    chart.draw_series(LineSeries::new(curve, LATENCIES.stroke_width(2)))?;
    Ok(())
}

fn draw_timeline(area: &Area<'_>, report: &Report) -> Result<(), Box<dyn std::error::Error>> {
    let rates = rates(report);
    let right = rates.last().map_or(1.0, |(at, _)| *at);
    let top = rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max) * HEADROOM;
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(76)
        .build_cartesian_2d(0.0..right, 0.0..top.max(LEAST_TOP))?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .axis_style(FAINT)
        .label_style((FONT, 13).into_font().color(&INK))
        .axis_desc_style((FONT, 15).into_font().color(&INK))
        .x_desc("time (s)")
        .y_desc(format!("{} a second", report.counted))
        .x_label_formatter(&|at| short(*at))
        .y_label_formatter(&|rate| short(*rate))
        .draw()?;
    chart.draw_series(LineSeries::new(rates, TIMELINE.stroke_width(2)))?;
    Ok(())
}

fn title(report: &Report) -> String {
    let mut title =
        format!("{}: {} {} a second", report.mode, rounded(report.received_per_s), report.counted);
    if let Some(latency) = &report.latency_us {
        let ms = |micros: u64| rounded(micros as f64 / 1e3);
        title += &format!(", p50 {} ms, p99 {} ms", ms(latency.p50), ms(latency.p99));
    }
    title
}

fn subtitle(report: &Report) -> String {
    let sum = &report.reconciled;
    let verdict = if report.passed { "all as expected" } else { "FAILED" };
    format!("{}; {} of {} {}; {verdict}", report.url, sum.received, sum.expected, report.counted)
}

/// For each percentile p: 1/(1-p), and the latency in milliseconds.
fn curve(latencies: &Histogram<u64>) -> Vec<(f64, f64)> {
    if latencies.is_empty() {
        return Vec::new();
    }
    let farthest = latencies.len() as f64;
    let steps = latencies.iter_quantiles(STEPS_A_HALVING);
    let points = steps.map(|step| {
        let left = 1.0 - step.quantile_iterated_to();
        let x = if left > 0.0 { (1.0 / left).min(farthest) } else { farthest };
        (x, step.value_iterated_to() as f64 / 1e3)
    });
    let mut points: Vec<_> = points.collect();
    points.dedup_by(|later, earlier| later.0 <= earlier.0);
    points
}

/// For each part of the time line its rate a second, from its beginning to its end.
fn rates(report: &Report) -> Vec<(f64, f64)> {
    let mut from = 0.0;
    let steps = report.timeline.iter().flat_map(|part| {
        let rate = part.received as f64 / (part.at_s - from);
        let step = [(from, rate), (part.at_s, rate)];
        from = part.at_s;
        step
    });
    steps.collect()
}

/// The percentile at a place of its axis: 10 is 90, 1000 is 99.9.
fn percentile(x: f64) -> String {
    let decimals = (x.log10().round() as usize).saturating_sub(2);
    format!("{:.decimals$}", 100.0 - 100.0 / x)
}

/// A label of an axis.
fn short(number: f64) -> String {
    match number {
        1e6.. => format!("{} M", short(number / 1e6)),
        1e3.. => format!("{} k", short(number / 1e3)),
        _ if number.fract() == 0.0 => format!("{number:.0}"),
        10.0.. => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

/// In pixels.
const SIZE: (u32, u32) = (960, 720);
const HEIGHT_OF_LATENCIES: u32 = 360;
const FONT: &str = "sans-serif";
/// Above the highest point.
const HEADROOM: f64 = 1.1;
/// Of an axis on which nothing is.
const LEAST_TOP: f64 = 1e-3;
const STEPS_A_HALVING: u32 = 10;

const INK: RGBColor = RGBColor(33, 37, 41);
const FAINT: RGBColor = RGBColor(108, 117, 125);
const GRID: RGBColor = RGBColor(222, 226, 230);
const LATENCIES: RGBColor = RGBColor(28, 100, 182);
const TIMELINE: RGBColor = RGBColor(19, 128, 92);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_on_the_axis_are_percentiles() {
        let table = [(1.0, "0"), (2.0, "50"), (10.0, "90"), (100.0, "99"), (1e3, "99.9"), (1e5, "99.999")];
        for (x, text) in table {
            assert_eq!(percentile(x), text);
        }
    }

    #[test]
    fn no_two_labels_of_an_axis_are_the_same() {
        let table =
            [(0.0, "0"), (0.25, "0.25"), (500.0, "500"), (1e3, "1 k"), (1.5e3, "1.50 k"), (2e6, "2 M")];
        for (number, text) in table {
            assert_eq!(short(number), text);
        }
    }

    #[test]
    fn the_curve_ends_with_the_slowest() {
        let mut latencies = Histogram::<u64>::new(3).expect("three digits");
        for millis in 1..=1_000 {
            latencies.record(millis * 1_000).expect("it grows");
        }
        let curve = curve(&latencies);
        let (x, ms) = curve.last().copied().expect("it has points");
        assert!(x == 1_000.0 && (999.0..=1_001.0).contains(&ms), "{x} {ms}");
        assert!(curve.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1));
    }
}
