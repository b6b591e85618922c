//! A client as y-protocols 1.0.6 has it: what it knows of everybody, and what it does with a message.

use std::collections::BTreeMap;

use super::super::codec::Entry;

/// An `Awareness`: its own client, the states, and the clocks, which it keeps of those who are gone.
#[derive(Clone, Debug, Default)]
pub(super) struct Fold {
    pub(super) client: u64,
    pub(super) states: BTreeMap<u64, String>,
    pub(super) clocks: BTreeMap<u64, u64>,
}

impl Fold {
    /// `applyAwarenessUpdate`.
    pub(super) fn apply(&mut self, entries: &[Entry<'_>]) {
        for entry in entries {
            let known = self.clocks.get(&entry.client).copied().unwrap_or(0);
            let goes = entry.state.is_none() && self.states.contains_key(&entry.client);
            if known > entry.clock || known == entry.clock && !goes {
                continue;
            }
            let mut clock = entry.clock;
            match entry.state {
                Some(state) => {
                    self.states.insert(entry.client, state.to_owned());
                }
                // It still is there, and says so.
                None if entry.client == self.client && goes => clock += 1,
                None => {
                    self.states.remove(&entry.client);
                }
            }
            self.clocks.insert(entry.client, clock);
        }
    }

    /// What the provider does when its channel is lost: it forgets all others, and keeps their clocks.
    pub(super) fn forget_others(&mut self) {
        let own = self.client;
        self.states.retain(|client, _| *client == own);
    }
}
