//! A server that stands in front of another: its two socket paths are passed to the upstream, everything else is its own.
//!
//! Owns: which requests pass, and the answers to those that cannot. The upstream admits: its refusals are passed on.
//! Not here: what is said once both sockets are open (`runtime/relay`), the headers (`headers`), one exchange of HTTP
//! with the upstream (`exchange`).
//! Contract: canvas.md F.6 and F.7.

mod exchange;
mod headers;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};
use uuid::Uuid;
use warp::Filter;

use self::exchange::{Answer, Exchange};
use super::admission::negotiate;
use super::health::{Readiness, health};
use super::listener::{Listeners, Peer};
use super::patience::Patience;
use super::requests::{Answers, Body, routes_service};
use super::subprotocol::Subprotocol;
use super::transport_path::transport;
use super::{Options, Stopped, metrics_page, serve_api};
use crate::api::Access;
use crate::awareness::Timing;
use crate::channel::{Params, Transport};
use crate::gateway::Watch;
use crate::ops::metrics::Metrics;
use crate::pages::Credentials;
use crate::runtime::client::Client;
use crate::runtime::gateway::Gateway;
use crate::runtime::input_budget::InputBudget;
use crate::runtime::relay::{Relay, Uplink};
use crate::runtime::rooms::Settings;
use crate::runtime::stream::Stream;
use crate::runtime::upstream::{Fault, Remote, UpstreamAddress};
use crate::wire::Vsn;

/// A server in front of an upstream.
pub struct GatewayServer {
    gateway: Arc<Gateway>,
    options: Options,
    monitoring: Option<(Listeners, Access)>,
}

/// What may be set of a gateway, beside what every server has.
#[derive(Clone, Copy, Debug)]
pub struct GatewayOptions {
    /// Near how many bytes the messages are kept that wait for either side, in all connections together.
    pub waiting_bytes: usize,
    /// How often the members of a room are sent what changed, at the most.
    pub awareness_interval: Duration,
    /// Whether names, addresses and ids are passed on as pages claim them.
    pub trust_awareness_identity: bool,
}

/// What answers the requests for the socket paths.
struct Routes {
    gateway: Arc<Gateway>,
    options: Options,
    /// Says of a request that it was here before.
    hop: HeaderValue,
}

/// The client's end of a relay, as its request describes it.
struct ClientEnd {
    told: Client,
    vsn: Vsn,
    page: Option<Credentials>,
}

impl GatewayServer {
    /// A gateway that does not listen yet. Of the options those about channels mean nothing.
    ///
    /// # Errors
    /// With `wss`: the system's certificates cannot be read.
    pub fn new(
        upstream: UpstreamAddress,
        gateway_options: GatewayOptions,
        options: Options,
    ) -> io::Result<Self> {
        let settings = Settings {
            grace: options.grace,
            timing: Timing { interval: gateway_options.awareness_interval, ..Timing::default() },
            trusts_clients: gateway_options.trust_awareness_identity,
        };
        let gateway = Gateway::start(upstream, gateway_options.waiting_bytes, settings)?;
        Ok(GatewayServer { gateway, options, monitoring: None })
    }

    /// What the gateway counts, for whoever serves it as a page.
    pub fn metrics(&self) -> Metrics {
        Metrics::of_gateway(self.gateway.clone())
    }

    /// Serves `/health`, `/ready` and, for whoever has access, `/metrics` on listeners of their own. They are answered
    /// until the last client is gone.
    #[must_use]
    pub fn monitoring_on(mut self, listeners: Listeners, access: Access) -> Self {
        self.monitoring = Some((listeners, access));
        self
    }

