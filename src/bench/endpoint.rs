//! Where the clients connect, and what they say of themselves there.
//!
//! Owns: the URL, the addresses on both ends, the connection's parameters, tokens, the request of the handshake.
//! Not here: what goes over the stream ([`super::client`]). TLS is not spoken.
//! Contract: RFC 6455, 4.1; Phoenix's `vsn` and `token` parameters.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process;
use std::str::FromStr;

use http::Uri;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use thiserror::Error;
use tokio::net::{TcpSocket, TcpStream};

use super::pattern::Pattern;
use crate::wire::websocket::accept_key;

/// A URL as phoenix.js is given it, such as `ws://127.0.0.1:4000/socket`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    host: String,
    port: u16,
    path: String,
    /// Parameters in the URL itself, without the question mark.
    query: String,
}

/// Why a URL is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum BadUrl {
    /// It cannot be taken apart, or has no host.
    #[error("not a URL such as ws://127.0.0.1:4000/socket")]
    NoUrl,
    /// It asks for TLS.
    #[error("wss:// is not spoken; measure the server itself, in front of which TLS ends")]
    Tls,
    /// It is of another scheme.
    #[error("must begin with ws://")]
    NotWebSocket,
}

/// A parameter of the connection.
#[derive(Clone, Debug)]
pub(super) struct Param {
    name: String,
    value: Pattern,
}

/// A parameter without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be NAME=VALUE")]
pub(super) struct NoValue;

/// A user's token, or the pattern of all users'. It is not shown.
#[derive(Clone)]
pub(super) struct Token(Pattern);

/// Where to connect, resolved, and with what.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// The first address of the host that took a connection.
    address: SocketAddr,
    host: String,
    path: String,
    params: Vec<Param>,
    /// Client `i` brings the `i`th, and they come round.
    tokens: Vec<Token>,
    /// What shows that the server means it.
    pub accept: String,
}

impl Endpoint {
    /// Looks the host up, and tries which of its addresses is listened on.
    ///
    /// # Errors
    /// When the host is not known, or none of its addresses takes a connection.
    pub(super) async fn resolve(url: &Url, params: Vec<Param>, tokens: Vec<Token>) -> io::Result<Endpoint> {
        let address = TcpStream::connect((url.host(), url.port)).await?.peer_addr()?;
        let query = if url.query.is_empty() { String::new() } else { format!("&{}", url.query) };
        let path = format!("{}?vsn={VSN}{query}", url.path);
        Ok(Endpoint {
            address,
            host: format!("{}:{}", url.host, url.port),
            path,
            params,
            tokens,
            accept: accept_key(KEY),
        })
    }

    /// A client's own stream.
    ///
    /// # Errors
    /// When the address takes no connection any more.
    pub(super) async fn open(&self, client: u64) -> io::Result<TcpStream> {
        if let Some(source) = source(self.address, process::id(), client) {
            let socket = TcpSocket::new_v4()?;
            // Not every system has more than one.
            if socket.bind((source, 0).into()).is_ok() {
                return socket.connect(self.address).await;
            }
        }
        TcpStream::connect(self.address).await
    }

    /// The request that opens a client's WebSocket.
    pub(super) fn request(&self, client: u64) -> String {
        let mut path = self.path.clone();
        let mut add = |name: &str, value: &str| {
            path.push('&');
            path.extend(utf8_percent_encode(name, NON_ALPHANUMERIC));
            path.push('=');
            path.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
        };
        for param in &self.params {
            add(&param.name, &param.value.fill(client, client));
        }
        let turn = client.checked_rem(self.tokens.len() as u64).and_then(|turn| usize::try_from(turn).ok());
        if let Some(token) = turn.and_then(|turn| self.tokens.get(turn)) {
            add("token", &token.0.fill(client, client));
        }
        format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n",
            self.host
        )
    }
}

impl Url {
    /// The host without the brackets of an IPv6 address.
    fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }
}

/// From which address a client of this process connects, where the system's choice is not good enough.
///
/// An address has about 28,000 ports for its connections to one server, and the kernel searches the longer for a free
/// one the fewer are left: from half of them on it is the search that is measured. For a minute those of the last run
/// are not free either. Loopback has as many addresses as one likes.
fn source(server: SocketAddr, process: u32, client: u64) -> Option<Ipv4Addr> {
    let SocketAddr::V4(server) = server else { return None };
    let [.., run_high, run_low] = process.to_be_bytes();
    let nth = u8::try_from(client / CLIENTS_AN_ADDRESS + 1).unwrap_or(u8::MAX);
    server.ip().is_loopback().then(|| Ipv4Addr::new(127, run_high, run_low, nth.min(LAST_HOST)))
}

