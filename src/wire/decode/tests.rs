//! What is a message, and what is malformed.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn text(vsn: Vsn, text: &str) -> Result<Message, DecodeError> {
    decode_text(vsn, &Bytes::copy_from_slice(text.as_bytes()))
}

fn binary(bytes: &'static [u8]) -> Result<Message, DecodeError> {
    decode_binary(Vsn::V2, &Bytes::from_static(bytes))
}

fn json(text: &'static str) -> Payload {
    Payload::Json(Json::from_encoded(Bytes::from_static(text.as_bytes())))
}

#[test]
fn a_v2_array_is_a_message() {
    let message = text(Vsn::V2, r#"["12","123","topic","event",{"a":1}]"#).expect("well formed");
    let expected = Message {
        join_ref: "12".into(),
        reference: "123".into(),
        topic: "topic".into(),
        event: "event".into(),
        payload: json(r#"{"a":1}"#),
    };
    assert_eq!(message, expected);
}

#[test]
fn a_v1_object_is_a_message_with_or_without_a_join_ref() {
    let without =
        text(Vsn::V1, r#"{"topic":"t","event":"e","payload":"text","ref":null}"#).expect("well formed");
    let expected = Message {
        join_ref: Field::Null,
        reference: Field::Null,
        topic: "t".into(),
        event: "e".into(),
        payload: json(r#""text""#),
    };
    assert_eq!(without, expected);
    let with = text(Vsn::V1, r#"{"join_ref":"1","topic":"t","event":"e","payload":"text","ref":null}"#);
    assert_eq!(with, Ok(Message { join_ref: "1".into(), ..expected }));
}

#[test]
fn fields_keep_their_json_type() {
    let message = text(Vsn::V2, r#"[1, null , 2.50,{"a" :true},[]]"#).expect("types are not checked");
    assert_eq!(message.join_ref, Field::Json("1".into()));
    assert_eq!(message.reference, Field::Null);
    assert_eq!(message.topic, Field::Json("2.50".into()));
    assert_eq!(message.event, Field::Json(r#"{"a" :true}"#.into()));
}

#[test]
fn text_fields_lose_their_escapes() {
    let message =
        text(Vsn::V2, r#"["\u0031","null","r\u00f6om:\ud83d\ude00","\"\\",{}]"#).expect("well formed");
    assert_eq!(message.join_ref, "1".into());
    assert_eq!(message.reference, "null".into());
    assert_eq!(message.topic, "röom:😀".into());
    assert_eq!(message.event, "\"\\".into());
}

#[test]
fn a_payload_keeps_its_text_and_is_not_copied() {
    let payload = r#"{ "a":1e400, "a":12345678901234567890.10,"é":"\u00e9" }"#;
    for (vsn, frame) in [
        (Vsn::V2, format!(r#"[null,null,"t","e",  {payload} ]"#)),
        (Vsn::V1, format!(r#"{{"topic":"t","payload": {payload} ,"event":"e","ref":"1"}}"#)),
    ] {
        let frame = Bytes::from(frame);
        let message = decode_text(vsn, &frame).expect("well formed");
        let kept = message.payload.json().expect("a text frame's payload");
        assert_eq!(kept.as_str(), payload);
        assert!(frame.as_ptr_range().contains(&kept.as_bytes().as_ptr()));
    }
}

#[test]
fn elements_beyond_the_fifth_are_ignored() {
    let message = text(Vsn::V2, r#"["1","2","t","e",{},6,{"seven":[]}]"#).expect("extras are ignored");
    assert_eq!(message.payload, Payload::empty());
}

#[test]
fn unknown_v1_keys_are_ignored_and_known_ones_may_be_escaped() {
    let message = text(Vsn::V1, r#"{"x":{"topic":1},"\u0074opic":"t","event":"e","payload":{},"ref":"1"}"#);
    assert_eq!(message.expect("well formed").topic, "t".into());
}

#[test]
fn of_a_v1_key_that_comes_twice_the_last_value_counts() {
    let frame = r#"{"topic":"a","event":"e","payload":{},"ref":"1","topic":"b","payload":[],"join_ref":1,"join_ref":null}"#;
    let message = text(Vsn::V1, frame).expect("well formed");
    assert_eq!(message.topic, "b".into());
    assert_eq!(message.payload, json("[]"));
    assert!(message.join_ref.is_null());
}

#[test]
fn json_of_another_shape_is_malformed() {
    for frame in
        ["[]", "[1,2,3,4]", r#"{"topic":"t","event":"e","payload":{},"ref":"1"}"#, "1", "null", "\"[]\""]
    {
        assert_eq!(text(Vsn::V2, frame), Err(DecodeError::WrongShape), "{frame}");
    }
    for frame in [r#"["1","2","t","e",{}]"#, "{}", "1", "null", "\"{}\""] {
        assert_eq!(text(Vsn::V1, frame), Err(DecodeError::WrongShape), "{frame}");
    }
}

#[test]
fn each_of_the_four_v1_keys_is_needed() {
    let entries = [r#""topic":"t""#, r#""event":"e""#, r#""payload":{}"#, r#""ref":null"#];
    assert!(text(Vsn::V1, &format!("{{{}}}", entries.join(","))).is_ok());
    for missing in entries {
        let rest: Vec<_> = entries.into_iter().filter(|entry| *entry != missing).collect();
        let frame = format!("{{{}}}", rest.join(","));
        assert_eq!(text(Vsn::V1, &frame), Err(DecodeError::WrongShape), "{frame}");
    }
}

#[test]
fn text_that_is_not_json_is_malformed() {
    let frames = [
        "",
        " ",
        "[nope",
        "[null,null,\"t\",\"e\",{}",
        "[null,null,\"t\",\"e\",{}]x",
        "[null,null,\"t\",\"e\",{a:1}]",
        "[null,null,\"t\",\"e\",{\"a\":01}]",
        "[null,null,\"t\",\"e\",{\"a\":\"\n\"}]",
        "[null,null,\"t\",\"e\",{},]",
        "[null,null,\"t\",\"e\",{},nope]",
        r#"[null,null,"t","e",{"a":"\x"}]"#,
        "\u{feff}[null,null,\"t\",\"e\",{}]",
    ];
    for frame in frames {
        assert_eq!(text(Vsn::V2, frame), Err(DecodeError::NotJson), "{frame}");
    }
}

#[test]
fn a_lone_surrogate_is_malformed_wherever_it_stands() {
    for frame in [
        r#"["\ud800","1","t","e",{}]"#,
        r#"[null,"1","t","e",{"a":["\udc00"]}]"#,
        r#"[null,"1","t","e",{"\ud800":1}]"#,
        r#"[null,"1","t","e",{},"\ud800"]"#,
    ] {
        assert_eq!(text(Vsn::V2, frame), Err(DecodeError::LoneSurrogate), "{frame}");
    }
    let in_v1 = r#"{"topic":"t","event":"e","payload":"\ud800","ref":"1"}"#;
    assert_eq!(text(Vsn::V1, in_v1), Err(DecodeError::LoneSurrogate));
}

#[test]
fn a_frame_is_at_most_128_levels_deep_with_its_own_brackets() {
    let nested = |levels: usize| {
        let inner = levels - 1;
        format!(r#"[null,"1","t","e",{}{}]"#, "[".repeat(inner), "]".repeat(inner))
    };
    let deepest = text(Vsn::V2, &nested(128)).expect("128 levels are fine");
    let payload = deepest.payload.json().expect("a text frame's payload");
    assert!(payload.parse::<serde_json::Value>().is_ok(), "what is let in can be parsed");
    assert_eq!(text(Vsn::V2, &nested(129)), Err(DecodeError::TooDeep));
    assert_eq!(text(Vsn::V2, &nested(1_000_000)), Err(DecodeError::TooDeep));
}

#[test]
fn text_that_is_not_utf8_is_malformed() {
    let frame = Bytes::from_static(b"[null,null,\"t\",\"e\",\"\xFF\"]");
    for vsn in Vsn::ALL {
        assert_eq!(decode_text(vsn, &frame), Err(DecodeError::NotUtf8));
    }
}

#[test]
fn a_binary_push_is_a_message_with_the_rest_as_payload() {
    let frame = Bytes::from_static(b"\x00\x02\x03\x05\x0512123topiceventefg");
    let message = decode_binary(Vsn::V2, &frame).expect("the vector of Phoenix");
    let expected = Message {
        join_ref: "12".into(),
        reference: "123".into(),
        topic: "topic".into(),
        event: "event".into(),
        payload: Payload::Binary(Bytes::from_static(b"efg")),
    };
    assert_eq!(message, expected);
}

#[test]
fn an_empty_binary_field_is_empty_text_and_not_null() {
    let message = binary(b"\x00\x00\x00\x01\x01te").expect("an empty payload");
    assert_eq!(message.join_ref, "".into());
    assert_eq!(message.reference, "".into());
    assert_eq!(message.payload, Payload::Binary(Bytes::new()));
}

#[test]
fn binary_sizes_count_bytes() {
    let message = binary(b"\x00\x00\x00\x02\x04\xC3\xA9\xF0\x9F\x98\x80!").expect("two characters");
    assert_eq!((message.topic, message.event), ("é".into(), "😀".into()));
    assert_eq!(message.payload, Payload::Binary(Bytes::from_static(b"!")));
}

#[test]
fn a_binary_frame_that_is_no_push_is_malformed() {
    assert_eq!(binary(b""), Err(DecodeError::Truncated));
    for kind in 1..=255 {
        let frame = Bytes::from(vec![kind, 0, 0, 0, 0]);
        assert_eq!(decode_binary(Vsn::V2, &frame), Err(DecodeError::UnknownKind(kind)));
    }
}

#[test]
fn a_binary_frame_cut_short_is_malformed() {
    let whole = Bytes::from_static(b"\x00\x02\x03\x05\x0512123topicevent");
    assert!(decode_binary(Vsn::V2, &whole).is_ok());
    for end in 0..whole.len() {
        assert_eq!(decode_binary(Vsn::V2, &whole.slice(..end)), Err(DecodeError::Truncated), "{end}");
    }
}

#[test]
fn a_binary_field_that_is_not_utf8_is_malformed() {
    for frame in
        [b"\x00\x01\x01\x01\x01\xFFabc", b"\x00\x01\x01\x01\x01a\xFFbc", b"\x00\x01\x01\x01\x01abc\xFF"]
    {
        assert_eq!(binary(frame), Err(DecodeError::NotUtf8));
    }
}

#[test]
fn v1_takes_json_from_a_binary_frame() {
    let frame = Bytes::from_static(br#"{"topic":"t","event":"e","payload":{},"ref":"1"}"#);
    assert_eq!(decode_binary(Vsn::V1, &frame), decode_text(Vsn::V1, &frame));
    assert!(decode_binary(Vsn::V1, &frame).is_ok());
}

#[test]
fn an_error_tells_nothing_of_what_was_sent() {
    for frame in [r#"["secret"]"#, r#""secret""#, "secret", r#"{"secret":1}"#] {
        let error = text(Vsn::V2, frame).expect_err("none is a message");
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}

/// Text that comes near to being a message more often than chance would have it.
fn near_messages() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "\"",
        "\\",
        "\\u",
        "\\ud800",
        "\\udc00",
        "null",
        "1",
        "-",
        "\"a\"",
        "\"topic\":",
        "\"event\":",
        "\"ref\":",
        "\"payload\":",
        "[null,\"1\",\"t\",\"e\",{}",
        " ",
        "é",
    ]);
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        for vsn in Vsn::ALL {
            let _ = decode_binary(vsn, &bytes);
            let _ = decode_text(vsn, &bytes);
        }
    }

    #[test]
    fn what_is_let_in_is_json(frame in near_messages()) {
        for vsn in Vsn::ALL {
            if let Ok(message) = text(vsn, &frame) {
                serde_json::from_str::<serde_json::Value>(&frame).expect("a message is JSON");
                let payload = message.payload.json().expect("a text frame's payload");
                payload.parse::<serde_json::Value>().expect("a payload is JSON");
            }
        }
    }

    #[test]
    fn a_binary_push_says_where_each_field_ends(
        join_ref in ".{0,20}", reference in ".{0,20}", topic in ".{0,60}", event in ".{0,60}",
        data in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let fields = [&join_ref, &reference, &topic, &event];
        let mut frame = vec![0];
        frame.extend(fields.map(|field| u8::try_from(field.len()).expect("at most 240 bytes")));
        fields.iter().for_each(|field| frame.extend_from_slice(field.as_bytes()));
        frame.extend_from_slice(&data);
        let expected = Message {
            join_ref: join_ref.as_str().into(),
            reference: reference.as_str().into(),
            topic: topic.as_str().into(),
            event: event.as_str().into(),
            payload: Payload::Binary(data.into()),
        };
        prop_assert_eq!(decode_binary(Vsn::V2, &frame.into()), Ok(expected));
    }
}
