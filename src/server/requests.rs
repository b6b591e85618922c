//! HTTP over accepted streams: each connection is accepted and served here, so that a socket can be taken over with small
//! buffers and every task is known when the server stops.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::panic;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::{debug, info, warn};
use warp::filters::BoxedFilter;

use super::guarded_body::GuardedBody;
use super::host;
use super::http_clock::{HttpClock, HttpLimits, Idlers};
use super::listener::{Listeners, Peer};
use super::patience::Patience;
use crate::runtime::capacity::Capacity;
use crate::runtime::input_budget::{HeldBy, InputBudget};
use crate::runtime::stream::Stream;

/// The HTTP requests of a server that are under way.
#[derive(Clone)]
pub(super) struct Requests {
    tasks: TaskTracker,
    stop: CancellationToken,
    limits: RequestLimits,
    capacity: Arc<Capacity>,
    idlers: Arc<Idlers>,
    /// For those who come when all places are taken: they are told so.
    reserve: Arc<Semaphore>,
}

/// How long what may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestLimits {
    /// How long whoever is answered may take nothing.
    pub(super) stall: Duration,
    /// How long a connection may be idle between two requests.
    pub(super) idle: Duration,
}

impl Requests {
    /// None yet.
    pub(super) fn new(limits: RequestLimits, capacity: Arc<Capacity>) -> Self {
        Requests {
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            limits,
            capacity,
            idlers: Arc::default(),
            reserve: Arc::new(Semaphore::new(RESERVED)),
        }
    }

    /// Serves this to whoever connects, until `end` resolves; then nobody is accepted any more.
    ///
    /// Accepting is a task of its own: it runs where the connections do, whatever thread waits for the end.
    pub(super) async fn serve(
        &self,
        listeners: Listeners,
        service: impl Answers,
        end: impl Future<Output = ()>,
    ) {
        let accepting = self.clone().accept_all(listeners, service);
        let mut accepting = AbortOnDropHandle::new(tokio::spawn(accepting));
        tokio::select! {
            () = end => accepting.abort(),
            ended = &mut accepting => match ended.map_err(JoinError::try_into_panic) {
                Ok(never) => match never {},
                Err(Ok(panic)) => panic::resume_unwind(panic),
                // The runtime ends.
                Err(Err(_)) => return,
            }
        }
        // Until the listeners are closed.
        let _ = accepting.await;
    }

    async fn accept_all(self, mut listeners: Listeners, service: impl Answers) -> Infallible {
        let mut refusals = Refusals::default();
        loop {
            match listeners.accept().await {
                Ok((stream, peer)) => {
                    refusals.end();
                    self.accept(stream, peer, service.clone());
                }
                Err(error) => refusals.wait(&error).await,
            }
        }
    }

    /// Tells every stream to end behind the request it is at.
    pub(super) fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
    }

    /// Resolves once they have ended, each within its time.
    pub(super) async fn stopped(&self) {
        self.tasks.wait().await;
    }

    /// How many streams are open.
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Gives a stream a place and serves it. Where all are taken, a connection that is idle makes room; where none is, the
    /// client is told to come again, or, if even that would take too much, its stream is closed.
    fn accept(&self, stream: Stream, peer: Peer, service: impl Answers) {
        let place = self
            .capacity
            .take()
            .or_else(|| self.idlers.close_oldest().then(|| self.capacity.take_anothers()));
        if let Some(place) = place {
            let limits = HttpLimits { head: HEAD_TIMEOUT, idle: self.limits.idle };
            return self.serve_stream(stream.at(Some(place)), peer, service, limits, None);
        }
        self.capacity.refused();
        if let Ok(reserved) = self.reserve.clone().try_acquire_owned() {
            let limits = HttpLimits { head: REFUSED_HEAD_TIMEOUT, idle: REFUSED_HEAD_TIMEOUT };
            self.serve_stream(stream, peer, refusing(service), limits, Some(reserved));
        }
    }

    /// Serves the requests of one stream, until it ends or becomes a socket, which has a task of its own.
    fn serve_stream(
        &self,
        stream: Stream,
        peer: Peer,
        service: impl Answers,
        limits: HttpLimits,
        reserved: Option<OwnedSemaphorePermit>,
    ) {
        if let Err(error) = stream.set_nodelay() {
            debug!(%error, "a client was gone before it was served");
            return;
        }
        let stop = self.stop.clone();
        let idlers = reserved.is_none().then(|| self.idlers.clone());
        let clock = HttpClock::new(limits, idlers);
        let stream = Patience::new(stream, self.limits.stall).watched_by(clock.clone());
        let timed = clock.clone();
        let service = service_fn(move |mut request: hyper::Request<_>| {
            let answering = timed.begin();
            request.extensions_mut().insert(peer);
            if let Peer::Ip(address) = peer {
                // For routes that come from elsewhere, and do not know what a peer is.
                request.extensions_mut().insert(address);
            }
            let answer = host::is_good(&request).then(|| service.call(request));
            async move {
                let mut answer = match answer {
                    Some(answer) => answer.await?,
                    None => status(StatusCode::BAD_REQUEST),
                };
                name_methods(&mut answer);
                Ok::<_, Infallible>(answer.map(|body| answering.until_the_end_of(body)))
            }
        });
        self.tasks.spawn(async move {
            let mut http = http1::Builder::new();
            http.max_buf_size(MAX_HEADER_BYTES).keep_alive(reserved.is_none());
            let mut served = pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
            let outcome = tokio::select! {
                outcome = served_in_time(served.as_mut(), &clock) => match outcome {
                    Some(outcome) => outcome,
                    None => return debug!("a client took too long for its next request"),
                },
                () = clock.must_yield() => return debug!("an idle connection was closed for a new one"),
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
            drop(reserved);
        });
    }
}

