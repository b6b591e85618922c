//! Who takes whose place: what a join means to the other entries of its page and of its user, and the grace period of
//! those whose connection was lost.
//!
//! Owns the rule. Not here: the times, which are arguments, and asking connections for a sign of life (`runtime`).
//! Contract: pages.md §1 and §3. Newer is whoever was tracked later.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use smol_str::SmolStr;

use super::entry::{Attributes, Entry, OwnerId};
use super::meta::Meta;
use super::phx_ref::PhxRef;
use super::topic::{Disconnected, Topic};
use super::tracker::{Change, Tracker};
use crate::pages::STANDSTILL;

/// Whom to ask for a sign of life, because somebody joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The join took their place, though their connection is open. Whoever answers is told anew: [`Tracker::restore`].
    pub superseded: Vec<OwnerId>,
    /// Of the same user.
    pub twins: Vec<OwnerId>,
}

/// What a join means to the others under its key.
#[derive(Default)]
pub(super) struct Returning {
    /// Their connection is gone, and the join takes their place; the newest last.
    returned: Vec<Arc<Entry>>,
    /// The same, but their connection is open.
    superseded: Vec<Arc<Entry>>,
    /// Their connection is gone, and it was not their page that came back.
    replaced: Vec<Arc<Entry>>,
    twins: Vec<OwnerId>,
}

impl Returning {
    pub(super) fn of(join: &Entry, entries: &Topic) -> Self {
        let mut returning = Returning::default();
        for other in entries.beside(join) {
            let is_disconnected = entries.is_disconnected(other.owner);
            let is_same_page =
                join.attributes.page.is_some() && join.attributes.page == other.attributes.page;
            let is_strong = join.attributes.page.is_some_and(|page| page.is_strong());
            match (is_same_page, is_disconnected) {
                (true, true) => returning.returned.push(other.clone()),
                (true, false) if is_strong => returning.superseded.push(other.clone()),
                (false, true) => returning.replaced.push(other.clone()),
                (_, false) => returning.twins.push(other.owner),
            }
        }
        returning
    }

    /// The entry in its place: since when the person is there, and what clients are told to put it in the place of.
    pub(super) fn place(&self, entry: Entry, meta: &Meta) -> Entry {
        let places = || self.returned.iter().chain(&self.superseded);
        let Some(newest) = places().max_by_key(|entry| entry.since) else { return entry };
        let own = Meta::joined_at(entry.encoded());
        let earliest = places().filter_map(|entry| Meta::joined_at(entry.encoded())).min();
        let earlier = earliest.zip(own).filter(|(earliest, own)| earliest < own);
        let meta = earlier.map(|(earliest, _)| meta.with_joined_at(earliest)).unwrap_or_else(|| meta.clone());
        let Entry { tag, owner, key, phx_ref, attributes, .. } = entry;
        Entry::new(tag, owner, key, &meta, attributes, phx_ref, Some(newest.phx_ref.clone()))
    }

    /// Takes them off the list, and gives them, in the order in which they are listed.
    pub(super) fn apply(self, entries: &mut Topic) -> (Vec<Arc<Entry>>, Asked) {
        for entry in &self.superseded {
            entries.supersede(entry);
        }
        for entry in self.returned.iter().chain(&self.replaced) {
            entries.remove(entry.owner, &entry.key);
        }
        let superseded = self.superseded.iter().map(|entry| entry.owner).collect();
        let asked = Asked { superseded, twins: self.twins };
        let mut leaves = [self.returned, self.superseded, self.replaced].concat();
        leaves.sort_unstable();
        (leaves, asked)
    }
}

impl Tracker {
    /// The connection of `owner` was lost: all it has on `topic` stays until then, unless its page comes back, or its user.
    /// What was superseded goes at once. `socket_id` is the name by which the connection could have been closed.
    /// Tells whether there is anything that stays.
    pub fn disconnect(
        &mut self,
        topic: &str,
        owner: OwnerId,
        until: Instant,
        socket_id: Option<SmolStr>,
    ) -> bool {
        let Some(entries) = self.topics.get_mut(topic) else { return false };
        entries.forget_superseded(owner);
        let stays = entries.has(owner) && !entries.is_disconnected(owner);
        if stays {
            entries.disconnected.push(Disconnected { owner, until, socket_id });
        }
        self.gone(topic, vec![]);
        stays
    }

    /// Ends the grace periods on `topic` that are over; and when the next one is. One that is looked at far too late
    /// begins anew: nobody could come back meanwhile.
    pub fn expire(
        &mut self,
        topic: &str,
        now: Instant,
        grace: Duration,
    ) -> (Option<Change>, Option<Instant>) {
        let Some(entries) = self.topics.get_mut(topic) else { return (None, None) };
        for lost in &mut entries.disconnected {
            if lost.until + STANDSTILL < now {
                lost.until = now + grace;
            }
        }
        let change = self.end_disconnected(topic, |lost| lost.until <= now);
        let next = self
            .topics
            .get(topic)
            .and_then(|entries| entries.disconnected.iter().map(|lost| lost.until).min());
        (change, next)
    }

    /// Ends every grace period of those whose connection had this socket id, on whatever topic.
    pub fn revoke(&mut self, socket_id: &str) -> Vec<(SmolStr, Change)> {
        let has_id = |lost: &Disconnected| lost.socket_id.as_deref() == Some(socket_id);
        let with_any = self.topics.iter().filter(|(_, entries)| entries.disconnected.iter().any(has_id));
        let topics: Vec<SmolStr> = with_any.map(|(topic, _)| topic.clone()).collect();
        let ended = topics.into_iter().map(|topic| (topic.clone(), self.end_disconnected(&topic, has_id)));
        ended.filter_map(|(topic, change)| Some((topic, change?))).collect()
    }

    /// The connection of `owner` has answered: what was superseded is there by itself again, as an entry without a page.
    pub fn restore(
        &mut self,
        topic: &str,
        owner: OwnerId,
        mut phx_ref: impl FnMut() -> PhxRef,
    ) -> Option<Change> {
        let mut entries = self.topics.remove(topic)?;
        let joins = entries.restore(owner, |old| {
            let attributes = Attributes { page: None, ..old.attributes };
            let meta = Meta::of_encoded(old.encoded());
            Entry::new(self.bump(), owner, old.key.clone(), &meta, attributes, phx_ref(), None)
        });
        self.topics.insert(topic.into(), entries);
        self.len += joins.len();
        (!joins.is_empty()).then(|| Change { joins, leaves: vec![] })
    }

    fn end_disconnected(&mut self, topic: &str, ends: impl Fn(&Disconnected) -> bool) -> Option<Change> {
        let entries = self.topics.get_mut(topic)?;
        let owners: Vec<OwnerId> =
            entries.disconnected.iter().filter(|lost| ends(lost)).map(|lost| lost.owner).collect();
        let mut leaves: Vec<_> = owners.into_iter().flat_map(|owner| entries.remove_owner(owner)).collect();
        leaves.sort_unstable();
        self.gone(topic, leaves)
    }
}
