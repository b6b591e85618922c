//! Whole tokens: those that a real Phoenix made, and our own.

use std::collections::BTreeMap;

use base64::Engine;
use bytes::Bytes;
use pbkdf2::pbkdf2_hmac;
use proptest::prelude::*;
use serde_json::Value;
use sha2::Sha512;

use super::*;

const NOW: i64 = 1_700_000_000_000;

#[test]
fn every_recorded_token_is_taken_or_refused_as_recorded() {
    let recorded = recorded();
    let secret = secret(text(&recorded["secret_key_base"]));
    let mut tried = BTreeMap::new();
    for case in cases(&recorded) {
        let keys = Keys::new(&secret, &[], text(&case["salt"]));
        let got = open(&keys, case);
        let expected = match text(&case["expect"]) {
            "ok" => Ok(data(&case["data"])),
            "expired" => Err(TokenError::Expired),
            "invalid" => Err(TokenError::Invalid),
            other => panic!("unknown expectation {other:?}"),
        };
        assert!(got == expected, "{}: got {got:?}", case["name"]);
        *tried.entry(text(&case["expect"])).or_default() += 1;
    }
    assert_eq!(tried, BTreeMap::from([("ok", 12), ("expired", 3), ("invalid", 8)]));
}

#[test]
fn every_changed_byte_makes_a_recorded_token_invalid() {
    let recorded = recorded();
    let keys = Keys::new(&secret(text(&recorded["secret_key_base"])), &[], "user socket");
    for case in cases(&recorded).iter().filter(|case| case["expect"] == "ok") {
        let good = text(&case["token"]);
        assert!(open(&keys, case).is_ok());
        for at in 0..good.len() {
            for byte in b"AQgwZ9-_.=\0".iter().filter(|&&byte| byte != good.as_bytes()[at]) {
                let mut changed = good.as_bytes().to_vec();
                changed[at] = *byte;
                let changed = String::from_utf8(changed).expect("ASCII");
                for got in [keys.verify(&*changed, None, NOW), keys.decrypt(&*changed, None, NOW)] {
                    assert_eq!(got.err(), Some(TokenError::Invalid), "{} changed at {at}", case["name"]);
                }
            }
        }
    }
}

#[test]
fn a_token_has_one_spelling() {
    let recorded = recorded();
    let keys = Keys::new(&secret(text(&recorded["secret_key_base"])), &[], "user socket");
    for case in cases(&recorded).iter().filter(|case| case["expect"] == "ok") {
        // The last character of a part has bits to spare, and they are zero.
        let unpadded = text(&case["token"]).trim_end_matches('=');
        let (good, last) = unpadded.split_at(unpadded.len() - 1);
        for other in URL_SAFE.as_str().chars().filter(|other| *other != char::from(last.as_bytes()[0])) {
            let changed = format!("{good}{other}");
            for got in [keys.verify(&*changed, None, NOW), keys.decrypt(&*changed, None, NOW)] {
                assert_eq!(got.err(), Some(TokenError::Invalid), "{} ending in {other}", case["name"]);
            }
        }
    }
}

#[test]
fn tokens_have_the_bytes_that_phoenix_gives_them() {
    let keys = Keys::new(&secret(&"abcdefgh".repeat(8)), &[], "user socket");
    // {user, 42}
    let tuple = Data::Term(Term(Bytes::from_static(b"\x68\x02\x64\x00\x04user\x61\x2a")));
    let cases = [
        (
            Data::Integer(1),
            0,
            MaxAge::DEFAULT,
            "SFMyNTY.g2gDYQFhAGIAAVGA.wutX-W5yDyQY9l_UdT-x3hDViykKl7v7e9rLU2UIOJ0",
        ),
        (
            Data::text("alice"),
            NOW,
            MaxAge::DEFAULT,
            "SFMyNTY.g2gDbQAAAAVhbGljZW4GAABo5c-LAWIAAVGA.DpQG-N6QWOZ9Ndt0e-YDiYyABWLjQ9vay4davbfkotA",
        ),
        (
            tuple,
            NOW,
            MaxAge::Infinite,
            "SFMyNTY.g2gDaAJkAAR1c2VyYSpuBgAAaOXPiwFkAAhpbmZpbml0eQ.\
             zpYVZiyZL9b-eMNkXgP9EoiTySvy5mbZ9tV76OnFnUY",
        ),
        (
            Data::Integer(99),
            1500,
            MaxAge::DEFAULT,
            "SFMyNTY.g2gDYWNiAAAF3GIAAVGA.Gj5wqqC_lEsxYLoSSzy86zkhh_nwTCBNZx39hbVZaFM",
        ),
    ];
    for (data, signed_at_ms, max_age, token) in cases {
        assert_eq!(keys.sign(&data, signed_at_ms, max_age), token);
        assert!(keys.verify(token, None, signed_at_ms) == Ok(data), "{token}");
    }

    let keys = Keys::new(&secret(&"abcdefgh".repeat(8)), &[], "user secret");
    let token = "XCP.ZqAFovNkNywWvrFrtS0sN8-s5OLlovKcHQu4z4nTdd-A52j0iyJx1tFitCW9pHv7uzJ1YeB0ZVXvxNI";
    assert!(keys.decrypt(token, None, NOW) == Ok(Data::Integer(1)));
    let nonce = nonce_of(token);
    assert_eq!(keys.encrypt(&Data::Integer(1), NOW, MaxAge::DEFAULT, nonce), token);
}

