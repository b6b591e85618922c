//! The server: options, routes, and the accept loop.
//!
//! Warp's filters choose the route and answer HTTP; each connection is accepted and served here, so that a socket
//! can be taken over with small buffers and every task is known when the server stops.

mod admission;
mod health;
mod listener;
mod longpoll;
mod origin;
mod pages;
mod proxies;
mod request;
mod subprotocol;
mod websocket;

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Response;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};
use warp::filters::BoxedFilter;
use warp::{Filter, Reply};

use self::admission::Admission;
use self::health::{Check, Readiness, health};
use self::listener::Peer;
pub use self::listener::{CannotListen, ListenAddress, Listeners};
pub use self::origin::{BadOrigin, OriginPattern, Origins};
pub use self::pages::pages;
pub use self::proxies::{BadProxy, TrustedProxies};
use self::request::{request, request_with_body};
use crate::channel::erased::Endpoint;
use crate::channel::{Connect, Handle, Hooks, Router};
use crate::ops::metrics::Metrics;
use crate::runtime::hub::{Hub, Limits};
use crate::runtime::longpoll::LongPoll;
use crate::runtime::stream::Stream;

/// A server for one connect handler and its channels.
pub struct Server {
    hub: Arc<Hub>,
    options: Options,
    checks: Vec<Check>,
    pages: BoxedFilter<(Response<String>,)>,
    api: BoxedFilter<(warp::reply::Response,)>,
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
    /// How long a client may be silent.
    pub idle_timeout: Duration,
    /// How many channels one connection may join.
    pub max_channels: usize,
    /// How many bytes may wait for a client that reads slowly, before its connection is closed with 1013.
    pub outbox_bytes: usize,
    /// For how long the changes of a busy topic gather into one diff, at the most.
    pub flush_window: Duration,
    /// How long a long poll waits for messages.
    pub longpoll_window: Duration,
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
            idle_timeout: options.idle_timeout,
            max_channels: options.max_channels,
            outbox_bytes: options.outbox_bytes,
        };
        let endpoint = Box::new(Arc::new(Endpoint { connect, router }));
        let hub = Hub::start(endpoint, &options.hooks, limits, options.flush_window);
        Server { hub, options, checks: Vec::new(), pages: nothing(), api: nothing() }
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

    /// Serves these routes as well, such as those of an [`Api`](crate::api::Api).
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

    /// Serves a bound listener, or several, until `shutdown` resolves; then accepts nothing more, closes every
    /// connection with 1012 and waits for them, within the time the options give.
    pub async fn run(
        mut self,
        listeners: impl Into<Listeners>,
        shutdown: impl Future<Output = ()>,
    ) -> Stopped {
        let mut listeners: Listeners = listeners.into();
        let readiness = Readiness::new(std::mem::take(&mut self.checks));
        let service = TowerToHyperService::new(warp::service(self.routes(readiness.clone())));
        let requests = Requests { tasks: TaskTracker::new(), stop: CancellationToken::new() };
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                accepted = listeners.accept() => match accepted {
                    Ok((stream, peer)) => requests.serve(stream, peer, service.clone()),
                    Err(error) => refused(&error).await,
                }
            }
        }
        readiness.drain();
        drop(listeners);
        info!(connections = self.hub.connections(), "shutting down");
        let drained = async {
            requests.stop.cancel();
            requests.tasks.close();
            self.hub.close_all().await;
            requests.tasks.wait().await;
            // Only now no request can become a connection any more.
            self.hub.tasks.close();
            self.hub.tasks.wait().await;
        };
        match tokio::time::timeout(self.options.shutdown_timeout, drained).await {
            Ok(()) => Stopped::Drained,
            Err(_) => Stopped::TimedOut(self.hub.tasks.len() + requests.tasks.len()),
        }
    }

    fn routes(&self, readiness: Arc<Readiness>) -> BoxedFilter<(warp::reply::Response,)> {
        let longpoll = Arc::new(LongPoll::new(self.hub.clone(), self.options.longpoll_window));
        let Options { origins, trusted_proxies, auth_token, .. } = self.options.clone();
        let admission = Arc::new(Admission { origins, trusted_proxies, auth_token });
        let mount = mount(&self.options.mount);
        let (hub, allowed) = (self.hub.clone(), admission.clone());
        let websocket = mount
            .clone()
            .and(warp::path!("websocket"))
            .and(request())
            .then(move |request| websocket::answer(hub.clone(), allowed.clone(), request));
        let hub = self.hub.clone();
        let longpoll = mount
            .and(warp::path!("longpoll"))
            .and(request_with_body())
            .then(move |request| longpoll::answer(hub.clone(), longpoll.clone(), admission.clone(), request));
        let routes = websocket.or(longpoll).unify().or(health(readiness)).unify();
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
            idle_timeout: Duration::from_secs(60),
            max_channels: 100,
            outbox_bytes: 8 * 1024 * 1024,
            flush_window: Duration::from_millis(5),
            longpoll_window: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}

/// The HTTP side of a connection that may become a socket.
struct Requests {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Requests {
    /// Serves the HTTP requests of one stream, until it ends or becomes a socket, which has a task of its own.
    fn serve<S>(&self, stream: Stream, peer: Peer, service: S)
    where
        S: Service<
                hyper::Request<hyper::body::Incoming>,
                Response = warp::reply::Response,
                Error = Infallible,
            > + Clone
            + Send
            + 'static,
        S::Future: Send,
    {
        if let Err(error) = stream.set_nodelay() {
            debug!(%error, "a client was gone before it was served");
            return;
        }
        let stop = self.stop.clone();
        let with_peer = service_fn(move |mut request: hyper::Request<_>| {
            request.extensions_mut().insert(peer);
            service.call(request)
        });
        self.tasks.spawn(async move {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(MAX_HEADER_BYTES);
            let mut served = pin!(http.serve_connection(TokioIo::new(stream), with_peer).with_upgrades());
            let outcome = tokio::select! {
                outcome = &mut served => outcome,
                () = stop.cancelled() => {
                    served.as_mut().graceful_shutdown();
                    match tokio::time::timeout(LAST_REQUEST_TIMEOUT, served).await {
                        Ok(outcome) => outcome,
                        Err(_) => return debug!("a client's last request was not finished in time"),
                    }
                }
            };
            if let Err(error) = outcome {
                debug!(%error, "a client's HTTP failed");
            }
        });
    }
}

/// An accept that failed concerns one client, or the whole process when it has no file descriptors left; then it is
/// tried again a moment later, because the listener would fail at once.
async fn refused(error: &std::io::Error) {
    warn!(%error, "a connection cannot be accepted");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// No routes.
fn nothing<T: Send + 'static>() -> BoxedFilter<(T,)> {
    warp::any().and_then(|| async { Err::<T, _>(warp::reject::not_found()) }).boxed()
}

/// The segments of the mount path.
fn mount(path: &str) -> BoxedFilter<()> {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    segments.fold(warp::any().boxed(), |mount, segment| mount.and(warp::path(segment.to_owned())).boxed())
}

/// A handshake has a query with a token; nothing here needs more.
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// How long a client may take for the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a request under way may still take once the server stops: one that never comes in full would hold it up.
const LAST_REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
