//! Whose a token is: once a connection. And the keys for it, which are made once a process.

use divan::Bencher;
use presenced::lightning::Login;
use presenced::lightning::token::{Data, Keys, MaxAge, SecretKeyBase};

#[divan::bench]
fn verify_signed(bencher: Bencher) {
    let keys = keys();
    let token = keys.sign(&Data::text(USER), NOW_MS, Login::MAX_AGE);
    bencher.bench(|| keys.verify(divan::black_box(token.as_str()), None, NOW_MS).expect("it is good"));
}

#[divan::bench]
fn decrypt_encrypted(bencher: Bencher) {
    let keys = keys();
    let token = keys.encrypt(&Data::text(USER), NOW_MS, Login::MAX_AGE, [7; 24]);
    bencher.bench(|| keys.decrypt(divan::black_box(token.as_str()), None, NOW_MS).expect("it is good"));
}

/// A token from before the secret was replaced, where either kind is taken: every key is tried for the one kind, then
/// for the other.
#[divan::bench]
fn open_signed_with_an_earlier_secret(bencher: Bencher) {
    let (current, earlier) = (secret("a"), secret("b"));
    let token = Keys::new(&earlier, &[], Login::SALT).sign(&Data::text(USER), NOW_MS, MaxAge::DEFAULT);
    let keys = Keys::new(&current, &[earlier], Login::SALT);
    bencher.bench(|| Login::open(&keys, divan::black_box(&token), NOW_MS).expect("it is good"));
}

#[divan::bench]
fn derive_keys() -> Keys {
    keys()
}

fn keys() -> Keys {
    Keys::new(&secret("a"), &[], Login::SALT)
}

fn secret(letter: &str) -> SecretKeyBase {
    SecretKeyBase::new(letter.repeat(64)).expect("long enough")
}

const USER: &str = "6c1b7e8e-1f0a-4f5e-9d42-0a6f6f6b6c1b";
/// Unix time in milliseconds.
const NOW_MS: i64 = 1_795_353_267_177;
