//! Changes of who is on a topic, and the list of all who are.
//!
//! Metas are taken in beforehand (`meta`). What a change let go of is freed outside the measured time.

use divan::Bencher;
use divan::counter::ItemsCount;
use presenced::presence::{Attributes, Change, OwnerId};

use super::people::{self, People};

/// One more comes and goes again.
#[divan::bench(args = [0, 1000])]
fn track_and_untrack(bencher: Bencher, others: usize) {
    let People { mut tracker, topic, mut refs } = People::on_a_topic(others);
    let (owner, key, meta) = (OwnerId(others as u64), people::user_id(others), people::meta(others));
    bencher.with_inputs(|| people::next_ref(&mut refs)).bench_local_values(|phx_ref| {
        let come = tracker
            .track(&topic, owner, key.clone(), &meta, Attributes::default(), phx_ref)
            .expect("it is not there");
        (come, tracker.untrack(&topic, owner, &key).expect("it is there"))
    });
}

#[divan::bench(args = [0, 1000])]
fn update(bencher: Bencher, others: usize) {
    let People { mut tracker, topic, mut refs } = People::on_a_topic(others + 1);
    let (owner, key, meta) = (OwnerId(others as u64), people::user_id(others), people::meta(others));
    bencher.with_inputs(|| people::next_ref(&mut refs)).bench_local_values(|phx_ref| -> Change {
        tracker.update(&topic, owner, &key, &meta, phx_ref).expect("it is there")
    });
}

/// The list that is published after every round of changes.
#[divan::bench(args = [1, 100, 1000])]
fn snapshot(bencher: Bencher, entries: usize) {
    let people = People::on_a_topic(entries);
    bencher.counter(ItemsCount::new(entries)).bench_local(|| people.tracker.snapshot(&people.topic));
}
