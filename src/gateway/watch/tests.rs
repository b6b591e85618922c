//! Conversations, as a connection sees them pass; and the recordings of real ones.

mod any;

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::*;

const ROOM: &str = "workflow:collaborate:4f3c";
const STEP_1: &[u8] = &[0, 0, 1, 0];
const AWARENESS: &[u8] = &[1, 7, 1, 5, 1, 3, b'{', b' ', b'}'];
const QUERY: &[u8] = &[3];

/// A connection, and what was noticed since it was looked at last.
struct Conversation {
    watch: Watch,
    notices: Vec<Notice>,
}

impl Conversation {
    fn new() -> Self {
        Conversation { watch: Watch::new(Vsn::V2), notices: Vec::new() }
    }

    /// One whose client has joined the room as `3`.
    fn joined() -> Self {
        let mut conversation = Conversation::new();
        conversation.join("3");
        conversation.noticed();
        conversation
    }

    /// The client sends a text, its payload empty.
    fn client(&mut self, join_ref: &str, reference: &str, event: &str) -> Verdict {
        self.client_on(ROOM, join_ref, reference, event)
    }

    fn client_on(&mut self, topic: &str, join_ref: &str, reference: &str, event: &str) -> Verdict {
        let text = format!("[{join_ref},\"{reference}\",\"{topic}\",\"{event}\",{{}}]");
        self.watch.from_client_text(text.as_bytes(), &mut self.notices)
    }

    /// The client sends a binary `yjs`.
    fn yjs(&mut self, join_ref: &str, data: &[u8]) -> Verdict {
        let frame = client_frame(join_ref.as_bytes(), ROOM.as_bytes(), b"yjs", data);
        self.watch.from_client_binary(&frame, &mut self.notices)
    }

    /// The upstream sends a text.
    fn upstream(&mut self, join_ref: &str, reference: &str, event: &str, payload: &str) -> Verdict {
        self.upstream_on(ROOM, join_ref, reference, event, payload)
    }

    fn upstream_on(
        &mut self,
        topic: &str,
        join_ref: &str,
        reference: &str,
        event: &str,
        payload: &str,
    ) -> Verdict {
        let text = format!("[{join_ref},{reference},\"{topic}\",\"{event}\",{payload}]");
        self.watch.from_upstream_text(text.as_bytes(), &mut self.notices)
    }

    fn reply(&mut self, join_ref: &str, reference: &str, payload: &str) {
        let verdict = self.upstream(&quoted(join_ref), &quoted(reference), "phx_reply", payload);
        assert_eq!(verdict, Verdict::Pass);
    }

    /// The client joins, its join_ref the message's reference, and is let in.
    fn join(&mut self, join_ref: &str) {
        assert_eq!(self.client(&quoted(join_ref), join_ref, "phx_join"), Verdict::Pass);
        self.reply(join_ref, join_ref, OK);
    }

    fn noticed(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }
}

const OK: &str = r#"{"status":"ok","response":{}}"#;
const ERROR: &str = r#"{"status":"error","response":{"reason":"unauthorized"}}"#;

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn client_frame(join_ref: &[u8], topic: &[u8], event: &[u8], data: &[u8]) -> Vec<u8> {
    let size = |part: &[u8]| u8::try_from(part.len()).expect("a short part");
    let sizes = [0, size(join_ref), 1, size(topic), size(event)];
    [&sizes[..], join_ref, b"9", topic, event, data].concat()
}

