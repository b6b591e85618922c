//! What goes wrong with a client, and how often each thing did.

use std::collections::BTreeMap;
use std::io;

use thiserror::Error;

/// Why one client did not get what it asked for. It says what the server answered, and nothing that the client sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum Trouble {
    /// There is no stream.
    #[error("cannot connect: {0}")]
    Unreachable(io::ErrorKind),
    /// The handshake was answered with another HTTP status than 101.
    #[error("connection refused with HTTP status {0}")]
    Refused(u16),
    /// The answer to the handshake is none of a WebSocket.
    #[error("no WebSocket: the answer to the handshake breaks RFC 6455")]
    NoWebSocket,
    /// The join was answered with an error.
    #[error("join refused: {0}")]
    JoinRefused(String),
    /// A message was answered with an error.
    #[error("message refused: {0}")]
    MessageRefused(String),
    /// The server ended the channel with this event.
    #[error("channel ended with {0}")]
    ChannelEnded(&'static str),
    /// The server closed the connection with this code; 1005 stands for none.
    #[error("connection closed with code {0}")]
    Closed(u16),
    /// The stream ended or failed.
    #[error("connection lost: {0}")]
    Lost(io::ErrorKind),
    /// A frame breaks RFC 6455, or is one of several fragments, which no server of the protocol sends.
    #[error("a frame that breaks RFC 6455, or a fragment")]
    BrokenFrame,
    /// A client was told its own clientID with a newer clock: y-protocols would overwrite what the person is doing.
    #[error("told its own clientID as another's")]
    OwnId,
    /// Somebody who is there was told as gone.
    #[error("somebody who is there was told as gone")]
    FalselyGone,
    /// An awareness message that lib0 cannot read.
    #[error("an awareness message that cannot be read")]
    Unreadable,
    /// What was asked for did not come.
    #[error("waited in vain for {0}")]
    Silent(&'static str),
}

/// Troubles by what they say, each with how often it was said.
#[derive(Debug, Default)]
pub(super) struct Troubles(BTreeMap<String, u64>);

impl Troubles {
    /// Counts one.
    pub(super) fn note(&mut self, trouble: &Trouble) {
        self.note_many(&trouble.to_string(), 1);
    }

    /// Counts what is no single client's trouble; none is not noted.
    pub(super) fn note_many(&mut self, what: &str, count: u64) {
        if count > 0 {
            *self.0.entry(what.to_owned()).or_default() += count;
        }
    }

    /// All of them, the most frequent first.
    pub(super) fn into_sorted(self) -> Vec<(String, u64)> {
        let mut troubles: Vec<_> = self.0.into_iter().collect();
        troubles.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        troubles
    }
}
