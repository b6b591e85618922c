//! What a `handle_metas` hook sees: the metas of each topic, as the diffs so far add up.
//!
//! Owns its copy, so that a hook that runs behind the tracker sees each diff with the list of that very
//! moment.
//! Not here: calling the hook, or fetching (`runtime`).
//! Contract: Phoenix 1.8.12, `Phoenix.Presence`, `handle_metas/4`: after a diff its joins are appended, its
//! leaves removed, and a topic without anybody is forgotten. Metas are told apart by `phx_ref`, and not as a
//! whole.

use std::collections::BTreeMap;

use foldhash::HashMap;
use serde_json::{Map, Value};
use smol_str::SmolStr;

use super::presences::Presences;

/// The metas under each key of one topic.
pub type MetasByKey = BTreeMap<String, Vec<Map<String, Value>>>;

/// The metas of all topics that have had diffs.
#[derive(Debug, Default)]
pub struct Accumulated {
    topics: HashMap<SmolStr, MetasByKey>,
}

impl Accumulated {
    /// Adds a topic's diff, and shows what is on the topic after it. The same diff once more changes nothing.
    pub fn apply(&mut self, topic: &SmolStr, joins: &Presences, leaves: &Presences) -> &MetasByKey {
        let metas = self.topics.entry(topic.clone()).or_default();
        for (key, joined) in joins.0.iter().filter(|(_, joined)| !joined.metas.is_empty()) {
            join(metas.entry(key.clone()).or_default(), &joined.metas);
        }
        for (key, left) in &leaves.0 {
            let Some(there) = metas.get_mut(key) else { continue };
            there.retain(|meta| !left.metas.iter().any(|gone| same(meta, gone)));
            if there.is_empty() {
                metas.remove(key);
            }
        }
        if metas.is_empty() {
            self.topics.remove(topic);
        }
        self.topics.get(topic).unwrap_or(&NOBODY)
    }

    /// How many topics have anybody on them.
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }
}

fn join(there: &mut Vec<Map<String, Value>>, joined: &[Map<String, Value>]) {
    for meta in joined {
        match there.iter_mut().find(|old| same(old, meta)) {
            Some(old) => old.clone_from(meta),
            None => there.push(meta.clone()),
        }
    }
}

/// By reference; as a whole where a hook has taken the reference away.
fn same(one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    match (one.get("phx_ref"), other.get("phx_ref")) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

static NOBODY: MetasByKey = BTreeMap::new();

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn presences(json: Value) -> Presences {
        serde_json::from_value(json).expect("has the shape")
    }

    fn apply(accumulated: &mut Accumulated, joins: Value, leaves: Value) -> Value {
        let metas = accumulated.apply(&"t".into(), &presences(joins), &presences(leaves));
        serde_json::to_value(metas).expect("serialises")
    }

    #[test]
    fn joins_are_appended_and_leaves_removed_by_reference() {
        let mut accumulated = Accumulated::default();
        let first = json!({"u": {"metas": [{"phx_ref": "A", "n": 1}], "extra": true}});
        assert_eq!(apply(&mut accumulated, first, json!({})), json!({"u": [{"phx_ref": "A", "n": 1}]}));
        let second = json!({"u": {"metas": [{"phx_ref": "B"}]}, "v": {"metas": [{"phx_ref": "C"}]}});
        assert_eq!(
            apply(&mut accumulated, second, json!({})),
            json!({"u": [{"phx_ref": "A", "n": 1}, {"phx_ref": "B"}], "v": [{"phx_ref": "C"}]})
        );
        let decorated_anew = json!({"phx_ref": "A", "n": 7});
        let left = json!({"u": {"metas": [decorated_anew]}, "v": {"metas": [{"phx_ref": "C"}]}});
        assert_eq!(apply(&mut accumulated, json!({}), left), json!({"u": [{"phx_ref": "B"}]}));
    }

    #[test]
    fn an_update_leaves_only_the_new_meta() {
        let mut accumulated = Accumulated::default();
        apply(&mut accumulated, json!({"u": {"metas": [{"phx_ref": "A"}]}}), json!({}));
        let (new, old) =
            (json!({"u": {"metas": [{"phx_ref": "B"}]}}), json!({"u": {"metas": [{"phx_ref": "A"}]}}));
        assert_eq!(apply(&mut accumulated, new, old), json!({"u": [{"phx_ref": "B"}]}));
    }

    #[test]
    fn the_same_diff_twice_changes_nothing() {
        let mut accumulated = Accumulated::default();
        let (joins, leaves) =
            (json!({"u": {"metas": [{"phx_ref": "B"}]}}), json!({"v": {"metas": [{"phx_ref": "A"}]}}));
        let once = apply(&mut accumulated, joins.clone(), leaves.clone());
        assert_eq!(apply(&mut accumulated, joins, leaves), once);
    }

    #[test]
    fn a_topic_is_forgotten_when_nobody_is_left() {
        let mut accumulated = Accumulated::default();
        let diff = json!({"u": {"metas": [{"phx_ref": "A"}]}});
        apply(&mut accumulated, diff.clone(), json!({}));
        assert_eq!(accumulated.topic_count(), 1);
        assert_eq!(apply(&mut accumulated, json!({}), diff.clone()), json!({}));
        assert_eq!(accumulated.topic_count(), 0);
        assert_eq!(apply(&mut accumulated, json!({}), diff), json!({}));
        assert_eq!(accumulated.topic_count(), 0);
    }

    #[test]
    fn metas_whose_reference_a_hook_took_away_are_told_apart_as_a_whole() {
        let mut accumulated = Accumulated::default();
        let both = json!({"u": {"metas": [{"n": 1}, {"n": 2}]}});
        apply(&mut accumulated, both, json!({}));
        assert_eq!(
            apply(&mut accumulated, json!({}), json!({"u": {"metas": [{"n": 1}]}})),
            json!({"u": [{"n": 2}]})
        );
    }
}
