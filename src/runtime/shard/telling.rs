//! Telling the diffs of a topic, through the fetch hook where there is one.

use smol_str::SmolStr;

use super::{Shard, Topic};
use crate::presence::{Instead, OwnerId, Presences, Snapshot, Told};
use crate::runtime::fanout::{FanOut, Held};
use crate::runtime::line::{Ready, To};
use crate::wire::{Json, Payload, SharedPayload};

impl Shard {
    /// Tells everybody who hears a topic what there is to tell each.
    pub(super) fn tell(&mut self, name: &SmolStr, told: Told) {
        let Some(topic) = self.topics.get_mut(name) else { return };
        // It was published already: nothing more has changed than is told now.
        let list = self.listings.get(name).snapshot.clone();
        let Told { diff, instead } = told;
        topic.diffs_told = topic.diffs_told.wrapping_add(1);
        if let Some(diff) = diff {
            let but: Vec<OwnerId> = instead.iter().flat_map(|own| own.to.iter().copied()).collect();
            match &self.hooks.fetcher {
                None => {
                    topic.tell_diff(name, diff.encode(), &list, &but, &mut self.held);
                    self.hooks.report(name, || (diff.joins(), diff.leaves()));
                }
                Some(fetcher) => {
                    let ticket = topic.line.wait_for_diff(list.clone(), To::All { but });
                    self.hooks.start(fetcher, name, ticket, [diff.joins(), diff.leaves()]);
                }
            }
        }
        // Whoever has nothing else to be told has this very list.
        for Instead { to, diff, .. } in instead.into_iter().filter(|own| !own.diff.is_empty()) {
            match &self.hooks.fetcher {
                None => topic.tell_diff_to(name, &to, diff.encode(), &list, &mut self.held),
                Some(fetcher) => {
                    let ticket = topic.line.wait_for_diff(list.clone(), To::These(to));
                    self.hooks.start(fetcher, name, ticket, [diff.joins(), diff.leaves()]);
                }
            }
        }
    }

    /// What a fetch decorated is told in its turn.
    pub(super) fn fetched(&mut self, name: &SmolStr, ticket: u64, parts: [Presences; 2]) {
        let Some(topic) = self.topics.get_mut(name) else { return };
        topic.line.fetched(ticket, parts);
        while let Some(Ready { to, list, parts: [first, second] }) = topic.line.next_ready() {
            match to {
                To::Wanted(wanted) => {
                    if let Ok(payload) = Json::of(&first) {
                        let payload = SharedPayload::new(Payload::Json(payload));
                        for to in wanted {
                            to.push(&topic.subscribers, &payload, &list, &mut self.held);
                        }
                    }
                }
                To::All { .. } | To::These(_) if self.hushed => {}
                To::These(to) => {
                    if let Ok(diff) = crate::presence::encode_diff(&first, &second) {
                        topic.tell_diff_to(name, &to, diff, &list, &mut self.held);
                    }
                }
                To::All { but } => {
                    if let Ok(diff) = crate::presence::encode_diff(&first, &second) {
                        topic.tell_diff(name, diff, &list, &but, &mut self.held);
                    }
                    self.hooks.report(name, || (first, second));
                }
            }
        }
        self.topic(name);
    }
}

impl Topic {
    /// Tells all but some. `list` is everyone as of this diff.
    fn tell_diff(
        &self,
        name: &SmolStr,
        diff: bytes::Bytes,
        list: &Snapshot,
        but: &[OwnerId],
        held: &mut Held,
    ) {
        let (event, payload) = (PRESENCE_DIFF, Payload::Json(Json::from_encoded(diff)));
        let mut fan_out = FanOut::new(name, &event, &payload, held);
        for (id, subscriber) in self.subscribers.iter().filter(|(id, _)| !but.contains(id)) {
            fan_out.presence(*id, subscriber);
            subscriber.tell_observation(*id, list);
        }
    }

    /// Tells some.
    fn tell_diff_to(
        &self,
        name: &SmolStr,
        to: &[OwnerId],
        diff: bytes::Bytes,
        list: &Snapshot,
        held: &mut Held,
    ) {
        let (event, payload) = (PRESENCE_DIFF, Payload::Json(Json::from_encoded(diff)));
        let mut fan_out = FanOut::new(name, &event, &payload, held);
        for (id, subscriber) in to.iter().filter_map(|id| self.subscribers.get_key_value(id)) {
            fan_out.presence(*id, subscriber);
            subscriber.tell_observation(*id, list);
        }
    }
}

const PRESENCE_DIFF: SmolStr = SmolStr::new_static("presence_diff");
