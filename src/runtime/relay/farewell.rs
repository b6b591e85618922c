//! The end of a relay: whichever side ended, what had come from it is delivered to the other, and then the close.
//!
//! Contract: canvas.md F.6; RFC 6455, 7.1.

use std::sync::Arc;
use std::time::Duration;

use tracing::debug;

use super::super::outbox::{Flushed, Outbox};
use super::super::socket;
use super::super::stream::Stream;
use super::super::turn::Turn;
use super::{End, Relay};
use crate::pages::{Departure, Ending};
use crate::session::CloseReason;
use crate::wire::websocket::{self, CloseFrame};

impl Relay {
    /// Ends both connections.
    pub(super) async fn finish(mut self, end: End) {
        let (reason, said) = match &end {
            End::Client(reason, said) | End::Upstream(reason, said) => (*reason, said.clone()),
            End::Here(reason) => (*reason, None),
        };
        self.span().in_scope(|| debug!(%reason, "relay closed"));
        self.gateway.counters.closed(reason);
        self.clocks.resume(&self.gateway.relayed);
        self.participants.end(Departure::of(ending(&end)), matches!(end, End::Upstream(..)));
        if matches!(end, End::Upstream(..)) {
            // Whether it ended one connection, or is gone.
            let upstream = self.gateway.upstream.clone();
            self.gateway.tasks.spawn(async move { upstream.probe().await });
        }
        let Relay { uplink, stream, decoder, outbox, share: _share, registration: _registration, .. } = self;
        let within = match reason {
            CloseReason::Shutdown => SHUTDOWN_DELIVERY_TIMEOUT,
            _ => DELIVERY_TIMEOUT,
        };
        let upstream = async {
            match (&end, said.as_ref()) {
                // It is done: only what it said last counts.
                (End::Upstream(CloseReason::UpstreamLost, _), _) => drop(uplink),
                (End::Client(CloseReason::ByClient(_), _), Some(CloseFrame { code, reason })) => {
                    uplink.finish(sayable(*code), reason, within).await;
                }
                _ => uplink.finish(GOING_AWAY, "", within).await,
            }
        };
        let client = async {
            if matches!(end, End::Upstream(..)) {
                deliver(&stream, &outbox).await;
            }
            let text = match &end {
                End::Upstream(_, Some(said)) if reason.code() == Some(said.code) => &*said.reason,
                _ => "",
            };
            let unsent = outbox.detach();
            if let (Some(code), Some(stream)) = (reason.code(), Arc::into_inner(stream)) {
                socket::farewell(stream, Some(decoder), unsent, code, text).await;
            }
        };
        tokio::join!(upstream, client);
    }
}

/// The client's code, if it is one that a client may send.
fn sayable(code: u16) -> u16 {
    match websocket::close_reply(Some(code)) {
        1000 => code,
        broken => broken,
    }
}

/// What an end is to the others in the rooms.
fn ending(end: &End) -> Ending<'_> {
    match end {
        End::Client(CloseReason::ByClient(code), said) => {
            Ending::CloseFrame { code: *code, reason: said.as_ref().map_or("", |said| &said.reason) }
        }
        End::Client(CloseReason::Violation(violation), _) => Ending::Closed { code: violation.close_code() },
        End::Client(..) => Ending::StreamLost,
        End::Upstream(CloseReason::ByUpstream(_), _) => Ending::UpstreamClosed,
        End::Upstream(..) => Ending::UpstreamLost,
        End::Here(CloseReason::Unresponsive) => Ending::Unresponsive,
        End::Here(reason) => Ending::Closed { code: reason.code().unwrap_or_default() },
    }
}

/// Writes all that waits for the client, for as long as it takes something.
async fn deliver(stream: &Stream, outbox: &Outbox) {
    let flushed = async {
        loop {
            match outbox.flush(Turn::begin()) {
                Ok(Flushed::All) | Err(_) => return,
                Ok(Flushed::Part) => tokio::task::yield_now().await,
                Ok(Flushed::Blocked) => {
                    if std::future::poll_fn(|cx| stream.poll_write_ready(cx)).await.is_err() {
                        return;
                    }
                }
            }
        }
    };
    tokio::pin!(flushed);
    loop {
        let before = outbox.written_bytes();
        match tokio::time::timeout(PROGRESS_TIMEOUT, flushed.as_mut()).await {
            Err(_) if outbox.written_bytes() > before => {}
            Ok(()) | Err(_) => return,
        }
    }
}

/// The code for an upstream whose client did not say why it ends.
const GOING_AWAY: u16 = 1001;
/// How long the upstream has to take what its client has sent before the end.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);
/// The same where the process waits for it.
const SHUTDOWN_DELIVERY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client may take nothing of what it is still owed.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(30);
