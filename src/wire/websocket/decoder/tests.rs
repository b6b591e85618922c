//! Streams of bytes as a client may send them, and what is made of them.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
const FIN: u8 = 0x80;

/// A client's frame, with the length told in the fewest bytes.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len() as u64);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

fn header(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(0x80 | length as u8),
        126..=0xFFFF => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes
}

fn closes(code: u16, reason: &str) -> Event {
    Event::Close(Some(CloseFrame { code, reason: reason.into() }))
}

fn text(payload: &str) -> Event {
    Event::Text(Bytes::copy_from_slice(payload.as_bytes()))
}

/// Decodes a stream that arrives in the given pieces.
fn decode<'a>(limits: Limits, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Event>, Violation> {
    let mut decoder = Decoder::new(limits);
    let mut events = Vec::new();
    for mut piece in pieces {
        while let Some(event) = decoder.decode(&mut piece)? {
            events.push(event);
        }
        assert!(piece.is_empty(), "what is not an event yet is kept by the decoder");
    }
    Ok(events)
}

fn decode_whole(stream: &[u8]) -> Result<Vec<Event>, Violation> {
    decode(Limits::default(), [stream])
}

#[test]
fn the_masked_text_of_the_rfc_is_hello() {
    let stream = [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58];
    assert_eq!(decode_whole(&stream), Ok(vec![text("Hello")]));
}

#[test]
fn many_frames_in_one_read_are_events_in_order() {
    let stream = [frame(0x81, b"a"), frame(0x82, b"\xFF"), frame(0x8A, b""), frame(0x88, b"")].concat();
    let binary = Event::Binary(Bytes::from_static(b"\xFF"));
    let expected = vec![text("a"), binary, Event::Pong(Bytes::new()), Event::Close(None)];
    assert_eq!(decode_whole(&stream), Ok(expected));
}

#[test]
fn a_call_takes_the_input_of_one_event_only() {
    let (first, second) = (frame(0x81, b"a"), frame(0x81, b"b"));
    let stream = [first, second.clone()].concat();
    let mut input = &stream[..];
    let mut decoder = Decoder::new(Limits::default());
    assert_eq!(decoder.decode(&mut input), Ok(Some(text("a"))));
    assert_eq!(input, second);
}

#[test]
fn every_form_of_length_is_understood() {
    for length in [0, 125, 126, 0xFFFF, 0x1_0000, 0x2_0001] {
        let payload = vec![b'x'; length];
        let expected = Event::Binary(Bytes::from(payload.clone()));
        assert_eq!(decode_whole(&frame(0x82, &payload)), Ok(vec![expected]), "{length}");
    }
}

#[test]
fn fragments_make_one_message_and_pings_may_come_between() {
    let stream = [frame(0x01, b"Hel"), frame(0x89, b"now"), frame(0x00, b""), frame(0x80, b"lo")].concat();
    assert_eq!(decode_whole(&stream), Ok(vec![Event::Ping(Bytes::from_static(b"now")), text("Hello")]));
}

#[test]
fn a_character_may_be_split_between_fragments() {
    let stream = [frame(0x01, b"\xC3"), frame(0x80, b"\xA9")].concat();
    assert_eq!(decode_whole(&stream), Ok(vec![text("é")]));
}

#[test]
fn text_that_is_not_utf8_is_refused_and_binary_is_not() {
    for payload in [&b"\xFF"[..], b"\xC3", b"\xED\xA0\x80"] {
        assert_eq!(decode_whole(&frame(0x81, payload)), Err(Violation::NotUtf8));
        assert!(decode_whole(&frame(0x82, payload)).is_ok());
    }
}

#[test]
fn a_frame_without_a_mask_is_refused() {
    assert_eq!(decode_whole(b"\x81\x05Hello"), Err(Violation::Protocol));
}

#[test]
fn reserved_bits_and_opcodes_are_refused() {
    for bit in [0x40, 0x20, 0x10] {
        assert_eq!(decode_whole(&frame(0x81 | bit, b"")), Err(Violation::Protocol), "{bit:#x}");
    }
    for opcode in (0x3..=0x7).chain(0xB..=0xF) {
        assert_eq!(decode_whole(&frame(FIN | opcode, b"")), Err(Violation::Protocol), "{opcode:#x}");
    }
}

