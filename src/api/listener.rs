//! A listener for the API alone: a TCP address or a Unix socket.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use warp::{Filter, Reply};

use super::Api;
use super::problem::Problem;

/// Where the API may listen: `127.0.0.1:4001`, `[::1]:4001`, `unix:/run/presenced/api.sock`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An address and port; port 0 takes any that is free.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// A text that names no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected IP:PORT or unix:/path")]
pub struct BadListenAddress;

impl ListenAddress {
    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            ListenAddress::Tcp(address) => address.ip().is_loopback(),
            ListenAddress::Unix(_) => true,
        }
    }
}

impl FromStr for ListenAddress {
    type Err = BadListenAddress;

    fn from_str(text: &str) -> Result<Self, BadListenAddress> {
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(ListenAddress::Unix(path.into())),
            Some(_) => Err(BadListenAddress),
            None => text.parse().map(ListenAddress::Tcp).map_err(|_| BadListenAddress),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Tcp(address) => address.fmt(f),
            ListenAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A bound listener. A Unix socket's file is taken away when this is dropped.
pub struct Listener {
    bound: Either<TcpListener, UnixListener>,
    address: ListenAddress,
}

impl Listener {
    /// Binds an address. A Unix socket's file that a process has left behind is replaced; one that is listened on is
    /// not.
    ///
    /// # Errors
    /// Those of binding.
    pub async fn bind(address: &ListenAddress) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => {
                let listener = TcpListener::bind(address).await?;
                let address = ListenAddress::Tcp(listener.local_addr()?);
                Ok(Listener { bound: Either::Left(listener), address })
            }
            ListenAddress::Unix(path) => {
                if is_left_behind(path).await {
                    std::fs::remove_file(path)?;
                }
                let listener = UnixListener::bind(path)?;
                Ok(Listener { bound: Either::Right(listener), address: address.clone() })
            }
        }
    }

    /// Where it listens, with the port that was taken.
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    async fn accept(&self) -> io::Result<Either<TcpStream, UnixStream>> {
        match &self.bound {
            Either::Left(tcp) => {
                let (stream, _) = tcp.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Either::Left(stream))
            }
            Either::Right(unix) => Ok(Either::Right(unix.accept().await?.0)),
        }
    }
}

/// Whether it is a socket that nobody listens on. Other files refuse a connection too.
async fn is_left_behind(path: &Path) -> bool {
    let is_socket = path.symlink_metadata().is_ok_and(|metadata| metadata.file_type().is_socket());
    let refuses = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    is_socket && UnixStream::connect(path).await.is_err_and(refuses)
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let ListenAddress::Unix(path) = &self.address {
            // Somebody may have taken it away before.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Api {
    /// Serves the API on a listener of its own until it is cancelled; then nothing more is accepted, and requests under
    /// way are answered.
    pub async fn serve(&self, listener: Listener, until: CancellationToken) {
        let nothing = warp::any().map(|| Problem::NoSuchPath.into_response().into_response());
        let service = TowerToHyperService::new(warp::service(self.routes().or(nothing).unify()));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(MAX_HEADER_BYTES);
        let requests = GracefulShutdown::new();
        let end = CancellationToken::new();
        // Whoever does not finish in time is cut off.
        let _end_with_this = end.clone().drop_guard();
        loop {
            tokio::select! {
                biased;
                () = until.cancelled() => break,
                accepted = listener.accept() => match accepted {
                    Ok(stream) => {
                        let served = requests.watch(http.serve_connection(TokioIo::new(stream), service.clone()));
                        let end = end.clone();
                        tokio::spawn(async move {
                            if let Some(Err(error)) = end.run_until_cancelled(served).await {
                                debug!(%error, "an API client's HTTP failed");
                            }
                        });
                    }
                    Err(error) => {
                        warn!(%error, "a connection to the API cannot be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
        drop(listener);
        if tokio::time::timeout(LAST_REQUEST_TIMEOUT, requests.shutdown()).await.is_err() {
            debug!("an API client's last request was not finished in time");
        }
    }
}

const MAX_HEADER_BYTES: usize = 64 * 1024;
/// How long a client may take for the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a request under way may still take once the server has stopped.
const LAST_REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_port_of_an_ip_or_the_absolute_path_of_a_socket() {
        for (text, is_local) in [
            ("127.0.0.1:4001", true),
            ("[::1]:0", true),
            ("0.0.0.0:4001", false),
            ("unix:/run/api.sock", true),
        ] {
            let address: ListenAddress = text.parse().expect("an address");
            assert_eq!((address.is_local(), address.to_string().as_str()), (is_local, text));
        }
        for text in ["", "4001", "localhost:4001", "127.0.0.1", "unix:", "unix:api.sock", "/run/api.sock"] {
            assert_eq!(text.parse::<ListenAddress>(), Err(BadListenAddress), "{text}");
        }
    }
}
