//! Numbers for people to read.

use std::time::Duration;

/// Thousands set apart: `500 500`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A rate or another number that need not be whole: grouped from a hundred on, else with two digits behind the point.
pub(super) fn rounded(number: f64) -> String {
    if number >= 100.0 { grouped(number.round() as u64) } else { format!("{number:.2}") }
}

/// A time in the unit that suits it: `850 µs`, `1.25 ms`, `2.40 s`.
pub(super) fn time(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{:.2} ms", time.as_secs_f64() * 1e3),
        _ => format!("{:.2} s", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_set_apart_by_thousands() {
        let table = [(0, "0"), (999, "999"), (1_000, "1 000"), (1_234_567, "1 234 567")];
        for (number, text) in table {
            assert_eq!(grouped(number), text);
        }
        assert_eq!((rounded(6.126), rounded(1234.5)), ("6.13".to_owned(), "1 235".to_owned()));
    }

    #[test]
    fn times_have_the_unit_that_suits_them() {
        let table = [(850, "850 µs"), (1_250, "1.25 ms"), (2_400_000, "2.40 s")];
        for (micros, text) in table {
            assert_eq!(time(Duration::from_micros(micros)), text);
        }
    }
}
