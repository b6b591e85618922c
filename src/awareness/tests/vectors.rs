//! What real y-protocols clients read, and at what they throw: `js-client-fixtures/canvas/vectors/awareness.json`.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::codec::{Entry, decode, put_entry, put_number};
use super::fold::Fold;

#[test]
fn every_encoding_means_what_it_means_to_the_clients() {
    for vector in vectors().encodings {
        let body = bytes(&vector.body);
        let entries = decode(&body).unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        assert_same(&vector.name, &entries, &vector.clients);
        let mut again = Vec::new();
        put_number(&mut again, entries.len() as u64);
        for entry in &entries {
            put_entry(&mut again, entry.client, entry.clock, entry.state);
        }
        let with_blanks = vector.name.contains("null with blanks");
        assert_eq!(again == body, !with_blanks, "{}: null alone is written without them", vector.name);
    }
}

#[test]
fn what_a_strict_reader_refuses_is_refused_and_the_rest_is_read() {
    let (mut refused, mut read) = (0, 0);
    for vector in vectors().malformed {
        let body = bytes(&vector.awareness_body);
        match (decode(&body), vector.strict) {
            (Err(_), Strict { refuses: Some(_), accepts: None }) => refused += 1,
            (Ok(entries), Strict { refuses: None, accepts: Some(accepts) }) => {
                assert_same(&vector.name, &entries, &accepts.clients);
                read += 1;
            }
            (decoded, _) => panic!("{}: {:?}", vector.name, decoded.map(|entries| entries.len())),
        }
    }
    assert!(refused > 20 && read > 3, "{refused} refused, {read} read");
}

/// The client of the tests below is only as good as this.
#[test]
fn the_tests_own_client_follows_the_rules_of_the_real_ones() {
    let mut steps = 0;
    for rule in vectors().rules {
        let mut fold = Fold { client: rule.own.client, ..Fold::default() };
        let start = rule.own.start;
        start.iter().for_each(|(id, known)| learn(&mut fold, id, known));
        for step in rule.steps {
            let body = bytes(&step.body);
            // Where the real client throws, it has taken a part.
            let Ok(entries) = decode(&body) else { continue };
            fold.apply(&entries);
            let mut after = Fold::default();
            step.after.iter().for_each(|(id, known)| learn(&mut after, id, known));
            assert_eq!(fold.clocks, after.clocks, "{}", rule.name);
            assert!(fold.states.keys().eq(after.states.keys()), "{}", rule.name);
            for (ours, theirs) in fold.states.values().zip(after.states.values()) {
                assert!(means_the_same(ours, theirs), "{}: {ours} {theirs}", rule.name);
            }
            steps += 1;
        }
    }
    assert!(steps > 40, "{steps}");
}

#[derive(Deserialize)]
struct Vectors {
    encodings: Vec<Encoding>,
    rules: Vec<Rule>,
    malformed: Vec<Bad>,
}

#[derive(Deserialize)]
struct Encoding {
    name: String,
    body: String,
    clients: Vec<Client>,
}

#[derive(Deserialize)]
struct Client {
    client: u64,
    clock: u64,
    /// As text, because some of it is too deep, or too odd, for a Rust value.
    state: Box<RawValue>,
}

#[derive(Deserialize)]
struct Rule {
    name: String,
    #[serde(rename = "self")]
    own: Own,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Own {
    client: u64,
    start: std::collections::BTreeMap<String, Known>,
}

#[derive(Deserialize)]
struct Step {
    body: String,
    after: std::collections::BTreeMap<String, Known>,
}

#[derive(Deserialize)]
struct Known {
    clock: u64,
    state: Box<RawValue>,
}

#[derive(Deserialize)]
struct Bad {
    name: String,
    awareness_body: String,
    strict: Strict,
}

#[derive(Deserialize)]
struct Strict {
    refuses: Option<String>,
    accepts: Option<Accepts>,
}

#[derive(Deserialize)]
struct Accepts {
    clients: Vec<Client>,
}

fn vectors() -> Vectors {
    let text = include_str!("../../../js-client-fixtures/canvas/vectors/awareness.json");
    serde_json::from_str(text).expect("the vectors have this shape")
}

fn learn(fold: &mut Fold, id: &str, known: &Known) {
    let id = id.parse().expect("a client id");
    fold.clocks.insert(id, known.clock);
    if known.state.get() != "null" {
        fold.states.insert(id, known.state.get().to_owned());
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
    (0..hex.len()).step_by(2).map(digits).collect()
}

fn assert_same(name: &str, entries: &[Entry<'_>], clients: &[Client]) {
    assert_eq!(entries.len(), clients.len(), "{name}");
    for (entry, client) in entries.iter().zip(clients) {
        assert_eq!((entry.client, entry.clock), (client.client, client.clock), "{name}");
        let (ours, theirs) = (entry.state.unwrap_or("null"), client.state.get());
        assert!(means_the_same(ours, theirs), "{name}: {ours} {theirs}");
    }
}

/// Whether two texts are the same value; of what no Rust value holds, whether they are the same text.
fn means_the_same(ours: &str, theirs: &str) -> bool {
    let compact = |text: &str| text.replace([' ', '\n'], "");
    match (serde_json::from_str(ours), serde_json::from_str(theirs)) {
        (Ok(ours), Ok(theirs)) => same_value(&ours, &theirs),
        _ => compact(ours) == compact(theirs),
    }
}

/// Numbers are JavaScript's: `-0` is `0`.
fn same_value(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(ours), Value::Number(theirs)) => ours.as_f64() == theirs.as_f64(),
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(ours, theirs)| same_value(ours, theirs))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours
                    .iter()
                    .all(|(key, ours)| theirs.get(key).is_some_and(|theirs| same_value(ours, theirs)))
        }
        (ours, theirs) => ours == theirs,
    }
}
