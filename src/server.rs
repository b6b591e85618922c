//! The server: options, routes, and the order in which it stops.
//!
//! Warp's filters choose the route and answer HTTP. Not here: the connections themselves (`requests`).

mod admission;
mod gateway;
mod guarded_body;
mod health;
mod host;
mod http_clock;
mod listener;
mod longpoll;
mod origin;
mod pages;
mod patience;
mod proxies;
mod request;
mod requests;
mod subprotocol;
mod transport_path;
mod websocket;

use std::future::{Future, ready};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Response, header};
use tokio_util::sync::CancellationToken;
use tracing::info;
use warp::filters::BoxedFilter;
use warp::path::FullPath;
use warp::{Filter, Reply};

use self::admission::Admission;
pub use self::gateway::{GatewayOptions, GatewayServer};
use self::health::{Check, Readiness, health};
pub use self::listener::{CannotListen, ListenAddress, Listeners};
pub use self::origin::{BadOrigin, OriginPattern, Origins, as_browsers_write};
pub use self::pages::pages;
pub use self::proxies::{BadProxy, TrustedProxies};
use self::request::{request, request_with_body};
use self::requests::{Answers, RequestLimits, Requests, routes_service};
use crate::api::Api;
use crate::channel::erased::Endpoint;
use crate::channel::{Connect, Handle, Hooks, Router, Transport};
use crate::ops::metrics::Metrics;
use crate::runtime::capacity::Capacity;
pub use crate::runtime::capacity::most_connections;
use crate::runtime::hub::{Hub, Limits};
use crate::runtime::input_budget::InputBudget;
use crate::runtime::longpoll::LongPoll;
pub use crate::runtime::turn::EVENT_INTERVAL;
pub use crate::runtime::upstream::{BadUpstream, UpstreamAddress};
use crate::wire::websocket::Limits as MessageLimits;

/// A server for one connect handler and its channels.
pub struct Server {
    hub: Arc<Hub>,
    options: Options,
    checks: Vec<Check>,
    pages: BoxedFilter<(Response<String>,)>,
    api: BoxedFilter<(warp::reply::Response,)>,
    api_listeners: Option<(Listeners, Api)>,
}

/// What may be set. The defaults are Phoenix's where Phoenix has the option.
#[derive(Clone)]
pub struct Options {
    /// Where the transports are: `<mount>/websocket` and `<mount>/longpoll`.
    pub mount: String,
    /// Which pages may connect.
    pub origins: Origins,
    /// The proxies that may say whom they speak for, in `x-forwarded-for`.
    pub trusted_proxies: TrustedProxies,
    /// Whether the `authToken` of phoenix.js 1.8 is looked for, among the WebSocket subprotocols and in the header
    /// `x-phoenix-authtoken` of long poll (`auth_token: true` in Phoenix).
    pub auth_token: bool,
    /// What the application adds to presence.
    pub hooks: Hooks,
    /// How long those are still shown whose connection was lost, as if they were there: their page may come back, and then
    /// takes its own place. Zero, the default, is Phoenix's way: whoever is lost has left. Otherwise quiet clients are
    /// pinged as well, and those that do not answer are closed.
    pub grace: Duration,
    /// How long a client may be silent.
    pub idle_timeout: Duration,
    /// How long an HTTP connection is kept that is idle between two requests.
    pub keep_alive: Duration,
    /// How many connections there may be, polling sessions included; more are answered with 503. `None` for as many as the
    /// process has file descriptors and memory for: [`most_connections`].
    pub max_connections: Option<usize>,
    /// How many channels one connection may join.
    pub max_channels: usize,
    /// How many bytes a message of a client may have, or the body of a long poll's request. `None` for Phoenix's limits: 10 MB
    /// for a frame, 8 MB for a message of several or a body.
    pub max_message_bytes: Option<usize>,
    /// How many bytes of unfinished messages and requests may be held in all. Over it, the oldest of whoever holds most are
    /// closed: with 1009, or 503.
    pub input_bytes: usize,
    /// How many bytes may wait for a client that reads slowly, before its connection is closed with 1013.
    pub outbox_bytes: usize,
    /// For how long the changes of a busy topic gather into one diff, at the most.
    pub flush_window: Duration,
    /// How long a long poll waits for messages.
    pub longpoll_window: Duration,
    /// How long a client may take nothing of an answer to an HTTP request, a stream of events say, before its connection
    /// is closed. Outboxes are what limits WebSockets.
    pub stall_timeout: Duration,
    /// How long connections have to close when the server stops.
    pub shutdown_timeout: Duration,
}

