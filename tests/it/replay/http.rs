//! HTTP as the recorded clients spoke it: plain requests, long polls and the WebSocket handshake.
//!
//! Owns: requests and their answers, one TCP connection each.
//! Not here: frames ([`super::socket`]), and what `{token}` stands for ([`super::player`]).

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{
    CONNECTION, HOST, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::fixture;
use super::seen::Answer;

/// A request that got no answer to compare.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The server is not there.
    #[error("no connection: {0}")]
    Connect(#[from] std::io::Error),
    /// What the fixture asks for is no HTTP request.
    #[error("no request: {0}")]
    Request(#[from] http::Error),
    /// What came back is no HTTP answer.
    #[error("no answer: {0}")]
    Answer(#[from] hyper::Error),
    /// A 101 that does not belong to this handshake.
    #[error("the upgrade's sec-websocket-accept is {0:?}")]
    AcceptKey(Option<HeaderValue>),
}

/// What became of a handshake.
pub enum Handshake {
    /// The connection behind the 101.
    Open(TokioIo<Upgraded>),
    /// Any other answer.
    Refused(Answer),
}

/// Header lines, names and values.
pub type Headers = [(String, String)];

/// A plain request, from a client that would keep its connection.
///
/// # Errors
/// No answer came.
pub async fn request(server: SocketAddr, request: &fixture::Request) -> Result<Answer, HttpError> {
    let body = request.body.clone().map_or_else(empty, full);
    let mut plain = Request::builder().method(request.method.as_str()).uri(&request.path).body(body)?;
    plain.headers_mut().insert(CONNECTION, HeaderValue::from_static("keep-alive"));
    answer(exchange(server, plain, &request.headers).await?).await
}

/// A request repeated until `count` messages came or an answer has none; all messages in one answer.
///
/// # Errors
/// One of the requests got no answer.
pub async fn poll(server: SocketAddr, poll: &fixture::Request, count: usize) -> Result<Answer, HttpError> {
    let mut all = request(server, poll).await?;
    while (1..count).contains(&all.messages().len()) {
        let mut next = request(server, poll).await?;
        match (all.messages_mut(), next.messages_mut()) {
            (Some(all), Some(next)) if !next.is_empty() => all.append(next),
            _ => break,
        }
    }
    Ok(all)
}

/// A WebSocket handshake, version 13.
///
/// # Errors
/// No answer came, or a 101 with another key than this handshake asks for.
pub async fn handshake(server: SocketAddr, path: &str, headers: &Headers) -> Result<Handshake, HttpError> {
    let key = generate_key();
    let request = Request::get(path)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, &key)
        .body(empty())?;
    let response = exchange(server, request, headers).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(Handshake::Refused(answer(response).await?));
    }
    let accepted = response.headers().get(SEC_WEBSOCKET_ACCEPT);
    if accepted.is_none_or(|accepted| accepted != derive_accept_key(key.as_bytes()).as_str()) {
        return Err(HttpError::AcceptKey(accepted.cloned()));
    }
    Ok(Handshake::Open(TokioIo::new(hyper::upgrade::on(response).await?)))
}

/// Sends a request over a connection of its own. Headers of the fixture stand in place of the usual ones.
async fn exchange(
    server: SocketAddr,
    mut request: Request<Body>,
    headers: &Headers,
) -> Result<Response<Incoming>, HttpError> {
    let host = HeaderValue::from_str(&server.to_string()).map_err(http::Error::from)?;
    request.headers_mut().insert(HOST, host);
    for (name, value) in headers {
        let name: HeaderName = name.parse().map_err(http::Error::from)?;
        let value = HeaderValue::from_str(value).map_err(http::Error::from)?;
        request.headers_mut().insert(name, value);
    }
    let stream = TokioIo::new(TcpStream::connect(server).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    // Its errors reach the request that is under way.
    tokio::spawn(connection.with_upgrades());
    Ok(sender.send_request(request).await?)
}

async fn answer(response: Response<Incoming>) -> Result<Answer, HttpError> {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    Ok(Answer::received(status, &body))
}

type Body = BoxBody<Bytes, Infallible>;

fn empty() -> Body {
    Empty::new().boxed()
}

fn full(text: String) -> Body {
    Full::new(Bytes::from(text)).boxed()
}
