//! A way through JSON text that looks at no more of it than it must.
//!
//! Owns: where a value ends, found without recursion and without an allocation, however deep it is nested.
//!
//! Not here: whether the text inside a value is JSON. Whoever needs that has it parsed, before or after.

/// A place in JSON text. What is taken moves it on; what is not there leaves it where it is.
///
/// The text may be the beginning of a longer one: a value is only found where its end is.
#[derive(Clone, Debug)]
pub struct JsonCursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> JsonCursor<'a> {
    /// At the beginning of a text.
    pub fn new(text: &'a [u8]) -> Self {
        JsonCursor { text, at: 0 }
    }

    /// How many bytes lie before it.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Whether nothing is left but blanks.
    pub fn is_at_end(&self) -> bool {
        self.rest().iter().all(|byte| BLANKS.contains(byte))
    }

    /// Takes this punctuation mark, with the blanks before it; `false` where something else stands.
    pub fn take(&mut self, mark: u8) -> bool {
        let blanks = self.blanks();
        let found = self.text.get(self.at + blanks) == Some(&mark);
        if found {
            self.at += blanks + 1;
        }
        found
    }

    /// Takes one value and returns it as written, without the blanks before it. `None` where none begins, or where
    /// the text ends before it does. A number ends where something else begins, so at the end of the text none does.
    pub fn value(&mut self) -> Option<&'a [u8]> {
        let start = self.at + self.blanks();
        let value = &self.text[start..];
        let len = match value.first()? {
            b'"' => string_len(value)?,
            b'{' | b'[' => nested_len(value)?,
            _ => value.iter().position(|byte| BLANKS.contains(byte) || MARKS.contains(byte))?,
        };
        if len == 0 {
            return None;
        }
        self.at = start + len;
        Some(&value[..len])
    }

    fn rest(&self) -> &'a [u8] {
        &self.text[self.at..]
    }

    fn blanks(&self) -> usize {
        self.rest().iter().take_while(|byte| BLANKS.contains(byte)).count()
    }
}

/// The length of a string that begins with a quote, both quotes included.
fn string_len(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The length of an array or object that begins with its bracket.
fn nested_len(text: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0_usize, 0_usize);
    loop {
        match text.get(at)? {
            b'"' => {
                at += string_len(&text[at..])?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

/// What JSON lets stand between values.
const BLANKS: &[u8] = b" \t\n\r";
/// What ends a number, or `true`, `false` and `null`.
const MARKS: &[u8] = b",:]}[{\"";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_ends_where_it_ends() {
        let values = ["\"a\\\"]\"", "[1,[\"]\",{}]]", "{\"a\":{\"}\":[]}}", "-1.5e3", "null", "\"\\\\\""];
        for value in values {
            let text = format!(" {value} , 1]");
            let mut cursor = JsonCursor::new(text.as_bytes());
            assert_eq!(cursor.value(), Some(value.as_bytes()), "{text}");
            assert!(cursor.take(b','), "{text}");
            assert_eq!(cursor.value(), Some(&b"1"[..]));
            assert!(!cursor.is_at_end() && cursor.take(b']') && cursor.is_at_end());
        }
    }

    #[test]
    fn what_is_cut_off_is_not_found() {
        for text in ["", " ", "\"", "\"\\", "\"\\\"", "[", "[\"]", "{\"a\":[}", "12", ",", "]"] {
            assert_eq!(JsonCursor::new(text.as_bytes()).value(), None, "{text}");
        }
    }

    #[test]
    fn depth_costs_nothing() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(JsonCursor::new(deep.as_bytes()).value().map(<[u8]>::len), Some(200_000));
    }

    proptest! {
        #[test]
        fn any_bytes_are_gone_through_to_some_end(text in "[\\[\\]{}\",:\\\\ a1\u{e9}]{0,40}") {
            let mut cursor = JsonCursor::new(text.as_bytes());
            let mut before = 0;
            while cursor.value().is_some() || cursor.take(b',') || cursor.take(b':') {
                prop_assert!(cursor.position() > before);
                before = cursor.position();
            }
        }
    }
}
