//! The other side, for tests: a client that folds what it is sent, by the rules of phoenix.js's `Presence`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// A client's list: key to metas.
pub(crate) type Folded = BTreeMap<String, Vec<Map<String, Value>>>;

/// What phoenix.js's `Presence` makes of what it is sent.
#[derive(Clone, Default)]
pub(crate) struct Client {
    pub(crate) list: Folded,
    /// Diffs that came before the state.
    queued: Vec<Value>,
    pub(crate) has_state: bool,
    /// It has applied diffs that came before its state.
    pub(crate) is_excused: bool,
    /// There are clients that stop there.
    pub(crate) was_told_a_leave_of_nobody: bool,
}

impl Client {
    /// Whether it keeps diffs until a state comes.
    pub(crate) fn has_queued(&self) -> bool {
        !self.queued.is_empty()
    }

    pub(crate) fn receive_state(&mut self, json: &[u8]) {
        let state = folded(&serde_json::from_slice(json).expect("a state is JSON"));
        self.sync_state(&state);
        self.has_state = true;
        // Whatever they name has to be told of as gone, until the next flush.
        self.is_excused = !self.queued.is_empty();
        for diff in std::mem::take(&mut self.queued) {
            self.sync_diff(&diff);
        }
    }

    pub(crate) fn receive_diff(&mut self, json: &[u8]) {
        let diff = serde_json::from_slice(json).expect("a diff is JSON");
        if self.has_state {
            self.sync_diff(&diff);
        } else {
            self.queued.push(diff);
        }
    }

    /// A state is applied as the diff between it and the list: by reference, never by content.
    fn sync_state(&mut self, state: &Folded) {
        let joins = without(state, &self.list);
        let leaves = without(&self.list, state);
        self.apply(joins, &leaves);
    }

    fn sync_diff(&mut self, diff: &Value) {
        self.apply(folded(&diff["joins"]), &folded(&diff["leaves"]));
    }

    /// Joins first: what was there and is not in the new entry stays in front of it. Then leaves, by
    /// reference.
    fn apply(&mut self, joins: Folded, leaves: &Folded) {
        for (key, joined) in joins {
            let new = refs(&joined);
            let mut metas = self.list.remove(&key).unwrap_or_default();
            metas.retain(|meta| !new.contains(reference(meta)));
            metas.extend(joined);
            self.list.insert(key, metas);
        }
        for (key, left) in leaves {
            let known = self.list.get(key).map(|metas| refs(metas)).unwrap_or_default();
            self.was_told_a_leave_of_nobody |= !self.is_excused && !refs(left).is_subset(&known);
            let Some(metas) = self.list.get_mut(key) else { continue };
            let gone = refs(left);
            metas.retain(|meta| !gone.contains(reference(meta)));
            if metas.is_empty() {
                self.list.remove(key);
            }
        }
    }
}

/// The metas of `all` that `other` lacks, by reference.
fn without(all: &Folded, other: &Folded) -> Folded {
    let lacking = |(key, metas): (&String, &Vec<Map<String, Value>>)| {
        let known = other.get(key).map(|metas| refs(metas)).unwrap_or_default();
        let lacking: Vec<_> = metas.iter().filter(|meta| !known.contains(reference(meta))).cloned().collect();
        (!lacking.is_empty()).then(|| (key.clone(), lacking))
    };
    all.iter().filter_map(lacking).collect()
}

fn folded(presences: &Value) -> Folded {
    let metas = |value: &Value| serde_json::from_value(value["metas"].clone()).expect("metas are objects");
    let presences = presences.as_object().expect("presences are an object");
    presences.iter().map(|(key, value)| (key.clone(), metas(value))).collect()
}

fn refs(metas: &[Map<String, Value>]) -> BTreeSet<String> {
    metas.iter().map(|meta| reference(meta).to_owned()).collect()
}

fn reference(meta: &Map<String, Value>) -> &str {
    meta["phx_ref"].as_str().expect("a reference is a string")
}

/// A list without its order inside metas, which clients must not rely on: of each key its metas by reference.
pub(crate) fn unordered(list: &Folded) -> BTreeMap<&str, BTreeMap<&str, &Map<String, Value>>> {
    let mut unordered = BTreeMap::<_, BTreeMap<_, _>>::new();
    for (key, metas) in list {
        for meta in metas {
            let twice = unordered.entry(key.as_str()).or_default().insert(reference(meta), meta);
            assert!(twice.is_none(), "a reference twice under {key:?}");
        }
        assert!(!metas.is_empty(), "{key:?} is listed without metas");
    }
    unordered
}
