//! The WebSocket route: who may come in, and the handshake.
//!
//! Rules: the order of checks of `Phoenix.Transports.WebSocket`, Phoenix 1.8.12; RFC 6455 §4.2.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tracing::debug;

use super::admission::{Admission, negotiate};
use super::patience::Patience;
use super::request::Request;
use crate::channel::{Params, Refusal, Transport};
use crate::runtime::client::Admitted;
use crate::runtime::hub::Hub;
use crate::runtime::socket::Socket;
use crate::runtime::stream::Stream;
use crate::wire::{Vsn, websocket};

/// Answers a request for the WebSocket route, and starts the connection where it is one.
pub(super) async fn answer(hub: Arc<Hub>, admission: Arc<Admission>, request: Request) -> Response<String> {
    let (vsn, admitted, subprotocol) = match admit(&hub, &admission, &request).await {
        Ok(admitted) => admitted,
        Err(status) => {
            hub.counters().refused(status);
            return empty(status);
        }
    };
    match handshake(&request.headers, subprotocol, request.upgrade) {
        Ok((response, upgrade)) => {
            let tasks = hub.tasks.clone();
            tasks.spawn(take_over(hub, vsn, admitted, upgrade));
            response
        }
        Err(reason) => {
            hub.counters().refused(StatusCode::BAD_REQUEST);
            let mut response = Response::new(reason);
            *response.status_mut() = StatusCode::BAD_REQUEST;
            // What is spoken here, for whoever asked for another version (RFC 6455, 4.4).
            response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            response
        }
    }
}

/// The checks before the upgrade: the first that fails gives the status.
async fn admit(
    hub: &Hub,
    admission: &Admission,
    request: &Request,
) -> Result<(Vsn, Admitted, Option<&'static str>), StatusCode> {
    if request.method != Method::GET {
        return Err(StatusCode::BAD_REQUEST);
    }
    let params = Params::decode(&request.query).map_err(|_| StatusCode::BAD_REQUEST)?;
    if !admission.allows_origin(&request.headers, hub.counters()) {
        return Err(StatusCode::FORBIDDEN);
    }
    let subprotocol = admission.subprotocol(&request.headers).ok_or(StatusCode::FORBIDDEN)?;
    let vsn = negotiate(&params).ok_or(StatusCode::FORBIDDEN)?;
    let info = admission.connect_info(request, params, subprotocol.auth_token, Transport::WebSocket);
    let admitted = hub.connect(&info).await.map_err(Refusal::status)?;
    Ok((vsn, admitted, subprotocol.answer))
}

/// The 101 answer, or what the request lacks.
fn handshake(
    headers: &HeaderMap,
    subprotocol: Option<&'static str>,
    upgrade: Option<OnUpgrade>,
) -> Result<(Response<String>, OnUpgrade), String> {
    must_contain(headers, &header::CONNECTION, "upgrade")?;
    must_contain(headers, &header::UPGRADE, "websocket")?;
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or("'sec-websocket-key' header is absent")?;
    let version = values(headers, &header::SEC_WEBSOCKET_VERSION);
    if version != ["13"] {
        return Err(format!("'sec-websocket-version' header must equal '13', got {version:?}"));
    }
    let key = key.to_str().map_err(|_| "'sec-websocket-key' header is not text")?;
    let upgrade = upgrade.ok_or("the connection cannot be upgraded")?;
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let accept = HeaderValue::from_str(&websocket::accept_key(key)).map_err(|error| error.to_string())?;
    let answer = response.headers_mut();
    answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(spoken) = subprotocol {
        answer.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(spoken));
    }
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=0, private, must-revalidate"));
    Ok((response, upgrade))
}

fn must_contain(headers: &HeaderMap, name: &header::HeaderName, token: &str) -> Result<(), String> {
    let values = values(headers, name);
    let mut tokens = values.iter().flat_map(|value| value.split(',')).map(str::trim);
    if tokens.any(|candidate| candidate.eq_ignore_ascii_case(token)) {
        return Ok(());
    }
    Err(format!("'{name}' header must contain '{token}', got {values:?}"))
}

fn values<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Vec<&'a str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
}

/// Waits until the 101 is written, and starts the connection on what is left of HTTP: the stream, and what the client
/// has sent behind its request. The connection has a task of its own, which does not carry the handshake's memory along.
async fn take_over(hub: Arc<Hub>, vsn: Vsn, admitted: Admitted, upgrade: OnUpgrade) {
    let parts = match upgrade.await.map(Upgraded::downcast::<TokioIo<Patience<Stream>>>) {
        Ok(Ok(parts)) => parts,
        Ok(Err(_)) | Err(_) => return debug!("a client was gone before its handshake was done"),
    };
    let connection = hub.open(vsn, admitted);
    let stream = parts.io.into_inner().into_inner();
    let socket = Socket::new(stream, &parts.read_buf, connection, hub.limits);
    hub.tasks.spawn(socket.run());
}

pub(super) fn empty(status: StatusCode) -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = status;
    response
}
