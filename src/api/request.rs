//! A request as the endpoints look at it.

use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, TryStreamExt};
use http::{HeaderMap, Method, header};
use serde_json::Value;
use warp::{Buf, Filter};

use super::problem::Problem;

/// What the endpoints look at of a request.
pub(super) struct Request {
    pub(super) method: Method,
    /// What stands behind the base path and its slash, as it came.
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    /// The other end, as the kernel knows it; `None` where it is no address.
    pub(super) peer: Option<IpAddr>,
    /// Whether something comes behind the head that has not been read.
    pub(super) is_unread: bool,
    body: Body,
}

/// What comes behind the head; read only once it is known to be wanted.
type Body = Pin<Box<dyn Stream<Item = Result<Bytes, warp::Error>> + Send + Sync>>;

/// Any request below a path that other filters have matched.
pub(super) fn request() -> impl Filter<Extract = (Request,), Error = warp::Rejection> + Clone {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::method()
        .and(warp::path::tail())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional())
        .and(warp::body::stream())
        .map(|method, path: warp::path::Tail, query, headers, peer, body| {
            let body = Box::pin(parts(body));
            let is_unread = announces_body(&headers);
            Request { method, path: path.as_str().to_owned(), query, headers, peer, is_unread, body }
        })
}

fn parts(
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
) -> impl Stream<Item = Result<Bytes, warp::Error>> {
    body.map_ok(|mut part| part.copy_to_bytes(part.remaining()))
}

impl Request {
    /// The whole body, which is JSON.
    ///
    /// # Errors
    /// [`Problem::NotJsonType`], [`Problem::TooLarge`], [`Problem::Slow`], [`Problem::NotJson`].
    pub(super) async fn json(&mut self) -> Result<Value, Problem> {
        if !is_json(&self.headers) {
            return Err(Problem::NotJsonType);
        }
        let read = tokio::time::timeout(BODY_TIMEOUT, read_body(&mut self.body));
        let body = read.await.map_err(|_| Problem::Slow)??;
        self.is_unread = false;
        serde_json::from_slice(&body).map_err(|_| Problem::NotJson)
    }
}

async fn read_body(body: &mut Body) -> Result<Bytes, Problem> {
    let mut collected = BytesMut::new();
    while let Some(part) = body.next().await {
        // A body that breaks off is not JSON, whoever is left to hear it.
        let part = part.map_err(|_| Problem::NotJson)?;
        if collected.len() + part.len() > MOST_BODY_BYTES {
            return Err(Problem::TooLarge { most: MOST_BODY_BYTES });
        }
        collected.extend_from_slice(&part);
    }
    Ok(collected.freeze())
}

/// RFC 9112, section 6.3.
fn announces_body(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|length| length != "0")
}

/// `application/json`, with any parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next());
    media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}

const MOST_BODY_BYTES: usize = 1024 * 1024;
/// How long a client may take for a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
