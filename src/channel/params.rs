//! Connection parameters: a query string in Plug's nested syntax.

use std::fmt;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use thiserror::Error;

/// The parameters of a connection. Values are texts, or maps and lists of them for `a[b]=c` and `a[]=c`
/// (`Plug.Conn.Query`); of two with the same name the last counts. Values do not print: a token is often one.
#[derive(Clone, Default, PartialEq)]
pub struct Params(Map<String, Value>);

/// A query string that is not UTF-8 once decoded, or nested too deeply; answered with HTTP 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the query string is not UTF-8, or nested more than {MAX_DEPTH} levels deep")]
pub struct BadQuery;

impl Params {
    /// Decodes a query string, without its `?`.
    ///
    /// # Errors
    /// [`BadQuery`].
    pub fn decode(query: &str) -> Result<Self, BadQuery> {
        let mut params = Map::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (unescape(name)?, unescape(value)?);
            let (root, path) = split_name(&name);
            if path.len() > MAX_DEPTH {
                return Err(BadQuery);
            }
            let slot = params.entry(root).or_insert(Value::Null);
            put(slot, &path, value);
        }
        Ok(Params(params))
    }

    /// The text under a name; `None` when it is absent, or a map or list.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// Whatever is under a name.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Params")?;
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// `a[b][]` is the name `a` with the path `b`, then one more element of a list.
fn split_name(name: &str) -> (&str, Vec<&str>) {
    match name.find('[') {
        Some(at) if at > 0 && name.ends_with(']') => {
            (&name[..at], name[at + 1..name.len() - 1].split("][").collect())
        }
        _ => (name, Vec::new()),
    }
}

fn put(slot: &mut Value, path: &[&str], value: String) {
    let Some((step, rest)) = path.split_first() else {
        *slot = Value::String(value);
        return;
    };
    if step.is_empty() {
        if !slot.is_array() {
            *slot = Value::Array(Vec::new());
        }
        if let Value::Array(list) = slot {
            list.push(Value::Null);
            list.last_mut().into_iter().for_each(|last| put(last, rest, value.clone()));
        }
    } else {
        if !slot.is_object() {
            *slot = Value::Object(Map::new());
        }
        if let Value::Object(map) = slot {
            put(map.entry(*step).or_insert(Value::Null), rest, value);
        }
    }
}

fn unescape(text: &str) -> Result<String, BadQuery> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().map(Into::into).map_err(|_| BadQuery)
}

/// Far beyond any use; it keeps a hostile query from nesting a value too deep to be dropped.
const MAX_DEPTH: usize = 32;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_query_is_read_as_plug_reads_it() {
        let table = [
            ("", json!({})),
            ("a=1&b=2", json!({"a": "1", "b": "2"})),
            ("a=1&a=2", json!({"a": "2"})),
            ("a[b]=c&a[d]=e", json!({"a": {"b": "c", "d": "e"}})),
            ("a[]=1&a[]=2", json!({"a": ["1", "2"]})),
            ("a[b][]=1", json!({"a": {"b": ["1"]}})),
            ("name=Ada+L%C3%A9&flag&", json!({"name": "Ada Lé", "flag": ""})),
            ("[x]=1", json!({"[x]": "1"})),
        ];
        for (query, expected) in table {
            assert_eq!(Value::Object(Params::decode(query).expect(query).0), expected, "{query}");
        }
    }

    #[test]
    fn what_is_not_utf8_or_too_deep_is_refused() {
        assert_eq!(Params::decode("a=%ff"), Err(BadQuery));
        assert_eq!(Params::decode(&format!("a{}=1", "[b]".repeat(MAX_DEPTH + 1))), Err(BadQuery));
    }

    #[test]
    fn a_list_is_no_text() {
        let params = Params::decode("vsn[]=2.0.0").expect("a valid query");
        assert_eq!(params.get("vsn"), None);
        assert!(params.value("vsn").is_some());
    }
}
