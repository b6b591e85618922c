//! Tracking from a channel: what the diffs say, and what may be asked.

use presenced::server::Options;
use serde_json::{Value, json};

use super::{member, serve, watcher};
use crate::support::{Client, Fold};

const TOPIC: &str = "roster:1";

#[tokio::test]
async fn whoever_tracks_is_told_to_everyone_itself_included() {
    let server = serve(Options::default()).await;
    let mut other = watcher(&server, TOPIC).await;
    let mut ada = watcher(&server, TOPIC).await;
    let phx_ref = track(&mut ada, "ada", json!({"x": 1})).await;
    let joins = json!({"ada": {"metas": [{"x": 1, "phx_ref": phx_ref}]}});
    for client in [&mut ada, &mut other] {
        let diff = client.expect(TOPIC, "presence_diff").await;
        assert_eq!(diff.payload, json!({"joins": joins, "leaves": {}}));
    }
}

#[tokio::test]
async fn an_update_leaves_with_the_old_ref_and_joins_with_a_new_one() {
    let server = serve(Options::default()).await;
    let mut ada = watcher(&server, TOPIC).await;
    let old = track(&mut ada, "ada", json!({"x": 1})).await;
    ada.expect(TOPIC, "presence_diff").await;
    let reply = ada.call(TOPIC, "update", json!({"key": "ada", "meta": {"y": 2}})).await;
    let new = &reply.response["phx_ref"];
    assert_ne!(new, &old);
    let diff = ada.expect(TOPIC, "presence_diff").await;
    let joins = json!({"ada": {"metas": [{"y": 2, "phx_ref": new, "phx_ref_prev": old}]}});
    let leaves = json!({"ada": {"metas": [{"x": 1, "phx_ref": old}]}});
    assert_eq!(diff.payload, json!({"joins": joins, "leaves": leaves}));
}

#[tokio::test]
async fn an_update_with_a_function_sees_the_meta_and_its_ref() {
    let server = serve(Options::default()).await;
    let mut ada = watcher(&server, TOPIC).await;
    let phx_ref = track(&mut ada, "ada", json!({"x": 1})).await;
    let reply = ada.call(TOPIC, "mark", json!({"key": "ada"})).await;
    assert_eq!(reply.response, json!({"seen": [{"x": 1, "phx_ref": phx_ref}]}));
    let metas = list(&mut ada).await["ada"]["metas"].take();
    assert_eq!((&metas[0]["x"], &metas[0]["marked"]), (&json!(1), &json!(true)));
    assert_eq!(metas[0]["phx_ref_prev"], phx_ref);
}

#[tokio::test]
async fn an_untracked_key_leaves_once() {
    let server = serve(Options::default()).await;
    let mut ada = watcher(&server, TOPIC).await;
    let phx_ref = track(&mut ada, "ada", json!({})).await;
    ada.expect(TOPIC, "presence_diff").await;
    for _ in 0..2 {
        ada.call(TOPIC, "untrack", json!({"key": "ada"})).await;
    }
    let leaves = json!({"ada": {"metas": [{"phx_ref": phx_ref}]}});
    assert_eq!(ada.expect(TOPIC, "presence_diff").await.payload, json!({"joins": {}, "leaves": leaves}));
    assert_eq!(list(&mut ada).await, json!({}));

    track(&mut ada, "next", json!({})).await;
    let next = ada.expect(TOPIC, "presence_diff").await;
    assert_eq!(next.payload["leaves"], json!({}), "what was not there does not leave");
}

