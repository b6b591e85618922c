//! The rules as tables: what was joined, what comes, what follows.

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::pages::Departure;
use crate::wire::websocket::Violation;
use crate::wire::{Vsn, decode_text};

const JOINED: ChannelId = ChannelId(7);

/// A session that has `room:a` joined with this join_ref.
fn joined_with(join_ref: Value) -> Session {
    let mut session = Session::new(100);
    let Step::Join(join) = receive(&mut session, json!([join_ref, "1", "room:a", "phx_join", {}])) else {
        panic!("room:a is served")
    };
    session.joined(join.topic, join.join_ref, JOINED);
    session
}

fn receive(session: &mut Session, message: Value) -> Step {
    let text = Bytes::from(message.to_string());
    let message = decode_text(Vsn::V2, &text).expect("the tables hold messages");
    session.receive(message, |topic| topic.starts_with("room:"))
}

/// The step in the words of the tables below.
fn told(step: Step) -> Value {
    match step {
        Step::Answer(answer) => {
            let frame = answer.encode(Vsn::V2).expect("answers are short");
            serde_json::from_slice(&frame.body()).expect("frames are JSON")
        }
        Step::Join(join) => json!(["join", join.topic, join.replaces.map(|old| old.channel.0)]),
        Step::Deliver(to) => json!(["deliver", to.channel.0, to.event.text()]),
        Step::Leave { channel, .. } => json!(["leave", channel.0]),
        Step::Stale => json!("stale"),
    }
}

fn reply(join_ref: Value, reference: Value, topic: Value, status: &str, response: Value) -> Value {
    json!([join_ref, reference, topic, "phx_reply", {"status": status, "response": response}])
}

fn unmatched(reference: Value, topic: Value) -> Value {
    reply(Value::Null, reference, topic, "error", json!({"reason": "unmatched topic"}))
}

#[test]
fn the_first_rule_that_applies_decides() {
    let null = Value::Null;
    let table = [
        (
            "a heartbeat is answered with a null join_ref",
            json!(["4", "5", "phoenix", "heartbeat", {}]),
            reply(null.clone(), json!("5"), json!("phoenix"), "ok", json!({})),
        ),
        (
            "another event on phoenix is unmatched",
            json!([null, "5", "phoenix", "beat", {}]),
            unmatched(json!("5"), json!("phoenix")),
        ),
        (
            "a topic nobody serves is unmatched",
            json!(["6", "6", "hall:x", "phx_join", {}]),
            unmatched(json!("6"), json!("hall:x")),
        ),
        (
            "a topic nobody serves may be left",
            json!(["6", "7", "hall:x", "phx_leave", {}]),
            reply(json!("6"), json!("7"), json!("hall:x"), "ok", json!({})),
        ),
        (
            "an event before the join is unmatched",
            json!(["6", "7", "room:b", "echo", {}]),
            unmatched(json!("7"), json!("room:b")),
        ),
        (
            "a new topic is joined",
            json!(["6", "6", "room:b", "phx_join", {}]),
            json!(["join", "room:b", null]),
        ),
        (
            "an event of the present join is delivered",
            json!(["1", "2", "room:a", "echo", {}]),
            json!(["deliver", 7, "echo"]),
        ),
        (
            "an event without a join_ref is delivered",
            json!([null, "2", "room:a", "echo", {}]),
            json!(["deliver", 7, "echo"]),
        ),
        ("an event of an earlier join is stale", json!(["0", "2", "room:a", "echo", {}]), json!("stale")),
        ("a number is not the text of its digits", json!([1, "2", "room:a", "echo", {}]), json!("stale")),
        ("an empty join_ref is not a null one", json!(["", "2", "room:a", "echo", {}]), json!("stale")),
        (
            "a leave of the present join is taken",
            json!(["1", "2", "room:a", "phx_leave", {}]),
            json!(["leave", 7]),
        ),
        (
            "a leave without a join_ref is taken",
            json!([null, "2", "room:a", "phx_leave", {}]),
            json!(["leave", 7]),
        ),
        ("a leave of an earlier join is stale", json!(["0", "2", "room:a", "phx_leave", {}]), json!("stale")),
        (
            "an event that is no text reaches the channel",
            json!(["1", "2", "room:a", 5, {}]),
            json!(["deliver", 7, null]),
        ),
        (
            "a topic that is no text is unmatched",
            json!(["1", 2, 5, "echo", {}]),
            unmatched(json!(2), json!(5)),
        ),
        (
            "a reserved name is an ordinary event",
            json!(["1", "2", "room:a", "phx_reply", {}]),
            json!(["deliver", 7, "phx_reply"]),
        ),
    ];
    for (rule, message, expected) in table {
        assert_eq!(told(receive(&mut joined_with(json!("1")), message)), expected, "{rule}");
    }
}

