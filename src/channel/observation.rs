//! What a channel that observes a topic is still to be told of it: the last list, however many there were.
//!
//! Not here: which lists there are, and when (`runtime/shard`).

use parking_lot::Mutex;
use smol_str::SmolStr;

use crate::presence::Snapshot;

/// One channel's observation of one topic. At most one list waits in it, and at most one piece of mail for it, so that a
/// busy topic piles up nothing before a slow channel.
pub(crate) struct Observation {
    topic: SmolStr,
    waiting: Mutex<Option<Snapshot>>,
}

impl Observation {
    pub(crate) fn new(topic: SmolStr) -> Self {
        Observation { topic, waiting: Mutex::new(None) }
    }

    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// Leaves a list for the channel. Says whether it needs mail to hear of it: it has some already while an earlier
    /// list waits, in whose place this one comes.
    pub(crate) fn put(&self, list: Snapshot) -> bool {
        let earlier = self.waiting.lock().replace(list);
        earlier.is_none()
    }

    /// The list that waits.
    pub(crate) fn take(&self) -> Option<Snapshot> {
        self.waiting.lock().take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_of_several_lists_needs_mail() {
        let observation = Observation::new("t".into());
        assert!(observation.put(Snapshot::default()));
        assert!(!observation.put(Snapshot::default()));
        assert!(observation.take().is_some());
        assert!(observation.take().is_none());
        assert!(observation.put(Snapshot::default()));
    }
}
