//! Whether text is JSON, exactly as JavaScript's `JSON.parse` decides it.
//!
//! States pass through as text, so what is no JSON to the clients' parser must not reach them: it would throw in each.
//! And what is JSON to it must not be refused: nesting has no limit, an escape may be half of a surrogate pair, keys may
//! come twice. One pass, without recursion.
//! Contract: ECMA-262, `JSON.parse`; ECMA-404.

/// Whether the text is one JSON value with blanks around it.
pub(super) fn is_json(text: &str) -> bool {
    let mut rest = skip_blanks(text.as_bytes());
    let mut nesting = Nesting::default();
    loop {
        // A value begins here.
        rest = match rest {
            [b'{', tail @ ..] => match skip_blanks(tail) {
                [b'}', tail @ ..] => tail,
                tail => {
                    let Some(value) = skip_key(tail) else { return false };
                    nesting.enter(Kind::Object);
                    rest = value;
                    continue;
                }
            },
            [b'[', tail @ ..] => match skip_blanks(tail) {
                [b']', tail @ ..] => tail,
                tail => {
                    nesting.enter(Kind::Array);
                    rest = tail;
                    continue;
                }
            },
            _ => match skip_scalar(rest) {
                Some(tail) => tail,
                None => return false,
            },
        };
        // A value has ended: so may what is around it.
        loop {
            rest = skip_blanks(rest);
            let Some(kind) = nesting.innermost() else { return rest.is_empty() };
            match (kind, rest) {
                (Kind::Object, [b'}', tail @ ..]) | (Kind::Array, [b']', tail @ ..]) => {
                    nesting.leave();
                    rest = tail;
                }
                (Kind::Object, [b',', tail @ ..]) => {
                    let Some(value) = skip_key(skip_blanks(tail)) else { return false };
                    rest = value;
                    break;
                }
                (Kind::Array, [b',', tail @ ..]) => {
                    rest = skip_blanks(tail);
                    break;
                }
                _ => return false,
            }
        }
    }
}

/// The text without the blanks around it that JSON allows.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Array,
    Object,
}

/// What is open, one bit each; without an allocation up to 64 levels.
#[derive(Default)]
struct Nesting {
    /// The innermost levels, the last one lowest.
    bits: u64,
    depth: usize,
    outer: Vec<u64>,
}

impl Nesting {
    fn enter(&mut self, kind: Kind) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.bits);
        }
        self.bits = self.bits << 1 | u64::from(kind == Kind::Object);
        self.depth += 1;
    }

    fn leave(&mut self) {
        self.depth -= 1;
        self.bits >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.bits = self.outer.pop().unwrap_or_default();
        }
    }

    fn innermost(&self) -> Option<Kind> {
        match (self.depth, self.bits & 1) {
            (0, _) => None,
            (_, 0) => Some(Kind::Array),
            _ => Some(Kind::Object),
        }
    }
}

fn skip_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\n' | b'\r', tail @ ..] = text {
        text = tail;
    }
    text
}

/// Takes a key and its colon, up to where the value begins.
fn skip_key(text: &[u8]) -> Option<&[u8]> {
    let [b'"', tail @ ..] = text else { return None };
    let [b':', tail @ ..] = skip_blanks(skip_string(tail)?) else { return None };
    Some(skip_blanks(tail))
}

/// Takes a value that holds no others.
fn skip_scalar(text: &[u8]) -> Option<&[u8]> {
    match text {
        [b'"', tail @ ..] => skip_string(tail),
        [b'-' | b'0'..=b'9', ..] => skip_number(text),
        _ => [&b"true"[..], b"false", b"null"].iter().find_map(|word| text.strip_prefix(*word)),
    }
}

/// Takes what follows an opening quote, the closing one included.
fn skip_string(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        text = match text {
            [b'"', tail @ ..] => return Some(tail),
            [b'\\', b'u', tail @ ..] => {
                let (digits, tail) = tail.split_at_checked(4)?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(tail)?
            }
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', tail @ ..] => tail,
            [b'\\' | 0..=0x1F, ..] | [] => return None,
            [_, tail @ ..] => tail,
        };
    }
}

