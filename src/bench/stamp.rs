//! What a broadcast or a cursor's move carries to be known again: the run, its number and its time.
//!
//! It is one string in a JSON object, found wherever a server that decodes the object puts it.

use std::time::{Duration, Instant};

use memchr::memmem::Finder;
use uuid::Uuid;

/// The stamps of one run.
#[derive(Debug)]
pub(super) struct Stamps {
    /// From the key up to the number.
    head: Finder<'static>,
    messages: u64,
    origin: Instant,
}

impl Stamps {
    /// For so many messages, dated from `origin`.
    pub(super) fn new(messages: u64, origin: Instant) -> Self {
        let head = format!(r#""bench":"{}/"#, Uuid::new_v4().simple());
        Stamps { head: Finder::new(&head).into_owned(), messages, origin }
    }

    /// The member of a JSON object that stamps message `number`.
    pub(super) fn write(&self, number: u64, at: Instant) -> String {
        let head = str::from_utf8(self.head.needle()).expect("it was text");
        let micros = at.saturating_duration_since(self.origin).as_micros();
        format!(r#"{head}{number}/{micros}""#)
    }

    /// The number of a message of this run, and its time since the origin.
    pub(super) fn read(&self, frame: &[u8]) -> Option<(u64, Duration)> {
        let start = self.head.find(frame)? + self.head.needle().len();
        let (number, rest) = digits(&frame[start..])?;
        let (micros, rest) = digits(rest.strip_prefix(b"/")?)?;
        let is_of_run = rest.starts_with(b"\"") && number < self.messages;
        is_of_run.then_some((number, Duration::from_micros(micros)))
    }

    /// The moment that is so long after the origin.
    pub(super) fn at(&self, time: Duration) -> Instant {
        self.origin + time
    }
}

/// The number at the front, and what follows it.
fn digits(text: &[u8]) -> Option<(u64, &[u8])> {
    let length = text.iter().take(MOST_DIGITS).take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(length);
    let number = digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    (length > 0).then_some((number, rest))
}

/// That cannot overflow.
const MOST_DIGITS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_wherever_it_stands() {
        let origin = Instant::now();
        let stamps = Stamps::new(100, origin);
        let stamp = stamps.write(42, origin + Duration::from_micros(1_234_567));
        for frame in [format!(r#"[null,null,"t","e",{{{stamp}}}]"#), format!(r#"{{"a":1,{stamp},"b":2}}"#)] {
            assert_eq!(stamps.read(frame.as_bytes()), Some((42, Duration::from_micros(1_234_567))));
        }
    }

    #[test]
    fn other_runs_and_numbers_that_were_not_sent_are_passed_over() {
        let origin = Instant::now();
        let stamps = Stamps::new(100, origin);
        let other = Stamps::new(100, origin).write(1, origin);
        let beyond = stamps.write(100, origin);
        let head = str::from_utf8(stamps.head.needle()).expect("text").to_owned();
        let broken = ["/1\"", "1\"", "1/\"", "1/2", "99999999999999999/1\"", "x/1\""]
            .map(|end| format!("{head}{end}"));
        for text in [other, beyond].iter().chain(&broken) {
            assert_eq!(stamps.read(text.as_bytes()), None, "{text}");
        }
    }
}
