//! Recorded against seen: equal, but for the values that a recording cannot fix.
//!
//! Owns: the placeholders `<phx_ref:N>`, `<joined_at>` and `<token>`, and the mapping of refs over a file.
//! Not here: order; both sides come in canonical order ([`super::order`]).
//! Source: `js-client-fixtures/README.md`, the paragraph after "seen", and "Order".

use std::collections::HashMap;
use std::fmt;

use serde_json::{Map, Value};

use super::seen::Seen;

/// Which seen phx_ref stands for which recorded number: one to one, built up over a file.
#[derive(Debug, Clone, Default)]
pub struct Refs {
    seen: HashMap<String, String>,
    recorded: HashMap<String, String>,
}

/// The first place where two lists of sights part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where, as a JSON pointer into the list of sights: `/0/frame/4/joins`.
    pub place: String,
    /// What was recorded there and what was seen, in words.
    pub what: String,
}

impl Refs {
    /// Compares what one client was recorded to see with what it saw, both in canonical order. Refs met for
    /// the first time are remembered, but only if everything else agrees.
    ///
    /// # Errors
    /// The first difference.
    pub fn compare(&mut self, recorded: &[Seen], seen: &[Seen]) -> Result<(), Difference> {
        let list = |sights: &[Seen]| Value::Array(sights.iter().map(Seen::entry).collect());
        let mut refs = self.clone();
        refs.value("", &list(recorded), &list(seen))?;
        *self = refs;
        Ok(())
    }

    fn value(&mut self, place: &str, recorded: &Value, seen: &Value) -> Result<(), Difference> {
        match (recorded, seen) {
            (Value::Array(recorded), Value::Array(seen)) => self.array(place, recorded, seen),
            (Value::Object(recorded), Value::Object(seen)) => self.object(place, recorded, seen),
            (Value::String(text), seen) => self.text(text, seen).map_err(|what| Difference::at(place, what)),
            _ if recorded == seen => Ok(()),
            _ => Err(Difference::at(place, format!("recorded {recorded}, seen {seen}"))),
        }
    }

    fn array(&mut self, place: &str, recorded: &[Value], seen: &[Value]) -> Result<(), Difference> {
        for (index, (recorded, seen)) in recorded.iter().zip(seen).enumerate() {
            self.value(&format!("{place}/{index}"), recorded, seen)?;
        }
        let place = format!("{place}/{}", recorded.len().min(seen.len()));
        if let Some(missing) = recorded.get(seen.len()) {
            return Err(Difference::at(&place, format!("recorded {missing}, seen nothing more")));
        }
        if let Some(surplus) = seen.get(recorded.len()) {
            return Err(Difference::at(&place, format!("recorded nothing more, seen {surplus}")));
        }
        Ok(())
    }

    fn object(
        &mut self,
        place: &str,
        recorded: &Map<String, Value>,
        seen: &Map<String, Value>,
    ) -> Result<(), Difference> {
        if !recorded.is_empty() && !seen.is_empty() && !recorded.keys().any(|key| seen.contains_key(key)) {
            let [recorded, seen] = [recorded, seen].map(|object| Value::Object(object.clone()));
            return Err(Difference::at(place, format!("recorded {recorded}, seen {seen}")));
        }
        for (key, recorded) in recorded {
            let place = format!("{place}/{key}");
            match seen.get(key) {
                Some(seen) => self.value(&place, recorded, seen)?,
                None => return Err(Difference::at(&place, format!("recorded {recorded}, seen no such key"))),
            }
        }
        match seen.iter().find(|(key, _)| !recorded.contains_key(*key)) {
            Some((key, seen)) => {
                Err(Difference::at(&format!("{place}/{key}"), format!("recorded no such key, seen {seen}")))
            }
            None => Ok(()),
        }
    }

    fn text(&mut self, recorded: &str, seen: &Value) -> Result<(), String> {
        match recorded {
            JOINED_AT if seen.as_u64().is_some_and(|at| PLAUSIBLE_MICROSECONDS.contains(&at)) => Ok(()),
            TOKEN if seen.as_str().is_some_and(|token| !token.is_empty()) => Ok(()),
            _ if recorded.starts_with(PHX_REF) => self.phx_ref(recorded, seen),
            _ if seen == recorded => Ok(()),
            _ => Err(format!("recorded {recorded:?}, seen {seen}")),
        }
    }

    fn phx_ref(&mut self, recorded: &str, seen: &Value) -> Result<(), String> {
        let Some(seen) = seen.as_str().filter(|text| !text.is_empty()) else {
            return Err(format!("recorded {recorded}, seen {seen}"));
        };
        match (self.seen.get(recorded), self.recorded.get(seen)) {
            (None, None) => {
                self.seen.insert(recorded.to_owned(), seen.to_owned());
                self.recorded.insert(seen.to_owned(), recorded.to_owned());
                Ok(())
            }
            (Some(before), _) if before != seen => {
                Err(format!("recorded {recorded}, which was {before:?} before, seen {seen:?}"))
            }
            (_, Some(before)) if before != recorded => {
                Err(format!("recorded {recorded}, seen {seen:?}, which was {before} before"))
            }
            _ => Ok(()),
        }
    }
}

