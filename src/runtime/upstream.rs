//! The server that a gateway stands in front of: where it is, the way there, and whether it is available.
//!
//! Not here: what is said on a connection to it (`relay`, and HTTP before it in `server/gateway`).
//! Contract: canvas.md F.6, F.7.

mod address;
mod faults;
mod remote;
mod tls;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus_client::metrics::histogram::Histogram;
use socket2::SockRef;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tracing::{info, warn};

use self::address::Target;
pub use self::address::{BadUpstream, UpstreamAddress};
pub(crate) use self::faults::Fault;
use self::faults::Faults;
pub(crate) use self::remote::Remote;
use super::stream::Stream;

/// The upstream server of a gateway.
pub(crate) struct Upstream {
    address: UpstreamAddress,
    tls: Option<Arc<ClientConfig>>,
    /// Since when it has been unavailable.
    unavailable: Mutex<Option<Instant>>,
    is_probed: AtomicBool,
    /// Told when that changes.
    observer: Box<dyn Fn(Availability) + Send + Sync>,
    connect_seconds: Histogram,
    faults: Faults,
}

/// What observers of an upstream are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Availability {
    /// It takes connections again.
    Available,
    /// It refuses them.
    Unavailable,
}

/// Why there is no connection to the upstream.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It refuses connections, or did a moment ago.
    #[error("the upstream refuses connections")]
    Unavailable,
    /// It could not be reached in time.
    #[error("the upstream did not answer within {} s", CONNECT_TIMEOUT.as_secs())]
    TimedOut,
    /// It could not be reached, or TLS failed.
    #[error("the upstream cannot be reached: {0}")]
    Failed(#[source] io::Error),
}

impl Upstream {
    /// An upstream, not tried yet.
    ///
    /// # Errors
    /// With `wss`: the system's certificates cannot be read.
    pub(crate) fn new(
        address: UpstreamAddress,
        observer: impl Fn(Availability) + Send + Sync + 'static,
    ) -> io::Result<Arc<Self>> {
        let tls = if address.is_tls() { Some(tls::config()?) } else { None };
        Ok(Arc::new(Upstream {
            address,
            tls,
            unavailable: Mutex::default(),
            is_probed: AtomicBool::new(false),
            observer: Box::new(observer),
            connect_seconds: Histogram::new(CONNECT_BUCKETS),
            faults: Faults::default(),
        }))
    }

    pub(crate) fn address(&self) -> &UpstreamAddress {
        &self.address
    }

    /// Whether it took the last connection.
    pub(crate) fn is_available(&self) -> bool {
        self.unavailable.lock().is_none()
    }

    /// How long the connections took, TLS included, that the upstream took.
    pub(crate) fn connect_seconds(&self) -> &Histogram {
        &self.connect_seconds
    }

    /// Counts something that went wrong, and tells the operator.
    pub(crate) fn fault(&self, fault: &Fault) {
        self.faults.note(&self.address, fault);
    }

    /// How often what went wrong, by kind.
    pub(crate) fn faults(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.faults.counts()
    }

    /// Opens a connection. While the upstream is unavailable it is not tried.
    ///
    /// # Errors
    /// [`ConnectError`]; after a refused connection the upstream counts as unavailable, and is tried once a second until it
    /// takes one.
    pub(crate) async fn connect(self: &Arc<Self>) -> Result<Remote, ConnectError> {
        if !self.is_available() {
            return Err(ConnectError::Unavailable);
        }
        let began = Instant::now();
        let connected = self.try_connect().await;
        match &connected {
            Ok(_) => self.connect_seconds.observe(began.elapsed().as_secs_f64()),
            Err(ConnectError::Unavailable) => self.found_unavailable(),
            Err(ConnectError::TimedOut | ConnectError::Failed(_)) => {}
        }
        connected
    }

    /// Finds out whether the upstream still takes connections, where some have just been lost: once for all of them.
    pub(crate) async fn probe(self: &Arc<Self>) {
        if !self.is_available() || self.is_probed.swap(true, Ordering::AcqRel) {
            return;
        }
        let tried = self.try_connect().await;
        self.is_probed.store(false, Ordering::Release);
        if matches!(tried, Err(ConnectError::Unavailable)) {
            self.found_unavailable();
        }
    }

    /// One connection, whatever is known of earlier ones.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub(crate) async fn try_connect(&self) -> Result<Remote, ConnectError> {
        match timeout(CONNECT_TIMEOUT, self.open()).await {
            Ok(Ok(remote)) => Ok(remote),
            Ok(Err(error)) if is_refusal(&error) => Err(ConnectError::Unavailable),
            Ok(Err(error)) => Err(ConnectError::Failed(error)),
            Err(_) => Err(ConnectError::TimedOut),
        }
    }

    async fn open(&self) -> io::Result<Remote> {
        let stream = match self.address.target() {
            Target::Unix(path) => return Ok(Remote::Plain(Stream::from(UnixStream::connect(path).await?))),
            Target::Tcp { host, port, .. } => TcpStream::connect((&**host, *port)).await?,
        };
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_tcp_user_timeout(Some(USER_TIMEOUT))?;
        let (Some(tls), Target::Tcp { host, .. }) = (&self.tls, self.address.target()) else {
            return Ok(Remote::Plain(Stream::from(stream)));
        };
        let connector = TlsConnector::from(tls.clone());
        Ok(Remote::Tls(Box::new(connector.connect(tls::server_name(host)?, stream).await?)))
    }

    fn found_unavailable(self: &Arc<Self>) {
        // Observers are told in the order of what they are told.
        let mut unavailable = self.unavailable.lock();
        if unavailable.replace(Instant::now()).is_some() {
            return;
        }
        warn!(
            upstream = %self.address,
            "upstream unavailable: it refuses connections; rejecting new clients with 503 until it recovers"
        );
        (self.observer)(Availability::Unavailable);
        tokio::spawn(wait_until_available(Arc::downgrade(self)));
    }

    fn found_available(&self) {
        let mut unavailable = self.unavailable.lock();
        let seconds = unavailable.take().map_or(0, |since| since.elapsed().as_secs());
        info!(upstream = %self.address, seconds, "upstream available again");
        (self.observer)(Availability::Available);
    }
}

/// Tries an upstream until it takes a connection, or its gateway is gone.
async fn wait_until_available(upstream: Weak<Upstream>) {
    loop {
        tokio::time::sleep(PROBE_INTERVAL).await;
        let Some(upstream) = upstream.upgrade() else { return };
        if upstream.try_connect().await.is_ok() {
            return upstream.found_available();
        }
    }
}

/// Nobody listens there. Whatever else fails may concern one connection alone.
fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
}

/// How long a connect may take, TLS included.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long what was sent to the upstream may stay unacknowledged. To the kernel an upstream that has stopped reading is
/// the same: so it is more than such a one is given (canvas.md F.6: 60 s).
const USER_TIMEOUT: Duration = Duration::from_secs(90);
/// In seconds: from a neighbour to one that is about to be given up.
const CONNECT_BUCKETS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 3.0];
/// How often an unavailable upstream is tried.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