fn context(id: &str) -> String {
    let user = format!(r#"{{"id":"{id}","first_name":"Ada","last_name":"L","email":"a@b"}}"#);
    format!(r#"{{"status":"ok","response":{{"user":{user}}}}}"#)
}

fn user(key: Key, id: &str) -> Notice {
    Notice::User { key, user: Some(User::new(id, "Ada L", "a@b")) }
}

fn joined(key: u32, join_ref: &str, replaces: Option<u32>) -> Notice {
    let join_ref = join_ref.into();
    Notice::Joined { key: Key(key), topic: ROOM.into(), join_ref, replaces: replaces.map(Key) }
}

const FIRST: Key = Key(0);

#[test]
fn who_is_let_in_is_a_participant_from_the_reply_on() {
    let mut conversation = Conversation::new();
    conversation.client("\"3\"", "3", "phx_join");
    assert_eq!(conversation.yjs("3", AWARENESS), Verdict::Drop(DropReason::NotJoined));
    assert_eq!(conversation.yjs("3", QUERY), Verdict::Drop(DropReason::NotJoined));
    assert_eq!(conversation.yjs("3", STEP_1), Verdict::Pass);
    assert_eq!(conversation.noticed(), []);
    conversation.reply("3", "3", OK);
    assert_eq!(conversation.noticed(), [joined(0, "3", None)]);
    assert_eq!(conversation.yjs("3", STEP_1), Verdict::Pass);
    assert_eq!(conversation.yjs("3", AWARENESS), Verdict::Taken);
    assert_eq!(conversation.yjs("3", QUERY), Verdict::Taken);
    let body = Bytes::from_static(&AWARENESS[2..]);
    let said = [
        Notice::SyncStep1 { key: FIRST },
        Notice::Awareness { key: FIRST, body },
        Notice::Query { key: FIRST },
    ];
    assert_eq!(conversation.noticed(), said);
}

#[test]
fn who_is_refused_is_no_participant() {
    let mut conversation = Conversation::new();
    conversation.client("\"3\"", "3", "phx_join");
    conversation.reply("3", "3", ERROR);
    conversation.reply("3", "3", OK);
    assert_eq!(conversation.noticed(), []);
    assert_eq!(conversation.yjs("3", AWARENESS), Verdict::Drop(DropReason::NotJoined));
}

#[test]
fn an_ok_under_the_reference_of_a_refused_join_lets_nobody_in() {
    // Phoenix answers `ok` to a leave of what is not joined.
    for events in [["phx_leave", "phx_join"], ["phx_join", "phx_leave"]] {
        let mut conversation = Conversation::new();
        for event in events {
            conversation.client("\"3\"", "3", event);
        }
        conversation.reply("3", "3", OK);
        assert_eq!(conversation.noticed(), [], "{events:?}");
    }
    // The same in binary, and in a text whose front is too far behind to be seen.
    for unseen in [false, true] {
        let mut conversation = Conversation::new();
        conversation.client("\"9\"", "9", "phx_join");
        if unseen {
            let blanks = vec![b' '; 65_536];
            let verdict = conversation.watch.from_client_text_head(&blanks, &mut conversation.notices);
            assert_eq!(verdict, HeadVerdict::Pass);
        } else {
            let frame = client_frame(b"9", ROOM.as_bytes(), b"phx_leave", b"");
            let verdict = conversation.watch.from_client_binary(&frame, &mut conversation.notices);
            assert_eq!(verdict, Verdict::Pass);
        }
        conversation.reply("9", "9", OK);
        assert_eq!(conversation.noticed(), [], "{unseen}");
    }
}

#[test]
fn what_is_dropped_takes_no_reference_from_a_request() {
    let mut conversation = Conversation::joined();
    conversation.client("\"3\"", "9", "get_context");
    assert_eq!(conversation.yjs("4", AWARENESS), Verdict::Drop(DropReason::NotJoined));
    conversation.reply("3", "9", &context("ada"));
    assert_eq!(conversation.noticed(), [user(FIRST, "ada")]);
}

#[test]
fn awareness_belongs_to_the_join_that_it_names() {
    let mut conversation = Conversation::joined();
    for other in ["", "4", "33"] {
        assert_eq!(conversation.yjs(other, AWARENESS), Verdict::Drop(DropReason::NotJoined), "{other}");
        assert_eq!(conversation.yjs(other, STEP_1), Verdict::Pass, "{other}");
    }
    let room = format!("{ROOM}:v3");
    let frame = client_frame(b"3", room.as_bytes(), b"yjs", AWARENESS);
    let verdict = conversation.watch.from_client_binary(&frame, &mut conversation.notices);
    assert_eq!(verdict, Verdict::Drop(DropReason::NotJoined));
    assert_eq!(conversation.noticed(), []);
}

#[test]
fn awareness_is_kept_from_the_upstream_whatever_join_it_names() {
    let mut conversation = Conversation::joined();
    let killer = [1, 5, 0xFF, 0xFF, 0xFF, 0xFF, 7];
    for (join_ref, event) in [(&b"3"[..], &b"yjs"[..]), (b"3", b"yjs_sync"), (b"", b"yjs"), (b"\xFF", b"yjs")]
    {
        let frame = client_frame(join_ref, ROOM.as_bytes(), event, &killer);
        let verdict = conversation.watch.from_client_binary(&frame, &mut conversation.notices);
        assert_ne!(verdict, Verdict::Pass, "{join_ref:?} {event:?}");
    }
}

#[test]
fn other_binaries_pass() {
    let mut conversation = Conversation::joined();
    let frames = [
        client_frame(b"3", ROOM.as_bytes(), b"upload", AWARENESS),
        client_frame(b"3", b"ai_assistant:x", b"yjs", AWARENESS),
        client_frame(b"", b"phoenix", b"heartbeat", b""),
        vec![2, 1, 1, b'a'],
        vec![],
    ];
    for frame in frames {
        assert_eq!(conversation.watch.from_client_binary(&frame, &mut conversation.notices), Verdict::Pass);
    }
    assert_eq!(conversation.noticed(), []);
}

#[test]
fn a_leave_counts_as_it_passes_if_it_names_the_join_or_none() {
    for (join_ref, leaves) in [("\"3\"", true), ("null", true), ("\"2\"", false), ("3", false)] {
        let mut conversation = Conversation::joined();
        assert_eq!(conversation.client(join_ref, "8", "phx_leave"), Verdict::Pass);
        let expected = if leaves { vec![Notice::Left { key: FIRST }] } else { vec![] };
        assert_eq!(conversation.noticed(), expected, "{join_ref}");
        assert_eq!(conversation.yjs("3", AWARENESS) == Verdict::Taken, !leaves, "{join_ref}");
        assert_eq!(conversation.watch.participants().count(), usize::from(!leaves));
    }
    let mut conversation = Conversation::joined();
    conversation.client_on("workflow:collaborate:other", "null", "8", "phx_leave");
    assert_eq!(conversation.noticed(), []);
}

#[test]
fn a_join_that_is_left_before_its_reply_is_none() {
    let mut conversation = Conversation::new();
    conversation.client("\"3\"", "3", "phx_join");
    conversation.client("\"3\"", "4", "phx_leave");
    conversation.reply("3", "3", OK);
    assert_eq!(conversation.noticed(), []);
}

#[test]
fn a_channel_that_the_upstream_ends_is_heard_no_more_until_the_next_join() {
    let ends = [
        ("phx_close", Notice::ChannelClosed { key: FIRST }),
        ("phx_error", Notice::ChannelError { key: FIRST }),
    ];
    for (event, notice) in ends {
        let mut conversation = Conversation::joined();
        conversation.upstream("null", "null", event, "{}");
        conversation.upstream("\"2\"", "\"2\"", event, "{}");
        conversation.upstream_on("room:x", "\"3\"", "\"3\"", event, "{}");
        assert_eq!(conversation.noticed(), [], "{event} of another join ends nothing");
        assert_eq!(conversation.upstream("\"3\"", "\"3\"", event, "{}"), Verdict::Pass);
        assert_eq!(conversation.noticed(), [notice]);
        assert_eq!(conversation.yjs("3", AWARENESS), Verdict::Drop(DropReason::NotJoined));
        conversation.join("8");
        assert_eq!(conversation.noticed(), [joined(1, "8", None)]);
        assert_eq!(conversation.yjs("8", AWARENESS), Verdict::Taken);
        assert_eq!(conversation.yjs("3", AWARENESS), Verdict::Drop(DropReason::NotJoined));
    }
}

#[test]
fn a_second_join_of_the_topic_replaces_the_first_when_it_is_let_in() {
    let mut conversation = Conversation::joined();
    conversation.client("\"8\"", "8", "phx_join");
    assert_eq!(conversation.yjs("3", AWARENESS), Verdict::Taken);
    conversation.noticed();
    conversation.reply("8", "8", OK);
    assert_eq!(conversation.noticed(), [joined(1, "8", Some(0))]);
    // Phoenix says so of the first only behind the reply.
    conversation.upstream("\"3\"", "\"3\"", "phx_close", "{}");
    assert_eq!(conversation.noticed(), []);
    assert_eq!(conversation.watch.participants().collect::<Vec<_>>(), [Key(1)]);
}

#[test]
fn who_the_user_is_comes_from_the_reply_to_get_context() {
    let mut conversation = Conversation::joined();
    assert_eq!(conversation.client("\"3\"", "7", "get_context"), Verdict::Pass);
    conversation.reply("3", "6", &context("eve"));
    conversation.upstream_on("room:x", "\"3\"", "\"7\"", "phx_reply", &context("eve"));
    conversation.upstream("\"2\"", "\"7\"", "phx_reply", &context("eve"));
    assert_eq!(conversation.noticed(), []);
    conversation.reply("3", "7", &context("ada"));
    assert_eq!(conversation.noticed(), [user(FIRST, "ada")]);
    conversation.reply("3", "7", &context("ada"));
    assert_eq!(conversation.noticed(), []);
}

#[test]
fn a_reference_in_use_for_anything_else_proves_nothing() {
    let mut conversation = Conversation::joined();
    conversation.client("\"3\"", "7", "get_context");
    conversation.client("\"3\"", "7", "validate_workflow_name");
    conversation.reply("3", "7", &context("eve"));
    conversation.client("\"3\"", "8", "validate_workflow_name");
    conversation.client("\"3\"", "8", "get_context");
    conversation.reply("3", "8", &context("eve"));
    conversation.reply("3", "8", &context("ada"));
    assert_eq!(conversation.noticed(), []);
}

#[test]
fn an_error_or_no_user_is_nobody() {
    let nobody = [ERROR, r#"{"status":"ok","response":{"user":null}}"#];
    for payload in nobody {
        let mut conversation = Conversation::joined();
        conversation.client("\"3\"", "7", "get_context");
        conversation.reply("3", "7", payload);
        assert_eq!(conversation.noticed(), [Notice::User { key: FIRST, user: None }], "{payload}");
    }
}

#[test]
fn a_context_that_is_pushed_to_the_join_counts_too() {
    let mut conversation = Conversation::joined();
    let context = r#"{"user":{"id":"ada","first_name":"Ada","last_name":"L","email":"a@b"}}"#;
    conversation.upstream("null", "null", "session_context_updated", context);
    conversation.upstream("\"2\"", "null", "session_context_updated", context);
    assert_eq!(conversation.noticed(), []);
    conversation.upstream("\"3\"", "null", "session_context_updated", context);
    assert_eq!(conversation.noticed(), [user(FIRST, "ada")]);
}

#[test]
fn a_connections_user_never_becomes_another() {
    let mut conversation = Conversation::joined();
    for (reference, id) in [("7", "ada"), ("8", "eve"), ("9", "ada")] {
        conversation.client("\"3\"", reference, "get_context");
        conversation.reply("3", reference, &context(id));
    }
    let expected = [user(FIRST, "ada"), Notice::AnotherUser { key: FIRST }, user(FIRST, "ada")];
    assert_eq!(conversation.noticed(), expected);
}

#[test]
fn an_answer_for_a_join_that_has_ended_is_for_nobody() {
    let mut conversation = Conversation::joined();
    conversation.client("\"3\"", "7", "get_context");
    conversation.client("\"3\"", "8", "phx_leave");
    conversation.noticed();
    conversation.reply("3", "7", &context("ada"));
    assert_eq!(conversation.noticed(), []);
}

#[test]
fn only_what_proves_something_is_held_until_it_is_whole() {
    let mut conversation = Conversation::joined();
    conversation.client("\"3\"", "7", "get_context");
    conversation.client("\"3\"", "8", "request_credentials");
    let mut head =
        |text: &str| conversation.watch.from_upstream_text_head(text.as_bytes(), &mut conversation.notices);
    let reply = |reference: &str| format!(r#"["3","{reference}","{ROOM}","phx_reply",{{"response":{{"use"#);
    assert_eq!(head(&reply("7")), HeadVerdict::Keep);
    assert_eq!(head(&reply("8")), HeadVerdict::Pass);
    assert_eq!(head(&format!(r#"["3",null,"{ROOM}","session_context_updated",{{"#)), HeadVerdict::Keep);
    assert_eq!(head(&format!(r#"[null,null,"{ROOM}","session_context_updated",{{"#)), HeadVerdict::Pass);
    assert_eq!(head(&format!(r#"["3",null,"{ROOM}","workflow_saved",{{"#)), HeadVerdict::Pass);
    assert_eq!(head("hello"), HeadVerdict::Pass);
    assert_eq!(conversation.noticed(), []);
    // The judgement changed nothing: the whole one still counts.
    conversation.reply("3", "7", &context("ada"));
    assert_eq!(conversation.noticed(), [user(FIRST, "ada")]);
}

#[test]
fn a_long_message_of_the_client_counts_by_its_beginning() {
    let mut conversation = Conversation::new();
    let head = format!(r#"["3","3","{ROOM}","phx_join",{{"project_id":"#);
    conversation.watch.from_client_text_head(head.as_bytes(), &mut conversation.notices);
    conversation.reply("3", "3", OK);
    assert_eq!(conversation.noticed(), [joined(0, "3", None)]);
    let mut binary = |data: &[u8]| {
        let frame = client_frame(b"3", ROOM.as_bytes(), b"yjs", data);
        conversation.watch.from_client_binary_head(&frame, &mut conversation.notices)
    };
    assert_eq!(binary(&[0, 2, 0xA0, 0x8D, 6, 1]), HeadVerdict::Pass);
    assert_eq!(binary(&[1, 0xA0, 0x8D, 6, 1]), HeadVerdict::Drop(DropReason::TooLarge));
    assert_eq!(binary(&[0, 0, 0xA0, 0x8D, 6, 0xFF, 0xFF, 7]), HeadVerdict::Drop(DropReason::Count));
    assert_eq!(binary(&[0, 0, 0xA0, 0x8D, 6, 1]), HeadVerdict::Pass);
    assert_eq!(conversation.noticed(), [Notice::SyncStep1 { key: FIRST }]);
}

#[test]
fn awareness_of_the_upstream_is_dropped_and_its_documents_pass() {
    let watch = Watch::new(Vsn::V2);
    let frame = |kind: u8, event: &str, data: &[u8]| {
        let sizes =
            if kind == 0 { vec![0, 1, 25, event.len() as u8] } else { vec![2, 25, event.len() as u8] };
        [&sizes, &b"3"[..usize::from(kind == 0)], ROOM.as_bytes(), event.as_bytes(), data].concat()
    };
    for kind in [0, 2] {
        for data in [AWARENESS, QUERY, &[0x81, 0]] {
            let verdict = watch.from_upstream_binary(&frame(kind, "yjs", data));
            assert_eq!(verdict, Verdict::Drop(DropReason::FromUpstream), "{kind} {data:?}");
        }
        assert_eq!(watch.from_upstream_binary(&frame(kind, "yjs", STEP_1)), Verdict::Pass);
        assert_eq!(watch.from_upstream_binary(&frame(kind, "upload", AWARENESS)), Verdict::Pass);
    }
    assert_eq!(watch.from_upstream_binary(&[9]), Verdict::Pass);
}

#[test]
fn heartbeats_of_each_side_stay_here() {
    let mut conversation = Conversation::new();
    let verdict = conversation.client_on("phoenix", "null", "5", "heartbeat");
    let reply = br#"[null,"5","phoenix","phx_reply",{"status":"ok","response":{}}]"#;
    assert_eq!(verdict, Verdict::Answer(crate::wire::Frame::text(reply)));
    assert_eq!(conversation.watch.heartbeat(), r#"[null,"presenced:1","phoenix","heartbeat",{}]"#);
    let reply = conversation.upstream_on("phoenix", "null", "\"presenced:1\"", "phx_reply", OK);
    assert_eq!(reply, Verdict::Taken);
    let other = conversation.upstream_on("phoenix", "null", "\"presenced:1\"", "phx_reply", OK);
    assert_eq!(other, Verdict::Pass);
    assert_eq!(conversation.noticed(), []);
}

#[test]
fn on_v1_heartbeats_are_all_that_is_looked_at() {
    let mut watch = Watch::new(Vsn::V1);
    let notices = &mut Vec::new();
    let heartbeat = br#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"5"}"#;
    assert!(matches!(watch.from_client_text(heartbeat, notices), Verdict::Answer(_)));
    assert_eq!(watch.from_client_text(br#"[null,"5","phoenix","heartbeat",{}]"#, notices), Verdict::Pass);
    assert_eq!(watch.from_client_binary(heartbeat, notices), Verdict::Pass);
    let awareness = client_frame(b"3", ROOM.as_bytes(), b"yjs", AWARENESS);
    assert_eq!(watch.from_client_binary(&awareness, notices), Verdict::Pass);
    watch.heartbeat();
    let reply = br#"{"topic":"phoenix","event":"phx_reply","payload":{},"ref":"presenced:1"}"#;
    assert_eq!(watch.from_upstream_text(reply, notices), Verdict::Taken);
    assert_eq!(watch.from_upstream_text(reply, notices), Verdict::Pass);
    assert_eq!(*notices, []);
}

#[test]
fn other_topics_tell_nothing() {
    let mut conversation = Conversation::new();
    conversation.client_on("run:1", "\"3\"", "3", "phx_join");
    conversation.upstream_on("run:1", "\"3\"", "\"3\"", "phx_reply", OK);
    assert_eq!(conversation.noticed(), []);
}

#[test]
fn what_no_binary_frame_could_name_is_not_joined() {
    let long = "x".repeat(256);
    let topic = format!("workflow:collaborate:{}", "x".repeat(235));
    for (topic, join_ref) in [(ROOM, ""), (ROOM, long.as_str()), (topic.as_str(), "3")] {
        let mut conversation = Conversation::new();
        conversation.client_on(topic, &quoted(join_ref), "3", "phx_join");
        conversation.upstream_on(topic, &quoted(join_ref), "\"3\"", "phx_reply", OK);
        assert_eq!(conversation.noticed(), []);
    }
}

#[test]
fn a_connection_is_on_sixty_four_canvases_at_most() {
    let mut conversation = Conversation::new();
    for number in 1..=70 {
        let (topic, reference) = (format!("workflow:collaborate:{number}"), number.to_string());
        conversation.client_on(&topic, &quoted(&reference), &reference, "phx_join");
        conversation.upstream_on(&topic, &quoted(&reference), &quoted(&reference), "phx_reply", OK);
    }
    assert_eq!(conversation.noticed().len(), 64);
}

#[test]
fn recorded_conversations_are_understood() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("js-client-fixtures/canvas");
    let files =
        fs::read_dir(folder).expect("the recordings are there").map(|file| file.expect("readable").path());
    let (mut joins, mut users, mut said) = (0, 0, 0);
    for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "json")) {
        let recording: Value =
            serde_json::from_slice(&fs::read(&file).expect("readable")).expect("a recording is JSON");
        let mut watches = std::collections::HashMap::new();
        let steps = recording["steps"].as_array().expect("a list of steps");
        for frame in steps.iter().flat_map(|step| step["frames"].as_array().expect("a list of frames")) {
            let who = frame["who"].as_str().expect("a name");
            if frame["opened"] == true {
                watches.insert(who, Conversation::new());
            }
            let conversation = watches.get_mut(who).expect("whoever says something has opened");
            let noticed = pass(conversation, frame);
            joins += noticed.iter().filter(|notice| matches!(notice, Notice::Joined { .. })).count();
            users +=
                noticed.iter().filter(|notice| matches!(notice, Notice::User { user: Some(_), .. })).count();
            said += noticed.iter().filter(|notice| matches!(notice, Notice::Awareness { .. })).count();
        }
    }
    assert!(joins >= 17 && users >= 1 && said > 100, "{joins} joins, {users} users, {said} said");
}

/// Shows a recorded frame to a connection, holds the verdict against what the frame is, and returns what was noticed.
fn pass(conversation: &mut Conversation, frame: &Value) -> Vec<Notice> {
    let is_up = frame["dir"] == "up";
    let kind = frame["yjs"]["type"].as_str().unwrap_or_default();
    if let Some(text) = frame["text"].as_str() {
        let verdict = match is_up {
            true => conversation.watch.from_client_text(text.as_bytes(), &mut conversation.notices),
            false => conversation.watch.from_upstream_text(text.as_bytes(), &mut conversation.notices),
        };
        assert_eq!(verdict, Verdict::Pass, "{text}");
    } else if let Some(binary) = frame["binary"].as_str() {
        let message = STANDARD.decode(binary).expect("base64");
        let verdict = match is_up {
            true => conversation.watch.from_client_binary(&message, &mut conversation.notices),
            false => conversation.watch.from_upstream_binary(&message),
        };
        match (kind, is_up) {
            ("awareness" | "query_awareness", true) => assert_eq!(verdict, Verdict::Taken, "{frame}"),
            ("awareness" | "query_awareness", false) => {
                assert_eq!(verdict, Verdict::Drop(DropReason::FromUpstream), "{frame}");
            }
            ("sync" | "unknown", _) => assert_eq!(verdict, Verdict::Pass, "{frame}"),
            _ => assert!(frame["unreadable"].is_string(), "{frame}"),
        }
    }
    conversation.noticed()
}