    /// Serves a bound listener, or several, until `shutdown` resolves; then accepts nothing more, closes every client
    /// with 1012 and waits for them, within the time the options give.
    pub async fn run(
        mut self,
        listeners: impl Into<Listeners>,
        shutdown: impl Future<Output = ()>,
    ) -> Stopped {
        let readiness = Readiness::new(vec![upstream_check(self.gateway.clone())]);
        let end = CancellationToken::new();
        // A client's, and the one to the upstream.
        let capacity = self.options.capacity(2);
        let input = InputBudget::new(self.options.input_bytes);
        let monitoring = self.monitoring.take().map(|(listeners, access)| {
            let page = access.guard(metrics_page(self.metrics()));
            let routes = health(readiness.clone()).map(warp::Reply::into_response).or(page).unify().boxed();
            let requests = self.options.requests(&capacity);
            let service = routes_service(routes, input.clone());
            tokio::spawn(serve_api(requests, listeners, service, end.clone()))
        });
        let requests = self.options.requests(&capacity);
        requests.serve(listeners.into(), self.service(&readiness, &input), shutdown).await;
        readiness.drain();
        info!(connections = self.gateway.connections.len(), "shutting down");
        let drained = async {
            requests.stop();
            self.gateway.close_all();
            requests.stopped().await;
            // Only now no request can become a connection any more.
            self.gateway.tasks.close();
            self.gateway.tasks.wait().await;
        };
        let drained = tokio::time::timeout(self.options.shutdown_timeout, drained).await;
        end.cancel();
        if let Some(monitoring) = monitoring {
            // An error says that it has ended by a panic, which the log has.
            let _ = monitoring.await;
        }
        match drained {
            Ok(()) => Stopped::Drained,
            Err(_) => Stopped::TimedOut(self.gateway.tasks.len() + requests.len()),
        }
    }

    /// The socket paths, and for all others warp's routes.
    fn service(&self, readiness: &Arc<Readiness>, input: &Arc<InputBudget>) -> impl Answers {
        let hop = HeaderValue::from_str(&Uuid::new_v4().to_string()).expect("a UUID is visible ASCII");
        let routes = Arc::new(Routes { gateway: self.gateway.clone(), options: self.options.clone(), hop });
        let own =
            routes_service(health(readiness.clone()).map(warp::Reply::into_response).boxed(), input.clone());
        service_fn(move |request: Request<Incoming>| {
            let (routes, own) = (routes.clone(), own.clone());
            async move {
                if let Some(transport) = transport(&routes.options.mount, request.uri().path()) {
                    return Ok(routes.answer(transport, request).await);
                }
                own.call(request).await
            }
        })
    }
}

impl Default for GatewayOptions {
    fn default() -> Self {
        GatewayOptions {
            waiting_bytes: 256 * 1024 * 1024,
            awareness_interval: Duration::from_millis(50),
            trust_awareness_identity: false,
        }
    }
}

impl Routes {
    /// Passes a request on, and its answer back. Where both ends agree to it they become a relay.
    async fn answer(&self, transport: Transport, mut request: Request<Incoming>) -> Response<Body> {
        let peer = request.extensions().get::<Peer>().copied();
        if headers::comes_back(request.headers(), &self.hop) {
            self.gateway.upstream.fault(&Fault::Loop);
            return self.refuse(StatusCode::LOOP_DETECTED);
        }
        let client = request.extensions_mut().remove::<OnUpgrade>();
        let asks = headers::upgrades(request.headers());
        // What cannot be read the upstream refuses.
        let params = Params::decode(request.uri().query().unwrap_or_default()).unwrap_or_default();
        let peer_address = peer.and_then(|peer| self.options.trusted_proxies.client(peer, request.headers()));
        let page = Self::page(&request, &params);
        let end = ClientEnd {
            told: Client::new(transport, peer_address, &params),
            vsn: negotiate(&params).unwrap_or(Vsn::V1),
            page,
        };
        let Some(request) = self.for_upstream(request, peer) else {
            return self.refuse(StatusCode::URI_TOO_LONG);
        };
        let exchange = Exchange { gateway: &self.gateway, asks_to_upgrade: asks };
        let answer = match exchange.run(request).await {
            Ok(answer) => answer,
            Err(status) => {
                end.told
                    .span(None)
                    .in_scope(|| debug!(status = status.as_u16(), "the upstream gave no answer"));
                return self.refuse(status);
            }
        };
        match (answer, client) {
            (Answer::Plain(answer), _) => {
                if transport == Transport::WebSocket || answer.status().is_server_error() {
                    self.gateway.counters.refused(answer.status());
                }
                let (mut parts, body) = answer.into_parts();
                parts.headers = headers::for_client(&parts.headers, false);
                Response::from_parts(parts, body.map_err(Into::into).boxed_unsync())
            }
            (Answer::Upgraded(answer, upstream), Some(client)) => {
                let gateway = self.gateway.clone();
                self.gateway.tasks.spawn(take_over(gateway, end, client, upstream));
                let mut response = empty(StatusCode::SWITCHING_PROTOCOLS);
                *response.headers_mut() = headers::for_client(answer.headers(), true);
                response
            }
            (Answer::Upgraded(..), None) => self.refuse(StatusCode::BAD_REQUEST),
        }
    }

