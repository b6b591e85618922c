//! What becomes of one message, and what it showed.

use bytes::Bytes;
use smol_str::SmolStr;

use super::User;
use crate::wire::{Field, Frame};

/// What becomes of a whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes, opcode and payload as they are.
    Pass,
    /// It stays here: what it said is among the notices, or it was for nobody else.
    Taken,
    /// It is dropped, and counted by the reason.
    Drop(DropReason),
    /// It stays here, and its sender is sent this.
    Answer(Frame),
}

/// What becomes of a message that is longer than is looked at, by its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadVerdict {
    /// It passes as it comes, and is never held whole.
    Pass,
    /// All of it is dropped, and counted by the reason.
    Drop(DropReason),
    /// It is to be held until it is whole, and then to be judged as a whole message. What is too long to be held
    /// passes unread.
    Keep,
}

/// Why a message is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// Awareness of a participant that has not joined yet, or has ended.
    NotJoined,
    /// Awareness in a message of over 64 KiB.
    TooLarge,
    /// A `yjs` message whose type, step or lengths no reader of Yjs would take.
    Malformed,
    /// A count at the head of a state vector or update that the bytes behind it cannot hold. Some readers reserve
    /// memory for as much as it says, which ends their process.
    Count,
    /// Awareness of the upstream, which knows of nobody here.
    FromUpstream,
}

/// A participant of one connection: one join of one canvas topic. Never used again on the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub u32);

/// What a message showed in passing. Notices are in the order of what happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// The upstream let the client join a canvas topic.
    Joined {
        /// The new participant.
        key: Key,
        /// The topic as joined, with its suffix.
        topic: SmolStr,
        /// What the client knows the join by: a text of 1 to 255 bytes. Frames for the participant carry it.
        join_ref: Field,
        /// The living participant of an earlier join of the same topic, which ends with this.
        replaces: Option<Key>,
    },
    /// The participant asked for the document, as it does directly before it says its first own state.
    SyncStep1 {
        /// Who.
        key: Key,
    },
    /// The participant said something of awareness.
    Awareness {
        /// Who.
        key: Key,
        /// The body of the message, not looked into: a count, and that many entries.
        body: Bytes,
    },
    /// The participant asked for the states of all others.
    Query {
        /// Who.
        key: Key,
    },
    /// The participant left: the client's `phx_leave` passed. It has ended.
    Left {
        /// Who.
        key: Key,
    },
    /// The upstream closed the participant's channel, and the client does not join again by itself. It has ended.
    ChannelClosed {
        /// Who.
        key: Key,
    },
    /// The participant's channel crashed, and the client will join again. It has ended.
    ChannelError {
        /// Who.
        key: Key,
    },
    /// The upstream said who the participant's user is.
    User {
        /// Whose user.
        key: Key,
        /// `None` for an error, `null`, or a user whom no page would show.
        user: Option<User>,
    },
    /// The upstream named another user than before on this connection, which proves nothing: to be counted.
    AnotherUser {
        /// Whose user.
        key: Key,
    },
}

impl Notice {
    /// The participant that has ended with this.
    pub fn ends(&self) -> Option<Key> {
        match self {
            Notice::Left { key } | Notice::ChannelClosed { key } | Notice::ChannelError { key } => Some(*key),
            _ => None,
        }
    }
}

impl DropReason {
    /// Every reason.
    pub const ALL: [DropReason; 5] = [
        DropReason::NotJoined,
        DropReason::TooLarge,
        DropReason::Malformed,
        DropReason::Count,
        DropReason::FromUpstream,
    ];

    /// Its name among the metrics.
    pub fn label(self) -> &'static str {
        match self {
            DropReason::NotJoined => "not_joined",
            DropReason::TooLarge => "too_large",
            DropReason::Malformed => "malformed",
            DropReason::Count => "count",
            DropReason::FromUpstream => "from_upstream",
        }
    }
}
