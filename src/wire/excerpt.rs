//! Text that a client had a hand in, made fit for a line of the log.

use std::fmt::{self, Display, Write};

/// Shows a value on one line, in 100 characters at the most: control characters are escaped, and what is longer is
/// cut, so that no client can forge a line or fill the log with one.
pub struct Excerpt<T>(pub T);

impl<T: Display> Display for Excerpt<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cut = Cut { to: f, left: MAX_CHARS };
        match write!(cut, "{}", self.0) {
            Err(fmt::Error) if cut.left == 0 => f.write_char('…'),
            written => written,
        }
    }
}

/// Passes on what it is given, escaped, until there is no more room; then it fails.
struct Cut<'a, 'b> {
    to: &'a mut fmt::Formatter<'b>,
    left: usize,
}

impl Write for Cut<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            if character.is_control() {
                write!(self.to, "{}", character.escape_default())?;
            } else {
                self.to.write_char(character)?;
            }
        }
        Ok(())
    }
}

const MAX_CHARS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_end_does_not_end_the_line() {
        assert_eq!(Excerpt("a\r\nb\u{1b}[1mc é").to_string(), "a\\r\\nb\\u{1b}[1mc é");
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(Excerpt("é".repeat(100)).to_string(), "é".repeat(100));
        assert_eq!(Excerpt("é".repeat(101)).to_string(), "é".repeat(100) + "…");
    }
}