/// Serves until the stream ends; `None` where the client takes too long.
async fn served_in_time<T>(mut served: Pin<&mut impl Future<Output = T>>, clock: &HttpClock) -> Option<T> {
    let mut alarm = pin!(tokio::time::sleep(Duration::ZERO));
    std::future::poll_fn(|cx| {
        loop {
            if let Poll::Ready(outcome) = served.as_mut().poll(cx) {
                return Poll::Ready(Some(outcome));
            }
            // What was read or answered just now may have moved it.
            let Some(expires) = clock.expires() else { return Poll::Pending };
            if alarm.deadline() != expires.into() {
                alarm.as_mut().reset(expires.into());
            }
            ready!(alarm.as_mut().poll(cx));
            if clock.is_over(Instant::now()) {
                return Poll::Ready(None);
            }
        }
    })
    .await
}

/// Answers with 503, but for those who ask whether the process lives: they are needed most now.
fn refusing(service: impl Answers) -> impl Answers {
    service_fn(move |request: hyper::Request<Incoming>| {
        let asks_for_health = matches!(request.uri().path(), "/health" | "/ready");
        let answer = asks_for_health.then(|| service.call(request));
        async move {
            match answer {
                Some(answer) => answer.await,
                None => Ok(come_again()),
            }
        }
    })
}

/// A method that is not allowed comes with those that are (RFC 9110, 15.5.6). What does not say so itself is a page.
fn name_methods(answer: &mut hyper::Response<Body>) {
    if answer.status() == StatusCode::METHOD_NOT_ALLOWED && !answer.headers().contains_key(header::ALLOW) {
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
}

fn come_again() -> hyper::Response<Body> {
    let mut refused = status(StatusCode::SERVICE_UNAVAILABLE);
    refused.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
    refused
}

fn status(status: StatusCode) -> hyper::Response<Body> {
    let nothing = Full::new(Bytes::new()).map_err(|never: Infallible| match never {}).boxed_unsync();
    let mut answer = hyper::Response::new(nothing);
    *answer.status_mut() = status;
    answer
}

/// Accepts that failed: with the first and the last of a row the log has a line.
#[derive(Default)]
struct Refusals(Option<(Instant, usize)>);

impl Refusals {
    /// An accept that failed concerns one client, or the whole process when it has no file descriptors left; then it is
    /// tried again a moment later, because the listener would fail at once.
    async fn wait(&mut self, error: &io::Error) {
        match &mut self.0 {
            Some((_, count)) => *count += 1,
            None => {
                warn!(%error, "connections cannot be accepted");
                self.0 = Some((Instant::now(), 1));
            }
        }
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }

    fn end(&mut self) {
        if let Some((since, attempts)) = self.0.take() {
            let seconds = since.elapsed().as_secs();
            info!(attempts, seconds, "connections can be accepted again");
        }
    }
}

/// What answers requests. It never fails: what cannot be answered well is answered with an error's status.
pub(super) trait Answers:
    Service<hyper::Request<Incoming>, Response = hyper::Response<Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static
{
}

impl<S> Answers for S where
    S: Service<hyper::Request<Incoming>, Response = hyper::Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static
{
}

/// Routes as an answer to requests, whose bodies have to go on and count for as long as they are unfinished.
pub(super) fn routes_service(
    routes: BoxedFilter<(warp::reply::Response,)>,
    input: Arc<InputBudget>,
) -> impl Answers {
    let routes = TowerToHyperService::new(warp::service(routes));
    service_fn(move |request: hyper::Request<Incoming>| {
        let address = request.extensions().get::<IpAddr>().copied();
        let (parts, body) = request.into_parts();
        let (body, fate) = GuardedBody::new(body, HeldBy { address, user: None }, input.clone());
        let answer = routes.call(hyper::Request::from_parts(parts, body));
        async move {
            let answer = answer.await?.map(|body| body.map_err(Into::into).boxed_unsync());
            Ok(match fate.status() {
                Some(StatusCode::SERVICE_UNAVAILABLE) => come_again(),
                Some(given) => status(given),
                None => answer,
            })
        }
    })
}

/// A body of an answer, whatever it is made of.
pub(super) type Body = UnsyncBoxBody<Bytes, BoxError>;
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A handshake has a query with a token, and a browser's cookies; nothing here needs more.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// How long a client may take for the head of a request, from its first byte; for the first, from its connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// The same for whoever will be told that there is no place.
const REFUSED_HEAD_TIMEOUT: Duration = Duration::from_secs(1);
/// How many can be told so at once. Their descriptors are set aside.
const RESERVED: usize = 32;
/// When it is worth while to come again.
const RETRY_AFTER_SECONDS: &str = "2";
/// How long a request under way may still take once the server stops: one that never comes in full would hold it up.
const LAST_REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
