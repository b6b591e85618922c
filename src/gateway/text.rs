//! The members of a JSON object and the strings in it, of text that is known to be JSON.
//!
//! Owns: reading without building anything, so that what JavaScript reads is read: any depth, keys that come twice, and
//! escapes that are halves of surrogate pairs.
//!
//! Contract: ECMA-262, `JSON.parse`.

use crate::wire::JsonCursor;

/// One member of an object, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// From the key's first quote to the value's end.
    pub whole: &'a str,
    /// The value.
    pub value: &'a str,
    /// Between the key's quotes.
    key: &'a str,
}

/// Goes through the members of an object, in the order of the text.
///
/// # Errors
/// [`NotAnObject`] where the text is another value, or where its members end in something else; the members before have
/// been seen then.
pub fn for_each_member<'a>(text: &'a str, mut see: impl FnMut(Member<'a>)) -> Result<(), NotAnObject> {
    let mut cursor = JsonCursor::new(text.as_bytes());
    let mut more = cursor.take(b'{') && !cursor.take(b'}');
    if !more && cursor.position() == 0 {
        return Err(NotAnObject);
    }
    while more {
        let key = cursor.value().ok_or(NotAnObject)?;
        let start = cursor.position() - key.len();
        let key = text.get(start + 1..cursor.position() - 1).filter(|_| key[0] == b'"').ok_or(NotAnObject)?;
        if !cursor.take(b':') {
            return Err(NotAnObject);
        }
        let value = cursor.value().ok_or(NotAnObject)?;
        let end = cursor.position();
        let (whole, value) = text.get(start..end).zip(text.get(end - value.len()..end)).ok_or(NotAnObject)?;
        see(Member { whole, value, key });
        more = cursor.take(b',');
        if !more && !cursor.take(b'}') {
            return Err(NotAnObject);
        }
    }
    if cursor.is_at_end() { Ok(()) } else { Err(NotAnObject) }
}

/// The text is no object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnObject;

impl Member<'_> {
    /// Whether its key is this one, however it is written.
    pub fn is(&self, key: &str) -> bool {
        match self.key.contains('\\') {
            false => self.key == key,
            true => code_units(self.key).eq(key.encode_utf16()),
        }
    }
}

/// The string that a value is, or `None` where it is another value. Half a surrogate pair, which is no character,
/// becomes the replacement character.
pub fn string(value: &str) -> Option<String> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    Some(match inner.contains('\\') {
        false => inner.to_owned(),
        true => char::decode_utf16(code_units(inner)).map(|unit| unit.unwrap_or('\u{FFFD}')).collect(),
    })
}

/// What JavaScript has of the text between two quotes.
fn code_units(inner: &str) -> impl Iterator<Item = u16> {
    let mut rest = inner.chars();
    let mut second = None;
    std::iter::from_fn(move || {
        if let Some(second) = second.take() {
            return Some(second);
        }
        let character = match rest.next()? {
            '\\' => match rest.next()? {
                'b' => '\u{8}',
                'f' => '\u{C}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let digits = rest.as_str().get(..4)?;
                    rest = rest.as_str()[4..].chars();
                    return u16::from_str_radix(digits, 16).ok();
                }
                escaped => escaped,
            },
            plain => plain,
        };
        let mut units = [0; 2];
        let units = character.encode_utf16(&mut units);
        second = units.get(1).copied();
        Some(units[0])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> Option<Vec<(&str, &str)>> {
        let mut members = Vec::new();
        for_each_member(text, |member| members.push((member.key, member.value))).ok()?;
        Some(members)
    }

    #[test]
    fn members_come_as_written() {
        let text = r#" { "a" : [1, {"b":"}"}] ,"a":null,"\u0061":"\"" } "#;
        assert_eq!(
            members(text),
            Some(vec![("a", r#"[1, {"b":"}"}]"#), ("a", "null"), (r"\u0061", r#""\"""#)])
        );
        assert_eq!(members("{}"), Some(vec![]));
        assert_eq!(members(" { } "), Some(vec![]));
    }

    #[test]
    fn what_is_no_object_has_no_members() {
        let none = [
            "",
            " ",
            "null",
            "[]",
            "\"{}\"",
            "1",
            "{",
            "{]",
            "{} {}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\":1 \"b\":2}",
            "{,}",
            "{1:2}",
        ];
        for text in none {
            assert_eq!(members(text), None, "{text}");
        }
    }

    #[test]
    fn a_key_is_the_same_however_it_is_written() {
        let user = |key: &str| Member { whole: "", value: "", key: key.to_owned().leak() }.is("user");
        for key in ["user", r"\u0075ser", r"us\u0065\u0072", r"\u0075\u0073\u0065\u0072"] {
            assert!(user(key), "{key}");
        }
        for key in ["User", "users", "use", r"\u0055ser", r"user\u0000", r"\ud800user", r"\\u0075ser", ""] {
            assert!(!user(key), "{key}");
        }
    }

    #[test]
    fn a_string_is_what_javascript_reads() {
        assert_eq!(string(r#""Zo\u00eb \ud83e\udd80 \/\n\"\\""#).as_deref(), Some("Zoë 🦀 /\n\"\\"));
        assert_eq!(string(r#""\ud800x""#).as_deref(), Some("\u{FFFD}x"));
        assert_eq!(string("\"🦀\\t\"").as_deref(), Some("🦀\t"));
        for other in ["1", "null", "{}", "\""] {
            assert_eq!(string(other), None, "{other}");
        }
    }
}
