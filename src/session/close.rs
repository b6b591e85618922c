//! Every way a connection ends.

use std::fmt;

use crate::pages::{Departure, Ending};
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
    /// A message that was begun came too slowly.
    TooSlow,
    /// Somebody broadcast `disconnect` to the socket's id.
    Disconnected,
    /// The client read too slowly: what waits for it reached its limit.
    Overflow,
    /// The server is shutting down.
    Shutdown,
    /// A long-poll client stopped polling.
    Inactive,
    /// The other end answers no ping, or takes nothing of what it is sent.
    Unresponsive,
    /// A gateway's upstream closed the connection, with this code; 1005 if it gave none.
    ByUpstream(u16),
    /// The connection to a gateway's upstream failed, or the upstream went silent.
    UpstreamLost,
    /// A gateway's upstream took nothing of what the client sent, for too long.
    UpstreamStalled,
}

impl CloseReason {
    /// Every label there is.
    pub const LABELS: [&str; 16] = [
        "by_client",
        "lost",
        "malformed",
        "websocket_violation",
        "not_utf8",
        "too_big",
        "idle",
        "too_slow",
        "disconnected",
        "overflow",
        "shutdown",
        "inactive",
        "unresponsive",
        "by_upstream",
        "upstream_lost",
        "upstream_stalled",
    ];

    /// The code of the close frame to send; `None` when there is nobody to send it to.
    pub fn code(self) -> Option<u16> {
        match self {
            CloseReason::ByClient(code) => Some(websocket::close_reply(code)),
            CloseReason::Lost | CloseReason::Inactive => None,
            CloseReason::Malformed => Some(1011),
            CloseReason::Violation(violation) => Some(violation.close_code()),
            CloseReason::Idle | CloseReason::Unresponsive => Some(1002),
            CloseReason::Disconnected => Some(1001),
            CloseReason::TooSlow => Some(1008),
            CloseReason::Overflow | CloseReason::UpstreamStalled => Some(1013),
            CloseReason::Shutdown | CloseReason::UpstreamLost => Some(1012),
            CloseReason::ByUpstream(code) => Some(passed_on(code)),
        }
    }

    /// What it means to others that the connection of a server's own client ended so. A close frame that says why counts by
    /// its reason as well: see [`Ending::CloseFrame`].
    pub fn departure(self) -> Departure {
        Departure::of(match self {
            CloseReason::ByClient(code) => Ending::CloseFrame { code, reason: "" },
            CloseReason::Lost => Ending::StreamLost,
            CloseReason::Idle | CloseReason::Unresponsive => Ending::Unresponsive,
            CloseReason::Disconnected => Ending::Revoked,
            CloseReason::Inactive => Ending::Inactive,
            CloseReason::ByUpstream(_) => Ending::UpstreamClosed,
            CloseReason::UpstreamLost | CloseReason::UpstreamStalled => Ending::UpstreamLost,
            CloseReason::Malformed
            | CloseReason::Violation(_)
            | CloseReason::TooSlow
            | CloseReason::Overflow
            | CloseReason::Shutdown => Ending::Closed { code: self.code().unwrap_or_default() },
        })
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
            CloseReason::TooSlow => "too_slow",
            CloseReason::Disconnected => "disconnected",
            CloseReason::Overflow => "overflow",
            CloseReason::Shutdown => "shutdown",
            CloseReason::Inactive => "inactive",
            CloseReason::Unresponsive => "unresponsive",
            CloseReason::ByUpstream(_) => "by_upstream",
            CloseReason::UpstreamLost => "upstream_lost",
            CloseReason::UpstreamStalled => "upstream_stalled",
        }
    }
}

/// The code that a client sees of its upstream's: one that brings phoenix.js back, and that may stand in a frame.
///
/// Contract: canvas.md F.6.
fn passed_on(code: u16) -> u16 {
    match code {
        1000 | 1005 | 1006 | 1015 => 1012,
        code => code,
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
            CloseReason::TooSlow,
            CloseReason::Disconnected,
            CloseReason::Overflow,
            CloseReason::Shutdown,
            CloseReason::Inactive,
            CloseReason::Unresponsive,
            CloseReason::ByUpstream(1012),
            CloseReason::UpstreamLost,
            CloseReason::UpstreamStalled,
        ];
        assert_eq!(reasons.map(CloseReason::label), CloseReason::LABELS);
        for reason in reasons {
            // One that is not named here is missing above.
            match reason {
                CloseReason::ByClient(_) | CloseReason::Lost | CloseReason::Malformed => {}
                CloseReason::Violation(Violation::Protocol | Violation::NotUtf8 | Violation::TooBig) => {}
                CloseReason::Idle
                | CloseReason::TooSlow
                | CloseReason::Disconnected
                | CloseReason::Overflow => {}
                CloseReason::Shutdown | CloseReason::Inactive | CloseReason::Unresponsive => {}
                CloseReason::ByUpstream(_) | CloseReason::UpstreamLost | CloseReason::UpstreamStalled => {}
            }
        }
    }

    #[test]
    fn a_client_is_never_told_that_its_upstream_is_done_with_it_for_good() {
        for code in [1000, 1005, 1006, 1015] {
            assert_eq!(CloseReason::ByUpstream(code).code(), Some(1012), "{code}");
        }
        for code in [1001, 1002, 1008, 1011, 1012, 4000] {
            assert_eq!(CloseReason::ByUpstream(code).code(), Some(code));
        }
    }
}
