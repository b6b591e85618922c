//! What goes out, read back by a parser that knows nothing of it.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn read(frame: &Frame) -> Value {
    assert!(!frame.is_binary(), "JSON goes in a text frame");
    serde_json::from_slice(&frame.body()).expect("a text frame is JSON")
}

fn bytes(data: &'static [u8]) -> Payload {
    Payload::Binary(Bytes::from_static(data))
}

fn raw(text: &'static str) -> Payload {
    Payload::Json(Json::from_encoded(Bytes::from_static(text.as_bytes())))
}

#[test]
fn a_v2_push_names_the_join_and_has_no_ref() {
    let payload = json!({"m": 1}).into();
    let frame = encode_message(Vsn::V2, &"12".into(), &Field::Null, &"t".into(), "e", &payload);
    assert_eq!(read(&frame.expect("an object")), json!(["12", null, "t", "e", {"m": 1}]));
}

#[test]
fn a_close_carries_its_join_ref_twice_in_v2_and_as_the_ref_in_v1() {
    let close = |vsn, join_ref: &Field| {
        read(
            &encode_message(vsn, join_ref, join_ref, &"t".into(), "phx_close", &Payload::empty())
                .expect("an object"),
        )
    };
    assert_eq!(close(Vsn::V2, &"1".into()), json!(["1", "1", "t", "phx_close", {}]));
    assert_eq!(close(Vsn::V2, &Field::Null), json!([null, null, "t", "phx_close", {}]));
    assert_eq!(
        close(Vsn::V1, &"1".into()),
        json!({"topic": "t", "event": "phx_close", "payload": {}, "ref": "1"})
    );
}

#[test]
fn a_v1_message_never_shows_its_join_ref() {
    let push = encode_message(Vsn::V1, &"1".into(), &Field::Null, &"t".into(), "e", &Payload::empty());
    assert_eq!(read(&push.expect("JSON")), json!({"topic": "t", "event": "e", "payload": {}, "ref": null}));
    let reply = encode_reply(Vsn::V1, &"1".into(), &"2".into(), &"t".into(), "ok", &Payload::empty());
    let payload = json!({"status": "ok", "response": {}});
    let expected = json!({"topic": "t", "event": "phx_reply", "payload": payload, "ref": "2"});
    assert_eq!(read(&reply.expect("JSON")), expected);
}

#[test]
fn a_broadcast_names_neither_join_nor_ref() {
    let payload = json!({"m": 1}).into();
    let v2 = encode_broadcast(Vsn::V2, "t", "e", &payload).expect("an object");
    assert_eq!(read(&v2), json!([null, null, "t", "e", {"m": 1}]));
    let v1 = encode_broadcast(Vsn::V1, "t", "e", &payload).expect("JSON");
    assert_eq!(read(&v1), json!({"topic": "t", "event": "e", "payload": {"m": 1}, "ref": null}));
}

#[test]
fn a_reply_echoes_refs_and_topic_with_their_json_type() {
    let (join_ref, reference, topic) = (Field::Json("1".into()), Field::Null, Field::Json("[2]".into()));
    let frame = encode_reply(Vsn::V2, &join_ref, &reference, &topic, "ok", &Payload::empty()).expect("JSON");
    assert_eq!(read(&frame), json!([1, null, [2], "phx_reply", {"status": "ok", "response": {}}]));
}

#[test]
fn a_response_may_be_any_json() {
    for response in [json!([1]), json!("text"), json!(null), json!(1.5)] {
        for vsn in Vsn::ALL {
            let payload = Payload::from(response.clone());
            let frame = encode_reply(vsn, &Field::Null, &"1".into(), &"t".into(), "error", &payload);
            let frame = read(&frame.expect("any JSON"));
            let payload = if vsn == Vsn::V1 { &frame["payload"] } else { &frame[4] };
            assert_eq!(payload, &json!({"status": "error", "response": response}));
        }
    }
}

#[test]
fn v2_pushes_and_broadcasts_only_objects_and_v1_any_json() {
    for payload in [raw("[]"), raw("\"{}\""), raw("null")] {
        let push = |vsn| encode_message(vsn, &Field::Null, &Field::Null, &"t".into(), "e", &payload);
        assert_eq!(push(Vsn::V2), Err(EncodeError::NotAnObject));
        assert_eq!(encode_broadcast(Vsn::V2, "t", "e", &payload), Err(EncodeError::NotAnObject));
        assert!(push(Vsn::V1).is_ok());
        assert!(encode_broadcast(Vsn::V1, "t", "e", &payload).is_ok());
    }
}

