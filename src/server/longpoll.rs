//! The long-poll route: Phoenix's statuses in JSON, over HTTP that nearly always says 200.
//!
//! Rules: Phoenix 1.8.12, `Phoenix.Transports.LongPoll`.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use serde_json::{Value, json};
use tracing::debug;

use super::admission::{Admission, negotiate};
use super::request::Request;
use super::websocket::empty;
use crate::channel::{ConnectInfo, Params, Refusal, Transport};
use crate::runtime::hub::Hub;
use crate::runtime::longpoll::{Found, Full, Gone, Line, LongPoll, Polled};
use crate::wire::Frame;

/// Answers a request for the long-poll route.
pub(super) async fn answer(
    hub: Arc<Hub>,
    longpoll: Arc<LongPoll>,
    admission: Arc<Admission>,
    mut request: Request,
) -> Response<String> {
    let Ok(params) = Params::decode(&request.query) else { return empty(StatusCode::BAD_REQUEST) };
    let mut response = if !admission.allows_origin(&request.headers, hub.counters()) {
        hub.counters().refused(StatusCode::FORBIDDEN);
        protocol(json!({"status": 403}))
    } else if request.method == Method::OPTIONS {
        preflight(&request.headers)
    } else if request.method == Method::GET {
        get(&hub, &longpoll, &admission, &request, params).await
    } else if request.method == Method::POST {
        post(&hub, &longpoll, &mut request, &params).await
    } else {
        empty(StatusCode::BAD_REQUEST)
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn preflight(headers: &HeaderMap) -> Response<String> {
    let mut response = empty(StatusCode::OK);
    let allow = response.headers_mut();
    if let Some(asked) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        allow.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    allow.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("get, post, options"));
    allow.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    response
}

/// Receives what there is, waiting for it where there is nothing; opens a session where there is none.
async fn get(
    hub: &Hub,
    longpoll: &LongPoll,
    admission: &Admission,
    request: &Request,
    params: Params,
) -> Response<String> {
    if let Some((token, session)) = live_session(longpoll, &request.headers, &params)
        && let Ok(polled) = session.poll().await
    {
        return match polled {
            Polled::Frames(frames, answers) => {
                let token = longpoll.token(&session, answers);
                let messages: Vec<Value> = frames.iter().filter_map(message).collect();
                protocol(json!({"status": 200, "token": token, "messages": messages}))
            }
            Polled::Nothing => protocol(json!({"status": 204, "token": token, "messages": []})),
        };
    }
    let auth_token = admission.token_header(&request.headers);
    let info = admission.connect_info(request, params, auth_token, Transport::LongPoll);
    let opened = open(hub, longpoll, info).await.inspect_err(|status| hub.counters().refused(*status));
    match opened {
        Ok(token) => protocol(json!({"status": 410, "token": token, "messages": []})),
        // No status in JSON says so; phoenix.js takes an answer without one for a failure that passes, and comes back.
        Err(status) if status.is_server_error() => empty(status),
        Err(_) => protocol(json!({"status": 403})),
    }
}

/// Opens a session, and returns its token; or the status of the refusal.
async fn open(hub: &Hub, longpoll: &LongPoll, info: ConnectInfo) -> Result<String, StatusCode> {
    let vsn = negotiate(&info.params).ok_or(StatusCode::FORBIDDEN)?;
    let admitted = hub.connect(&info).await.map_err(Refusal::status)?;
    longpoll.open(vsn, admitted).map_err(|Full| StatusCode::SERVICE_UNAVAILABLE)
}

async fn post(hub: &Hub, longpoll: &LongPoll, request: &mut Request, params: &Params) -> Response<String> {
    let Some((_, session)) = live_session(longpoll, &request.headers, params) else {
        return protocol(json!({"status": 410}));
    };
    let Some(body) = request.read_body(hub.limits.messages.max_message).await else {
        return empty(StatusCode::BAD_REQUEST);
    };
    let (lines, unreadable) = lines(&request.headers, &body);
    let taken = session.post(lines).await;
    if let Some(status) = unreadable {
        return empty(status);
    }
    match taken {
        Ok(()) => protocol(json!({"status": 200})),
        Err(_) => protocol(json!({"status": 408})),
    }
}

/// The session a request names: a token in the header counts before one in the query.
fn live_session(longpoll: &LongPoll, headers: &HeaderMap, params: &Params) -> Option<(String, Found)> {
    let header = headers.get(TOKEN_HEADER).and_then(|token| token.to_str().ok());
    let token = header.or_else(|| params.get("token"))?;
    match longpoll.find(token) {
        Ok(session) => Some((token.to_owned(), session)),
        Err(Gone) => None,
    }
}

/// The messages of a body, and the status of an answer that says that one could not be read: those before it count.
fn lines(headers: &HeaderMap, body: &Bytes) -> (Vec<Line>, Option<StatusCode>) {
    let mut content_types = headers.get_all(header::CONTENT_TYPE).iter();
    let ndjson = matches!((content_types.next(), content_types.next()), (Some(one), None) if one == NDJSON);
    if !ndjson {
        return (vec![text(body.clone())], None);
    }
    let mut lines = Vec::new();
    for part in body.split(|byte| *byte == b'\n').take(MAX_LINES) {
        let part = part.strip_suffix(b"\r").unwrap_or(part);
        if part.first() == Some(&b'[') {
            lines.push(text(body.slice_ref(part)));
        } else if let Ok(bytes) = STANDARD.decode(part) {
            lines.push(Line::Binary(bytes.into()));
        } else {
            return (lines, Some(StatusCode::INTERNAL_SERVER_ERROR));
        }
    }
    (lines, None)
}

/// Text that is not UTF-8 is a message that no serializer can read, as an empty binary frame is.
fn text(bytes: Bytes) -> Line {
    match std::str::from_utf8(&bytes) {
        Ok(_) => Line::Text(bytes),
        Err(_) => Line::Binary(Bytes::new()),
    }
}

/// A frame as a text. Long poll has no form for a binary frame: its bytes stand in the text as they are, and one
/// that is no text is left out.
fn message(frame: &Frame) -> Option<Value> {
    match std::str::from_utf8(&frame.body()) {
        Ok(text) => Some(Value::from(text)),
        Err(_) => {
            debug!("a binary frame has no form in long poll and is left out");
            None
        }
    }
}

fn protocol(answer: Value) -> Response<String> {
    let mut response = Response::new(answer.to_string());
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

const TOKEN_HEADER: &str = "x-phoenix-longpoll-token";
const NDJSON: &str = "application/x-ndjson";
/// phoenix.js sends no more in one request; the rest is ignored.
const MAX_LINES: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn ndjson(body: &'static [u8]) -> (Vec<Line>, Option<StatusCode>) {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(NDJSON));
        lines(&headers, &Bytes::from_static(body))
    }

    fn text(text: &'static str) -> Line {
        Line::Text(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn a_batch_is_split_at_line_ends_into_text_and_base64() {
        let (lines, unreadable) = ndjson(b"[1]\r\n[2]\nAAE=");
        assert_eq!(lines, [text("[1]"), text("[2]"), Line::Binary(Bytes::from_static(&[0, 1]))]);
        assert_eq!(unreadable, None);
    }

    #[test]
    fn a_trailing_line_end_is_one_more_message_which_is_empty() {
        assert_eq!(ndjson(b"[1]\n").0, [text("[1]"), Line::Binary(Bytes::new())]);
    }

    #[test]
    fn what_comes_before_a_line_that_is_no_base64_counts() {
        assert_eq!(ndjson(b"[1]\n*\n[2]"), (vec![text("[1]")], Some(StatusCode::INTERNAL_SERVER_ERROR)));
    }

    #[test]
    fn a_body_of_any_other_type_is_one_message() {
        let (lines, _) = lines(&HeaderMap::new(), &Bytes::from_static(b"[1]\n[2]"));
        assert_eq!(lines, [text("[1]\n[2]")]);
    }

    #[test]
    fn only_the_first_hundred_messages_are_taken() {
        let body: Bytes = "[]\n".repeat(150).into();
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(NDJSON));
        assert_eq!(lines(&headers, &body).0.len(), 100);
    }
}
