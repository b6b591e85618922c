//! One exchange of HTTP with the upstream, on a connection of its own.
//!
//! Contract: canvas.md F.6: 3 s to connect, 10 s for the answer to an upgrade; else 502 or 504, or 503 while the upstream
//! refuses connections.

use std::time::Duration;

use http::{Response, StatusCode};
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tracing::debug;

use super::headers;
use crate::runtime::gateway::Gateway;
use crate::runtime::upstream::{CONNECT_TIMEOUT, ConnectError, Fault};

/// A request's way to the upstream.
pub(super) struct Exchange<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) asks_to_upgrade: bool,
}

/// What the upstream said.
pub(super) enum Answer {
    /// An answer to be passed on, with its body as it comes.
    Plain(Response<Incoming>),
    /// It upgrades; the stream is ready once the answer is read.
    Upgraded(Response<Incoming>, OnUpgrade),
}

impl Exchange<'_> {
    /// Sends the request, which is for the upstream already, and waits for the head of the answer.
    ///
    /// # Errors
    /// The status to answer with where the upstream gives none.
    pub(super) async fn run(&self, request: Request<Incoming>) -> Result<Answer, StatusCode> {
        let upstream = &self.gateway.upstream;
        let remote = upstream.connect().await.map_err(|error| self.not_connected(error))?;
        let connected =
            http1::Builder::new().max_buf_size(MAX_HEAD_BYTES).handshake(TokioIo::new(remote)).await;
        let (mut sender, connection) = connected.map_err(|_| StatusCode::BAD_GATEWAY)?;
        self.gateway.tasks.spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                debug!(%error, "an upstream's HTTP failed");
            }
        });
        let limit = if self.asks_to_upgrade { super::UPGRADE_TIMEOUT } else { POLL_TIMEOUT };
        let answer = timeout(limit, sender.send_request(request)).await;
        let answer = answer.map_err(|_| {
            upstream.fault(&Fault::NoAnswer(limit));
            StatusCode::GATEWAY_TIMEOUT
        })?;
        let mut answer = answer.map_err(|error| {
            upstream.fault(&Fault::NotHttp(error.to_string()));
            StatusCode::BAD_GATEWAY
        })?;
        let status = answer.status();
        if status != StatusCode::SWITCHING_PROTOCOLS {
            if status.is_server_error() {
                upstream.fault(&Fault::ServerError(status));
            } else if self.asks_to_upgrade
                && [StatusCode::BAD_REQUEST, StatusCode::UPGRADE_REQUIRED].contains(&status)
            {
                upstream.fault(&Fault::NoUpgrade(status));
            }
            return Ok(Answer::Plain(answer));
        }
        if !self.asks_to_upgrade || !headers::upgrades(answer.headers()) {
            upstream.fault(&Fault::NotWebSocket);
            return Err(StatusCode::BAD_GATEWAY);
        }
        let upgrade = hyper::upgrade::on(&mut answer);
        Ok(Answer::Upgraded(answer, upgrade))
    }

    /// The status for a client where there is no connection to the upstream.
    fn not_connected(&self, error: ConnectError) -> StatusCode {
        let (fault, status) = match error {
            // It has been told already.
            ConnectError::Unavailable => return StatusCode::SERVICE_UNAVAILABLE,
            ConnectError::TimedOut => (Fault::ConnectTimedOut(CONNECT_TIMEOUT), StatusCode::GATEWAY_TIMEOUT),
            ConnectError::Failed(error) => (Fault::Unreachable(error), StatusCode::BAD_GATEWAY),
        };
        self.gateway.upstream.fault(&fault);
        status
    }
}

/// An answer's head may be as large as a request's.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// How long the upstream may take for any other answer: a poll waits for messages.
const POLL_TIMEOUT: Duration = Duration::from_secs(75);
