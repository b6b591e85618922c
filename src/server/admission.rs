//! The checks before a client is let in, shared by both transports.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, header};
use parking_lot::Mutex;
use tracing::warn;

use super::origin::Origins;
use super::proxies::TrustedProxies;
use super::request::Request;
use super::subprotocol::Subprotocol;
use crate::channel::{ConnectInfo, Params, Transport};
use crate::runtime::counters::Counters;
use crate::wire::{Excerpt, Vsn};

/// What a server asks of a client before its application is asked.
pub(super) struct Admission {
    pub(super) origins: Origins,
    pub(super) trusted_proxies: TrustedProxies,
    /// Whether an `authToken` is looked for; if not, subprotocols are ignored.
    pub(super) auth_token: bool,
    /// Which refused origins the log has told of lately.
    told: Mutex<HashMap<String, Instant>>,
}

impl Admission {
    pub(super) fn new(origins: Origins, trusted_proxies: TrustedProxies, auth_token: bool) -> Self {
        Admission { origins, trusted_proxies, auth_token, told: Mutex::default() }
    }

    /// Whether the page that a request comes from may connect. Where it may not, the log says so once a minute and origin:
    /// as a rule a setting is missing.
    pub(super) fn allows_origin(&self, headers: &HeaderMap, counters: &Counters) -> bool {
        if self.origins.allow(headers) {
            return true;
        }
        counters.origin_refused();
        let text = |name| {
            headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes())).unwrap_or_default()
        };
        let (origin, host) = (text(header::ORIGIN), text(header::HOST));
        if self.is_news(&origin) {
            let (origin, host) = (Excerpt(&origin), Excerpt(&host));
            warn!(%origin, %host, "pages of this origin may not connect; ORIGINS or URL_HOST says which may");
        }
        false
    }

    fn is_news(&self, origin: &str) -> bool {
        let mut told = self.told.lock();
        told.retain(|_, at| at.elapsed() < TOLD_EVERY);
        if told.contains_key(origin) || told.len() >= MOST_TOLD {
            return false;
        }
        told.insert(origin.to_owned(), Instant::now()).is_none()
    }

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

/// How often the log tells of an origin.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// Of how many origins it tells in that time: whoever makes them up fills no log.
const MOST_TOLD: usize = 20;
const AUTH_TOKEN_HEADER: HeaderName = HeaderName::from_static("x-phoenix-authtoken");
