//! What payloads are taken, and until when.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

const NOW: i64 = 1_700_000_000_000;
const MINUTE: i64 = 60_000;

#[test]
fn a_payload_comes_back_as_it_was_written() {
    let data = [
        Data::text("4f3d0e5e"),
        Data::Binary(Bytes::from_static(&[0, 255])),
        Data::Integer(-1),
        Data::Term(Term(Bytes::from_static(&[104, 2, 97, 1, 106]))),
    ];
    let ages =
        [MaxAge::Infinite, MaxAge::DEFAULT, MaxAge::seconds(0), MaxAge::For(Duration::from_millis(1500))];
    for data in &data {
        for max_age in ages {
            let payload = Payload::decode(encode(data, NOW, max_age)).expect("a payload");
            assert!(payload.data == *data);
            assert_eq!((payload.signed_at_ms, payload.max_age), (NOW, max_age));
        }
    }
}

#[test]
fn an_age_is_over_after_its_last_millisecond() {
    for (max_age, last_ms) in [(MaxAge::seconds(1), 1000), (MaxAge::For(Duration::from_micros(100_900)), 100)]
    {
        assert_eq!(age(max_age, last_ms), Ok(()), "{max_age:?}");
        assert_eq!(age(max_age, last_ms + 1), Err(TokenError::Expired), "{max_age:?}");
    }
    assert_eq!(age(MaxAge::Infinite, i64::MAX - NOW), Ok(()));
    assert_eq!(age(MaxAge::For(Duration::MAX), i64::MAX - NOW), Ok(()));
}

#[test]
fn no_age_at_all_has_expired_at_once() {
    assert_eq!(age(MaxAge::seconds(0), 0), Err(TokenError::Expired));
    assert_eq!(age(MaxAge::For(Duration::from_nanos(1)), 0), Ok(()));
}

#[test]
fn a_token_may_be_dated_a_minute_ahead_and_no_more() {
    for max_age in [MaxAge::seconds(1), MaxAge::Infinite] {
        assert_eq!(age(max_age, -MINUTE), Ok(()));
        assert_eq!(age(max_age, -MINUTE - 1), Err(TokenError::Invalid));
    }
}

#[test]
fn the_age_asked_for_replaces_the_token_s_own() {
    let check = |own, asked| {
        let payload = Payload::decode(encode(&Data::Integer(1), NOW, own)).expect("a payload");
        payload.into_data(asked, NOW + MINUTE).map(drop)
    };
    assert_eq!(check(MaxAge::seconds(1), None), Err(TokenError::Expired));
    assert_eq!(check(MaxAge::seconds(1), Some(MaxAge::seconds(60))), Ok(()));
    assert_eq!(check(MaxAge::Infinite, Some(MaxAge::seconds(59))), Err(TokenError::Expired));
}

#[test]
fn an_own_age_is_seconds_of_any_kind_of_number_or_infinity() {
    let own = |age: fn(Writer) -> Writer| {
        let payload = age(Writer::new().tuple(3).integer(1).integer(NOW)).finish();
        Payload::decode(payload).map(|payload| payload.max_age)
    };
    let millis = |ms| Some(MaxAge::For(Duration::from_millis(ms)));
    assert_eq!(own(|age| age.integer(60)), Some(MaxAge::seconds(60)));
    assert_eq!(own(|age| age.integer(-1)), Some(MaxAge::seconds(0)));
    assert_eq!(own(|age| age.float(0.1)), millis(100));
    assert_eq!(own(|age| age.float(1.0019)), millis(1001));
    assert_eq!(own(|age| age.float(-0.1)), Some(MaxAge::seconds(0)));
    assert_eq!(own(|age| age.float(0.0001)), Some(MaxAge::For(Duration::from_nanos(1))));
    assert_eq!(own(|age| age.float(1e300)), millis(u64::MAX));
    assert_eq!(own(|age| age.atom("infinity")), Some(MaxAge::Infinite));
    assert_eq!(own(|age| age.atom("nil")), None);
    assert_eq!(own(|age| age.binary(b"60")), None);
    assert_eq!(own(|age| age.term(&[110, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])), Some(MaxAge::Infinite));
    assert_eq!(own(|age| age.term(&[110, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1])), Some(MaxAge::seconds(0)));
}

