//! Where the server listens: TCP over IPv4 and IPv6, and Unix sockets, any number of them at once.
//!
//! Owns the file of a Unix socket: it is there while somebody listens, and what a process that died left behind is
//! replaced. Who may connect to it is the file's mode and the folder's, as the process's umask leaves it.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixStream};

use crate::runtime::stream::Stream;

/// One place to listen at. It is shown as `127.0.0.1:4000`, `[::1]:4000` or `unix:/run/presenced.sock`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An address with a port; 0 takes any that is free.
    Tcp(SocketAddr),
    /// The file of a Unix socket.
    Unix(PathBuf),
}

/// What a server accepts its connections from. A bound listener is one; [`bind`](Self::bind) makes several.
pub struct Listeners(Vec<Listener>);

/// An address that cannot be listened on.
#[derive(Debug, Error)]
#[error("cannot listen on {address}")]
pub struct CannotListen {
    /// Which of them.
    pub address: ListenAddress,
    /// Why not.
    #[source]
    pub error: io::Error,
}

/// The other end of an accepted stream, as the kernel knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// An IPv4 address is one, also where an IPv6 socket took the connection in.
    Ip(IpAddr),
    /// A process of this machine.
    Unix,
}

enum Listener {
    Tcp(TcpListener),
    Unix {
        /// Goes first when this is dropped: as long as the file is there, somebody listens. `None` where the file is
        /// the caller's.
        _file: Option<SocketFile>,
        listener: UnixListener,
    },
}

/// The file of a Unix socket that was bound here; removed with this.
struct SocketFile {
    path: PathBuf,
    /// Device and inode: a file that somebody else has put there since is not removed.
    identity: (u64, u64),
}

impl Listeners {
    /// Listens on all of these addresses, or on none.
    ///
    /// An IPv6 address that stands for all, `::`, takes IPv4 as well where the system does so; beside an IPv4 address
    /// it takes IPv6 alone.
    ///
    /// # Errors
    /// [`CannotListen`] names the first that is taken, or is none of this machine's. The file of a Unix socket counts
    /// as taken where somebody listens on it, and where it is no socket.
    ///
    /// # Panics
    /// If called outside a tokio runtime.
    pub async fn bind(addresses: &[ListenAddress]) -> Result<Self, CannotListen> {
        let takes_ipv4 = addresses.iter().any(|address| match address {
            ListenAddress::Tcp(address) => address.is_ipv4(),
            ListenAddress::Unix(_) => false,
        });
        let mut listeners = Vec::with_capacity(addresses.len());
        for address in addresses {
            let bound = match address {
                ListenAddress::Tcp(address) => bind_tcp(*address, takes_ipv4).map(Listener::Tcp),
                ListenAddress::Unix(path) => bind_unix(path).await,
            };
            let refused = |error| CannotListen { address: address.clone(), error };
            listeners.push(bound.map_err(refused)?);
        }
        Ok(Listeners(listeners))
    }

    /// Where it really listens, with the ports that were chosen.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn addresses(&self) -> io::Result<Vec<ListenAddress>> {
        self.0.iter().map(Listener::address).collect()
    }

    /// The next connection of any of them; each has its turn.
    pub(super) async fn accept(&mut self) -> io::Result<(Stream, Peer)> {
        std::future::poll_fn(|cx| {
            for _ in 0..self.0.len() {
                // Whichever is asked now comes last the next time.
                self.0.rotate_left(1);
                if let Some(last) = self.0.last()
                    && let Poll::Ready(accepted) = last.poll_accept(cx)
                {
                    return Poll::Ready(accepted);
                }
            }
            Poll::Pending
        })
        .await
    }
}

impl ListenAddress {
    /// Whether nobody but this machine's own processes can connect there: loopback, or a Unix socket.
    pub fn is_of_this_machine(&self) -> bool {
        match self {
            ListenAddress::Tcp(address) => address.ip().to_canonical().is_loopback(),
            ListenAddress::Unix(_) => true,
        }
    }
}

/// Its backlog becomes the server's own.
impl From<TcpListener> for Listeners {
    fn from(listener: TcpListener) -> Self {
        set_backlog(&listener);
        Listeners(vec![Listener::Tcp(listener)])
    }
}

/// Its backlog becomes the server's own; its file is the caller's to remove.
impl From<UnixListener> for Listeners {
    fn from(listener: UnixListener) -> Self {
        set_backlog(&listener);
        Listeners(vec![Listener::Unix { _file: None, listener }])
    }
}

impl Listener {
    fn address(&self) -> io::Result<ListenAddress> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().map(ListenAddress::Tcp),
            Listener::Unix { listener, .. } => {
                let address = listener.local_addr()?;
                Ok(ListenAddress::Unix(address.as_pathname().map(Path::to_owned).unwrap_or_default()))
            }
        }
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, Peer)>> {
        Poll::Ready(Ok(match self {
            Listener::Tcp(listener) => {
                let (stream, address) = ready!(listener.poll_accept(cx))?;
                (Stream::from(stream), Peer::Ip(address.ip().to_canonical()))
            }
            Listener::Unix { listener, .. } => {
                let (stream, _) = ready!(listener.poll_accept(cx))?;
                (Stream::from(stream), Peer::Unix)
            }
        }))
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

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            // A file that cannot be removed is replaced by whoever listens there next.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn bind_tcp(address: SocketAddr, ipv6_alone: bool) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if address.is_ipv6() && ipv6_alone {
        SockRef::from(&socket).set_only_v6(true)?;
    }
    // A port whose last connections are still fading away can be listened on again.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG.unsigned_abs())
}

async fn bind_unix(path: &Path) -> io::Result<Listener> {
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_left_behind(path).await => {
            fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        bound => bound?,
    };
    set_backlog(&listener);
    let file = SocketFile { path: path.to_owned(), identity: identity(path)? };
    Ok(Listener::Unix { _file: Some(file), listener })
}

/// Listening anew changes nothing else: what already waits to be accepted stays.
fn set_backlog(listener: &impl AsFd) {
    // Where the system refuses, the listener is as good as it was.
    let _ = SockRef::from(listener).listen(BACKLOG);
}

/// Whether a path is a socket that nobody listens on. Whatever else is there is somebody's.
async fn is_left_behind(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
        && UnixStream::connect(path).await.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

/// How many connections wait to be accepted at most; the kernel has a limit of its own (`net.core.somaxconn`). Beyond it
/// a client's kernel tries again after a second, and a Unix socket refuses. The standard library's 128 are fewer than
/// reconnect at once when a proxy restarts.
const BACKLOG: i32 = 4096;
