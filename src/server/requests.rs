//! HTTP over accepted streams: each connection is accepted and served here, so that a socket can be taken over with small
//! buffers and every task is known when the server stops.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::panic;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::{debug, warn};
use warp::filters::BoxedFilter;

use super::listener::{Listeners, Peer};
use super::patience::Patience;
use crate::runtime::stream::Stream;

/// The HTTP requests of a server that are under way.
#[derive(Clone)]
pub(super) struct Requests {
    tasks: TaskTracker,
    stop: CancellationToken,
    stall_timeout: Duration,
}

impl Requests {
    /// None yet. Whoever takes nothing of an answer for `stall_timeout` is not waited for.
    pub(super) fn new(stall_timeout: Duration) -> Self {
        Requests { tasks: TaskTracker::new(), stop: CancellationToken::new(), stall_timeout }
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
        loop {
            match listeners.accept().await {
                Ok((stream, peer)) => self.accept(stream, peer, service.clone()),
                Err(error) => refused(&error).await,
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

    /// Serves the requests of one stream, until it ends or becomes a socket, which has a task of its own.
    fn accept(&self, stream: Stream, peer: Peer, service: impl Answers) {
        if let Err(error) = stream.set_nodelay() {
            debug!(%error, "a client was gone before it was served");
            return;
        }
        let stop = self.stop.clone();
        let stream = Patience::new(stream, self.stall_timeout);
        let with_peer = service_fn(move |mut request: hyper::Request<_>| {
            request.extensions_mut().insert(peer);
            if let Peer::Ip(address) = peer {
                // For routes that come from elsewhere, and do not know what a peer is.
                request.extensions_mut().insert(address);
            }
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

/// Routes as an answer to requests.
pub(super) fn routes_service(routes: BoxedFilter<(warp::reply::Response,)>) -> impl Answers {
    let routes = TowerToHyperService::new(warp::service(routes));
    service_fn(move |request: hyper::Request<Incoming>| {
        let answer = routes.call(request);
        async move { answer.await.map(|answer| answer.map(|body| body.map_err(Into::into).boxed_unsync())) }
    })
}

/// A body of an answer, whatever it is made of.
pub(super) type Body = UnsyncBoxBody<Bytes, BoxError>;
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An accept that failed concerns one client, or the whole process when it has no file descriptors left; then it is
/// tried again a moment later, because the listener would fail at once.
async fn refused(error: &io::Error) {
    warn!(%error, "a connection cannot be accepted");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// A handshake has a query with a token; nothing here needs more.
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// How long a client may take for the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a request under way may still take once the server stops: one that never comes in full would hold it up.
const LAST_REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