#[test]
fn a_channel_joined_without_a_join_ref_takes_only_messages_without_one() {
    let mut session = joined_with(Value::Null);
    assert_eq!(
        told(receive(&mut session, json!([null, "2", "room:a", "echo", {}]))),
        json!(["deliver", 7, "echo"])
    );
    assert_eq!(told(receive(&mut session, json!(["1", "3", "room:a", "echo", {}]))), json!("stale"));
}

#[test]
fn a_duplicate_join_names_the_channel_it_replaces_and_forgets_it() {
    let mut session = joined_with(json!("1"));
    let Step::Join(join) = receive(&mut session, json!(["2", "2", "room:a", "phx_join", {}])) else {
        panic!("a duplicate join is a join")
    };
    let old = join.replaces.expect("room:a was joined");
    assert_eq!((old.channel, old.topic.as_str(), old.join_ref.text()), (JOINED, "room:a", Some("1")));
    assert_eq!(session.departed("room:a", JOINED), None);
}

#[test]
fn the_farewell_carries_the_join_ref_twice() {
    let mut session = joined_with(json!(3));
    let departed = session.departed("room:a", JOINED).expect("room:a was joined");
    let body =
        |frame: crate::wire::Frame| serde_json::from_slice::<Value>(&frame.body()).expect("frames are JSON");
    assert_eq!(body(departed.phx_close(Vsn::V2).unwrap()), json!([3, 3, "room:a", "phx_close", {}]));
    assert_eq!(
        body(departed.phx_error(Vsn::V2).unwrap()),
        json!([3, 3, "room:a", "phx_error", {"reason": "channel_crash"}])
    );
}

#[test]
fn only_so_many_channels_are_joined_and_a_duplicate_is_not_one_more() {
    let mut session = Session::new(1);
    session.joined("room:a".into(), "1".into(), JOINED);
    assert_eq!(
        told(receive(&mut session, json!(["2", "3", "room:b", "phx_join", {}]))),
        reply(
            json!("2"),
            json!("3"),
            json!("room:b"),
            "error",
            json!({"reason": "too many channels joined"})
        )
    );
    assert_eq!(
        told(receive(&mut session, json!(["2", "2", "room:a", "phx_join", {}]))),
        json!(["join", "room:a", 7])
    );
}

#[test]
fn a_topic_nobody_serves_is_unmatched_even_when_the_limit_is_reached() {
    let mut session = Session::new(0);
    let step = receive(&mut session, json!(["2", "3", "hall:b", "phx_join", {}]));
    assert_eq!(told(step), unmatched(json!("3"), json!("hall:b")));
}

#[test]
fn every_close_has_its_code_and_only_the_clients_own_wish_is_1000() {
    let table = [
        (CloseReason::ByClient(Some(1000)), Some(1000)),
        (CloseReason::ByClient(None), Some(1000)),
        (CloseReason::ByClient(Some(1005)), Some(1002)),
        (CloseReason::Lost, None),
        (CloseReason::Malformed, Some(1011)),
        (CloseReason::Violation(Violation::Protocol), Some(1002)),
        (CloseReason::Violation(Violation::NotUtf8), Some(1007)),
        (CloseReason::Violation(Violation::TooBig), Some(1009)),
        (CloseReason::Idle, Some(1002)),
        (CloseReason::Disconnected, Some(1001)),
        (CloseReason::Overflow, Some(1013)),
        (CloseReason::Shutdown, Some(1012)),
        (CloseReason::Inactive, None),
    ];
    for (reason, code) in table {
        assert_eq!(reason.code(), code, "{reason}");
    }
}

#[test]
fn whoever_is_lost_without_a_word_or_told_to_come_back_may_and_everybody_else_has_left() {
    for reason in [CloseReason::Lost, CloseReason::Overflow, CloseReason::Shutdown] {
        assert_eq!(reason.departure(), Departure::Disconnected, "{reason}");
    }
    let left = [
        CloseReason::ByClient(None),
        CloseReason::ByClient(Some(1000)),
        CloseReason::Malformed,
        CloseReason::Violation(Violation::TooBig),
        CloseReason::Idle,
        CloseReason::Unresponsive,
        CloseReason::Disconnected,
        CloseReason::Inactive,
    ];
    for reason in left {
        assert_eq!(reason.departure(), Departure::Left, "{reason}");
    }
}