    /// The request as the upstream is to have it. `None` where the upstream's longer path makes its target longer than a
    /// target can be.
    fn for_upstream(&self, request: Request<Incoming>, peer: Option<Peer>) -> Option<Request<Incoming>> {
        let upstream = self.gateway.upstream.address();
        let is_trusted = peer.is_some_and(|peer| self.options.trusted_proxies.trusts_peer(peer));
        let (mut parts, body) = request.into_parts();
        parts.headers =
            headers::for_upstream(&parts.headers, peer, is_trusted, upstream.authority(), &self.hop);
        let name = parts.uri.path().rsplit_once('/').map_or("", |(_, name)| name);
        let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let target = format!("{}/{name}{query}", upstream.path());
        parts.uri = target.parse().ok()?;
        parts.version = http::Version::HTTP_11;
        parts.extensions.clear();
        Some(Request::from_parts(parts, body))
    }

    /// What a request sends that its page sends at every connect.
    fn page(request: &Request<Incoming>, params: &Params) -> Option<Credentials> {
        let offered = || Subprotocol::negotiate(request.headers())?.auth_token;
        let token = params.get("token").map(str::to_owned).or_else(offered);
        Credentials::of(token.as_deref(), params.get("request_id"))
    }

    fn refuse(&self, status: StatusCode) -> Response<Body> {
        self.gateway.counters.refused(status);
        let mut response = empty(status);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        response
    }
}

/// Waits until both handshakes are done, and starts the relay on what is left of HTTP. It has a task of its own, which
/// does not carry the handshakes' memory along.
async fn take_over(gateway: Arc<Gateway>, end: ClientEnd, client: OnUpgrade, upstream: OnUpgrade) {
    let (client, upstream) = tokio::join!(client, upstream);
    let client = client.map(Upgraded::downcast::<TokioIo<Patience<Stream>>>);
    let upstream = upstream.map(Upgraded::downcast::<TokioIo<Remote>>);
    let (Ok(Ok(client)), Ok(Ok(upstream))) = (client, upstream) else {
        return debug!("an end was gone before its handshake was done");
    };
    let stream = client.io.into_inner().into_inner();
    if stream.set_user_timeout(USER_TIMEOUT).is_err() {
        return debug!("a client was gone before its handshake was done");
    }
    let uplink = Uplink::new(upstream.io.into_inner(), &upstream.read_buf);
    let relay = Relay::new(
        gateway.clone(),
        end.told,
        stream,
        &client.read_buf,
        uplink,
        Watch::new(end.vsn),
        end.page,
    );
    gateway.tasks.spawn(relay.run());
}

/// Clients are sent here while the upstream takes connections.
fn upstream_check(gateway: Arc<Gateway>) -> super::health::Check {
    Box::new(move || match gateway.upstream.is_available() {
        true => Ok(()),
        false => Err("the upstream refuses connections".to_owned()),
    })
}

fn empty(status: StatusCode) -> Response<Body> {
    let body = Full::new(Bytes::new()).map_err(|never: Infallible| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// After so many seconds an unavailable upstream may have been found available again.
const RETRY_AFTER_SECONDS: &str = "1";
/// How long what was sent to a client may stay unacknowledged. To the kernel a client that takes nothing is the same: so
/// it is more than such a one is given (canvas.md F.6: 30 s). Whoever is silent is found by pings, earlier.
const USER_TIMEOUT: Duration = Duration::from_secs(40);
/// How long the upstream may take for the answer to an upgrade.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);
