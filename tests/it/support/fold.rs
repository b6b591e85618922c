//! Presence as phoenix.js keeps it: a state, and the diffs folded into it.
//!
//! Source: phoenix.js 1.8, `Presence.syncState` and `Presence.syncDiff`, with the diffs that come before the first
//! state kept until then.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Message;

/// What one client believes about one topic.
#[derive(Clone, Debug, Default)]
pub struct Fold {
    metas: BTreeMap<String, Vec<Value>>,
    stated: bool,
    early: Vec<Value>,
}

impl Fold {
    /// Folds a message in; any that is not about presence changes nothing.
    pub fn take(&mut self, message: &Message) {
        self.take_event(&message.event, &message.payload);
    }

    /// The same of an event and its payload.
    pub fn take_event(&mut self, event: &str, payload: &Value) {
        match event {
            "presence_state" => self.take_state(payload),
            "presence_diff" if self.stated => self.diff(payload),
            "presence_diff" => self.early.push(payload.clone()),
            _ => {}
        }
    }

    /// Whether there was a state yet.
    pub fn is_stated(&self) -> bool {
        self.stated
    }

    /// Takes a list for the state.
    pub fn take_state(&mut self, list: &Value) {
        // What syncState removes and adds, taken together, leaves what the list says.
        self.metas = entries(list).map(|(key, metas)| (key.clone(), metas.to_vec())).collect();
        self.stated = true;
        for diff in std::mem::take(&mut self.early) {
            self.diff(&diff);
        }
    }

    /// The refs under each key, in no order: what two views of a topic have to agree on.
    pub fn refs(&self) -> BTreeMap<String, BTreeSet<String>> {
        self.metas.iter().map(|(key, metas)| (key.clone(), metas.iter().map(phx_ref).collect())).collect()
    }

    /// The same of a list as the server gives it.
    pub fn refs_of(list: &Value) -> BTreeMap<String, BTreeSet<String>> {
        entries(list).map(|(key, metas)| (key.clone(), metas.iter().map(phx_ref).collect())).collect()
    }

    /// The metas under a key.
    pub fn metas(&self, key: &str) -> &[Value] {
        self.metas.get(key).map_or(&[], Vec::as_slice)
    }

    fn diff(&mut self, diff: &Value) {
        for (key, joined) in entries(&diff["joins"]) {
            let metas = self.metas.entry(key.clone()).or_default();
            remove(metas, joined);
            metas.extend_from_slice(joined);
        }
        for (key, left) in entries(&diff["leaves"]) {
            let Some(metas) = self.metas.get_mut(key) else { continue };
            remove(metas, left);
            if metas.is_empty() {
                self.metas.remove(key);
            }
        }
    }
}

fn remove(metas: &mut Vec<Value>, gone: &[Value]) {
    metas.retain(|meta| !gone.iter().any(|gone| gone["phx_ref"] == meta["phx_ref"]));
}

fn entries(list: &Value) -> impl Iterator<Item = (&String, &[Value])> {
    let list = list.as_object().expect("presences are an object");
    list.iter().map(|(key, entry)| (key, entry["metas"].as_array().expect("an entry has metas").as_slice()))
}

fn phx_ref(meta: &Value) -> String {
    meta["phx_ref"].as_str().expect("a meta has a phx_ref").to_owned()
}
