//! What JSON text must hold to beyond its grammar: it is not nested too deeply, and its escapes are characters.
//!
//! A payload is kept as text, so no parser looks into it closely. One pass over the bytes does instead, and
//! without recursion, whatever they are; whether they are JSON at all is for the parser to say.
//!
//! Contract: Jason, which refuses lone surrogates; the limit of depth is our own.

use super::DecodeError;

/// Checks the text of a whole frame.
///
/// # Errors
/// [`DecodeError::TooDeep`] and [`DecodeError::LoneSurrogate`].
pub(super) fn check(text: &[u8]) -> Result<(), DecodeError> {
    let mut depth = 0_usize;
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match byte {
            b'"' => rest = check_string(tail)?,
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(DecodeError::TooDeep);
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Takes what follows an opening quote, and returns what follows the closing one.
fn check_string(mut rest: &[u8]) -> Result<&[u8], DecodeError> {
    loop {
        match rest {
            [b'"', tail @ ..] => return Ok(tail),
            [b'\\', b'u', tail @ ..] => {
                rest = match (code_unit(tail), tail.get(4..)) {
                    (Some(HIGH_FIRST..=HIGH_LAST), Some([b'\\', b'u', low @ ..]))
                        if matches!(code_unit(low), Some(LOW_FIRST..=LOW_LAST)) =>
                    {
                        low
                    }
                    (Some(HIGH_FIRST..=LOW_LAST), _) => return Err(DecodeError::LoneSurrogate),
                    _ => tail,
                };
            }
            [b'\\', _, tail @ ..] | [_, tail @ ..] => rest = tail,
            [] => return Ok(rest),
        }
    }
}

/// The four hexadecimal digits of an escape.
fn code_unit(digits: &[u8]) -> Option<u16> {
    digits.get(..4)?.iter().try_fold(0, |unit, &digit| {
        let value = char::from(digit).to_digit(16)?;
        Some(unit << 4 | value as u16)
    })
}

/// The levels of arrays and objects in one frame, the outermost one included.
const MAX_DEPTH: usize = 128;
/// The first halves of surrogate pairs, and directly behind them the second ones.
const HIGH_FIRST: u16 = 0xD800;
const HIGH_LAST: u16 = 0xDBFF;
const LOW_FIRST: u16 = 0xDC00;
const LOW_LAST: u16 = 0xDFFF;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_and_twenty_eight_levels_are_fine_and_one_more_is_not() {
        let nested = |levels: usize| format!("{}{}", "[{\"a\":".repeat(levels / 2), "[".repeat(levels % 2));
        assert_eq!(check(nested(128).as_bytes()), Ok(()));
        assert_eq!(check(nested(129).as_bytes()), Err(DecodeError::TooDeep));
    }

    #[test]
    fn what_was_closed_counts_no_more() {
        assert_eq!(check("[]{}".repeat(500).as_bytes()), Ok(()));
    }

    #[test]
    fn brackets_within_strings_do_not_count() {
        let text = format!(r#"["\"{}","\\"]"#, "[".repeat(500));
        assert_eq!(check(text.as_bytes()), Ok(()));
        let outside = format!(r#"["\\",{}]"#, "[".repeat(500));
        assert_eq!(check(outside.as_bytes()), Err(DecodeError::TooDeep));
    }

    #[test]
    fn a_surrogate_without_its_other_half_is_refused() {
        let lone = [
            r#""\ud800""#,
            r#""\uDBFFx""#,
            r#""\udc00""#,
            r#""\udc00\ud800""#,
            r#""\ud800\ud800""#,
            r#""\ud800\u0041""#,
            r#""\ud800\n""#,
            r#""\ud83d\ude00\ude00""#,
            r#""\\\ud800""#,
        ];
        for text in lone {
            assert_eq!(check(text.as_bytes()), Err(DecodeError::LoneSurrogate), "{text}");
        }
    }

    #[test]
    fn pairs_and_other_escapes_are_fine() {
        let fine = [
            r#""\ud83d\ude00""#,
            r#""\uD83D\uDE00\uD83D\uDE00""#,
            r#""\ud7ff\ue000""#,
            r#""\\ud800""#,
            r#""\"""#,
        ];
        for text in fine {
            assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
        }
    }

    #[test]
    fn text_that_breaks_off_is_left_to_the_parser() {
        for text in ["\"", "\"\\", "\"\\u", "\"\\u00", "]]]}", "\"\\uzzzz\""] {
            assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
        }
    }
}