fn skip_number(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let mut rest = match text {
        [b'0', tail @ ..] => tail,
        _ => skip_digits(text)?,
    };
    if let [b'.', tail @ ..] = rest {
        rest = skip_digits(tail)?;
    }
    if let [b'e' | b'E', tail @ ..] = rest {
        let digits = match tail {
            [b'+' | b'-', digits @ ..] => digits,
            digits => digits,
        };
        rest = skip_digits(digits)?;
    }
    Some(rest)
}

/// Takes digits, of which there must be one at least.
fn skip_digits(text: &[u8]) -> Option<&[u8]> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 { None } else { text.get(count..) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_json_parse_takes_is_taken() {
        let taken = [
            "{}",
            "[]",
            " \t\r\n[ ]\n",
            "null",
            "true",
            "false",
            "0",
            "-0",
            "1e21",
            "1E+2",
            "-1.50e-07",
            "\"\"",
            r#""\"\\\/\b\f\n\r\t\u00e9\ud800""#,
            r#"{"a":1,"a":{"b":[1,{},[],""]},"":null}"#,
            "[1 , 2]",
            "{ \"a\" : 1 }",
            "\"\u{2028}\u{7f}é🦀\"",
        ];
        for text in taken {
            assert!(is_json(text), "{text}");
        }
    }

    #[test]
    fn what_json_parse_throws_at_is_refused() {
        let refused = [
            "",
            " ",
            "{",
            "}",
            "[",
            "]",
            "[1,]",
            "[,1]",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{'a':1}",
            "{\"a\" 1}",
            "[1 2]",
            "[}",
            "{]",
            "[1}",
            "{\"a\":1]",
            "01",
            "-",
            "+1",
            "1.",
            ".5",
            "1e",
            "1e+",
            "NaN",
            "Infinity",
            "undefined",
            "nul",
            "nulll",
            "truefalse",
            "{} {}",
            "\"",
            "\"\\",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u12g4\"",
            "\"\n\"",
            "\"\0\"",
            "\u{feff}{}",
            "\u{a0}1",
            "\u{c}1",
            "{1:2}",
            "[1],",
            "{\"a\":1}}",
            "[[]",
            "--1",
            "0x1",
            "1_0",
        ];
        for text in refused {
            assert!(!is_json(text), "{text:?}");
        }
    }

    #[test]
    fn nesting_has_no_limit_and_is_held_to_the_last_bracket() {
        for depth in [1, 63, 64, 65, 128, 129, 30_000] {
            let kinds = [("[", "]"), ("{\"a\":[", "]}")];
            for (open, close) in kinds {
                let nested = |closed: usize| format!("{}1{}", open.repeat(depth), close.repeat(closed));
                assert!(is_json(&nested(depth)), "{depth}");
                assert!(!is_json(&nested(depth - 1)) && !is_json(&nested(depth + 1)), "{depth}");
            }
        }
        // Objects and arrays mixed in an order of their own, closed in the wrong one.
        let mixed = |last: &str| format!("{}1{}{last}", "[{\"a\":".repeat(70), "}]".repeat(69));
        assert!(is_json(&mixed("}]")) && !is_json(&mixed("]}")));
    }

    proptest! {
        /// An independent reader agrees, wherever it can: it refuses deep nesting and lone surrogates.
        #[test]
        fn serde_json_agrees(text in json_like()) {
            let theirs = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
            if theirs || !text.contains("\\u") {
                prop_assert_eq!(is_json(&text), theirs, "{}", text);
            }
        }
    }

    /// Pieces of JSON in an order that is often right.
    fn json_like() -> impl Strategy<Value = String> {
        const PIECES: &[&str] = &[
            "{", "}", "[", "]", ",", ":", "\"a\"", "\"a\":", "1", "-", "0", ".", "e", "+", " ", "\n", "true",
            "null", "\"", "\\", "\\u00e9", "é", "\u{1}",
        ];
        let piece = prop::sample::select(PIECES);
        let valid = any::<u8>().prop_map(|n| format!("{{\"k\":[{n},{{}},\"x\"]}}"));
        prop_oneof![
            prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat()),
            (valid, any::<prop::sample::Index>(), prop::sample::select(PIECES)).prop_map(
                |(mut text, at, piece)| {
                    text.insert_str(at.index(text.len() + 1), piece);
                    text
                }
            ),
        ]
    }
}
