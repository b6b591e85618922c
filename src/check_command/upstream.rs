//! Whether the upstream of a gateway is Lightning's socket: it is asked for a connection, with a token that nobody signed.
//!
//! Lightning refuses it with 403 and no body. Any other answer comes from another server, or from a proxy between the
//! two. Nothing of an answer is repeated but its status. Lightning looks at the token before it upgrades, so a proxy that
//! does not pass upgrades on is found only where it answers them itself; a gateway that runs notices it at once.
//! Not here: the way to the upstream (`runtime/upstream`).

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::runtime::upstream::{ConnectError, Upstream, UpstreamAddress};

/// Why clients of a gateway with this upstream would not get to a canvas.
#[derive(Debug, Error)]
pub(super) enum Fault {
    /// No certificate could be believed.
    #[error("TLS to the upstream cannot be set up: {0}")]
    Tls(#[source] io::Error),
    /// There is no connection.
    #[error(transparent)]
    Connect(ConnectError),
    /// Something is there that does not speak TLS, or that nobody vouches for.
    #[error("TLS to the upstream failed: {0}; check its certificate, and whether it expects ws:// or wss://")]
    NoTls(#[source] io::Error),
    /// It takes connections and says nothing.
    #[error("the upstream took the connection but did not answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// It closed the connection, or speaks another protocol.
    #[error(
        "the upstream did not answer in HTTP: {0}; check that the port is a web server's, and whether it expects ws:// \
         or wss://"
    )]
    NoHttp(#[from] hyper::Error),
    /// Whatever it is, it lets everybody in.
    #[error("the upstream accepted an invalid token: it is not Lightning's socket")]
    Accepted,
    /// The path is another's, or nobody's.
    #[error(
        "the upstream has no socket at {path}/websocket (404): check the path, and that a proxy in between passes it on"
    )]
    NotFound {
        /// The configured path.
        path: String,
    },
    /// Behind a proxy that wants another address.
    #[error("the upstream redirects ({}): use the address of Lightning itself", .0.as_u16())]
    Redirected(StatusCode),
    /// A proxy cannot reach Lightning, or Lightning fails.
    #[error("the upstream failed ({}): Lightning is not running behind this address, or is failing", .0.as_u16())]
    Failed(StatusCode),
    /// 403 as it should be, but with a text that Lightning's socket never sends.
    #[error(
        "the upstream answered 403 with a page: a proxy or another server refused, not Lightning's socket"
    )]
    Page,
    /// Anything else, such as 200 with a page, or 426 of a proxy that does not pass upgrades on.
    #[error(
        "the upstream answered {}, and not 403, to an upgrade with an invalid token: it is not Lightning's socket, \
         or a proxy in between does not pass upgrades on",
        .0.as_u16()
    )]
    Status(StatusCode),
}

/// Tries an upstream: 3 s for the connection, 10 s for the answer.
///
/// # Errors
/// [`Fault`]: it is not there, or not Lightning's.
pub(super) async fn try_upstream(address: &UpstreamAddress) -> Result<(), Fault> {
    let upstream = Upstream::new(address.clone(), |_| {}).map_err(Fault::Tls)?;
    let remote = upstream.try_connect().await.map_err(|error| match error {
        // What rustls has to say is of this kind.
        ConnectError::Failed(error) if error.kind() == io::ErrorKind::InvalidData => Fault::NoTls(error),
        other => Fault::Connect(other),
    })?;
    judge(remote, address, ANSWER_TIMEOUT).await
}

/// The same on a connection that is open.
async fn judge(
    remote: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    address: &UpstreamAddress,
    limit: Duration,
) -> Result<(), Fault> {
    let judged = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(remote)).await?;
        // It ends with what is asked here.
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let answer = sender.send_request(upgrade(address)).await?;
        match answer.status() {
            StatusCode::FORBIDDEN => {
                if is_empty(answer.into_body()).await? {
                    Ok(())
                } else {
                    Err(Fault::Page)
                }
            }
            StatusCode::SWITCHING_PROTOCOLS => Err(Fault::Accepted),
            StatusCode::NOT_FOUND => Err(Fault::NotFound { path: address.path().to_owned() }),
            status if status.is_redirection() => Err(Fault::Redirected(status)),
            status if status.is_server_error() => Err(Fault::Failed(status)),
            status => Err(Fault::Status(status)),
        }
    };
    timeout(limit, judged).await.unwrap_or(Err(Fault::TimedOut(limit)))
}

/// As a canvas asks, through a proxy that ends TLS: Lightning may redirect what comes without.
fn upgrade(address: &UpstreamAddress) -> Request<Empty<Bytes>> {
    let path = address.path();
    Request::get(format!("{path}/websocket?token={TOKEN}&vsn=2.0.0"))
        .header(header::HOST, address.authority())
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, KEY)
        .header("x-forwarded-proto", "https")
        .body(Empty::new())
        .expect("an address has a path that is one, and an authority that is text")
}

async fn is_empty(mut body: Incoming) -> Result<bool, hyper::Error> {
    while let Some(frame) = body.frame().await {
        if frame?.data_ref().is_some_and(|data| !data.is_empty()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Nobody signed it; whoever reads Lightning's log knows where it came from.
const TOKEN: &str = "presenced-check";
/// Sixteen bytes in base64, as RFC 6455 has it.
const KEY: &str = "cHJlc2VuY2VkLWNoZWNrIQ==";
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_upstream_that_says_nothing_is_given_up() {
        let (remote, _silent) = tokio::io::duplex(1024);
        let address = "ws://lightning/socket".parse().expect("an address");
        let judged = judge(remote, &address, Duration::ZERO).await;
        assert!(matches!(judged, Err(Fault::TimedOut(_))), "{judged:?}");
    }
}