#[test]
fn control_frames_are_whole_and_short() {
    for opcode in [0x8, 0x9, 0xA] {
        assert!(decode_whole(&frame(FIN | opcode, &[b'0'; 125])).is_ok());
        assert_eq!(decode_whole(&frame(FIN | opcode, &[b'0'; 126])), Err(Violation::Protocol), "{opcode:#x}");
        assert_eq!(decode_whole(&frame(opcode, b"")), Err(Violation::Protocol), "{opcode:#x}");
    }
}

#[test]
fn a_continuation_needs_a_start_and_a_start_an_end() {
    for lone in [0x00, 0x80] {
        assert_eq!(decode_whole(&frame(lone, b"")), Err(Violation::Protocol));
    }
    for second in [0x01, 0x81, 0x02, 0x82] {
        let stream = [frame(0x01, b"a"), frame(second, b"b")].concat();
        assert_eq!(decode_whole(&stream), Err(Violation::Protocol), "{second:#x}");
    }
    let ended = [frame(0x01, b"a"), frame(0x80, b"b"), frame(0x80, b"c")].concat();
    assert_eq!(decode_whole(&ended), Err(Violation::Protocol));
}

#[test]
fn a_length_in_more_bytes_than_it_needs_is_refused() {
    let short_in_2 = [&[0x82, 0xFE, 0, 125][..], &MASK].concat();
    let medium_in_8 = [&[0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF][..], &MASK].concat();
    let over_63_bits = [&[0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0][..], &MASK].concat();
    for stream in [short_in_2, medium_in_8, over_63_bits] {
        assert_eq!(decode_whole(&stream), Err(Violation::Protocol), "{stream:?}");
    }
}

#[test]
fn a_violation_shows_in_the_first_two_bytes() {
    for start in [[0x81, 0x05], [0xC1, 0x85], [0x83, 0x80], [0x09, 0x80], [0x89, 0xFE]] {
        assert_eq!(decode_whole(&start), Err(Violation::Protocol), "{start:?}");
    }
}

#[test]
fn a_frame_over_its_limit_is_refused_by_its_header_alone() {
    let limits = Limits { max_frame: 1000, max_message: 100, ..Limits::default() };
    assert_eq!(decode(limits, [&header(0x82, 1000)[..]]), Ok(vec![]));
    for length in [1001, u64::MAX >> 1] {
        assert_eq!(decode(limits, [&header(0x82, length)[..]]), Err(Violation::TooBig), "{length}");
    }
}

#[test]
fn fragments_have_a_limit_together_that_a_single_frame_has_not() {
    let limits = Limits { max_frame: 1000, max_message: 100, ..Limits::default() };
    let half = frame(0x02, &[0; 50]);
    let other_half = frame(0x80, &[0; 50]);
    assert!(decode(limits, [&half[..], &other_half]).is_ok());
    assert_eq!(decode(limits, [&half[..], &header(0x80, 51)]), Err(Violation::TooBig));
    assert_eq!(decode(limits, [&header(0x02, 101)[..]]), Err(Violation::TooBig));
    assert!(decode(limits, [&frame(0x82, &[0; 101])[..]]).is_ok());
    let ping = frame(0x89, &[0; 60]);
    assert!(decode(limits, [&half[..], &ping, &other_half]).is_ok(), "a ping is no part of the message");
}

#[test]
fn a_claimed_length_reserves_nothing_and_a_finished_message_leaves_nothing() {
    let mut decoder = Decoder::new(Limits::default());
    let start = [header(0x82, 9_000_000), vec![0; 10]].concat();
    assert_eq!(decoder.decode(&mut &start[..]), Ok(None));
    assert!(decoder.data.capacity() < 100);

    let mut decoder = Decoder::new(Limits::default());
    let stream = [frame(0x81, &[b'x'; 5000]), frame(0x89, b"ping")].concat();
    let mut input = &stream[..];
    while decoder.decode(&mut input).expect("well formed").is_some() {}
    assert_eq!((decoder.data.capacity(), decoder.control.capacity()), (0, 0));
}

