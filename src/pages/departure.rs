//! Who left, and who is disconnected and may come back.
//!
//! Owns the one rule of it, for presence and for awareness. Not here: the grace period, and who takes whose place.
//! The rule follows what browsers and phoenix.js send: a reload, a navigation and a closed tab give a close frame without
//! a code, a killed browser one with 1001, and phoenix.js closes with 1000 and a reason of its own when it will come back
//! at once.

/// What the end of a connection or channel means to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Departure {
    /// They are told at once.
    Left,
    /// They are told after the grace period, if nobody came back.
    Disconnected,
}

/// The ways in which a connection or a channel ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending<'a> {
    /// The client sent `phx_leave`.
    Leave,
    /// The channel ended normally: `phx_close`.
    ChannelClosed,
    /// The channel crashed: `phx_error`. phoenix.js joins again.
    ChannelError,
    /// The client sent a close frame.
    CloseFrame {
        /// Its code, if it has one.
        code: Option<u16>,
        /// Its reason; empty without one.
        reason: &'a str,
    },
    /// The stream ended or failed without a close frame.
    StreamLost,
    /// The server closed the connection with this code. The reasons below say more where they apply.
    Closed {
        /// The code of the server's close frame.
        code: u16,
    },
    /// The upstream closed the connection, with whatever code.
    UpstreamClosed,
    /// The connection to the upstream was lost.
    UpstreamLost,
    /// A ping was not answered in its time.
    Unresponsive,
    /// The client took nothing of what was sent to it for too long.
    NoProgress,
    /// A long-poll client stopped polling.
    Inactive,
    /// The client closed the connection of a waiting poll, and no request followed in time.
    PollAbandoned,
    /// Access was revoked: by a review, or through the API.
    Revoked,
}

impl Departure {
    /// What this ending means to others.
    pub fn of(ending: Ending<'_>) -> Departure {
        match ending {
            Ending::Leave | Ending::ChannelClosed => Departure::Left,
            Ending::ChannelError => Departure::Disconnected,
            Ending::CloseFrame { code: Some(1000), reason: HEARTBEAT_TIMEOUT } => Departure::Disconnected,
            Ending::CloseFrame { .. } => Departure::Left,
            Ending::StreamLost | Ending::PollAbandoned => Departure::Disconnected,
            Ending::UpstreamClosed | Ending::UpstreamLost => Departure::Disconnected,
            // A restart, and an overflow: the client is told to try again.
            Ending::Closed { code: 1012 | 1013 } => Departure::Disconnected,
            Ending::Closed { .. } => Departure::Left,
            // It had its time before the connection was ended.
            Ending::Unresponsive | Ending::NoProgress | Ending::Inactive => Departure::Left,
            Ending::Revoked => Departure::Left,
        }
    }
}

/// The reason that phoenix.js gives when a heartbeat was not answered: it closes, and connects again.
const HEARTBEAT_TIMEOUT: &str = "heartbeat timeout";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_is_told_at_once_or_after_the_grace_period() {
        let close = |code, reason| Ending::CloseFrame { code, reason };
        let table = [
            (Ending::Leave, Departure::Left),
            (Ending::ChannelClosed, Departure::Left),
            (Ending::ChannelError, Departure::Disconnected),
            // A reload, a navigation, a closed tab.
            (close(None, ""), Departure::Left),
            // A killed browser.
            (close(Some(1001), ""), Departure::Left),
            (close(Some(1000), ""), Departure::Left),
            (close(Some(4000), "heartbeat timeout"), Departure::Left),
            (close(None, "heartbeat timeout"), Departure::Left),
            // phoenix.js, which comes back.
            (close(Some(1000), "heartbeat timeout"), Departure::Disconnected),
            (close(Some(1000), "heartbeat timeout "), Departure::Left),
            (Ending::StreamLost, Departure::Disconnected),
            (Ending::Closed { code: 1012 }, Departure::Disconnected),
            (Ending::Closed { code: 1013 }, Departure::Disconnected),
            (Ending::Closed { code: 1002 }, Departure::Left),
            (Ending::Closed { code: 1008 }, Departure::Left),
            (Ending::Closed { code: 1009 }, Departure::Left),
            (Ending::UpstreamClosed, Departure::Disconnected),
            (Ending::UpstreamLost, Departure::Disconnected),
            (Ending::Unresponsive, Departure::Left),
            (Ending::NoProgress, Departure::Left),
            (Ending::Inactive, Departure::Left),
            (Ending::PollAbandoned, Departure::Disconnected),
            (Ending::Revoked, Departure::Left),
        ];
        for (ending, departure) in table {
            assert_eq!(Departure::of(ending), departure, "{ending:?}");
        }
    }
}
