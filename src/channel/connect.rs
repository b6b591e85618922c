//! Who connects: the application turns parameters and headers into an identity, or refuses.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, Weak};

use http::{HeaderMap, HeaderName, StatusCode};
use smol_str::SmolStr;

use super::node::{Node, Peer};
use super::params::Params;

/// Decides who may connect (`c:Phoenix.Socket.connect/3` and `c:Phoenix.Socket.id/1`).
pub trait Connect: Send + Sync + 'static {
    /// What channels know of the connection they are on; the router makes them out of it.
    type Identity: Send + Sync + 'static;

    /// Lets a connection in, or refuses it. Called once for each WebSocket and each long-poll session.
    ///
    /// # Errors
    /// The [`Refusal`] is what the client's HTTP request is answered with.
    fn connect(
        &self,
        info: &ConnectInfo,
    ) -> impl Future<Output = Result<Connected<Self::Identity>, Refusal>> + Send;

    /// A connection that was let in is open. Whoever is to end it later, because what let it in no longer holds, keeps
    /// the way to close it; to close all of a user's, [`Handle::disconnect`](super::Handle::disconnect) is enough.
    fn opened(&self, identity: &Self::Identity, closer: Closer) {
        let _ = (identity, closer);
    }
}

/// A way to close one connection. It keeps nothing alive.
#[derive(Clone)]
pub struct Closer {
    peer: Weak<dyn Peer>,
    node: Weak<dyn Node>,
    socket_id: Option<SmolStr>,
}

impl Closer {
    pub(crate) fn new(peer: &Arc<impl Peer>, node: Weak<impl Node>, socket_id: Option<SmolStr>) -> Self {
        let peer: Weak<dyn Peer> = Arc::downgrade(peer) as _;
        Closer { peer, node: node as _, socket_id }
    }

    /// Closes the connection with code 1001, as [`Handle::disconnect`](super::Handle::disconnect) does, and ends the grace
    /// periods of others with its socket id; nothing happens where it is gone.
    pub fn close(&self) {
        let Some(peer) = self.peer.upgrade() else { return };
        peer.disconnect();
        if let Some((node, socket_id)) = self.node.upgrade().zip(self.socket_id.as_ref()) {
            // It takes effect without being waited for.
            drop(node.revoke(socket_id));
        }
    }
}

/// A connection that was let in.
pub struct Connected<I> {
    /// What its channels are made of.
    pub identity: I,
    /// The name under which [`Handle::disconnect`](super::Handle::disconnect) closes it, e.g. `user_socket:17`.
    pub socket_id: Option<String>,
}

/// What is known of a connection before it is let in. Tokens and cookies are among it: only names print, and the address.
#[derive(Clone)]
pub struct ConnectInfo {
    /// The parameters of the query, `vsn` among them.
    pub params: Params,
    /// The headers of the request that opens the connection.
    pub headers: HeaderMap,
    /// The `authToken` of phoenix.js 1.8, where the server looks for one and the client brought one.
    pub auth_token: Option<String>,
    /// The client's address: that of the other end, or whom a trusted proxy speaks for. `None` behind a Unix socket
    /// through which no such proxy speaks.
    pub peer: Option<IpAddr>,
    /// How the client talks.
    pub transport: Transport,
}

impl fmt::Debug for ConnectInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut info = f.debug_struct("ConnectInfo");
        info.field("params", &self.params);
        info.field("headers", &self.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>());
        info.field("has_auth_token", &self.auth_token.is_some());
        info.field("peer", &self.peer).field("transport", &self.transport).finish()
    }
}

/// How a client talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A WebSocket.
    WebSocket,
    /// Long polling over HTTP.
    LongPoll,
}

/// A connection that was not let in: the HTTP status of the answer, whose body is empty. In long poll only a status from
/// 500 on is; all others come as status 200 with 403 in its JSON, as Phoenix has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
}

impl Refusal {
    /// 403, as for Phoenix's `:error`.
    pub const FORBIDDEN: Refusal = Refusal { status: StatusCode::FORBIDDEN };

    /// Another status, such as 429 or 503 (Phoenix: `{:error, reason}` and an `error_handler`).
    pub fn with_status(status: StatusCode) -> Self {
        Refusal { status }
    }

    /// The status of the answer.
    pub fn status(self) -> StatusCode {
        self.status
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::COOKIE;

    use super::*;

    #[test]
    fn what_a_client_brings_prints_by_its_name_alone() {
        let params = "vsn=2.0.0&token=s3cr3t&nested[key]=s3cr3t&list[]=s3cr3t";
        let info = ConnectInfo {
            params: Params::decode(params).expect("a query"),
            headers: HeaderMap::from_iter([(COOKIE, HeaderValue::from_static("session=s3cr3t"))]),
            auth_token: Some("s3cr3t".to_owned()),
            peer: None,
            transport: Transport::WebSocket,
        };
        let printed = format!("{info:?} {info:#?}");
        assert!(!printed.contains("s3cr3t"), "{printed}");
        for name in ["vsn", "token", "nested", "list", "cookie", "has_auth_token: true", "WebSocket"] {
            assert!(printed.contains(name), "{name} is not in {printed}");
        }
    }
}
