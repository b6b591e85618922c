//! The rooms of one workflow: one presence, which each of them hears under its own topic.

use serde_json::{Value, json};

use super::{ROOMS, client, enter, serve};
use crate::support::Fold;

#[tokio::test]
async fn whoever_enters_finds_everyone_in_any_room_and_itself() {
    let server = serve().await;
    let mut present = Vec::new();
    for (user, room) in ["ada", "bob", "vic"].into_iter().zip(ROOMS) {
        let mut client = client(&server, user).await;
        let state = enter(&mut client, room).await;
        present.push((user, client));
        let users: Vec<_> = present.iter().map(|(user, _)| (*user).to_owned()).collect();
        assert_eq!(state.as_object().map(|state| state.keys().cloned().collect()), Some(users), "{room}");
        let meta = &state[user]["metas"][0];
        assert_eq!(meta["user"]["id"], user);
        assert_eq!(meta["user"]["first_name"], json!(user.to_uppercase()));
        assert!(meta["joined_at"].as_i64() > Some(1_700_000_000_000_000), "microseconds: {meta}");
    }
}

#[tokio::test]
async fn every_room_hears_who_comes_and_goes_under_its_own_topic_alone() {
    let server = serve().await;
    let mut listeners = Vec::new();
    for room in ROOMS {
        let mut bob = client(&server, "bob").await;
        let mut fold = Fold::default();
        fold.take_state(&enter(&mut bob, room).await);
        listeners.push((room, bob, fold));
    }
    let mut ada = client(&server, "ada").await;
    let state = enter(&mut ada, ROOMS[0]).await;
    let mut ada = Some(ada);
    for part in ["joins", "leaves"] {
        for (room, bob, fold) in &mut listeners {
            loop {
                let message = bob.next().await;
                assert_eq!((message.topic.as_str(), message.event.as_str()), (*room, "presence_diff"));
                fold.take(&message);
                if message.payload[part].get("ada") == Some(&state["ada"]) {
                    break;
                }
            }
        }
        ada.take();
    }
    for (room, _, fold) in &listeners {
        assert_eq!(fold.metas("bob").len(), ROOMS.len(), "{room}: one meta a joined channel");
        assert!(fold.metas("ada").is_empty(), "{room}");
    }
}

#[tokio::test]
async fn a_tab_is_a_meta_whether_on_one_connection_or_several() {
    let server = serve().await;
    let mut ada = client(&server, "ada").await;
    for (n, room) in ROOMS.into_iter().enumerate() {
        let state = enter(&mut ada, room).await;
        assert_eq!(state["ada"]["metas"].as_array().map(Vec::len), Some(n + 1), "{room}");
    }
    let mut phone = client(&server, "ada").await;
    let state = enter(&mut phone, ROOMS[0]).await;
    assert_eq!(state["ada"]["metas"].as_array().map(Vec::len), Some(ROOMS.len() + 1));
    ada.call(ROOMS[1], "phx_leave", json!({})).await;
    let state = enter(&mut client(&server, "bob").await, ROOMS[2]).await;
    assert_eq!(state["ada"]["metas"].as_array().map(Vec::len), Some(ROOMS.len()), "one tab is closed");
}

#[tokio::test]
async fn a_room_that_was_left_is_quiet_while_the_others_are_not() {
    let server = serve().await;
    let mut ada = client(&server, "ada").await;
    for room in &ROOMS[..2] {
        enter(&mut ada, room).await;
    }
    ada.call(ROOMS[0], "phx_leave", json!({})).await;
    ada.expect(ROOMS[0], "phx_close").await;
    ada.unasked();
    let mut bob = client(&server, "bob").await;
    enter(&mut bob, ROOMS[2]).await;
    let mut joins = Value::Null;
    while joins.get("bob").is_none() {
        let mut message = ada.next().await;
        assert_eq!(message.topic, ROOMS[1], "{message:?}");
        joins = message.payload["joins"].take();
    }
}

#[tokio::test]
async fn workflows_share_nothing() {
    let server = serve().await;
    let (mut ada, mut bob) = (client(&server, "ada").await, client(&server, "bob").await);
    enter(&mut ada, ROOMS[0]).await;
    bob.join("workflow:presence:w2", json!({})).await;
    let state = bob.expect("workflow:presence:w2", "presence_state").await.payload;
    assert!(state["bob"].is_object() && state.get("ada").is_none(), "{state}");
}

#[tokio::test]
async fn what_the_canvas_says_besides_is_refused_as_text_and_dropped_as_bytes() {
    let server = serve().await;
    let mut ada = client(&server, "ada").await;
    enter(&mut ada, ROOMS[0]).await;
    let bytes = ada.push_binary(ROOMS[0], "yjs_sync", &[0, 0, 1]).await;
    let reply = ada.call(ROOMS[0], "get_context", json!({})).await;
    assert_eq!(reply.status, "error");
    assert_eq!(reply.response, json!({"reason": "unknown event 'get_context'"}));
    assert!(ada.unasked().iter().all(|message| message.reference != json!(bytes)), "bytes have no reply");
    assert_eq!(ada.call(ROOMS[0], "save", json!({})).await.status, "error", "the channel goes on");
}
