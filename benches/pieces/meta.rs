//! What a presence says of itself, taken in: once a track and once an update.

use divan::Bencher;
use divan::counter::BytesCount;
use presenced::presence::Meta;

use super::people::user_meta;

/// From a value of the application, as the canvas does.
#[divan::bench]
fn of_a_user(bencher: Bencher) {
    let user = user_meta(1);
    bencher.bench(|| Meta::of(divan::black_box(&user)));
}

/// The same from its text.
#[divan::bench]
fn parse_a_user(bencher: Bencher) {
    let text = serde_json::to_vec(&user_meta(1)).expect("it serialises");
    bencher.counter(BytesCount::new(text.len())).bench(|| Meta::parse(divan::black_box(&text)));
}
