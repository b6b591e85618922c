//! What is fuzzed: everything that takes bytes of strangers, each as a function of those bytes that must not panic.
//!
//! The fuzzer runs them (`fuzz_targets/`), and an ordinary test runs them over the corpora that are kept
//! (`tests/corpora.rs`).

use bytes::Bytes;
use presenced::channel::Params;
use presenced::gateway::Watch;
use presenced::lightning::token::{Keys, SecretKeyBase};
use presenced::lightning::{Directory, Notation};
use presenced::session::{ChannelId, Session, Step};
use presenced::wire::websocket::{Decoder, Event, Limits, Role};
use presenced::wire::{Vsn, decode_binary, decode_text, encode_reply};
use presenced::{awareness, gateway};

/// What is done with an input.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: &[(&str, Target)] = &[
    ("frames", frames),
    ("messages", messages),
    ("session", session),
    ("awareness", awareness_updates),
    ("watch", watch),
    ("states", states),
    ("queries", queries),
    ("people", people),
    ("tokens", tokens),
];

/// WebSocket frames of either end, cut where the first byte says.
pub fn frames(data: &[u8]) {
    let Some((&cut, stream)) = data.split_first() else { return };
    let small = Limits { max_frame: 1000, max_message: 2000, max_whole: usize::MAX };
    for (role, limits) in [(Role::Client, small), (Role::Server, small), (Role::Client, Limits::RELAYED)] {
        let whole = events(Decoder::of(role, limits), [stream]);
        let parts = events(Decoder::of(role, limits), stream.chunks(usize::from(cut).max(1)));
        // However the bytes come, the messages are the same; of a relay's long ones only the parts differ.
        if limits.max_whole == usize::MAX {
            assert_eq!(whole, parts);
        }
    }
}

fn events<'a>(mut decoder: Decoder, parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
    let mut events = Vec::new();
    for mut part in parts {
        loop {
            match decoder.decode(&mut part) {
                Ok(Some(event @ Event::Close(_))) => {
                    events.push(event);
                    return events;
                }
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(_) => return events,
            }
        }
        assert!(part.is_empty(), "all is taken");
    }
    events
}

/// Messages in every serializer; what is read can be answered.
pub fn messages(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    for vsn in [Vsn::V1, Vsn::V2] {
        let decoded = [
            decode_binary(vsn, &bytes).ok(),
            std::str::from_utf8(data).ok().and_then(|_| decode_text(vsn, &bytes).ok()),
        ];
        for message in decoded.into_iter().flatten() {
            // A payload that cannot be said in a serializer is refused, and never ends the process.
            let _ = encode_reply(
                vsn,
                &message.join_ref,
                &message.reference,
                &message.topic,
                "ok",
                &message.payload,
            );
        }
    }
}

/// A connection's rules under a sequence of messages, a line each: at most so many channels are joined, and nothing is
/// delivered to one that is not.
pub fn session(data: &[u8]) {
    let mut session = Session::new(3);
    let mut joined: Vec<(String, ChannelId)> = Vec::new();
    for (nth, line) in data.split(|byte| *byte == b'\n').enumerate() {
        let line = Bytes::copy_from_slice(line);
        if std::str::from_utf8(&line).is_err() {
            continue;
        }
        let Ok(message) = decode_text(Vsn::V2, &line) else { continue };
        match session.receive(message, |topic| topic.starts_with("room:")) {
            Step::Answer(answer) => drop(answer.encode(Vsn::V2)),
            Step::Join(join) => {
                if let Some(old) = &join.replaces {
                    joined.retain(|(_, channel)| *channel != old.channel);
                }
                // Every third join is refused.
                if nth % 3 != 0 {
                    let channel = ChannelId(nth as u64);
                    joined.push((join.topic.to_string(), channel));
                    session.joined(join.topic, join.join_ref, channel);
                }
            }
            Step::Deliver(delivery) => {
                assert!(joined.iter().any(|(_, channel)| *channel == delivery.channel))
            }
            Step::Leave { channel, .. } => {
                let at =
                    joined.iter().position(|(_, other)| *other == channel).expect("whoever leaves is in");
                let (topic, channel) = joined.swap_remove(at);
                assert!(session.departed(&topic, channel).is_some());
            }
            Step::Stale => {}
        }
        assert!(joined.len() <= 3);
    }
}

/// Yjs awareness updates.
pub fn awareness_updates(data: &[u8]) {
    // What is malformed is told so.
    let _ = awareness::decode(data);
}

/// Messages between a client and its upstream, a line each, in turns; the first byte says in which serializer.
pub fn watch(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else { return };
    let mut watch = Watch::new(if first & 1 == 0 { Vsn::V2 } else { Vsn::V1 });
    let mut notices = Vec::new();
    for (nth, message) in rest.split(|byte| *byte == b'\n').enumerate() {
        match nth % 4 {
            0 => drop(watch.from_client_text(message, &mut notices)),
            1 => drop(watch.from_upstream_text(message, &mut notices)),
            2 => drop(watch.from_client_binary(message, &mut notices)),
            _ => drop(watch.from_upstream_binary(message)),
        }
        let _ = watch.from_client_text_head(message, &mut notices);
        let _ = watch.from_client_binary_head(message, &mut notices);
        let _ = watch.from_upstream_text_head(message, &mut notices);
    }
}

/// What a page says of itself, restated with the user whom the upstream named: it is what JSON can be read back from.
pub fn states(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = gateway::is_empty_state(text);
    let user = gateway::User::new("4", "A\"</style> B", "a@example.org");
    if let Ok(told) = gateway::restate(text, &user) {
        assert!(told.len() <= text.len() + 4096);
    }
}

/// The query of a connection.
pub fn queries(data: &[u8]) {
    if let Ok(query) = std::str::from_utf8(data)
        && let Ok(params) = Params::decode(query)
    {
        for name in ["token", "request_id", "vsn", ""] {
            let _ = (params.get(name), params.value(name));
        }
    }
}

/// A people file.
pub fn people(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for notation in [Notation::Toml, Notation::Json] {
        let _ = Directory::read(text, notation);
    }
}

/// A user token, signed or encrypted.
pub fn tokens(data: &[u8]) {
    static KEYS: std::sync::LazyLock<Keys> = std::sync::LazyLock::new(|| {
        let secret = "a secret that is long enough to be one, and known to everybody".repeat(2);
        Keys::new(&SecretKeyBase::new(secret).expect("it is long enough"), &[], "user")
    });
    if let Ok(token) = std::str::from_utf8(data) {
        assert!(KEYS.verify(token, None, 0).is_err() || token.starts_with("SFMyNTY."));
        let _ = KEYS.decrypt(token, None, 0);
        let _ = KEYS.good_until_ms(token, None);
    }
}