/// How a server stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Every connection was told, and closed.
    Drained,
    /// The time was up with this many connections open.
    TimedOut(usize),
}

impl Server {
    /// A server that does not listen yet; its topics are alive, and [`handle`](Self::handle) works.
    ///
    /// # Panics
    /// If called outside a tokio runtime, which runs its tasks.
    pub fn new<C: Connect>(connect: C, router: Router<C::Identity>, options: Options) -> Self {
        let limits = Limits {
            grace: options.grace,
            idle_timeout: options.idle_timeout,
            max_channels: options.max_channels,
            messages: options.messages(),
            outbox_bytes: options.outbox_bytes,
        };
        let endpoint = Box::new(Arc::new(Endpoint { connect, router }));
        let input = InputBudget::new(options.input_bytes);
        let hub =
            Hub::start(endpoint, &options.hooks, limits, options.flush_window, options.capacity(1), input);
        Server { hub, options, checks: Vec::new(), pages: nothing(), api: nothing(), api_listeners: None }
    }

    /// The way in for code outside channels.
    pub fn handle(&self) -> Handle {
        self.hub.handle()
    }

    /// What the server counts, for whoever serves it as a page.
    pub fn metrics(&self) -> Metrics {
        Metrics::of(self.hub.clone())
    }

    /// Serves these routes beside the transports.
    #[must_use]
    pub fn pages(mut self, pages: BoxedFilter<(Response<String>,)>) -> Self {
        self.pages = pages;
        self
    }

    /// Serves these routes as well, such as those of an [`Api`].
    #[must_use]
    pub fn api(mut self, routes: BoxedFilter<(warp::reply::Response,)>) -> Self {
        self.api = routes;
        self
    }

    /// Asks this as well whether clients should be sent here: `GET /ready` answers with 503 and the words of the error
    /// while there is one. It is asked anew for each request, and must not wait; its words are for everybody to read.
    #[must_use]
    pub fn ready(mut self, check: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        self.checks.push(Box::new(check));
        self
    }

    /// Serves an API on listeners of its own, with `/health` and `/ready`, which are for everybody, and `/metrics`, which is
    /// for whoever may use the API. They are answered until the last client is gone.
    #[must_use]
    pub fn api_on(mut self, listeners: Listeners, api: &Api) -> Self {
        self.api_listeners = Some((listeners, api.clone()));
        self
    }

    /// Serves a bound listener, or several, until `shutdown` resolves; then accepts nothing more, closes every
    /// connection with 1012 and waits for them, within the time the options give.
    pub async fn run(
        mut self,
        listeners: impl Into<Listeners>,
        shutdown: impl Future<Output = ()>,
    ) -> Stopped {
        let readiness = Readiness::new(std::mem::take(&mut self.checks));
        let end = CancellationToken::new();
        let api = self.api_listeners.take().map(|(listeners, api)| {
            let monitoring = health(readiness.clone()).map(Reply::into_response);
            let monitoring = monitoring.or(api.access().guard(metrics_page(self.metrics()))).unify();
            let routes = monitoring.or(api.all_routes()).unify().boxed();
            let requests = self.options.requests(&self.hub.capacity);
            tokio::spawn(serve_api(
                requests,
                listeners,
                routes_service(routes, self.hub.input.clone()),
                end.clone(),
            ))
        });
        let requests = self.options.requests(&self.hub.capacity);
        requests
            .serve(
                listeners.into(),
                routes_service(self.routes(&readiness), self.hub.input.clone()),
                shutdown,
            )
            .await;
        readiness.drain();
        info!(connections = self.hub.connections(), "shutting down");
        let drained = async {
            requests.stop();
            self.hub.close_all().await;
            requests.stopped().await;
            // Only now no request can become a connection any more.
            self.hub.tasks.close();
            self.hub.tasks.wait().await;
        };
        let drained = tokio::time::timeout(self.options.shutdown_timeout, drained).await;
        end.cancel();
        if let Some(api) = api {
            // An error says that it has ended by a panic, which the log has.
            let _ = api.await;
        }
        match drained {
            Ok(()) => Stopped::Drained,
            Err(_) => Stopped::TimedOut(self.hub.tasks.len() + requests.len()),
        }
    }

