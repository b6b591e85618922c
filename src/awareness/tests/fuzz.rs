//! The decoder, given anything.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::super::codec::{Entry, Malformed, decode, put_entry, put_number};

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(body in damaged_body()) {
        read_or_refuse(&body);
    }

    #[test]
    fn what_was_encoded_is_read_back(entries in prop::collection::vec(entry(), 0..8)) {
        let entries: Vec<Entry<'_>> = entries.iter().map(Made::entry).collect();
        let body = encoded(&entries);
        prop_assert_eq!(decode(&body), Ok(entries));
    }

    #[test]
    fn a_body_that_is_cut_short_is_refused(entries in prop::collection::vec(entry(), 1..5), at in any::<Index>()) {
        let entries: Vec<Entry<'_>> = entries.iter().map(Made::entry).collect();
        let body = encoded(&entries);
        prop_assert_eq!(decode(&body[..at.index(body.len())]), Err(Malformed::EndsEarly));
    }
}

/// So many take about a minute.
#[test]
fn so_are_a_hundred_and_fifty_thousand_more() {
    let (mut runner, bodies) = (TestRunner::default(), damaged_body());
    for _ in 0..150_000 {
        read_or_refuse(&bodies.new_tree(&mut runner).expect("nothing is filtered").current());
    }
}

/// Whatever comes is read or refused, and what is read is no more than what came.
fn read_or_refuse(body: &[u8]) {
    if let Ok(entries) = decode(body) {
        let texts: usize = entries.iter().filter_map(|entry| entry.state).map(str::len).sum();
        assert!(texts + 3 * entries.len() < body.len() + 1, "{body:x?}");
        let again = encoded(&entries);
        assert_eq!(decode(&again), Ok(entries), "{body:x?}");
    }
}

/// An entry that owns its state.
#[derive(Clone, Debug)]
struct Made {
    client: u64,
    clock: u64,
    state: Option<String>,
}

impl Made {
    fn entry(&self) -> Entry<'_> {
        Entry { client: self.client, clock: self.clock, state: self.state.as_deref() }
    }
}

fn entry() -> impl Strategy<Value = Made> {
    let number = || prop_oneof![0..300_u64, 0..1_u64 << 53];
    const STATES: &[&str] = &[
        "{}",
        "[1,\"a\"]",
        " 1e5 ",
        "\"\\ud800\"",
        "{\"user\":{\"id\":\"é\"}}",
        "false",
        "[[[[]]]]",
        "\"null\"",
    ];
    let state = prop::option::of(prop::sample::select(STATES).prop_map(str::to_owned));
    (number(), number(), state).prop_map(|(client, clock, state)| Made { client, clock, state })
}

/// A good body, of which a few bytes are changed, put in or taken out; or bytes of which many are numbers that go on.
fn damaged_body() -> impl Strategy<Value = Vec<u8>> {
    let damage = (any::<Index>(), any::<u8>(), 0..3_u8);
    let damaged = (prop::collection::vec(entry(), 0..4), prop::collection::vec(damage, 0..4));
    let damaged = damaged.prop_map(|(entries, damages)| {
        let entries: Vec<Entry<'_>> = entries.iter().map(Made::entry).collect();
        let mut body = encoded(&entries);
        for (at, byte, kind) in damages {
            let at = at.index(body.len() + 1);
            match kind {
                0 => body.insert(at, byte),
                1 if at < body.len() => drop(body.remove(at)),
                _ if at < body.len() => body[at] = byte,
                _ => {}
            }
        }
        body
    });
    let byte = prop_oneof![any::<u8>(), Just(0x80), Just(0xFF), 0..4_u8, Just(b'{'), Just(b'"')];
    prop_oneof![damaged, prop::collection::vec(byte, 0..40)]
}

fn encoded(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    put_number(&mut body, entries.len() as u64);
    entries.iter().for_each(|entry| put_entry(&mut body, entry.client, entry.clock, entry.state));
    body
}
