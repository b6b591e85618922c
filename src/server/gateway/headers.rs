//! What of a request's and an answer's headers a gateway passes on.
//!
//! Contract: canvas.md F.7; RFC 9110, 7.6.1 (hop-by-hop), RFC 7239 (`Forwarded`).

use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::super::listener::Peer;

/// The headers of a request as the upstream is to see them.
///
/// From a trusted proxy what it says of the client stays, with the proxy appended; from others it is dropped, and made
/// from the connection and its `Host`. `hop` is added: it shows a request that comes back. A request to upgrade stays one.
pub(super) fn for_upstream(
    request: &HeaderMap,
    peer: Option<Peer>,
    is_trusted: bool,
    upstream_host: &str,
    hop: &HeaderValue,
) -> HeaderMap {
    let mut headers = end_to_end(request);
    headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
    if upgrades(request) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    if !headers.contains_key(header::HOST)
        && let Ok(host) = HeaderValue::from_str(upstream_host)
    {
        headers.insert(header::HOST, host);
    }
    let address = match peer {
        Some(Peer::Ip(address)) => Some(address),
        Some(Peer::Unix) | None => None,
    };
    if is_trusted {
        append_peer(&mut headers, address);
    } else {
        OF_THE_CLIENT.iter().for_each(|name| drop(headers.remove(name)));
        say_where_from(&mut headers, address);
    }
    headers.append(HOP, hop.clone());
    headers
}

/// The headers of an answer as the client is to see them; of a 101 what makes it one is kept.
pub(super) fn for_client(answer: &HeaderMap, is_upgrade: bool) -> HeaderMap {
    let mut headers = end_to_end(answer);
    headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
    if is_upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.remove(header::CONTENT_LENGTH);
    }
    headers
}

/// Whether a request was here before.
pub(super) fn comes_back(request: &HeaderMap, hop: &HeaderValue) -> bool {
    request.get_all(HOP).iter().any(|seen| seen == hop)
}

/// Whether a message asks for, or grants, an upgrade to a WebSocket.
pub(super) fn upgrades(headers: &HeaderMap) -> bool {
    let asks = tokens(headers, &header::CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"));
    asks && tokens(headers, &header::UPGRADE).any(|token| token.eq_ignore_ascii_case("websocket"))
}

/// All but what concerns one connection alone: the headers that RFC 9110 lists, and those that `Connection` names.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    for name in tokens(headers, &header::CONNECTION).filter_map(|token| token.parse::<HeaderName>().ok()) {
        // A client cannot have what the upstream needs to see taken away.
        if !is_needed(&name) {
            kept.remove(name);
        }
    }
    HOP_BY_HOP.iter().for_each(|name| drop(kept.remove(name)));
    kept
}

fn is_needed(name: &HeaderName) -> bool {
    *name == header::HOST || *name == HOP || OF_THE_CLIENT.contains(name)
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn append_peer(headers: &mut HeaderMap, peer: Option<IpAddr>) {
    let Some(address) = peer else { return };
    append(headers, &X_FORWARDED_FOR, &address.to_string());
    if headers.contains_key(header::FORWARDED) {
        append(headers, &header::FORWARDED, &format!("for={}", node(address)));
    }
}

fn say_where_from(headers: &mut HeaderMap, peer: Option<IpAddr>) {
    let host = headers.get(header::HOST).cloned();
    let address = peer.map(|address| address.to_string());
    if let Some(address) = &address {
        append(headers, &X_FORWARDED_FOR, address);
        append(headers, &X_REAL_IP, address);
    }
    append(headers, &X_FORWARDED_PROTO, "http");
    let mut forwarded = peer.map(|address| format!("for={};", node(address))).unwrap_or_default();
    if let Some(host) = host {
        if let Ok(text) = host.to_str().map(str::to_owned) {
            let port = text.rsplit_once(':').map_or("80", |(_, port)| port);
            let port = if port.bytes().all(|byte| byte.is_ascii_digit()) { port } else { "80" };
            append(headers, &X_FORWARDED_PORT, port);
            forwarded.push_str(&format!("host=\"{}\";", text.replace(['"', '\\'], "")));
        }
        headers.insert(X_FORWARDED_HOST, host);
    }
    append(headers, &header::FORWARDED, &format!("{forwarded}proto=http"));
}

/// An address as `Forwarded` writes it.
fn node(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    }
}

/// Adds an entry behind those that are there, in one line.
fn append(headers: &mut HeaderMap, name: &HeaderName, entry: &str) {
    let lines: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    let mut value = lines.join(&b", "[..]);
    if !value.is_empty() {
        value.extend_from_slice(b", ");
    }
    value.extend_from_slice(entry.as_bytes());
    if let Ok(value) = HeaderValue::from_bytes(&value) {
        headers.insert(name.clone(), value);
    }
}