impl FromStr for Url {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let uri: Uri = text.parse().map_err(|_| BadUrl::NoUrl)?;
        match uri.scheme_str() {
            Some("ws") => {}
            Some("wss" | "https") => return Err(BadUrl::Tls),
            Some(_) => return Err(BadUrl::NotWebSocket),
            None => return Err(BadUrl::NoUrl),
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(BadUrl::NoUrl)?;
        let path = uri.path().trim_end_matches('/');
        let path = if path.ends_with(TRANSPORT) { path.to_owned() } else { format!("{path}{TRANSPORT}") };
        let query = uri.query().unwrap_or_default().to_owned();
        Ok(Url { host: host.to_owned(), port: uri.port_u16().unwrap_or(80), path, query })
    }
}

/// Without the parameters, which may hold secrets.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ws://{}:{}{}", self.host, self.port, self.path.trim_end_matches(TRANSPORT))
    }
}

impl Serialize for Url {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Param {
    /// A parameter that a mode brings by itself.
    pub(super) fn new(name: &str, value: &str) -> Self {
        Param { name: name.to_owned(), value: Pattern::from(value) }
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for Param {
    type Err = NoValue;

    fn from_str(text: &str) -> Result<Self, NoValue> {
        let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or(NoValue)?;
        Ok(Param::new(name, value))
    }
}

impl From<&str> for Token {
    fn from(text: &str) -> Self {
        Token(Pattern::from(text))
    }
}

impl Token {
    /// Whether there is no text.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The serializer that the clients speak.
const VSN: &str = "2.0.0";
/// Fewer than half of the ports that Linux gives an address by default.
const CLIENTS_AN_ADDRESS: u64 = 8_192;
/// Of 256 addresses the last is for broadcasts.
const LAST_HOST: u8 = 254;
/// Phoenix's path of the WebSocket below that of the endpoint.
const TRANSPORT: &str = "/websocket";
/// Any 16 bytes do: the key is there to tell a WebSocket server from others, not to keep a secret.
const KEY: &str = "cHJlc2VuY2VkIGJlbmNoIQ==";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_of_loopback_serves_more_clients_than_it_has_ports_at_hand() {
        let from = |process, client| source("127.0.0.1:4000".parse().expect("an address"), process, client);
        let address = |of| Some(Ipv4Addr::from(of));
        assert_eq!(from(0x1234, 0), address([127, 0x12, 0x34, 1]));
        assert_eq!(from(0x1234, CLIENTS_AN_ADDRESS - 1), address([127, 0x12, 0x34, 1]));
        assert_eq!(from(0x1235, CLIENTS_AN_ADDRESS), address([127, 0x12, 0x35, 2]));
        assert_eq!(from(u32::MAX, u64::MAX), address([127, 255, 255, 254]));
        for elsewhere in ["192.0.2.1:4000", "[::1]:4000"] {
            assert_eq!(source(elsewhere.parse().expect("an address"), 1, u64::MAX), None);
        }
    }

    #[test]
    fn a_url_is_what_phoenix_js_is_given() {
        let url = |text: &str| text.parse::<Url>();
        let parts = url("ws://example.org/socket?a=b").expect("a URL");
        assert_eq!((parts.host(), parts.port, parts.path.as_str()), ("example.org", 80, "/socket/websocket"));
        assert_eq!(parts.to_string(), "ws://example.org:80/socket");
        let local = url("ws://[::1]:4000/live/websocket/").expect("a URL");
        assert_eq!((local.host(), local.port, local.path.as_str()), ("::1", 4000, "/live/websocket"));
        assert_eq!(url("wss://example.org/socket"), Err(BadUrl::Tls));
        assert_eq!(url("http://example.org/socket"), Err(BadUrl::NotWebSocket));
        assert_eq!(url("example.org"), Err(BadUrl::NoUrl));
    }

    #[tokio::test]
    async fn a_request_brings_the_clients_own_parameters_and_token() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let url = format!("ws://127.0.0.1:{port}/socket?x=1").parse().expect("a URL");
        let param = "name=user {i}".parse().expect("a parameter");
        let tokens = vec![Token::from("first"), Token::from("se&cond:{i}")];
        let endpoint = Endpoint::resolve(&url, vec![param], tokens).await.expect("it listens");
        let line = |client| endpoint.request(client).lines().next().map(str::to_owned);
        let path = "GET /socket/websocket?vsn=2.0.0&x=1";
        assert_eq!(line(0), Some(format!("{path}&name=user%200&token=first HTTP/1.1")));
        assert_eq!(line(3), Some(format!("{path}&name=user%203&token=se%26cond%3A3 HTTP/1.1")));
    }

    #[test]
    fn a_token_is_not_shown() {
        assert_eq!(format!("{:?}", Token::from("secret")), "Token(…)");
    }
}