#[test]
fn a_close_frame_holds_nothing_or_a_code_and_a_reason_in_utf8() {
    assert_eq!(decode_whole(&frame(0x88, b"")), Ok(vec![Event::Close(None)]));
    assert_eq!(decode_whole(&frame(0x88, b"\x03\xE8")), Ok(vec![closes(1000, "")]));
    assert_eq!(decode_whole(&frame(0x88, b"\x0F\xA0bye")), Ok(vec![closes(4000, "bye")]));
    assert_eq!(decode_whole(&frame(0x88, b"\x03")), Err(Violation::Protocol));
    assert_eq!(decode_whole(&frame(0x88, b"\x03\xE8\xFF")), Err(Violation::NotUtf8));
}

#[test]
fn each_violation_has_its_close_code() {
    let codes = [Violation::Protocol, Violation::NotUtf8, Violation::TooBig].map(Violation::close_code);
    assert_eq!(codes, [1002, 1007, 1009]);
}

/// A message as a client may frame it: its parts, and a control frame after each.
#[derive(Clone, Debug)]
struct Sent {
    opcode: u8,
    parts: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Sent {
    fn bytes(&self) -> Vec<u8> {
        let last = self.parts.len() - 1;
        let mut bytes = Vec::new();
        for (index, (part, ping)) in self.parts.iter().enumerate() {
            let opcode = if index == 0 { self.opcode } else { 0 };
            let fin = if index == last { FIN } else { 0 };
            bytes.extend(frame(fin | opcode, part));
            bytes.extend(ping.iter().flat_map(|ping| frame(0x89, ping)));
        }
        bytes
    }

    fn events(&self) -> Vec<Event> {
        let whole: Vec<u8> = self.parts.iter().flat_map(|(part, _)| part.clone()).collect();
        let message = if self.opcode == 1 { Event::Text(whole.into()) } else { Event::Binary(whole.into()) };
        let pings = |parts: &[(Vec<u8>, Option<Vec<u8>>)]| -> Vec<Event> {
            parts.iter().filter_map(|(_, ping)| ping.clone().map(|ping| Event::Ping(ping.into()))).collect()
        };
        let (last, before) = self.parts.split_last().expect("a message has a part");
        [pings(before), vec![message], pings(std::slice::from_ref(last))].concat()
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    let part = prop_oneof![
        4 => prop::collection::vec(0_u8..128, 0..40),
        1 => prop::collection::vec(0_u8..128, 120..300),
    ];
    let ping = prop::option::weighted(0.3, prop::collection::vec(any::<u8>(), 0..20));
    (1_u8..=2, prop::collection::vec((part, ping), 1..4)).prop_map(|(opcode, parts)| Sent { opcode, parts })
}

proptest! {
    #[test]
    fn however_the_stream_is_cut_the_events_are_the_same(
        messages in prop::collection::vec(sent(), 0..4), sizes in prop::collection::vec(1_usize..50, 1..20),
    ) {
        let stream: Vec<u8> = messages.iter().flat_map(Sent::bytes).collect();
        let mut rest = &stream[..];
        let pieces = sizes.iter().cycle().map_while(|&size| {
            let (piece, tail) = rest.split_at(size.min(rest.len()));
            rest = tail;
            (!piece.is_empty()).then_some(piece)
        });
        let expected: Vec<Event> = messages.iter().flat_map(Sent::events).collect();
        prop_assert_eq!(decode(Limits::default(), pieces), Ok(expected.clone()));
        prop_assert_eq!(decode(Limits::default(), stream.chunks(1)), Ok(expected));
    }

    #[test]
    fn no_bytes_make_it_panic(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0x80_u8..0x8B], 0..300), size in 1_usize..40,
    ) {
        let mut decoder = Decoder::new(Limits { max_frame: 200, max_message: 100, ..Limits::default() });
        for mut piece in bytes.chunks(size) {
            while let Ok(Some(_)) = decoder.decode(&mut piece) {}
        }
    }
}