const HOP: HeaderName = HeaderName::from_static("x-presenced-hop");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// What says who the client is, and is believed of trusted proxies alone.
const OF_THE_CLIENT: [HeaderName; 6] =
    [X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST, X_FORWARDED_PORT, X_REAL_IP, header::FORWARDED];

const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().expect("a name");
            headers.append(name, value.parse().expect("a value"));
        }
        headers
    }

    fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
        headers.get_all(name).iter().map(|value| value.to_str().expect("text").to_owned()).collect()
    }

    fn pass(lines: &[(&str, &str)], peer: &str, is_trusted: bool) -> HeaderMap {
        let peer = Some(Peer::Ip(peer.parse().expect("an address")));
        for_upstream(&headers(lines), peer, is_trusted, "upstream", &HeaderValue::from_static("me"))
    }

    #[test]
    fn what_is_between_the_ends_passes_and_what_is_of_one_hop_does_not() {
        let passed = pass(
            &[
                ("host", "lightning.example"),
                ("connection", "Upgrade, X-Mine"),
                ("upgrade", "websocket"),
                ("x-mine", "1"),
                ("cookie", "a=b"),
                ("cookie", "c=d"),
                ("authorization", "Bearer x"),
                ("traceparent", "00-1"),
                ("sec-websocket-key", "k"),
                ("sec-websocket-version", "13"),
                ("sec-websocket-protocol", "phoenix, base64url.bearer.phx.YQ"),
                ("sec-websocket-extensions", "permessage-deflate"),
                ("keep-alive", "5"),
                ("te", "trailers"),
            ],
            "192.0.2.1",
            false,
        );
        for gone in ["x-mine", "sec-websocket-extensions", "keep-alive", "te"] {
            assert!(!passed.contains_key(gone), "{gone}");
        }
        assert_eq!(values(&passed, "cookie"), ["a=b", "c=d"]);
        assert_eq!(values(&passed, "sec-websocket-protocol"), ["phoenix, base64url.bearer.phx.YQ"]);
        for kept in ["authorization", "traceparent", "sec-websocket-key", "sec-websocket-version"] {
            assert!(passed.contains_key(kept), "{kept}");
        }
        assert_eq!(
            (values(&passed, "connection"), values(&passed, "upgrade")),
            (vec!["Upgrade".to_owned()], vec!["websocket".to_owned()])
        );
        assert_eq!(values(&passed, "host"), ["lightning.example"]);
    }

    #[test]
    fn whoever_is_not_trusted_cannot_say_who_it_is() {
        let forged = [
            ("host", "lightning.example:8443"),
            ("x-forwarded-for", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
            ("x-real-ip", "10.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil"),
        ];
        let passed = pass(&forged, "2001:db8::1", false);
        assert_eq!(values(&passed, "x-forwarded-for"), ["2001:db8::1"]);
        assert_eq!(values(&passed, "x-real-ip"), ["2001:db8::1"]);
        assert_eq!(values(&passed, "x-forwarded-proto"), ["http"]);
        assert_eq!(values(&passed, "x-forwarded-host"), ["lightning.example:8443"]);
        assert_eq!(values(&passed, "x-forwarded-port"), ["8443"]);
        assert_eq!(
            values(&passed, "forwarded"),
            ["for=\"[2001:db8::1]\";host=\"lightning.example:8443\";proto=http"]
        );
    }

    #[test]
    fn a_trusted_proxy_is_believed_and_appended() {
        let said = [
            ("x-forwarded-for", "198.51.100.7"),
            ("x-forwarded-for", "203.0.113.9"),
            ("forwarded", "for=198.51.100.7"),
            ("x-forwarded-proto", "https"),
            ("x-real-ip", "198.51.100.7"),
        ];
        let passed = pass(&said, "10.0.0.2", true);
        assert_eq!(values(&passed, "x-forwarded-for"), ["198.51.100.7, 203.0.113.9, 10.0.0.2"]);
        assert_eq!(values(&passed, "forwarded"), ["for=198.51.100.7, for=10.0.0.2"]);
        assert_eq!(values(&passed, "x-forwarded-proto"), ["https"]);
        assert_eq!(values(&passed, "x-real-ip"), ["198.51.100.7"]);
    }

    #[test]
    fn a_header_that_names_the_forwarded_ones_in_connection_takes_none_away() {
        let passed = pass(
            &[("connection", "x-forwarded-for, host"), ("x-forwarded-for", "198.51.100.7"), ("host", "h")],
            "10.0.0.2",
            true,
        );
        assert_eq!(values(&passed, "x-forwarded-for"), ["198.51.100.7, 10.0.0.2"]);
        assert_eq!(values(&passed, "host"), ["h"]);
    }

    #[test]
    fn a_request_that_was_here_before_is_known() {
        let me = HeaderValue::from_static("me");
        let passed = pass(&[("host", "h")], "10.0.0.2", true);
        assert!(comes_back(&passed, &me));
        assert!(!comes_back(&passed, &HeaderValue::from_static("another")));
        assert!(!comes_back(&headers(&[]), &me));
    }
}
