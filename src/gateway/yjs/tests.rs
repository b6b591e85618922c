//! Held against the vectors: what each message means to yjs, and what a strict reader refuses.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use super::*;

/// A vector of either file. States of awareness, which may be more than Rust's strings hold, are not read.
#[derive(Deserialize)]
struct Vector {
    name: String,
    message: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    strict: Value,
}

#[derive(Deserialize)]
struct Vectors {
    #[serde(alias = "encodings")]
    messages: Vec<Vector>,
}

fn vectors(file: &str) -> Vec<Vector> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("js-client-fixtures/canvas/vectors").join(file);
    let text = fs::read(&path).expect("the vectors are there");
    let vectors: Vectors = serde_json::from_slice(&text).expect("they are JSON");
    assert!(!vectors.messages.is_empty());
    vectors.messages
}

/// The bytes of a text of hexadecimal digits.
fn bytes(digits: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits a byte");
    (0..digits.len()).step_by(2).map(byte).collect()
}

#[test]
fn every_message_is_what_it_is_to_yjs_or_is_refused_as_malformed() {
    for vector in vectors("messages.json") {
        let (name, message) = (vector.name.as_str(), bytes(&vector.message));
        let meaning = read(&message);
        let accepted = &vector.strict["accepts"];
        match (accepted["type"].as_str(), accepted["step"].as_str()) {
            _ if SEEN_BY_NO_HEAD.contains(&name) => assert_eq!(meaning, Ok(Meaning::Sync), "{name}"),
            _ if READ_DIFFERENTLY == name => assert_eq!(meaning, Err(DropReason::Malformed), "{name}"),
            (None, _) => assert!(meaning.is_err(), "{name}: {meaning:?}"),
            (Some("sync"), Some("step1")) => assert_eq!(meaning, Ok(Meaning::SyncStep1), "{name}"),
            (Some("sync"), _) => assert_eq!(meaning, Ok(Meaning::Sync), "{name}"),
            (Some("awareness"), _) => {
                assert!(matches!(meaning, Ok(Meaning::Awareness(_))), "{name}: {meaning:?}")
            }
            (Some("query_awareness"), _) => assert_eq!(meaning, Ok(Meaning::Query), "{name}"),
            (Some(_), _) => assert_eq!(meaning, Ok(Meaning::Unknown), "{name}"),
        }
        let is_awareness_to_yjs = matches!(message.first(), Some(1 | 3));
        assert_eq!(is_awareness(&message), is_awareness_to_yjs, "{name}");
    }
}

#[test]
fn the_body_of_awareness_is_handed_on_unread() {
    for vector in vectors("awareness.json") {
        let (message, body) = (bytes(&vector.message), bytes(&vector.body));
        assert_eq!(read(&message), Ok(Meaning::Awareness(&body)), "{}", vector.name);
    }
    let trailing = [1, 2, 1, 0, 7, 7];
    assert_eq!(read(&trailing), Ok(Meaning::Awareness(&[1, 0])));
}

#[test]
fn what_would_end_the_upstream_is_refused_by_its_count() {
    let killers: [&[u8]; 6] = [
        // A vector of 2³¹ clients.
        &[0, 0, 5, 0xFF, 0xFF, 0xFF, 0xFF, 7],
        // The same behind an overlong type and an overlong step.
        &[0x80, 0, 0x80, 0x80, 0, 5, 0xFF, 0xFF, 0xFF, 0xFF, 7],
        // Two clients in the bytes of one.
        &[0, 0, 4, 2, 1, 1, 1],
        // An update of 2³¹ clients, as update and as step 2.
        &[0, 2, 5, 0x80, 0x80, 0x80, 0x80, 8],
        &[0, 1, 5, 0x80, 0x80, 0x80, 0x80, 8],
        // A length that leaves out what would bear the count out.
        &[0, 0, 1, 1, 1, 1],
    ];
    for message in killers {
        assert_eq!(read(message), Err(DropReason::Count), "{message:?}");
        assert_eq!(read_head(message), Err(DropReason::Count), "{message:?}");
    }
}

#[test]
fn a_type_or_step_that_32_bits_would_turn_into_another_is_refused() {
    // 2³² + 1 for a type, 2³² for a step, 2³² + 5 for a length.
    let turned: [&[u8]; 3] = [
        &[0x81, 0x80, 0x80, 0x80, 0x10, 5, 0xFF, 0xFF, 0xFF, 0xFF, 7],
        &[0, 0x80, 0x80, 0x80, 0x80, 0x10, 5, 0xFF, 0xFF, 0xFF, 0xFF, 7],
        &[0, 0, 0x85, 0x80, 0x80, 0x80, 0x10, 0xFF, 0xFF, 0xFF, 0xFF, 7],
    ];
    for message in turned {
        assert_eq!(read(message), Err(DropReason::Malformed), "{message:?}");
        assert_eq!(read_head(message), Err(DropReason::Malformed), "{message:?}");
    }
}

#[test]
fn of_a_long_message_the_length_says_what_is_left() {
    // Step 2 of 100,000 bytes with 20,000 clients, of which the head has none.
    assert_eq!(read_head(&[0, 1, 0xA0, 0x8D, 6, 0xA0, 0x9C, 1]), Ok(Meaning::Sync));
    // With 40,000.
    assert_eq!(read_head(&[0, 1, 0xA0, 0x8D, 6, 0xC0, 0xB8, 2]), Err(DropReason::Count));
    assert_eq!(read_head(&[0, 0, 0xA0, 0x8D, 6, 0xA0, 0x9C, 1]), Ok(Meaning::SyncStep1));
    assert_eq!(read_head(&[1, 0xA0, 0x8D, 6, 1]), Err(DropReason::TooLarge));
    assert_eq!(read_head(&[3, 0, 0]), Err(DropReason::TooLarge));
    assert_eq!(read_head(&[2, 0, 0]), Ok(Meaning::Unknown));
}

#[test]
fn awareness_of_an_upstream_is_known_by_its_type_alone() {
    for message in [&[1][..], &[1, 0xFF], &[3], &[0x81, 0, 1, 0], &[0x83, 0x80, 0]] {
        assert!(is_awareness(message), "{message:?}");
    }
    for message in [&[][..], &[0, 0], &[2], &[0x81], &[4]] {
        assert!(!is_awareness(message), "{message:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(message in proptest::collection::vec(any::<u8>(), 0..32)) {
        let _ = (read(&message), read_head(&message), is_awareness(&message));
    }

    /// Numbers that mean something, in lengths of bytes that few writers use.
    #[test]
    fn a_number_is_the_same_however_long_it_is_written(number in 0..=MAX_SAFE, padding in 0..20_usize) {
        let mut written = Vec::new();
        let mut rest = number;
        loop {
            written.push(rest as u8 & 0x7F);
            rest >>= 7;
            if rest == 0 {
                break;
            }
        }
        written.resize(written.len() + padding, 0);
        let last = written.len() - 1;
        written[..last].iter_mut().for_each(|byte| *byte |= 0x80);
        prop_assert_eq!(Reader(&written).number(), Ok(number));
        prop_assert_eq!(Reader(&written[..last]).number(), Err(DropReason::Malformed));
    }
}

/// What a strict reader refuses further in than the head: a document's reader has to.
const SEEN_BY_NO_HEAD: [&str; 2] = ["an update cut in half", "an update of 2^40 structs"];
/// What is of an unknown type to lib0, and might be of another to the upstream.
const READ_DIFFERENTLY: &str = "type 2^40";