#[test]
fn a_payload_goes_out_as_it_is_written() {
    let payload = raw(r#"{ "a":1.0,"a" :1e400 }"#);
    let frame = encode_broadcast(Vsn::V2, "t", "e", &payload).expect("an object");
    assert_eq!(&frame.body()[..], br#"[null,null,"t","e",{ "a":1.0,"a" :1e400 }]"#);
}

#[test]
fn the_binary_vectors_of_phoenix_come_out() {
    let (join_ref, reference, topic) = (Field::from("12"), Field::from("123"), Field::from("topic"));
    let data = bytes(b"efg");
    let push =
        encode_message(Vsn::V2, &join_ref, &Field::Null, &topic, "event", &data).expect("short fields");
    assert_eq!(&push.body()[..], b"\x00\x02\x05\x0512topiceventefg");
    let reply = encode_reply(Vsn::V2, &join_ref, &reference, &topic, "ok", &data).expect("short fields");
    assert_eq!(&reply.body()[..], b"\x01\x02\x03\x05\x0212123topicokefg");
    let broadcast = encode_broadcast(Vsn::V2, "topic", "event", &data).expect("short fields");
    assert_eq!(&broadcast.body()[..], b"\x02\x05\x05topiceventefg");
    assert!([push, reply, broadcast].iter().all(Frame::is_binary));
}

#[test]
fn in_binary_a_null_is_empty_a_number_is_printed_and_sizes_count_bytes() {
    let (join_ref, reference) = (Field::Null, Field::Json("12".into()));
    let frame = encode_reply(Vsn::V2, &join_ref, &reference, &"é".into(), "ok", &bytes(b"!"));
    assert_eq!(&frame.expect("short fields").body()[..], b"\x01\x00\x02\x02\x0212\xC3\xA9ok!");
}

#[test]
fn a_binary_field_of_256_bytes_is_refused_by_name() {
    let (fits, over) = ("é".repeat(127) + "e", "é".repeat(128));
    let data = bytes(b"");
    let refused = |field| Err(EncodeError::FieldTooLong { field, len: 256 });
    let short = Field::from("s");
    let (fits_field, over_field) = (Field::from(fits.as_str()), Field::from(over.as_str()));

    let push = |join_ref, topic, event| encode_message(Vsn::V2, join_ref, &Field::Null, topic, event, &data);
    assert!(push(&fits_field, &fits_field, &fits).is_ok());
    assert_eq!(push(&over_field, &short, "e"), refused("join_ref"));
    assert_eq!(push(&short, &over_field, "e"), refused("topic"));
    assert_eq!(push(&short, &short, &over), refused("event"));

    let reply = |reference, status| encode_reply(Vsn::V2, &short, reference, &short, status, &data);
    assert!(reply(&fits_field, &fits).is_ok());
    assert_eq!(reply(&over_field, "ok"), refused("ref"));
    assert_eq!(reply(&short, &over), refused("status"));

    assert_eq!(encode_broadcast(Vsn::V2, &over, "e", &data), refused("topic"));
    assert!(encode_broadcast(Vsn::V2, &over, "e", &Payload::empty()).is_ok(), "text has no such limit");
}

#[test]
fn v1_has_no_binary_form() {
    let (null, topic, data) = (Field::Null, Field::from("t"), bytes(b"efg"));
    let refused = Err(EncodeError::BinaryOnV1);
    assert_eq!(encode_message(Vsn::V1, &null, &null, &topic, "e", &data), refused);
    assert_eq!(encode_broadcast(Vsn::V1, "t", "e", &data), refused);
    assert_eq!(encode_reply(Vsn::V1, &null, &null, &topic, "ok", &data), refused);
}

#[test]
fn every_string_is_escaped() {
    let odd = "\"\\\n\u{0}é😀";
    let odd_field = Field::from(odd);
    for vsn in Vsn::ALL {
        let reply =
            encode_reply(vsn, &odd_field, &odd_field, &odd_field, odd, &Payload::empty()).expect("JSON");
        let payload = json!({"status": odd, "response": {}});
        let expected = match vsn {
            Vsn::V1 => json!({"topic": odd, "event": "phx_reply", "payload": payload, "ref": odd}),
            Vsn::V2 => json!([odd, odd, odd, "phx_reply", payload]),
        };
        assert_eq!(read(&reply), expected);
        let broadcast = read(&encode_broadcast(vsn, odd, odd, &Payload::empty()).expect("an object"));
        let expected = match vsn {
            Vsn::V1 => json!({"topic": odd, "event": odd, "payload": {}, "ref": null}),
            Vsn::V2 => json!([null, null, odd, odd, {}]),
        };
        assert_eq!(broadcast, expected);
    }
}

proptest! {
    #[test]
    fn a_message_is_read_back_as_it_was_written(
        join_ref in prop::option::of(".{0,12}"), topic in ".{0,40}", event in ".{0,40}", key in ".{0,400}",
    ) {
        let (join_ref_field, topic_field) =
            (join_ref.as_deref().map_or(Field::Null, Field::from), Field::from(topic.as_str()));
        let payload = json!({key: [1, null]});
        let encode = |vsn| {
            let content = Payload::from(payload.clone());
            let frame = encode_message(vsn, &join_ref_field, &join_ref_field, &topic_field, &event, &content);
            read(&frame.expect("an object"))
        };
        prop_assert_eq!(encode(Vsn::V2), json!([join_ref, join_ref, topic, event, payload]));
        prop_assert_eq!(
            encode(Vsn::V1),
            json!({"topic": topic, "event": event, "payload": payload, "ref": join_ref})
        );
    }
}

#[test]
fn a_payload_that_many_are_sent_makes_the_same_messages_and_is_copied_for_nobody_where_it_is_long() {
    let (join_ref, topic) = (Field::from("1"), Field::from("t"));
    for (len, pieces) in [(10, 1), (WORTH_SHARING, 2)] {
        let payload = Payload::from(json!({"x": "y".repeat(len)}));
        let shared = SharedPayload::new(payload.clone());
        for vsn in [Vsn::V1, Vsn::V2] {
            let frame = shared.encode_message(vsn, &join_ref, &Field::Null, &topic, "e").expect("an object");
            let whole =
                encode_message(vsn, &join_ref, &Field::Null, &topic, "e", &payload).expect("an object");
            assert_eq!(frame.websocket(), whole.websocket());
            assert_eq!(frame.pieces().count(), if vsn == Vsn::V2 { pieces } else { 1 });
        }
    }
    let list = SharedPayload::new(Payload::from(json!(["y".repeat(WORTH_SHARING)])));
    let refused = list.encode_message(Vsn::V2, &join_ref, &Field::Null, &topic, "e");
    assert_eq!(refused, Err(EncodeError::NotAnObject));
}
