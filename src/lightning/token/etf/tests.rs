//! Terms as Erlang writes them, and bytes as nobody should.

use miniz_oxide::deflate::compress_to_vec_zlib;
use proptest::prelude::*;

use super::*;

#[test]
fn items_are_read_as_erlang_writes_them() {
    let cases: &[(&[u8], Item)] = &[
        (&[97, 255], Item::Integer(255)),
        (&[98, 255, 255, 255, 255], Item::Integer(-1)),
        (&[110, 6, 0, 0x00, 0x68, 0xe5, 0xcf, 0x8b, 0x01], Item::Integer(1_700_000_000_000)),
        (&[110, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0x80], Item::Integer(i64::MIN)),
        (&[110, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0x80], Item::Huge { negative: false }),
        (&[110, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1], Item::Huge { negative: true }),
        (&[110, 9, 1, 5, 0, 0, 0, 0, 0, 0, 0, 0], Item::Integer(-5)),
        (&[111, 0, 0, 0, 1, 0, 5], Item::Integer(5)),
        (&[70, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0], Item::Float(1.5)),
        (&[109, 0, 0, 0, 2, b'h', b'i'], Item::Binary(Bytes::from_static(b"hi"))),
        (&[100, 0, 2, b'o', b'k'], Item::Atom(Bytes::from_static(b"ok"))),
        (&[115, 2, b'o', b'k'], Item::Atom(Bytes::from_static(b"ok"))),
        (&[118, 0, 2, b'o', b'k'], Item::Atom(Bytes::from_static(b"ok"))),
        (&[119, 2, b'o', b'k'], Item::Atom(Bytes::from_static(b"ok"))),
        (&[104, 3], Item::Tuple(3)),
        (&[105, 0, 0, 1, 0], Item::Tuple(256)),
        (&[116, 0, 0, 0, 2], Item::Map(2)),
    ];
    for (bytes, item) in cases {
        let mut reader = reader(bytes);
        assert_eq!(reader.item().as_ref(), Some(item), "{bytes:?}");
        assert!(reader.is_at_end(), "{bytes:?}");
        for cut in 0..bytes.len() {
            assert_eq!(self::reader(&bytes[..cut]).item(), None, "{bytes:?} cut at {cut}");
        }
    }
}

#[test]
fn what_is_written_is_read() {
    for value in [0, 255, 256, -1, i64::from(i32::MAX), i64::from(i32::MIN) - 1, 1 << 40, i64::MIN, i64::MAX]
    {
        assert_eq!(read(Writer::new().integer(value)), Some(Item::Integer(value)));
    }
    assert_eq!(read(Writer::new().float(-0.25)), Some(Item::Float(-0.25)));
    assert_eq!(read(Writer::new().tuple(2)), Some(Item::Tuple(2)));
    assert_eq!(read(Writer::new().atom("infinity")), Some(Item::Atom(Bytes::from_static(b"infinity"))));
    assert_eq!(read(Writer::new().binary(b"hi")), Some(Item::Binary(Bytes::from_static(b"hi"))));
}

#[test]
fn a_whole_term_is_passed_over_with_all_its_elements() {
    let node = [100, 0, 1, b'n'];
    let mut terms: Vec<Vec<u8>> = vec![
        vec![106],
        vec![107, 0, 2, 1, 2],
        vec![108, 0, 0, 0, 1, 97, 1, 106],
        vec![108, 0, 0, 0, 1, 97, 1, 97, 2],
        vec![77, 0, 0, 0, 1, 3, 0xa0],
        [&[88][..], &node, &[0; 12]].concat(),
        [&[90, 0, 2][..], &node, &[0; 12]].concat(),
        vec![104, 2, 104, 1, 97, 1, 104, 0],
        vec![116, 0, 0, 0, 1, 97, 1, 104, 1, 97, 2],
    ];
    terms.push([vec![105, 0, 0, 0, terms.len() as u8], terms.concat()].concat());
    for term in terms {
        let mut reader = reader(&[&term[..], &[97, 1]].concat());
        assert_eq!(reader.term().as_deref(), Some(term.as_slice()));
        assert_eq!(reader.item(), Some(Item::Integer(1)), "after {term:?}");
        for cut in 0..term.len() {
            assert_eq!(self::reader(&term[..cut]).term(), None, "{term:?} cut at {cut}");
        }
    }
}

