//! What is counted of awareness: plain numbers. Not here: names and texts (`ops::metrics`).

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// The numbers of all rooms. They only grow, but for the two that say how many there are.
#[derive(Default)]
pub(crate) struct RoomCounters {
    messages: AtomicU64,
    updates: AtomicU64,
    frames: AtomicU64,
    entries: AtomicU64,
    dropped: [AtomicU64; Dropped::ALL.len()],
    participants: AtomicI64,
    unknown: AtomicI64,
    other_users: AtomicU64,
}

/// Why something that a participant said is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// The message cannot be read.
    Malformed,
    /// So much of the participant waits already that no more is taken.
    Busy,
    /// The participant is not heard: another connection speaks for its client id.
    Unheard,
    /// It claims a client id that is another's.
    Refused,
    /// It is of other clients: what a client sends back of what it was told.
    Others,
    /// Nobody knows who the participant is.
    UnknownUser,
    /// The state is longer than states may be.
    TooLarge,
    /// The state is no object, and no page shows it.
    NotAnObject,
}

impl Dropped {
    /// Every reason.
    pub(crate) const ALL: [Dropped; 8] = [
        Dropped::Malformed,
        Dropped::Busy,
        Dropped::Unheard,
        Dropped::Refused,
        Dropped::Others,
        Dropped::UnknownUser,
        Dropped::TooLarge,
        Dropped::NotAnObject,
    ];

    /// Its name among the metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Dropped::Malformed => "malformed",
            Dropped::Busy => "busy",
            Dropped::Unheard => "unheard",
            Dropped::Refused => "refused",
            Dropped::Others => "others",
            Dropped::UnknownUser => "unknown_user",
            Dropped::TooLarge => "too_large",
            Dropped::NotAnObject => "not_an_object",
        }
    }
}

impl RoomCounters {
    /// Awareness messages that participants sent.
    pub(crate) fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Of these, those with a state of their own, or the end of it, that was taken.
    pub(crate) fn updates(&self) -> u64 {
        self.updates.load(Ordering::Relaxed)
    }

    /// Frames that participants were sent.
    pub(crate) fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// The states and goodbyes in them.
    pub(crate) fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    /// Entries that were not told, by reason; of what cannot be read, messages.
    pub(crate) fn dropped(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let labels = Dropped::ALL.iter().map(|reason| reason.label());
        labels.zip(self.dropped.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// Connected participants.
    pub(crate) fn participants(&self) -> i64 {
        self.participants.load(Ordering::Relaxed)
    }

    /// Of these, those of whom nobody knows who they are.
    pub(crate) fn unknown(&self) -> i64 {
        self.unknown.load(Ordering::Relaxed)
    }

    /// Answers of the upstream that named another user than before on the same connection.
    pub(crate) fn other_users(&self) -> u64 {
        self.other_users.load(Ordering::Relaxed)
    }

    pub(crate) fn named_another_user(&self) {
        self.other_users.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn received(&self) {
        self.messages.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn took_update(&self) {
        self.updates.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, entries: usize) {
        self.frames.fetch_add(1, Ordering::Relaxed);
        self.entries.fetch_add(entries as u64, Ordering::Relaxed);
    }

    pub(super) fn drop_some(&self, reason: Dropped, count: u32) {
        if count > 0 {
            self.dropped[reason as usize].fetch_add(u64::from(count), Ordering::Relaxed);
        }
    }

    pub(super) fn participants_changed(&self, by: i64) {
        self.participants.fetch_add(by, Ordering::Relaxed);
    }

    pub(super) fn unknown_changed(&self, by: i64) {
        self.unknown.fetch_add(by, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_counted_for_itself() {
        let counters = RoomCounters::default();
        for (count, reason) in (1..).zip(Dropped::ALL) {
            counters.drop_some(reason, count);
        }
        let expected = (1..).zip(Dropped::ALL).map(|(count, reason)| (reason.label(), count));
        assert!(counters.dropped().eq(expected));
    }
}
