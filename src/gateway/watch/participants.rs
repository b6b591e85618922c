//! The participants of one connection: at most one a topic, each known by its topic and join_ref.

use smol_str::SmolStr;

use crate::gateway::Key;

/// Who has joined, as far as the upstream said so and nothing ended it since.
#[derive(Debug, Default)]
pub struct Participants {
    living: Vec<Participant>,
    made: u32,
}

#[derive(Debug)]
struct Participant {
    key: Key,
    topic: SmolStr,
    join_ref: SmolStr,
}

impl Participants {
    /// A join was let in. Returns the new participant, and the one that it takes the topic from. `None` where the
    /// connection has as many as it may have.
    pub fn join(&mut self, topic: &SmolStr, join_ref: &SmolStr) -> Option<(Key, Option<Key>)> {
        let replaced = self.take(|participant| participant.topic == *topic);
        if self.living.len() == MOST {
            return None;
        }
        let key = Key(self.made);
        self.made = self.made.checked_add(1)?;
        self.living.push(Participant { key, topic: topic.clone(), join_ref: join_ref.clone() });
        Some((key, replaced))
    }

    /// The participant of this join of this topic.
    pub fn find(&self, topic: &[u8], join_ref: &[u8]) -> Option<Key> {
        let matches = |participant: &&Participant| {
            participant.topic.as_bytes() == topic && participant.join_ref.as_bytes() == join_ref
        };
        self.living.iter().find(matches).map(|participant| participant.key)
    }

    /// Ends the participant of this topic, if its join_ref is this one, or if none is named.
    pub fn end(&mut self, topic: &str, join_ref: Option<&str>) -> Option<Key> {
        self.take(|participant| {
            participant.topic == topic && join_ref.is_none_or(|join_ref| participant.join_ref == join_ref)
        })
    }

    /// All of them.
    pub fn keys(&self) -> impl Iterator<Item = Key> {
        self.living.iter().map(|participant| participant.key)
    }

    fn take(&mut self, is: impl Fn(&Participant) -> bool) -> Option<Key> {
        let position = self.living.iter().position(is)?;
        Some(self.living.swap_remove(position).key)
    }
}

/// The most canvases that one connection is on.
const MOST: usize = 64;
