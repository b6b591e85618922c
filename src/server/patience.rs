//! A limit on how long whoever is answered may take nothing.
//!
//! A reader that stalls would keep its answer, and what waits behind it, for as long as its connection stays open. Not
//! here: WebSockets, whose outbox has a limit of its own; the stream is taken out of this once it is one.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::http_clock::HttpClock;

/// A stream on which a write fails with [`ErrorKind::TimedOut`] once nothing could be written for so long. While there
/// is nothing to write, no time runs.
pub(super) struct Patience<S> {
    stream: S,
    limit: Duration,
    /// Since the first write that had to wait.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Whom to tell that something was read.
    clock: Option<Arc<HttpClock>>,
}

impl<S> Patience<S> {
    pub(super) fn new(stream: S, limit: Duration) -> Self {
        Patience { stream, limit, stalled: None, clock: None }
    }

    /// Tells this clock whenever something is read.
    pub(super) fn watched_by(self, clock: Arc<HttpClock>) -> Self {
        Patience { clock: Some(clock), ..self }
    }

    /// The stream without the limit.
    pub(super) fn into_inner(self) -> S {
        self.stream
    }

    /// What a write came to, unless it has waited for too long.
    fn limited<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(self.limit)));
        stalled.as_mut().poll(cx).map(|()| Err(ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before
            && let Some(clock) = &this.clock
        {
            clock.heard();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.limited(cx, written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.limited(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_write_that_nobody_takes_fails_and_one_that_is_taken_bit_by_bit_does_not() {
        let (ours, mut theirs) = duplex(4);
        let mut patience = Patience::new(ours, SHORT);
        let reader = tokio::spawn(async move {
            // Together it takes far longer than the limit.
            for _ in 0..8 {
                sleep(SHORT / 4).await;
                let mut taken = [0; 4];
                theirs.read_exact(&mut taken).await.expect("it is written");
            }
            theirs
        });
        patience.write_all(&[0; 36]).await.expect("it is taken, and the last of it fits");
        let _theirs = reader.await.expect("it reads");
        let failed = patience.write_all(&[0; 1]).await;
        assert_eq!(failed.map_err(|error| error.kind()), Err(ErrorKind::TimedOut));
    }

    #[tokio::test]
    async fn no_time_runs_while_nothing_is_written() {
        let (ours, _theirs) = duplex(4);
        let mut patience = Patience::new(ours, SHORT);
        patience.write_all(&[0; 2]).await.expect("it fits");
        let read = async { patience.read_u8().await.map_err(|error| error.kind()) };
        assert!(timeout(SHORT * 2, read).await.is_err(), "it goes on waiting");
        patience.write_all(&[0; 2]).await.expect("it fits too");
    }

    /// Longer than a busy machine lets a task wait.
    const SHORT: Duration = Duration::from_secs(1);
}
