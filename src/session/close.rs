//! Every way a connection ends.

use std::fmt;

use crate::wire::websocket::{self, Violation};

/// Why a connection ended. One value gives the close code the client sees, the label it is counted under, and
/// the words of its log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The client sent a close frame, with this code if any.
    ByClient(Option<u16>),
    /// The stream ended or failed without a close frame.
    Lost,
    /// A frame that is no message of the protocol.
    Malformed,
    /// A frame that breaks RFC 6455 or its limits.
    Violation(Violation),
    /// The client was silent for too long. Never 1000: phoenix.js would not come back.
    Idle,
    /// Somebody broadcast `disconnect` to the socket's id.
    Disconnected,
    /// The client read too slowly: what waits for it reached its limit.
    Overflow,
    /// The server is shutting down.
    Shutdown,
    /// A long-poll client stopped polling.
    Inactive,
}

impl CloseReason {
    /// Every label there is.
    pub const LABELS: [&str; 11] = [
        "by_client",
        "lost",
        "malformed",
        "websocket_violation",
        "not_utf8",
        "too_big",
        "idle",
        "disconnected",
        "overflow",
        "shutdown",
        "inactive",
    ];

    /// The code of the close frame to send; `None` when there is nobody to send it to.
    pub fn code(self) -> Option<u16> {
        match self {
            CloseReason::ByClient(code) => Some(websocket::close_reply(code)),
            CloseReason::Lost | CloseReason::Inactive => None,
            CloseReason::Malformed => Some(1011),
            CloseReason::Violation(violation) => Some(violation.close_code()),
            CloseReason::Idle => Some(1002),
            CloseReason::Disconnected => Some(1001),
            CloseReason::Overflow => Some(1013),
            CloseReason::Shutdown => Some(1012),
        }
    }

    /// A short constant name, of [`LABELS`](Self::LABELS).
    pub fn label(self) -> &'static str {
        match self {
            CloseReason::ByClient(_) => "by_client",
            CloseReason::Lost => "lost",
            CloseReason::Malformed => "malformed",
            CloseReason::Violation(Violation::Protocol) => "websocket_violation",
            CloseReason::Violation(Violation::NotUtf8) => "not_utf8",
            CloseReason::Violation(Violation::TooBig) => "too_big",
            CloseReason::Idle => "idle",
            CloseReason::Disconnected => "disconnected",
            CloseReason::Overflow => "overflow",
            CloseReason::Shutdown => "shutdown",
            CloseReason::Inactive => "inactive",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_labels_are_those_of_all_reasons() {
        let reasons = [
            CloseReason::ByClient(None),
            CloseReason::Lost,
            CloseReason::Malformed,
            CloseReason::Violation(Violation::Protocol),
            CloseReason::Violation(Violation::NotUtf8),
            CloseReason::Violation(Violation::TooBig),
            CloseReason::Idle,
            CloseReason::Disconnected,
            CloseReason::Overflow,
            CloseReason::Shutdown,
            CloseReason::Inactive,
        ];
        assert_eq!(reasons.map(CloseReason::label), CloseReason::LABELS);
        for reason in reasons {
            // One that is not named here is missing above.
            match reason {
                CloseReason::ByClient(_) | CloseReason::Lost | CloseReason::Malformed => {}
                CloseReason::Violation(Violation::Protocol | Violation::NotUtf8 | Violation::TooBig) => {}
                CloseReason::Idle | CloseReason::Disconnected | CloseReason::Overflow => {}
                CloseReason::Shutdown | CloseReason::Inactive => {}
            }
        }
    }
}