#[tokio::test]
async fn a_key_is_tracked_once_a_channel_and_updated_only_where_it_is_tracked() {
    let server = serve(Options::default()).await;
    let mut ada = watcher(&server, TOPIC).await;
    let mut own_tab = watcher(&server, TOPIC).await;
    let phx_ref = track(&mut ada, "ada", json!({"x": 1})).await;

    let again = ada.call(TOPIC, "track", json!({"key": "ada", "meta": {"x": 2}})).await;
    assert_eq!((again.status.as_str(), again.response), ("error", json!({"reason": "already tracked"})));
    assert_eq!(list(&mut ada).await, json!({"ada": {"metas": [{"x": 1, "phx_ref": phx_ref}]}}));

    let foreign = own_tab.call(TOPIC, "update", json!({"key": "ada", "meta": {}})).await;
    assert_eq!(foreign.response, json!({"reason": "not tracked"}), "it is another channel's entry");
    let second = track(&mut own_tab, "ada", json!({})).await;
    let metas = list(&mut ada).await["ada"]["metas"].take();
    assert_eq!(metas, json!([{"x": 1, "phx_ref": phx_ref}, {"phx_ref": second}]), "in order of tracking");
}

#[tokio::test]
async fn every_way_to_list_says_the_same() {
    let server = serve(Options::default()).await;
    let mut ada = watcher(&server, TOPIC).await;
    for key in ["ada", "bob", "ключ"] {
        track(&mut ada, key, json!({"of": key})).await;
    }
    let expected = list(&mut ada).await;
    assert_eq!(expected.as_object().map(serde_json::Map::len), Some(3));
    assert_eq!(ada.call(TOPIC, "list_json", json!({"key": ""})).await.response, expected);
    let handle = server.handle();
    assert_eq!(json!(handle.list(TOPIC).await), expected);
    assert_eq!(handle.list_json(TOPIC).await.parse::<Value>().expect("it is JSON"), expected);
    for (key, entry) in expected.as_object().expect("an object") {
        let asked = ada.call(TOPIC, "get_by_key", json!({"key": key})).await.response;
        assert_eq!((&asked, &json!(handle.get_by_key(TOPIC, key).await)), (entry, entry));
    }
    assert_eq!(handle.get_by_key(TOPIC, "nobody").await, None);
    assert_eq!(json!(handle.list("roster:empty").await), json!({}));
}

#[tokio::test]
async fn topics_share_nothing() {
    let server = serve(Options::default()).await;
    let mut ada = watcher(&server, TOPIC).await;
    let mut elsewhere = watcher(&server, "roster:2").await;
    track(&mut ada, "ada", json!({})).await;
    let reply = ada.call(TOPIC, "track", json!({"key": "ada", "topic": "roster:2", "meta": {}})).await;
    assert_eq!(reply.status, "ok", "the same key on another topic is another entry");
    let diff = elsewhere.next().await;
    let joins = json!({"ada": {"metas": [reply.response]}});
    assert_eq!(diff.payload, json!({"joins": joins, "leaves": {}}));

    ada.call(TOPIC, "phx_leave", json!({})).await;
    let left = elsewhere.next().await.payload;
    assert_eq!(left["leaves"], joins, "the channel's end takes it off the other topic too");
}

#[tokio::test]
async fn a_metas_own_ref_is_replaced() {
    let server = serve(Options::default()).await;
    let mut ada = watcher(&server, TOPIC).await;
    let phx_ref = track(&mut ada, "ada", json!({"phx_ref": "mine", "x": 1})).await;
    assert_ne!(phx_ref, json!("mine"));
    let diff = ada.expect(TOPIC, "presence_diff").await;
    assert_eq!(diff.text.matches("\"phx_ref\"").count(), 1, "{}", diff.text);
    assert_eq!(diff.payload["joins"]["ada"]["metas"], json!([{"x": 1, "phx_ref": phx_ref}]));
}

