//! Changes gathered into what clients are told of them.

use std::time::Instant;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use presenced::presence::{Change, Diff, Pending};

use super::people::People;

/// A storm of joins, told in one diff.
#[divan::bench(args = [1, 100, 1000])]
fn absorb_and_take(bencher: Bencher, joins: usize) {
    let (_, changes) = People::coming(joins);
    bencher.counter(ItemsCount::new(joins)).with_inputs(|| changes.clone()).bench_values(gathered);
}

/// People who came and went within one window, of whom nothing is told.
#[divan::bench(args = [1, 100, 1000])]
fn absorb_what_cancels(bencher: Bencher, people: usize) {
    let (_, mut changes) = People::coming(people);
    let leaves = changes.clone().into_iter().map(|change| Change { joins: vec![], leaves: change.joins });
    changes.extend(leaves);
    assert!(gathered(changes.clone()).is_none());
    bencher.counter(ItemsCount::new(changes.len())).with_inputs(|| changes.clone()).bench_values(gathered);
}

#[divan::bench(args = [1, 100, 1000])]
fn encode(bencher: Bencher, joins: usize) {
    let diff = gathered(People::coming(joins).1).expect("people came");
    bencher.counter(BytesCount::new(diff.encode().len())).bench(|| divan::black_box(&diff).encode());
}

fn gathered(changes: Vec<Change>) -> Option<Diff> {
    let (mut pending, now) = (Pending::default(), Instant::now());
    changes.into_iter().for_each(|change| pending.absorb(change, now));
    pending.take().diff
}
