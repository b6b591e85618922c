//! The diffs and lists of one topic that wait for the fetch hook, in the order in which they are to be told.

use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use smol_str::SmolStr;
use tokio::sync::oneshot;

use super::fanout::{Held, Role, Subscriber};
use crate::channel::context::Seat;
use crate::channel::node::Mail;
use crate::presence::{OwnerId, Presences, Snapshot};
use crate::wire::{Excerpt, Field, SharedPayload};

/// Fetches run beside one another; what they decorated leaves in the order in which they were started.
#[derive(Default)]
pub(crate) struct Line {
    places: VecDeque<Place>,
    first_ticket: u64,
}

struct Place {
    to: To,
    /// Everyone as of this diff or list, as they were tracked.
    list: Snapshot,
    /// Joins and leaves of a diff; a list in the first part.
    fetched: Option<[Presences; 2]>,
}

/// Whom something is for.
pub(crate) enum To {
    /// A list, for those who asked for it.
    Wanted(Vec<StateFor>),
    /// A diff, for everybody who hears the topic, but for some.
    All { but: Vec<OwnerId> },
    /// What those are told instead.
    These(Vec<OwnerId>),
}

/// What is to be told next: the parts of a [`Place`].
pub(crate) struct Ready {
    pub(crate) to: To,
    pub(crate) list: Snapshot,
    pub(crate) parts: [Presences; 2],
}

/// A channel, or a watch, that is to be pushed `presence_state`.
pub(crate) struct StateFor {
    pub(crate) seat: Arc<Seat>,
    pub(crate) done: oneshot::Sender<()>,
}

impl Line {
    /// A place for a list, and the ticket its fetch comes back with.
    pub(crate) fn wait_for_list(&mut self, wanted: Vec<StateFor>, list: Snapshot) -> u64 {
        self.wait(To::Wanted(wanted), list)
    }

    /// The same for a diff, and the list that it leads to.
    pub(crate) fn wait_for_diff(&mut self, list: Snapshot, to: To) -> u64 {
        self.wait(to, list)
    }

    fn wait(&mut self, to: To, list: Snapshot) -> u64 {
        self.places.push_back(Place { to, list, fetched: None });
        self.first_ticket + self.places.len() as u64 - 1
    }

    /// A fetch has come back.
    pub(crate) fn fetched(&mut self, ticket: u64, parts: [Presences; 2]) {
        let at = ticket.checked_sub(self.first_ticket).and_then(|at| usize::try_from(at).ok());
        if let Some(place) = at.and_then(|at| self.places.get_mut(at)) {
            place.fetched = Some(parts);
        }
    }

    /// The first in the line, once its fetch has come back.
    pub(crate) fn next_ready(&mut self) -> Option<Ready> {
        let parts = self.places.front_mut()?.fetched.take()?;
        self.first_ticket += 1;
        let Place { to, list, .. } = self.places.pop_front()?;
        Some(Ready { to, list, parts })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

impl StateFor {
    /// Pushes the list, and tells the channel if it observes, unless the channel or watch has gone meanwhile. The payload
    /// is what the fetch hook made of the list.
    pub(crate) fn push(
        self,
        present: &IndexMap<OwnerId, Subscriber, RandomState>,
        payload: &SharedPayload,
        list: &Snapshot,
        held: &mut Held,
    ) {
        let seat = &self.seat;
        if let Some(subscriber) = present.get(&seat.id()) {
            match subscriber.role {
                Role::Watcher => {
                    let payload = payload.payload().clone();
                    seat.peer.mail(seat.id(), Mail::Out { event: PRESENCE_STATE, payload });
                }
                _ => self.send(payload, held),
            }
            subscriber.tell_observation(seat.id(), list);
        }
        // Whoever asked may have ended meanwhile.
        let _ = self.done.send(());
    }

    fn send(&self, list: &SharedPayload, held: &mut Held) {
        let seat = &self.seat;
        let topic = Field::from(seat.topic.clone());
        match list.encode_message(seat.vsn, &seat.join_ref, &Field::Null, &topic, &PRESENCE_STATE) {
            Ok(frame) => {
                let again = seat.repeats_lists.then(|| frame.clone());
                for frame in again.into_iter().chain([frame]) {
                    if seat.peer.hold(frame) {
                        held.push(seat.peer.clone());
                    }
                }
            }
            Err(error) => {
                tracing::warn!(topic = %Excerpt(&seat.topic), %error, "a presence_state cannot be encoded")
            }
        }
    }
}

const PRESENCE_STATE: SmolStr = SmolStr::new_static("presence_state");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_fetched_first_waits_for_what_was_asked_first() {
        let mut line = Line::default();
        let list = Snapshot::default();
        let (first, second) =
            (line.wait_for_diff(list.clone(), To::All { but: vec![] }), line.wait_for_list(Vec::new(), list));
        line.fetched(second, Default::default());
        assert!(line.next_ready().is_none());
        line.fetched(first, Default::default());
        assert!(line.next_ready().is_some_and(|ready| matches!(ready.to, To::All { .. })));
        assert!(line.next_ready().is_some_and(|ready| matches!(ready.to, To::Wanted(_))));
        assert!(line.is_empty());
    }
}
