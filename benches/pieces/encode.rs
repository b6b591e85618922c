//! From what is to be said to the frame that says it.

use divan::Bencher;
use divan::counter::BytesCount;
use presenced::wire::{
    EncodeError, Field, Frame, Json, Payload, Vsn, encode_broadcast, encode_message, encode_reply,
};
use serde_json::json;

use super::people::People;

#[divan::bench(args = [Vsn::V1, Vsn::V2])]
fn reply(bencher: Bencher, vsn: Vsn) {
    let (join_ref, reference, topic) = (Field::from("3"), Field::from("9"), Field::from(TOPIC));
    let response = Payload::empty();
    measure(bencher, || encode_reply(vsn, &join_ref, &reference, &topic, "ok", &response));
}

#[divan::bench(args = [Vsn::V1, Vsn::V2])]
fn broadcast_of_1_kb(bencher: Bencher, vsn: Vsn) {
    let payload = Payload::from(json!({"text": "x".repeat(1024)}));
    measure(bencher, || encode_broadcast(vsn, TOPIC, "shout", &payload));
}

#[divan::bench]
fn binary_broadcast_of_1_kb(bencher: Bencher) {
    let payload = Payload::Binary(vec![7; 1024].into());
    measure(bencher, || encode_broadcast(Vsn::V2, TOPIC, "shout", &payload));
}

/// Everyone on a topic as JSON: once for each list that anybody asks for.
#[divan::bench(args = [1, 100, 1000])]
fn list(bencher: Bencher, entries: usize) {
    let people = People::on_a_topic(entries);
    let list = people.tracker.snapshot(&people.topic);
    bencher.counter(BytesCount::new(list.encode().len())).bench(|| divan::black_box(&list).encode());
}

/// That JSON in a frame: once for each who is sent it, whose join_ref stands before it.
#[divan::bench(args = [1, 100, 1000])]
fn presence_state(bencher: Bencher, entries: usize) {
    let people = People::on_a_topic(entries);
    let list = Payload::Json(Json::from_encoded(people.tracker.snapshot(&people.topic).encode()));
    let (join_ref, topic) = (Field::from("3"), Field::from(TOPIC));
    measure(bencher, || encode_message(Vsn::V2, &join_ref, &Field::Null, &topic, "presence_state", &list));
}

fn measure(bencher: Bencher, encode: impl Fn() -> Result<Frame, EncodeError> + Sync) {
    let frame = encode().expect("it can be encoded");
    bencher.counter(BytesCount::new(frame.len())).bench(encode);
}

const TOPIC: &str = "workflow:collaborate:6c1b7e8e-1f0a-4f5e-9d42-0a6f6f6b6c1b";
