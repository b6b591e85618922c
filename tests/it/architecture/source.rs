//! Rust source as the rules of the tree look at it: the paths it names.
//!
//! Owns: leaving out what does not count (comments, texts, unit tests), and reading paths, those of grouped `use`s
//! in full.
//! Not here: which paths are allowed where ([`super`]).

/// The code of a source file: without comments, the content of texts, and unit tests.
pub struct Code(String);

impl Code {
    /// Reads a source file.
    pub fn of(source: &str) -> Self {
        let mut code = String::with_capacity(source.len());
        let mut rest = source;
        while let Some(first) = rest.chars().next() {
            let skipped = no_code(rest, code.chars().next_back());
            if skipped == 0 {
                code.push(first);
                rest = &rest[first.len_utf8()..];
            } else {
                code.push(' ');
                rest = &rest[skipped..];
            }
        }
        Code(without_tests(&code))
    }

    /// Every path of the code as its segments; a name by itself is a path of one. A macro's name and a method's
    /// are paths as well.
    pub fn paths(&self) -> Vec<Vec<String>> {
        let mut tokens = tokens(&self.0);
        let mut found = Vec::new();
        while !tokens.is_empty() {
            read_path(&mut tokens, &[], &mut found);
        }
        found
    }
}

/// Whether a path leads through these segments, one after the other.
pub fn leads_through(path: &[String], segments: &str) -> bool {
    let segments: Vec<&str> = segments.split("::").collect();
    path.windows(segments.len()).any(|part| part.iter().eq(&segments))
}

/// How many bytes at the front are a comment, a text or a character; 0 where code goes on.
fn no_code(rest: &str, before: Option<char>) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    let in_word = before.is_some_and(is_word);
    let unprefixed = if in_word { rest } else { rest.trim_start_matches(['b', 'c']) };
    let prefix = rest.len() - unprefixed.len();
    if let Some(raw) = unprefixed.strip_prefix('r').filter(|_| !in_word) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let length = raw[hashes + 1..].find(&end).map_or(raw.len(), |at| hashes + 1 + at + end.len());
            return prefix + 1 + length;
        }
    }
    match unprefixed.chars().next() {
        Some('"') => prefix + quoted(unprefixed, '"'),
        Some('\'') if is_character(unprefixed) => prefix + quoted(unprefixed, '\''),
        _ => 0,
    }
}

/// Comments in blocks stand one within another.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let here = &text.as_bytes()[at..];
        if here.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if here.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The length of what stands between two quotes, both included.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A quote begins a character, unless it begins a lifetime.
fn is_character(text: &str) -> bool {
    let mut inner = text.chars().skip(1);
    inner.next() == Some('\\') || inner.next() == Some('\'')
}

/// Leaves out the modules that only tests have.
fn without_tests(code: &str) -> String {
    let mut kept = String::new();
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        let (before, tests) = rest.split_at(at);
        kept.push_str(before);
        let end = tests.find([';', '{']).unwrap_or(tests.len());
        rest = match tests[end..].starts_with('{') {
            true => &tests[end + braced(&tests[end..])..],
            false => tests.get(end + 1..).unwrap_or_default(),
        };
    }
    kept + rest
}

/// The length of what stands between two braces, both included.
fn braced(code: &str) -> usize {
    let mut depth = 0;
    for (at, character) in code.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// The words and signs of code, the last one first; `::` is one sign.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match rest.find(|character| !is_word(character)) {
            Some(0) if rest.starts_with("::") => 2,
            Some(0) => first.len_utf8(),
            Some(length) => length,
            None => rest.len(),
        };
        let (token, tail) = rest.split_at(length);
        tokens.push(token);
        rest = tail.trim_start();
    }
    tokens.reverse();
    tokens
}

/// Takes one path off the tokens, or one token that begins none. A group stands for a path each.
fn read_path(tokens: &mut Vec<&str>, prefix: &[String], found: &mut Vec<Vec<String>>) {
    let Some(first) = tokens.pop() else { return };
    if !first.starts_with(is_word) {
        return;
    }
    let mut path = [prefix, &[first.to_owned()]].concat();
    while tokens.last() == Some(&"::") {
        tokens.pop();
        match tokens.last().copied() {
            Some("{") => {
                tokens.pop();
                while !tokens.is_empty() && tokens.last() != Some(&"}") {
                    read_path(tokens, &path, found);
                }
                tokens.pop();
                return;
            }
            Some(word) if word.starts_with(is_word) => {
                path.push(word.to_owned());
                tokens.pop();
            }
            _ => break,
        }
    }
    if tokens.last() == Some(&"as") {
        tokens.truncate(tokens.len().saturating_sub(2));
    }
    found.push(path);
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(source: &str) -> Vec<String> {
        Code::of(source).paths().into_iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn comments_do_not_count() {
        assert_eq!(paths("// tokio\na /* tokio /* warp */ tokio */ b\n/// tokio\n//! tokio"), ["a", "b"]);
    }

    #[test]
    fn texts_and_characters_do_not_count() {
        assert_eq!(
            paths(r##"a("tokio \" warp") b(r#"tokio " warp"#) c(b"tokio") d('\'', 't', b'w')"##),
            ["a", "b", "c", "d"]
        );
    }

    #[test]
    fn a_lifetime_is_no_character() {
        assert_eq!(paths("&'a str, 'b, tokio, 'c"), ["a", "str", "b", "tokio", "c"]);
    }

    #[test]
    fn unit_tests_do_not_count() {
        assert_eq!(
            paths("a #[cfg(test)] mod tests; b #[cfg(test)] mod tests { x { tokio } } c"),
            ["a", "b", "c"]
        );
    }

    #[test]
    fn a_grouped_use_names_every_path_in_full() {
        assert_eq!(
            paths("use crate::{wire::{Field, json::Json as J}, session as s}; c"),
            ["use", "crate::wire::Field", "crate::wire::json::Json", "crate::session", "c"]
        );
    }

    #[test]
    fn a_path_is_read_wherever_it_stands() {
        assert_eq!(
            paths("f(std::env::var(x)?, Instant :: now())"),
            ["f", "std::env::var", "x", "Instant::now"]
        );
    }

    #[test]
    fn a_path_leads_through_whole_segments_only() {
        let path: Vec<String> = ["std", "env", "var"].map(str::to_owned).to_vec();
        assert!(leads_through(&path, "std::env"));
        assert!(leads_through(&path, "env"));
        assert!(!leads_through(&path, "std::var"));
        assert!(!leads_through(&path, "en"));
    }
}