#[test]
fn the_hash_that_derived_the_key_does_not_change_the_mac() {
    let mut key = [0; 32];
    pbkdf2_hmac::<Sha512>("abcdefgh".repeat(8).as_bytes(), b"user socket", 1000, &mut key);
    assert_eq!(
        signed::seal(&payload::encode(&Data::Integer(1), 0, MaxAge::DEFAULT), &DerivedKey::from_bytes(key)),
        "SFMyNTY.g2gDYQFhAGIAAVGA.IyuxZ6_iGOGJboEWCRoE8bAfE42N350YCMfkmIVSp20"
    );
}

#[test]
fn a_token_of_the_other_kind_is_invalid() {
    let keys = keys("current");
    let signed = keys.sign(&Data::Integer(1), NOW, MaxAge::DEFAULT);
    let encrypted = keys.encrypt(&Data::Integer(1), NOW, MaxAge::DEFAULT, [7; 24]);
    assert!(keys.verify(&*signed, None, NOW).is_ok() && keys.decrypt(&*encrypted, None, NOW).is_ok());
    assert_eq!(keys.decrypt(&*signed, None, NOW), Err(TokenError::Invalid));
    assert_eq!(keys.verify(&*encrypted, None, NOW), Err(TokenError::Invalid));
}

#[test]
fn no_token_is_missing_and_an_empty_one_is_invalid() {
    let keys = keys("current");
    assert_eq!(keys.verify(None, None, NOW), Err(TokenError::Missing));
    assert_eq!(keys.decrypt(None, None, NOW), Err(TokenError::Missing));
    assert_eq!(keys.verify("", None, NOW), Err(TokenError::Invalid));
    assert_eq!(keys.decrypt("", None, NOW), Err(TokenError::Invalid));
}

#[test]
fn an_earlier_secret_still_opens_and_the_current_one_makes() {
    let (older, newer) = (keys("older"), keys("newer"));
    let rotated = Keys::new(&long_secret("newer"), &[long_secret("oldest"), long_secret("older")], SALT);
    let data = Data::text("4f3d0e5e");

    assert!(rotated.verify(&*older.sign(&data, NOW, MaxAge::DEFAULT), None, NOW) == Ok(data.clone()));
    let encrypted = older.encrypt(&data, NOW, MaxAge::DEFAULT, [7; 24]);
    assert!(rotated.decrypt(&*encrypted, None, NOW) == Ok(data.clone()));

    let signed = rotated.sign(&data, NOW, MaxAge::DEFAULT);
    assert_eq!(signed, newer.sign(&data, NOW, MaxAge::DEFAULT));
    assert_eq!(older.verify(&*signed, None, NOW), Err(TokenError::Invalid));
    let encrypted = rotated.encrypt(&data, NOW, MaxAge::DEFAULT, [7; 24]);
    assert_eq!(encrypted, newer.encrypt(&data, NOW, MaxAge::DEFAULT, [7; 24]));
}

#[test]
fn an_expired_token_of_an_earlier_secret_is_expired() {
    let token = keys("older").sign(&Data::Integer(1), NOW, MaxAge::seconds(1));
    let rotated = Keys::new(&long_secret("newer"), &[long_secret("older")], SALT);
    assert_eq!(rotated.verify(&*token, None, NOW + 1001), Err(TokenError::Expired));
}

#[test]
fn a_token_is_dated_at_most_a_minute_ahead() {
    let keys = keys("current");
    let token = keys.sign(&Data::Integer(1), NOW, MaxAge::DEFAULT);
    assert!(keys.verify(&*token, None, NOW - 60_000).is_ok());
    assert_eq!(keys.verify(&*token, None, NOW - 60_001), Err(TokenError::Invalid));
}

