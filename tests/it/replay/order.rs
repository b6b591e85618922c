//! The order in which one client's sights of one step are compared.
//!
//! Owns: sorting, the folding of presence diffs, and what is left out of the comparison altogether.
//! Not here: refs. Sorting never looks at a `phx_ref`, so that both sides sort alike whatever their refs are.
//! Source: `js-client-fixtures/README.md`, "Order" and "Where a server may differ from the recording".

use serde_json::{Map, Value, json};

use super::seen::{Answer, Seen};

/// Sorts and folds what one client saw in one step, or was recorded to have seen.
pub fn canonical(sights: Vec<Seen>) -> Vec<Seen> {
    let (mut front, mut binary, mut frames, mut rest) = (vec![], vec![], vec![], vec![]);
    for seen in sights {
        match seen {
            Seen::Frame(frame) => frames.push(frame),
            Seen::Binary(_) => binary.push(seen),
            Seen::Closed(_) | Seen::Broken(_) => rest.push(seen),
            Seen::Refused(answer) => front.push(Seen::Refused(comparable(answer))),
            Seen::Http(answer) => front.push(Seen::Http(comparable(answer))),
            Seen::Open | Seen::Pong(_) => front.push(seen),
        }
    }
    // A pong comes in its own time; the others are awaited, so their order is that of the actions.
    front.sort_by_key(|seen| matches!(seen, Seen::Pong(_)));
    let frames = canonical_frames(frames).into_iter().map(Seen::Frame);
    front.into_iter().chain(binary).chain(frames).chain(rest).collect()
}

/// What is compared of a client that closes or drops in a step: the end, and nothing before it.
pub fn only_the_end(mut sights: Vec<Seen>) -> Vec<Seen> {
    sights.retain(|seen| matches!(seen, Seen::Closed(_)));
    sights
}

/// An answer without what may differ: the text of a 400, and the order of frames in a long-poll answer.
fn comparable(mut answer: Answer) -> Answer {
    if answer.status == 400 {
        answer.body = json!("(not compared)");
    }
    if let Some(messages) = answer.messages_mut() {
        *messages = canonical_frames(std::mem::take(messages));
    }
    answer
}

/// Text frames by topic, within a topic the diffs last, and consecutive diffs folded into one.
fn canonical_frames(mut frames: Vec<Value>) -> Vec<Value> {
    frames.sort_by_cached_key(|frame| (field(frame, "topic").to_string(), is_diff(frame)));
    let mut folded: Vec<Value> = Vec::with_capacity(frames.len());
    for frame in frames {
        match folded.last().and_then(|last| fold(last, &frame)) {
            Some(both) => *folded.last_mut().expect("there was a last frame to fold with") = both,
            None => folded.push(frame),
        }
    }
    folded
}

/// Two diffs of one topic as one: joins with joins, leaves with leaves, metas in order. `None` if these are no
/// two diffs, differ in anything beside their metas, or one is empty (an empty diff is no change to share).
fn fold(first: &Value, second: &Value) -> Option<Value> {
    let both_diffs = is_diff(first) && is_diff(second);
    if !both_diffs || with_payload(first, Value::Null) != with_payload(second, Value::Null) {
        return None;
    }
    let (first_diff, second_diff) = (diff(first)?, diff(second)?);
    let joins = merge(first_diff.joins, second_diff.joins)?;
    let leaves = merge(first_diff.leaves, second_diff.leaves)?;
    Some(with_payload(first, json!({"joins": joins, "leaves": leaves})))
}

struct Diff<'a> {
    joins: &'a Map<String, Value>,
    leaves: &'a Map<String, Value>,
}

/// The two halves of a diff that says something and has nothing else in it.
fn diff(frame: &Value) -> Option<Diff<'_>> {
    let payload = field(frame, "payload").as_object().filter(|payload| payload.len() == 2)?;
    let half = |name: &str| payload.get(name).and_then(Value::as_object);
    let diff = Diff { joins: half("joins")?, leaves: half("leaves")? };
    (!diff.joins.is_empty() || !diff.leaves.is_empty()).then_some(diff)
}

/// The entries of both; where both have a key, the metas of the first before those of the second.
fn merge(first: &Map<String, Value>, second: &Map<String, Value>) -> Option<Map<String, Value>> {
    let mut merged = first.clone();
    for (key, entry) in second {
        let Some(earlier) = merged.get_mut(key) else {
            merged.insert(key.clone(), entry.clone());
            continue;
        };
        let mut metas = std::mem::take(earlier.get_mut("metas")?.as_array_mut()?);
        metas.extend(entry.get("metas")?.as_array()?.iter().cloned());
        let mut both = entry.clone();
        *both.get_mut("metas")? = json!([]);
        if *earlier != both {
            return None;
        }
        both["metas"] = Value::Array(metas);
        *earlier = both;
    }
    Some(merged)
}

fn is_diff(frame: &Value) -> bool {
    field(frame, "event") == "presence_diff"
}

/// A field of a V1 or a V2 frame; null if the frame has no such field.
fn field<'a>(frame: &'a Value, name: &str) -> &'a Value {
    match frame {
        Value::Array(fields) => V2_FIELDS
            .iter()
            .position(|field| *field == name)
            .and_then(|position| fields.get(position))
            .unwrap_or(&Value::Null),
        _ => &frame[name],
    }
}

