//! The byte stream under a connection, over TCP or a Unix socket, as one type.
//!
//! An enum and not a trait object: what is read and written every moment goes through no indirection, and an idle
//! connection pays a word for it.

use std::io::{self, ErrorKind, IoSlice, Read};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::capacity::Place;

/// A stream, and the place that it has among all, where places are counted.
pub(crate) struct Stream {
    carrier: Carrier,
    #[expect(dead_code, reason = "held")]
    place: Option<Place>,
}

/// What carries it.
enum Carrier {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Does the same with either kind.
macro_rules! either {
    ($stream:expr, $inner:ident => $done:expr) => {
        match $stream {
            Carrier::Tcp($inner) => $done,
            Carrier::Unix($inner) => $done,
        }
    };
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Stream { carrier: Carrier::Tcp(stream), place: None }
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Stream { carrier: Carrier::Unix(stream), place: None }
    }
}

impl Stream {
    /// The same stream, which keeps this place for as long as it is open.
    pub(crate) fn at(self, place: Option<Place>) -> Self {
        Stream { place, ..self }
    }

    /// Lets small frames go out at once; a Unix socket does so anyway.
    pub(crate) fn set_nodelay(&self) -> io::Result<()> {
        match &self.carrier {
            Carrier::Tcp(stream) => stream.set_nodelay(true),
            Carrier::Unix(_) => Ok(()),
        }
    }

    /// Lets the kernel end the stream when its peer acknowledges nothing for so long, or takes nothing; a Unix socket has
    /// no such limit.
    pub(crate) fn set_user_timeout(&self, timeout: Duration) -> io::Result<()> {
        match &self.carrier {
            Carrier::Tcp(stream) => SockRef::from(stream).set_tcp_user_timeout(Some(timeout)),
            Carrier::Unix(_) => Ok(()),
        }
    }

    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(&self.carrier, stream => stream.poll_read_ready(cx))
    }

    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(&self.carrier, stream => stream.poll_write_ready(cx))
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        either!(&self.carrier, stream => stream.readable().await)
    }

    /// Reads what is there. What leaves room in the buffer was all: then the stream counts as not ready until more comes,
    /// as in tokio's own reads, and the kernel is not asked once more.
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut count = None;
        let outcome = either!(&self.carrier, stream => stream.try_io(Interest::READABLE, || {
            let read = (&*SockRef::from(stream)).read(buffer)?;
            count = Some(read);
            if (1..buffer.len()).contains(&read) { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
        }));
        match count {
            Some(count) => Ok(count),
            None => outcome.map(|()| 0),
        }
    }

    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        either!(&self.carrier, stream => stream.try_write(bytes))
    }

    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        either!(&self.carrier, stream => stream.try_write_vectored(slices))
    }
}

/// For hyper, which has the stream before it becomes a socket.
impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(&mut self.get_mut().carrier, stream => Pin::new(stream).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(&mut self.get_mut().carrier, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(&mut self.get_mut().carrier, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(&mut self.get_mut().carrier, stream => Pin::new(stream).poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(&mut self.get_mut().carrier, stream => Pin::new(stream).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        either!(&self.carrier, stream => stream.is_write_vectored())
    }
}