    fn routes(&self, readiness: &Arc<Readiness>) -> BoxedFilter<(warp::reply::Response,)> {
        let longpoll = Arc::new(LongPoll::new(self.hub.clone(), self.options.longpoll_window));
        let Options { origins, trusted_proxies, auth_token, .. } = self.options.clone();
        let admission = Arc::new(Admission::new(origins, trusted_proxies, auth_token));
        let (hub, allowed) = (self.hub.clone(), admission.clone());
        let websocket = under(&self.options.mount, Transport::WebSocket)
            .and(request())
            .then(move |request| websocket::answer(hub.clone(), allowed.clone(), request));
        let hub = self.hub.clone();
        let longpoll = under(&self.options.mount, Transport::LongPoll)
            .and(request_with_body())
            .then(move |request| longpoll::answer(hub.clone(), longpoll.clone(), admission.clone(), request));
        let routes = websocket.or(longpoll).unify().or(health(readiness.clone())).unify();
        let whole = routes.or(self.pages.clone()).unify();
        whole.map(Reply::into_response).or(self.api.clone()).unify().boxed()
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            mount: "/socket".into(),
            origins: Origins::default(),
            trusted_proxies: TrustedProxies::default(),
            auth_token: false,
            hooks: Hooks::new(),
            grace: Duration::ZERO,
            idle_timeout: Duration::from_secs(60),
            keep_alive: Duration::from_secs(75),
            max_connections: None,
            max_channels: 100,
            max_message_bytes: None,
            input_bytes: 64 * 1024 * 1024,
            outbox_bytes: 8 * 1024 * 1024,
            flush_window: Duration::from_millis(5),
            longpoll_window: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}

impl Options {
    fn requests(&self, capacity: &Arc<Capacity>) -> Requests {
        let limits = RequestLimits { stall: self.stall_timeout, idle: self.keep_alive };
        Requests::new(limits, capacity.clone())
    }

    fn messages(&self) -> MessageLimits {
        let phoenix = MessageLimits::default();
        match self.max_message_bytes {
            Some(most) => MessageLimits { max_frame: most, max_message: most, ..phoenix },
            None => phoenix,
        }
    }

    /// A connection has `each` descriptors.
    fn capacity(&self, each: usize) -> Arc<Capacity> {
        Capacity::new(self.max_connections.unwrap_or_else(|| most_connections(each, 0)))
    }
}

/// Serves routes on listeners of their own until the end.
async fn serve_api(requests: Requests, listeners: Listeners, service: impl Answers, end: CancellationToken) {
    requests.serve(listeners, service, end.cancelled()).await;
    requests.stop();
    requests.stopped().await;
}

/// What is counted, as a page.
fn metrics_page(metrics: Metrics) -> BoxedFilter<(warp::reply::Response,)> {
    let metrics = Arc::new(metrics);
    let asked = warp::get().or(warp::head()).unify();
    let page = asked.and(warp::path!("metrics")).map(move || {
        let mut page = Response::new(metrics.encode());
        let content_type = HeaderValue::from_static(Metrics::CONTENT_TYPE);
        page.headers_mut().insert(header::CONTENT_TYPE, content_type);
        page
    });
    page.map(Reply::into_response).boxed()
}

/// No routes.
fn nothing<T: Send + 'static>() -> BoxedFilter<(T,)> {
    warp::any().and_then(|| async { Err::<T, _>(warp::reject::not_found()) }).boxed()
}

/// The path of a transport.
fn under(mount: &str, transport: Transport) -> BoxedFilter<()> {
    let mount = mount.to_owned();
    let is_here = move |path: FullPath| {
        let is_here = transport_path::transport(&mount, path.as_str()) == Some(transport);
        ready(if is_here { Ok(()) } else { Err(warp::reject::not_found()) })
    };
    warp::path::full().and_then(is_here).untuple_one().boxed()
}