/// The frame with this payload in place of its own.
fn with_payload(frame: &Value, payload: Value) -> Value {
    let mut frame = frame.clone();
    let slot = match &mut frame {
        Value::Array(fields) => fields.get_mut(V2_FIELDS.len() - 1),
        other => other.get_mut("payload"),
    };
    if let Some(slot) = slot {
        *slot = payload;
    }
    frame
}

const V2_FIELDS: [&str; 5] = ["join_ref", "ref", "topic", "event", "payload"];

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(topic: &str, event: &str, payload: Value) -> Seen {
        Seen::Frame(json!([null, null, topic, event, payload]))
    }

    fn joins(topic: &str, entries: Value) -> Seen {
        frame(topic, "presence_diff", json!({"joins": entries, "leaves": {}}))
    }

    fn leaves(topic: &str, entries: Value) -> Seen {
        frame(topic, "presence_diff", json!({"joins": {}, "leaves": entries}))
    }

    #[test]
    fn kinds_come_in_the_order_of_the_readme() {
        let open = Seen::Open;
        let http = Seen::Http(Answer { status: 200, body: json!("ok") });
        let pong = Seen::Pong("00".to_owned());
        let binary = Seen::Binary("01".to_owned());
        let text = frame("t", "e", json!({}));
        let closed = Seen::Closed(1000);
        let backwards = [&closed, &text, &binary, &pong, &open, &http].map(Clone::clone).to_vec();
        assert_eq!(canonical(backwards), [open, http, pong, binary, text, closed]);
    }

    #[test]
    fn topics_are_sorted_and_the_order_within_a_topic_is_kept() {
        let (a1, a2) = (frame("a", "z", json!({})), frame("a", "b", json!({})));
        let b = frame("b", "a", json!({}));
        assert_eq!(canonical(vec![b.clone(), a1.clone(), a2.clone()]), [a1, a2, b]);
    }

    #[test]
    fn a_diff_comes_last_within_its_topic_in_v1_too() {
        let diff = Seen::Frame(json!({"topic": "a", "event": "presence_diff", "payload": {}, "ref": null}));
        let reply = Seen::Frame(json!({"topic": "a", "event": "phx_reply", "payload": {}, "ref": "1"}));
        assert_eq!(canonical(vec![diff.clone(), reply.clone()]), [reply, diff]);
    }

    #[test]
    fn binary_frames_keep_their_order() {
        let (late, early) = (Seen::Binary("02".to_owned()), Seen::Binary("01".to_owned()));
        assert_eq!(canonical(vec![late.clone(), early.clone()]), [late, early]);
    }

    #[test]
    fn consecutive_diffs_of_a_topic_fold_with_metas_in_order() {
        let folded = canonical(vec![
            joins("a", json!({"1": {"metas": [{"phx_ref": "x"}]}})),
            joins("b", json!({"9": {"metas": [{"phx_ref": "w"}]}})),
            leaves("a", json!({"1": {"metas": [{"phx_ref": "x"}]}})),
            joins("a", json!({"1": {"metas": [{"phx_ref": "y"}]}, "2": {"metas": [{"phx_ref": "z"}]}})),
        ]);
        let a = json!({
            "joins": {"1": {"metas": [{"phx_ref": "x"}, {"phx_ref": "y"}]}, "2": {"metas": [{"phx_ref": "z"}]}},
            "leaves": {"1": {"metas": [{"phx_ref": "x"}]}},
        });
        let b = joins("b", json!({"9": {"metas": [{"phx_ref": "w"}]}}));
        assert_eq!(folded, [frame("a", "presence_diff", a), b]);
    }

    #[test]
    fn diffs_that_differ_beside_their_metas_do_not_fold() {
        let known = joins("a", json!({"1": {"metas": [{}], "user": "Ada"}}));
        let other = joins("a", json!({"1": {"metas": [{}], "user": "Bob"}}));
        let pushed =
            Seen::Frame(json!(["7", null, "a", "presence_diff", {"joins": {"2": {}}, "leaves": {}}]));
        let shapeless = frame("a", "presence_diff", json!({"joins": {"3": {}}}));
        for pair in [[known.clone(), other], [known.clone(), pushed], [known, shapeless]] {
            assert_eq!(canonical(pair.to_vec()), pair);
        }
    }

    #[test]
    fn an_empty_diff_is_not_folded_away() {
        let change = joins("a", json!({"1": {"metas": [{}]}}));
        let empty = joins("a", json!({}));
        assert_eq!(canonical(vec![change.clone(), empty.clone()]), [change, empty]);
    }

    #[test]
    fn long_poll_messages_are_ordered_like_frames() {
        let message = |topic: &str| json!([null, null, topic, "e", {}]);
        let body = |messages: [Value; 2]| json!({"status": 200, "messages": messages});
        let answer = |body: Value| Seen::Http(Answer { status: 200, body });
        assert_eq!(
            canonical(vec![answer(body([message("b"), message("a")]))]),
            [answer(body([message("a"), message("b")]))]
        );
    }

    #[test]
    fn only_the_text_of_a_400_is_not_compared() {
        let answer = |status: u16, body: &str| Seen::Http(Answer { status, body: json!(body) });
        assert_eq!(canonical(vec![answer(400, "a")]), canonical(vec![answer(400, "b")]));
        assert_ne!(canonical(vec![answer(403, "a")]), canonical(vec![answer(403, "b")]));
    }

    #[test]
    fn of_a_closing_client_only_the_end_is_left() {
        let sights = vec![frame("a", "e", json!({})), Seen::Closed(1000)];
        assert_eq!(only_the_end(sights), [Seen::Closed(1000)]);
    }
}
