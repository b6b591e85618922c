//! What a message asks for, given what is joined: the rules of one connection.

use bytes::Bytes;
use divan::Bencher;
use presenced::session::{ChannelId, Departed, Session, Step};
use presenced::wire::{Message, Vsn, decode_text};
use serde_json::{Value, json};

#[divan::bench]
fn heartbeat(bencher: Bencher) {
    let mut session = joined(1);
    let message = message(json!([null, "17", "phoenix", "heartbeat", {}]));
    bencher.with_inputs(|| message.clone()).bench_local_values(|message| session.receive(message, serves));
}

/// A message for one of the channels that are joined.
#[divan::bench(args = [1, 100])]
fn deliver(bencher: Bencher, channels: usize) {
    let mut session = joined(channels);
    let message = message(json!(["1", "9", topic(channels / 2), "cursor", {"x": 1, "y": 2}]));
    assert!(matches!(session.receive(message.clone(), serves), Step::Deliver(_)));
    bencher.with_inputs(|| message.clone()).bench_local_values(|message| session.receive(message, serves));
}

/// A join and a leave of one more channel, beside those that are joined.
#[divan::bench(args = [0, 99])]
fn join_and_leave(bencher: Bencher, others: usize) {
    let mut session = joined(others);
    let topic = topic(others);
    let (join, leave) = (
        message(json!(["1", "1", topic, "phx_join", {}])),
        message(json!(["1", "2", topic, "phx_leave", {}])),
    );
    let messages = || (join.clone(), leave.clone());
    bencher.with_inputs(messages).bench_local_values(|(join, leave)| come_and_go(&mut session, join, leave));
}

fn come_and_go(session: &mut Session, join: Message, leave: Message) -> Option<Departed> {
    let Step::Join(join) = session.receive(join, serves) else { panic!("the topic is served") };
    let topic = join.topic.clone();
    session.joined(join.topic, join.join_ref, ChannelId(7));
    let Step::Leave { channel, .. } = session.receive(leave, serves) else { panic!("it is joined") };
    session.departed(&topic, channel)
}

/// A session that has this many topics joined.
fn joined(channels: usize) -> Session {
    let mut session = Session::new(channels + 1);
    for nth in 0..channels {
        session.joined(topic(nth).into(), "1".into(), ChannelId(1000 + nth as u64));
    }
    session
}

fn topic(nth: usize) -> String {
    format!("workflow:collaborate:6c1b7e8e-1f0a-4f5e-9d42-{nth:012}")
}

fn serves(topic: &str) -> bool {
    topic.starts_with("workflow:collaborate:")
}

fn message(message: Value) -> Message {
    decode_text(Vsn::V2, &Bytes::from(message.to_string())).expect("a message")
}
