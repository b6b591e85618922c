//! Any messages, in any order.

use proptest::prelude::*;

use super::*;

/// Bytes, and pieces of messages that the watch looks for.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    let texts = prop_oneof![
        Just(format!(r#"["3","3","{ROOM}","phx_join",{{}}]"#)),
        Just(format!(r#"["3","3","{ROOM}","phx_reply",{OK}]"#)),
        Just(format!(r#"["3","4","{ROOM}","get_context",{{}}]"#)),
        Just(format!(r#"["3","4","{ROOM}","phx_reply",{}]"#, context("ada"))),
        Just(format!(r#"["3","5","{ROOM}","phx_leave",{{}}]"#)),
        Just(format!(r#"["3","3","{ROOM}","phx_close",{{}}]"#)),
        Just(r#"[null,"6","phoenix","heartbeat",{}]"#.to_owned()),
    ];
    let data = proptest::collection::vec(any::<u8>(), 0..12);
    let whole = prop_oneof![
        texts.prop_map(String::into_bytes),
        data.clone().prop_map(|data| client_frame(b"3", ROOM.as_bytes(), b"yjs", &data)),
        Just(client_frame(b"3", ROOM.as_bytes(), b"yjs", AWARENESS)),
        data,
    ];
    (whole, any::<prop::sample::Index>(), any::<u8>(), 0..4_u8).prop_map(|(mut message, at, byte, change)| {
        if !message.is_empty() {
            let at = at.index(message.len());
            match change {
                0 => message[at] = byte,
                1 => message.truncate(at),
                _ => {}
            }
        }
        message
    })
}

proptest! {
    #[test]
    fn whatever_passes_nobody_is_a_participant_twice_and_none_without_a_join(
        passing in proptest::collection::vec((0..8_u8, messages()), 0..24),
        v1 in any::<bool>(),
    ) {
        let mut watch = Watch::new(if v1 { Vsn::V1 } else { Vsn::V2 });
        let (mut notices, mut living) = (Vec::new(), Vec::new());
        for (way, message) in passing {
            match way {
                0 => drop(watch.from_client_text(&message, &mut notices)),
                1 => drop(watch.from_client_binary(&message, &mut notices)),
                2 => drop(watch.from_upstream_text(&message, &mut notices)),
                3 => drop(watch.from_upstream_binary(&message)),
                4 => drop(watch.from_client_text_head(&message, &mut notices)),
                5 => drop(watch.from_client_binary_head(&message, &mut notices)),
                6 => drop(watch.from_upstream_text_head(&message, &mut notices)),
                _ => drop(watch.heartbeat()),
            }
            for notice in notices.drain(..) {
                match notice {
                    Notice::Joined { key, replaces, .. } => {
                        living.retain(|living| Some(*living) != replaces);
                        prop_assert!(!living.contains(&key));
                        living.push(key);
                    }
                    Notice::Left { key } | Notice::ChannelClosed { key } | Notice::ChannelError { key } => {
                        prop_assert!(living.contains(&key));
                        living.retain(|living| *living != key);
                    }
                    Notice::SyncStep1 { key }
                    | Notice::Awareness { key, .. }
                    | Notice::Query { key }
                    | Notice::User { key, .. }
                    | Notice::AnotherUser { key } => prop_assert!(living.contains(&key)),
                }
            }
            let mut there: Vec<Key> = watch.participants().collect();
            there.sort_unstable();
            prop_assert_eq!(&there, &living);
        }
    }
}