#[test]
fn functions_and_ports_and_unknown_tags_are_no_terms() {
    let known = [70, 77, 88, 90, 97, 98, 100, 104, 105, 106, 107, 108, 109, 110, 111, 115, 116, 118, 119];
    // Enough zeros for any term: lengths of 0, and a 0 for an element would be an unknown tag.
    for tag in (0..=255).filter(|tag| !known.contains(tag)) {
        assert_eq!(reader(&[&[tag][..], &[0; 64]].concat()).item(), None, "tag {tag}");
    }
}

#[test]
fn malformed_terms_are_none() {
    let nan = [&[70][..], &f64::NAN.to_be_bytes()].concat();
    let long_name = [&[118, 1, 0][..], &[b'a'; 256]].concat();
    let cases: &[&[u8]] =
        &[&nan, &long_name, &[119, 1, 0xff], &[77, 0, 0, 0, 1, 0, 1], &[77, 0, 0, 0, 1, 9, 1]];
    for bytes in cases {
        assert_eq!(reader(bytes).term(), None, "{bytes:?}");
    }
    // A pid belongs to a node, and a node is an atom.
    assert_eq!(reader(&[&[88, 97, 1][..], &[0; 12]].concat()).term(), None);
}

#[test]
fn deep_nesting_and_huge_claims_cost_nothing() {
    assert_eq!(reader(&[104, 1].repeat(1_000_000)).term(), None);
    assert_eq!(reader(&[88].repeat(1_000_000)).term(), None);
    assert_eq!(reader(&[116, 255, 255, 255, 255].repeat(1000)).term(), None);
    for tag in [105, 108, 109, 111, 116] {
        assert_eq!(reader(&[tag, 255, 255, 255, 255, 97]).term(), None, "tag {tag}");
    }
}

#[test]
fn a_compressed_term_is_inflated_up_to_the_limit() {
    let compressed = |term: &[u8], size: usize| {
        let size = u32::try_from(size).expect("a small size").to_be_bytes();
        [&[131, 80][..], &size, &compress_to_vec_zlib(term, 6)].concat()
    };
    let largest = vec![97; MAX_INFLATED_BYTES];
    assert_eq!(unwrap(compressed(&largest, largest.len())).as_deref(), Some(largest.as_slice()));

    let bomb = vec![97; MAX_INFLATED_BYTES + 1];
    assert_eq!(unwrap(compressed(&bomb, bomb.len())), None);
    assert_eq!(unwrap(compressed(&bomb, MAX_INFLATED_BYTES)), None, "the claim is a lie");
    assert_eq!(unwrap(compressed(&[97, 1], 3)), None, "less than it claims");
    assert_eq!(unwrap(compressed(&[97, 1], 1)), None, "more than it claims");

    let mut damaged = compressed(&[97, 1], 2);
    *damaged.last_mut().expect("not empty") ^= 1;
    assert_eq!(unwrap(damaged), None, "the checksum is wrong");
    // Only a whole term is ever compressed.
    let nested = compressed(&compressed(&[97, 1], 2)[1..], compressed(&[97, 1], 2).len() - 1);
    assert_eq!(unwrap(nested).and_then(|term| Reader::new(term).term()), None);
}

#[test]
fn a_term_starts_with_the_version() {
    assert_eq!(unwrap(vec![131, 97, 1]).as_deref(), Some([97, 1].as_slice()));
    assert_eq!(unwrap(vec![130, 97, 1]), None);
    assert_eq!(unwrap(vec![]), None);
}

proptest! {
    #[test]
    fn no_bytes_panic_and_a_term_is_where_it_was(bytes in prop::collection::vec(likely_byte(), 0..200)) {
        let mut reader = reader(&bytes);
        while let Some(term) = reader.term() {
            prop_assert!(!term.is_empty());
        }
        let compressed = [&[131, 80, 0, 0, 0, 9], bytes.as_slice()].concat();
        prop_assert!(unwrap(compressed).is_none_or(|term| term.len() == 9));
    }
}

/// Tags and small lengths more often than anything else.
fn likely_byte() -> impl Strategy<Value = u8> {
    prop_oneof![65u8..=121, 0u8..=4, any::<u8>()]
}

fn reader(bytes: &[u8]) -> Reader {
    Reader::new(Bytes::copy_from_slice(bytes))
}

fn read(writer: Writer) -> Option<Item> {
    let mut reader = Reader::new(unwrap(writer.finish())?);
    let item = reader.item();
    reader.is_at_end().then_some(item)?
}
