//! The checks before a client is let in, shared by both transports.

use http::{HeaderMap, HeaderName};

use super::origin::Origins;
use super::proxies::TrustedProxies;
use super::request::Request;
use super::subprotocol::Subprotocol;
use crate::channel::{ConnectInfo, Params, Transport};
use crate::wire::Vsn;

/// What a server asks of a client before its application is asked.
pub(super) struct Admission {
    pub(super) origins: Origins,
    pub(super) trusted_proxies: TrustedProxies,
    /// Whether an `authToken` is looked for; if not, subprotocols are ignored.
    pub(super) auth_token: bool,
}

impl Admission {
    /// What a WebSocket's offer of subprotocols comes to; `None` refuses it.
    pub(super) fn subprotocol(&self, headers: &HeaderMap) -> Option<Subprotocol> {
        if self.auth_token { Subprotocol::negotiate(headers) } else { Some(Subprotocol::default()) }
    }

    /// The token of a long-poll client, which has a header for it.
    pub(super) fn token_header(&self, headers: &HeaderMap) -> Option<String> {
        let token = headers.get(&AUTH_TOKEN_HEADER).filter(|_| self.auth_token)?;
        token.to_str().ok().map(str::to_owned)
    }

    /// What the application is told of a client.
    pub(super) fn connect_info(
        &self,
        request: &Request,
        params: Params,
        auth_token: Option<String>,
        transport: Transport,
    ) -> ConnectInfo {
        let peer = request.peer.and_then(|peer| self.trusted_proxies.client(peer, &request.headers));
        ConnectInfo { params, headers: request.headers.clone(), auth_token, peer, transport }
    }
}

/// The serializer for the `vsn` parameter, which has to be a text.
pub(super) fn negotiate(params: &Params) -> Option<Vsn> {
    match params.value("vsn") {
        None => Vsn::negotiate(None),
        Some(vsn) => Vsn::negotiate(Some(vsn.as_str()?)),
    }
}

const AUTH_TOKEN_HEADER: HeaderName = HeaderName::from_static("x-phoenix-authtoken");