#[test]
fn a_token_of_more_than_four_kibibytes_is_invalid_however_genuine() {
    let keys = keys("current");
    let largest = keys.sign(&Data::Binary(vec![0; 3011].into()), NOW, MaxAge::DEFAULT);
    assert_eq!(largest.len(), 4096);
    assert!(keys.verify(&*largest, None, NOW).is_ok());

    // Padding makes a token longer and changes nothing else.
    let too_large = largest + "=";
    assert!(signed::open(&too_large, &keys.current).is_some());
    assert_eq!(keys.verify(&*too_large, None, NOW), Err(TokenError::Invalid));
}

#[test]
fn genuine_bytes_that_are_no_payload_are_invalid() {
    let keys = keys("current");
    for bytes in
        [&b""[..], b"hello", b"\x83", b"\x83\x68\x02\x61\x01\x70", b"\x83\x50\x00\x00\x00\x02\x78\x9c"]
    {
        let signed = signed::seal(bytes, &keys.current);
        assert_eq!(keys.verify(&*signed, None, NOW), Err(TokenError::Invalid), "{bytes:?}");
        let encrypted = encrypted::seal(bytes.to_vec(), &keys.current, [7; 24]);
        assert_eq!(keys.decrypt(&*encrypted, None, NOW), Err(TokenError::Invalid), "{bytes:?}");
    }
}

#[test]
fn keys_do_not_print() {
    assert_eq!(format!("{:?}", keys("current")), "Keys { .. }");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_made_is_opened(bytes: Vec<u8>, number: i64, seconds in 1u64.., nonce: [u8; 24]) {
        let keys = Keys { current: DerivedKey::from_bytes([7; 32]), earlier: Box::default() };
        for data in [Data::Binary(bytes.into()), Data::Integer(number)] {
            let max_age = MaxAge::seconds(seconds);
            let signed = keys.sign(&data, NOW, max_age);
            prop_assert!(keys.verify(&*signed, None, NOW) == Ok(data.clone()));
            let encrypted = keys.encrypt(&data, NOW, max_age, nonce);
            prop_assert!(keys.decrypt(&*encrypted, None, NOW) == Ok(data));
        }
    }

    #[test]
    fn no_text_panics(
        header in "SFMyNTY\\.|SFM1MTI\\.|XCP\\.|QTEyOEdDTQ\\.|",
        rest in "[A-Za-z0-9_.=-]{0,120}|\\PC{0,40}",
    ) {
        let keys = Keys { current: DerivedKey::from_bytes([7; 32]), earlier: Box::default() };
        let token = header + &rest;
        prop_assert_eq!(keys.verify(&*token, None, NOW), Err(TokenError::Invalid));
        prop_assert_eq!(keys.decrypt(&*token, None, NOW), Err(TokenError::Invalid));
    }
}

const SALT: &str = "user socket";

fn recorded() -> Value {
    let file = include_str!("../../../js-client-fixtures/lightning/tokens.json");
    serde_json::from_str(file).expect("the recording is JSON")
}

fn cases(recorded: &Value) -> &[Value] {
    recorded["tokens"].as_array().expect("a list of tokens")
}

fn open(keys: &Keys, case: &Value) -> Result<Data, TokenError> {
    let max_age = case["max_age_s"].as_u64().map(MaxAge::seconds);
    let now_ms = case["now_ms"].as_i64().expect("a time");
    match text(&case["kind"]) {
        "signed" => keys.verify(text(&case["token"]), max_age, now_ms),
        "encrypted" => keys.decrypt(text(&case["token"]), max_age, now_ms),
        other => panic!("unknown kind {other:?}"),
    }
}

fn data(recorded: &Value) -> Data {
    let (kind, value) = recorded.as_object().and_then(|data| data.iter().next()).expect("data of one kind");
    match kind.as_str() {
        "text" => Data::text(text(value)),
        "integer" => Data::Integer(value.as_i64().expect("an integer")),
        "hex" => Data::Binary(
            text(value)
                .as_bytes()
                .chunks(2)
                .map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()))
                .collect::<Option<_>>()
                .expect("pairs of hexadecimal digits"),
        ),
        other => panic!("unknown kind of data {other:?}"),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn secret(text: &str) -> SecretKeyBase {
    SecretKeyBase::new(text).expect("long enough")
}

fn long_secret(name: &str) -> SecretKeyBase {
    secret(&format!("a secret key base that is called {name}"))
}

fn keys(name: &str) -> Keys {
    Keys::new(&long_secret(name), &[], SALT)
}

/// The nonce at the head of an encrypted token: its first 32 characters of base64.
fn nonce_of(token: &str) -> [u8; 24] {
    let head = &token["XCP.".len()..][..32];
    BASE64.decode(head).ok().and_then(|nonce| nonce.try_into().ok()).expect("24 bytes")
}
