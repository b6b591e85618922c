//! A request as the transports look at it.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, TryStreamExt};
use http::{HeaderMap, Method};
use hyper::upgrade::OnUpgrade;
use warp::{Buf, Filter};

use super::listener::Peer;

/// What the transports look at of a request.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    /// The accept loop puts it to each request.
    pub(super) peer: Option<Peer>,
    pub(super) upgrade: Option<OnUpgrade>,
    body: Body,
}

/// What comes behind the head; read only when it is asked for, so that nobody can fill memory before the checks.
type Body = Pin<Box<dyn Stream<Item = Result<Bytes, warp::Error>> + Send + Sync>>;

/// A request whose body is of no interest.
pub(super) fn request() -> impl Filter<Extract = (Request,), Error = Infallible> + Clone {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::method()
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<Peer>())
        .and(warp::ext::optional::<OnUpgrade>())
        .map(|method, query, headers, peer, upgrade| {
            let body = Box::pin(futures::stream::empty());
            Request { method, query, headers, peer, upgrade, body }
        })
}

/// A request whose body may be read.
pub(super) fn request_with_body() -> impl Filter<Extract = (Request,), Error = warp::Rejection> + Clone {
    request()
        .and(warp::body::stream())
        .map(|request, body| Request { body: Box::pin(parts(body)), ..request })
}

fn parts(
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
) -> impl Stream<Item = Result<Bytes, warp::Error>> {
    body.map_ok(|mut part| part.copy_to_bytes(part.remaining()))
}

impl Request {
    /// The whole body of at most so many bytes; `None` if it is larger, fails, or takes too long.
    pub(super) async fn read_body(&mut self, most: usize) -> Option<Bytes> {
        let read = async {
            let mut collected = BytesMut::new();
            while let Some(part) = self.body.next().await {
                let part = part.ok()?;
                if collected.len() + part.len() > most {
                    return None;
                }
                collected.extend_from_slice(&part);
            }
            Some(collected.freeze())
        };
        tokio::time::timeout(BODY_TIMEOUT, read).await.ok()?
    }
}

/// How long a client may take for a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