#[tokio::test]
async fn a_metas_numbers_reach_everyone_as_they_were_written() {
    let written = r#""a":1.0,"b":1e2,"c":123456789012345678901234567890,"d":-0"#;
    let server = serve(Options::default()).await;
    let mut ada = watcher(&server, TOPIC).await;
    let join_ref = ada.join_ref(TOPIC).to_owned();
    let track = format!(r#"["{join_ref}","t","{TOPIC}","track",{{"key":"n","meta":{{{written}}}}}]"#);
    ada.send_text(&track).await;
    assert_eq!(ada.reply("t").await.status, "ok");
    let diff = ada.expect(TOPIC, "presence_diff").await;
    assert!(diff.text.contains(written), "{}", diff.text);
    let mut late = member(&server, "late", TOPIC).await;
    let state = late.expect(TOPIC, "presence_state").await;
    assert!(state.text.contains(written), "{}", state.text);
    assert!(server.handle().list_json(TOPIC).await.as_str().contains(written));
}

#[tokio::test]
async fn a_leaver_does_not_see_its_own_leave_and_the_others_do() {
    let server = serve(Options::default()).await;
    let mut other = watcher(&server, TOPIC).await;
    let mut ada = member(&server, "ada", TOPIC).await;
    ada.expect(TOPIC, "presence_diff").await;
    ada.expect(TOPIC, "presence_state").await;
    let joined = other.expect(TOPIC, "presence_diff").await.payload;
    ada.call(TOPIC, "phx_leave", json!({})).await;
    let left = other.expect(TOPIC, "presence_diff").await.payload;
    assert_eq!(left, json!({"joins": {}, "leaves": joined["joins"]}));
    ada.enter("roster:2").await;
    assert_eq!(ada.unasked().into_iter().map(|m| m.event).collect::<Vec<_>>(), ["phx_close"]);
}

#[tokio::test]
async fn a_lost_connection_and_a_crashed_channel_leave() {
    let server = serve(Options::default()).await;
    let mut other = watcher(&server, TOPIC).await;
    let lost = member(&server, "lost", TOPIC).await;
    other.expect(TOPIC, "presence_diff").await;
    drop(lost);
    assert!(other.expect(TOPIC, "presence_diff").await.payload["leaves"]["lost"].is_object());

    let mut crashed = member(&server, "crashed", TOPIC).await;
    other.expect(TOPIC, "presence_diff").await;
    crashed.push(TOPIC, "no such event", json!({"key": ""})).await;
    assert!(other.expect(TOPIC, "presence_diff").await.payload["leaves"]["crashed"].is_object());
}

#[tokio::test]
async fn a_channel_that_has_ended_leaves_though_a_task_still_holds_its_context() {
    let server = serve(Options::default()).await;
    let mut other = watcher(&server, TOPIC).await;
    for lost in [false, true] {
        let mut ada = member(&server, "ada", TOPIC).await;
        ada.call(TOPIC, "keep", json!({"key": ""})).await;
        let joins = other.expect(TOPIC, "presence_diff").await.payload["joins"].take();
        if lost {
            drop(ada);
        } else {
            ada.call(TOPIC, "phx_leave", json!({})).await;
        }
        assert_eq!(other.expect(TOPIC, "presence_diff").await.payload["leaves"], joins);
    }
}

#[tokio::test]
async fn another_join_of_the_topic_leaves_with_the_old_ref_and_joins_with_a_new_one() {
    let server = serve(Options::default()).await;
    let mut other = member(&server, "other", TOPIC).await;
    let mut seen = Fold::default();
    let mut ada = member(&server, "ada", TOPIC).await;
    while seen.metas("ada").is_empty() {
        seen.take(&other.next().await);
    }
    let old = seen.metas("ada")[0]["phx_ref"].clone();

    ada.join(TOPIC, json!({"track": {"name": "ada again"}})).await;
    while seen.metas("ada").first().is_none_or(|meta| meta["name"] != "ada again") {
        seen.take(&other.next().await);
    }
    assert_eq!(seen.metas("ada").len(), 1, "the old meta has left");
    assert_ne!(seen.metas("ada")[0]["phx_ref"], old);
    assert_eq!(seen.refs(), Fold::refs_of(&json!(server.handle().list(TOPIC).await)));
}

async fn track(client: &mut Client, key: &str, meta: Value) -> Value {
    let reply = client.call(TOPIC, "track", json!({"key": key, "meta": meta})).await;
    assert_eq!(reply.status, "ok", "{}", reply.response);
    reply.response["phx_ref"].clone()
}

async fn list(client: &mut Client) -> Value {
    client.call(TOPIC, "list", json!({"key": ""})).await.response
}