impl Difference {
    fn at(place: &str, what: String) -> Self {
        Self { place: place.to_owned(), what }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}: {}", self.place, self.what)
    }
}

const PHX_REF: &str = "<phx_ref:";
const JOINED_AT: &str = "<joined_at>";
const TOKEN: &str = "<token>";

/// The years 2001 to 2286, so that seconds, milliseconds and nanoseconds are not taken for microseconds.
const PLAUSIBLE_MICROSECONDS: std::ops::Range<u64> = 1_000_000_000_000_000..10_000_000_000_000_000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn compare(refs: &mut Refs, recorded: Value, seen: Value) -> Result<(), Difference> {
        refs.compare(&[Seen::Frame(recorded)], &[Seen::Frame(seen)])
    }

    fn differs(recorded: Value, seen: Value) -> bool {
        compare(&mut Refs::default(), recorded, seen).is_err()
    }

    #[test]
    fn the_order_of_keys_does_not_count_but_that_of_elements_does() {
        let parsed = |text: &str| serde_json::from_str::<Value>(text).expect("the test's own JSON");
        assert!(!differs(parsed(r#"{"a":1,"b":2}"#), parsed(r#"{"b":2,"a":1}"#)));
        assert!(differs(json!([1, 2]), json!([2, 1])));
    }

    #[test]
    fn a_difference_names_its_place_and_both_sides() {
        let recorded = json!(["1", {"joins": {"7": 1}}]);
        let seen = json!(["1", {"joins": {"7": 2}}]);
        let difference = compare(&mut Refs::default(), recorded, seen).expect_err("1 is not 2");
        assert_eq!(difference.to_string(), "at /0/frame/1/joins/7: recorded 1, seen 2");
    }

    #[test]
    fn things_of_different_kinds_are_told_as_a_whole() {
        let difference =
            Refs::default().compare(&[Seen::Open], &[Seen::Closed(1006)]).expect_err("open is not closed");
        assert_eq!(difference.to_string(), r#"at /0: recorded {"open":true}, seen {"closed":1006}"#);
    }

    #[test]
    fn a_missing_or_surplus_key_or_element_is_a_difference() {
        assert!(differs(json!({"a": 1}), json!({})));
        assert!(differs(json!({}), json!({"a": 1})));
        assert!(differs(json!([1]), json!([])));
        assert!(differs(json!([]), json!([1])));
    }

    #[test]
    fn json_types_are_not_mixed_up() {
        assert!(differs(json!("1"), json!(1)));
        assert!(differs(json!(1), json!(1.0)));
        assert!(differs(json!(null), json!(false)));
        assert!(differs(json!({}), json!([])));
    }

    #[test]
    fn equal_numbers_are_equal_refs_across_calls() {
        let mut refs = Refs::default();
        assert_eq!(compare(&mut refs, json!("<phx_ref:1>"), json!("x")), Ok(()));
        assert_eq!(compare(&mut refs, json!("<phx_ref:1>"), json!("x")), Ok(()));
        assert!(compare(&mut refs, json!("<phx_ref:1>"), json!("y")).is_err());
    }

    #[test]
    fn different_numbers_are_different_refs() {
        assert!(differs(json!(["<phx_ref:1>", "<phx_ref:2>"]), json!(["x", "x"])));
        assert!(!differs(json!(["<phx_ref:1>", "<phx_ref:2>"]), json!(["x", "y"])));
    }

    #[test]
    fn a_failed_comparison_teaches_no_refs() {
        let mut refs = Refs::default();
        assert!(compare(&mut refs, json!(["<phx_ref:1>", 1]), json!(["x", 2])).is_err());
        assert_eq!(compare(&mut refs, json!("<phx_ref:1>"), json!("y")), Ok(()));
    }

    #[test]
    fn a_ref_is_some_text() {
        assert!(differs(json!("<phx_ref:1>"), json!(1)));
        assert!(differs(json!("<phx_ref:1>"), json!("")));
    }

    #[test]
    fn joined_at_is_an_integer_of_microseconds() {
        assert!(!differs(json!("<joined_at>"), json!(1_750_000_000_000_000_u64)));
        for other in [json!(1_750_000_000_000_u64), json!(1.75e15), json!("1750000000000000"), json!(null)] {
            assert!(differs(json!("<joined_at>"), other));
        }
    }

    #[test]
    fn a_token_is_any_text() {
        assert!(!differs(json!("<token>"), json!("SFMyNTY.x.y")));
        assert!(differs(json!("<token>"), json!("")));
        assert!(differs(json!("<token>"), json!(null)));
    }
}
