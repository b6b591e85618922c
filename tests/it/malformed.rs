//! What is no message, or no frame: it costs the connection it came on, and nobody else.
//!
//! Owns: every kind of it, with the close code; and the largest and deepest that still pass.
//! Source: Phoenix 1.8.12, its serializers; RFC 6455, sections 5 and 7; the limits are Bandit's.

use presenced::server::Options;
use presenced::wire::Vsn;
use serde_json::{Value, json};

use crate::support::raw::{
    BINARY, CLOSE, END, MIDDLE, PING, Raw, TEXT, TEXT_START, binary, frame, header, text,
};
use crate::support::{Client, Running, lobbies};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_v2_message_closes_with_1011() {
    let deep = format!(r#"[null,"1","lobby:a","echo",{}{}]"#, "[".repeat(128), "]".repeat(128));
    let cases = [
        ("no text at all", text("")),
        ("JSON that breaks off", text(r#"["1","2","lobby:a""#)),
        ("JSON with something behind", text(r#"["1","2","lobby:a","echo",{}] {}"#)),
        ("no JSON", text("hello")),
        ("an object", text(r#"{"topic":"lobby:a","event":"echo","payload":{},"ref":"1"}"#)),
        ("four elements", text(r#"["1","2","lobby:a","echo"]"#)),
        ("null", text("null")),
        ("a lone surrogate in the payload", text(r#"["1","2","lobby:a","echo",{"a":"\ud800"}]"#)),
        ("a lone surrogate in the topic", text(r#"["1","2","lobby:\udc00","echo",{}]"#)),
        ("129 levels", text(&deep)),
        ("no bytes at all", binary(b"")),
        ("a push that ends within its sizes", binary(b"\x00\x01\x01")),
        ("a push that ends within its topic", binary(b"\x00\x01\x01\x07\x0412lobby")),
        ("a push that ends within its event", binary(b"\x00\x01\x01\x07\x0412lobby:aech")),
        ("a kind that servers send", binary(b"\x01\x01\x01\x07\x0412lobby:aecho")),
        ("a kind that nobody sends", binary(b"\xFF\x01\x01\x07\x0412lobby:aecho")),
        ("a topic that is not UTF-8", binary(b"\x00\x01\x01\x07\x0412lobby\xFFaecho")),
        ("JSON in a binary frame", binary(br#"["1","2","lobby:a","echo",{}]"#)),
    ];
    closes_alone("2.0.0", 1011, &cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_v1_message_closes_with_1011() {
    let cases = [
        ("an array", text(r#"["1","2","lobby:a","echo",{}]"#)),
        ("no topic", text(r#"{"event":"echo","payload":{},"ref":"1"}"#)),
        ("no event", text(r#"{"topic":"lobby:a","payload":{},"ref":"1"}"#)),
        ("no payload", text(r#"{"topic":"lobby:a","event":"echo","ref":"1"}"#)),
        ("no ref", text(r#"{"topic":"lobby:a","event":"echo","payload":{}}"#)),
        ("a V2 binary push", binary(b"\x00\x01\x01\x07\x0412lobby:aecho")),
        ("bytes that are not UTF-8", binary(b"{\"topic\":\"\xFF\"}")),
    ];
    closes_alone("1.0.0", 1011, &cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_is_not_utf8_closes_with_1007() {
    let start = frame(TEXT_START, b"[\"\xC3");
    let cases = [
        ("a stray byte", frame(TEXT, b"[\"\xFF\"]")),
        ("half a character at the end", frame(TEXT, b"\xC3")),
        ("a surrogate", frame(TEXT, b"\xED\xA0\x80")),
        ("a character broken by what follows in the next frame", [start, frame(END, b"\"]")].concat()),
        ("the reason of a close", frame(CLOSE, b"\x03\xE8\xFF")),
    ];
    closes_alone("2.0.0", 1007, &cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_break_the_protocol_close_with_1002() {
    let message = br#"["1","2","lobby:a","echo",{}]"#;
    let unmasked = [&[TEXT, message.len() as u8][..], message].concat();
    let cases = [
        ("no mask", unmasked),
        ("the first reserved bit, which is compression's", frame(TEXT | 0x40, message)),
        ("the second reserved bit", frame(TEXT | 0x20, message)),
        ("the third reserved bit", frame(TEXT | 0x10, message)),
        ("a reserved data opcode", frame(0x83, message)),
        ("a reserved control opcode", frame(0x8B, b"")),
        ("a continuation of nothing", frame(END, message)),
        ("a new message within another", [frame(TEXT_START, b"["), frame(TEXT, message)].concat()),
        ("a binary message within a text", [frame(TEXT_START, b"["), frame(BINARY, b"")].concat()),
        ("a ping in parts", frame(PING & !END, b"p")),
        ("a ping of 126 bytes", frame(PING, &[b'p'; 126])),
        ("a close with half a code", frame(CLOSE, b"\x03")),
        ("a length told in more bytes than it needs", vec![TEXT, 0x80 | 126, 0, 5, 0, 0, 0, 0]),
    ];
    closes_alone("2.0.0", 1002, &cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_closes_with_1009_as_soon_as_its_header_says_so() {
    let cases = [
        ("a frame of more than ten million bytes", header(TEXT, 10_000_001)),
        ("a binary frame of as many", header(BINARY, 10_000_001)),
        ("a length beyond all memory", header(TEXT, u64::MAX >> 1)),
        ("a first part of more than eight million", header(TEXT_START, 8_000_001)),
        (
            "a part that makes it eight million and one",
            [frame(TEXT_START, b"[1"), header(MIDDLE, 7_999_999)].concat(),
        ),
        ("a last part that does", [frame(TEXT_START, b"[1"), header(END, 7_999_999)].concat()),
    ];
    closes_alone("2.0.0", 1009, &cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_in_one_frame_may_have_ten_million_bytes() {
    let server = Running::start(lobbies(), Options::default()).await;
    let mut raw = joined(&server, "2.0.0").await;
    let message = message_of(10_000_000);
    raw.write(&text(&message)).await;
    assert_eq!(raw.json().await[4]["response"], json!(10_000_000 - ENVELOPE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_in_parts_may_have_eight_million_bytes() {
    let server = Running::start(lobbies(), Options::default()).await;
    let mut raw = joined(&server, "2.0.0").await;
    let message = message_of(8_000_000);
    let (start, rest) = message.as_bytes().split_at(3_000_000);
    let (middle, end) = rest.split_at(4_999_999);
    raw.write(&[frame(TEXT_START, start), frame(MIDDLE, middle), frame(END, end)].concat()).await;
    assert_eq!(raw.json().await[4]["response"], json!(8_000_000 - ENVELOPE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_and_twenty_eight_levels_are_a_message() {
    let server = Running::start(lobbies(), Options::default()).await;
    let mut raw = joined(&server, "2.0.0").await;
    let payload = format!("{}{}", "[".repeat(127), "]".repeat(127));
    raw.write(&text(&format!(r#"["1","2","lobby:a","size",{payload}]"#))).await;
    assert_eq!(raw.json().await[4]["response"], 254);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_surrogate_pair_is_a_character() {
    let server = Running::start(lobbies(), Options::default()).await;
    let mut raw = joined(&server, "2.0.0").await;
    raw.write(&text(r#"["1","2","lobby:a","echo",{"a":"\ud83d\ude00"}]"#)).await;
    assert_eq!(raw.json().await[4]["response"], json!({"a": "😀"}));
}

/// Sends each case behind a good message, in the same packet: the message is answered, then the connection is closed
/// with this code; and another member of the topic goes on as if nothing had happened.
async fn closes_alone(vsn: &str, code: u16, cases: &[(&str, Vec<u8>)]) {
    let server = Running::start(lobbies(), Options::default()).await;
    let mut other = Client::connect(server.address(), Vsn::V2, "user=other").await;
    other.enter("lobby:a").await;
    for (what, bytes) in cases {
        let mut raw = joined(&server, vsn).await;
        raw.write(&[message(vsn, "2", "echo", json!({"to": what})), bytes.clone()].concat()).await;
        let reply = raw.json().await;
        assert_eq!(
            reply.pointer("/4/response/to").or(reply.pointer("/payload/response/to")),
            Some(&json!(what))
        );
        assert_eq!(raw.closed().await, code, "{what}");

        other.push("lobby:a", "shout", json!({"after": what})).await;
        assert_eq!(other.expect("lobby:a", "shout").await.payload, json!({"after": what}));
    }
    assert_eq!(other.unasked(), []);
}

/// A connection that has joined `lobby:a`.
async fn joined(server: &Running, vsn: &str) -> Raw {
    let mut raw = Raw::open(server.address(), vsn).await;
    raw.write(&message(vsn, "1", "phx_join", json!({}))).await;
    raw.json().await;
    raw
}

fn message(vsn: &str, reference: &str, event: &str, payload: Value) -> Vec<u8> {
    let message = match vsn {
        "1.0.0" => json!({"topic": "lobby:a", "event": event, "payload": payload, "ref": reference}),
        _ => json!(["1", reference, "lobby:a", event, payload]),
    };
    text(&message.to_string())
}

/// A message that asks for the size of its payload, of this many bytes in all.
fn message_of(length: usize) -> String {
    let padding = "x".repeat(length - ENVELOPE - 2);
    format!(r#"["1","2","lobby:a","size","{padding}"]"#)
}

/// What such a message has around its payload, in bytes.
const ENVELOPE: usize = r#"["1","2","lobby:a","size",]"#.len();