#[test]
fn the_older_shapes_are_good_for_a_day() {
    let two = Writer::new().tuple(2).integer(7).integer(NOW).finish();
    let pairs = |pairs: u8| Writer::new().term(&[116, 0, 0, 0, pairs]);
    let map = pairs(2).atom("data").integer(7).atom("signed").integer(NOW).finish();
    let larger =
        pairs(3).atom("signed").integer(NOW).binary(b"x").tuple(1).integer(1).atom("data").integer(7);
    for payload in [two, map, larger.finish()] {
        let payload = Payload::decode(payload).expect("a payload");
        assert!(payload.data == Data::Integer(7));
        assert_eq!((payload.signed_at_ms, payload.max_age), (NOW, MaxAge::DEFAULT));
    }
}

#[test]
fn any_other_term_is_no_payload() {
    let cases = [
        Writer::new().integer(1),
        Writer::new().tuple(1).integer(1),
        Writer::new().tuple(4).integer(1).integer(NOW).integer(60).integer(60),
        Writer::new().tuple(2).integer(1).float(1.5),
        Writer::new().tuple(2).integer(1).term(&[110, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        Writer::new().tuple(2).integer(1).integer(NOW).integer(1),
        Writer::new().term(&[116, 0, 0, 0, 1]).atom("data").integer(1),
        Writer::new().term(&[116, 0, 0, 0, 1]).atom("signed").integer(NOW),
        Writer::new().term(&[116, 0, 0, 0, 2]).binary(b"data").integer(1).atom("signed").integer(NOW),
        // The data is fun Mod:name/1.
        Writer::new().tuple(2).term(&[113]).atom("m").atom("f").integer(1).integer(NOW),
    ];
    for (nth, case) in cases.into_iter().enumerate() {
        assert!(Payload::decode(case.finish()).is_none(), "case {nth}");
    }
}

#[test]
fn a_compressed_payload_is_read() {
    // {<<"presence", 24 times more>>, 1700000000000, 86400}, deflated by zlib itself.
    let compressed =
        b"\x83\x50\x00\x00\x00\xdd\x78\x9c\xcb\x60\xce\x65\x60\x60\x38\x51\x50\x94\x5a\x9c\x9a\x97\x9c\x3a\
        \xd4\xe9\x3c\x36\x06\x86\x8c\xa7\xe7\xbb\x19\x93\x18\x18\x03\x1b\x00\xcd\x2d\x59\x3e";
    let payload = Payload::decode(compressed.to_vec()).expect("a payload");
    assert_eq!(payload.data.as_str(), Some("presence".repeat(25).as_str()));
    assert_eq!((payload.signed_at_ms, payload.max_age), (NOW, MaxAge::DEFAULT));
}

proptest! {
    #[test]
    fn no_payload_and_no_clock_panics(
        mut bytes in Just(encode(&Data::text("4f3d0e5e"), NOW, MaxAge::Infinite)),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        max_age in prop::option::of(any::<u64>().prop_map(MaxAge::seconds)),
        now_ms in any::<i64>(),
    ) {
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(payload) = Payload::decode(bytes) {
            drop(payload.into_data(max_age, now_ms));
        }
    }
}

/// Whether a token of this age is taken so many milliseconds after it was signed.
fn age(max_age: MaxAge, after_ms: i64) -> Result<(), TokenError> {
    let payload = Payload { data: Data::Integer(1), signed_at_ms: NOW, max_age };
    payload.into_data(None, NOW.saturating_add(after_ms)).map(drop)
}
