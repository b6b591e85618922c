//! Who is at the other end of a connection, as the lines of the log tell it.
//!
//! A span that is kept costs every idle connection half a kilobyte, so only the texts are, and a span is made around
//! what is done for the connection: a callback, or a line of the log.
//! Rules: the request id is the parameter that Lightning's `SocketProvider` sends.

use std::net::IpAddr;

use smol_str::SmolStr;
use tracing::{Span, field, warn_span};

use crate::channel::erased::Accepted;
use crate::channel::{ConnectInfo, Params, Transport};

/// What tells one client from another.
pub(crate) struct Client {
    pub(crate) transport: Transport,
    pub(crate) peer: Option<IpAddr>,
    request_id: Option<SmolStr>,
}

/// A client that was let in.
pub(crate) struct Admitted {
    pub(crate) client: Client,
    pub(crate) accepted: Accepted,
}

impl Client {
    pub(crate) fn of(info: &ConnectInfo) -> Self {
        Client::new(info.transport, info.peer, &info.params)
    }

    pub(crate) fn new(transport: Transport, peer: Option<IpAddr>, params: &Params) -> Self {
        let request_id = params.get("request_id").filter(|id| is_request_id(id));
        Client { transport, peer, request_id: request_id.map(SmolStr::new) }
    }

    /// What is logged inside has the number of the connection, once there is one, the client's address, and the id of
    /// the request that brought the client its page. It is there at every level at which an operator is told anything.
    pub(crate) fn span(&self, connection: Option<u64>) -> Span {
        let peer = self.peer.map(field::display);
        let request_id = self.request_id.as_ref().map(field::display);
        warn_span!("client", connection, peer, request_id)
    }
}

/// Whether a text is fit for every line of the log: short, and nothing in it can be taken for another field or line.
/// A page that knows no request id says `undefined`.
fn is_request_id(text: &str) -> bool {
    let is_fit = (1..=MAX_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_fit && text != "undefined"
}

/// Plug makes ids of 20 bytes and takes no longer ones than these.
const MAX_BYTES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_forge_or_fill_a_line_is_no_request_id() {
        for id in ["GEbLhkJIKrGHRgcAAAHB", "4f1c-9a", &"x".repeat(MAX_BYTES)] {
            assert!(is_request_id(id), "{id}");
        }
        for none in
            ["", "undefined", "a b", "a peer=::1", "a\nb", "a\u{1b}[1m", "ä", &"x".repeat(MAX_BYTES + 1)]
        {
            assert!(!is_request_id(none), "{none:?}");
        }
    }
}
