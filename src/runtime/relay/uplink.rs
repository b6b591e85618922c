//! The upstream's side of a relay: a stream that belongs to the relay's task alone, and what waits to be written to it.
//!
//! Frames go out masked, as a client's. What has come from the client and cannot be written yet is kept up to a limit,
//! which the relay holds by not reading the client.
//! Contract: RFC 6455; canvas.md F.5, F.6.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::super::unwritten::Unwritten;
use super::super::upstream::Remote;
use super::super::{masks, read_buffer};
use crate::wire::Frame;
use crate::wire::websocket::{self, DataKind, Decoder, Event, Limits, Part, Role, Violation};

/// The connection to the upstream.
pub(crate) struct Uplink {
    remote: Remote,
    decoder: Decoder,
    /// Read along with the answer to the handshake.
    early: BytesMut,
    unwritten: Unwritten,
    /// How many bytes those weigh, their places in line included.
    waiting: usize,
    /// The last message that was put in line has not ended.
    is_amid: bool,
    /// Whether TLS may hold something back that was written.
    needs_flush: bool,
    /// When it was last heard.
    pub(super) heard: Instant,
}

/// Why nothing more comes from the upstream.
#[derive(Clone, Debug)]
pub(super) enum UplinkError {
    /// The stream ended or failed.
    Lost,
    /// The bytes are no WebSocket's.
    Violation(Violation),
}

impl Uplink {
    /// A connection whose handshake is done; `early` was read behind the answer.
    pub(crate) fn new(remote: Remote, early: &[u8]) -> Self {
        Uplink {
            remote,
            decoder: Decoder::of(Role::Server, Limits::RELAYED),
            early: BytesMut::from(early),
            unwritten: Unwritten::default(),
            waiting: 0,
            is_amid: false,
            needs_flush: false,
            heard: Instant::now(),
        }
    }

    /// How many bytes wait to be written, each frame weighed with its place in line.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether a message is under way, between whose parts no other may be put.
    pub(super) fn is_amid(&self) -> bool {
        self.is_amid
    }

    /// Passes on a message, or a part of one.
    pub(super) fn pass(&mut self, part: Part) {
        self.is_amid = !part.ends;
        self.put(part.into_masked_frame(masks::next()));
    }

    /// Says something of our own.
    pub(super) fn say(&mut self, text: Bytes) {
        debug_assert!(!self.is_amid, "no message may come between the parts of another");
        self.put(Part::whole(DataKind::Text, text).into_masked_frame(masks::next()));
    }

    /// Answers or sends a control frame, which may come between the parts of a message.
    pub(super) fn control(&mut self, frame: &Frame) {
        self.put(frame.masked(masks::next()));
    }

    /// Writes what waits. `Ready(true)` if something was written, `Ready(false)` if there was nothing to write.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut wrote = false;
        while !self.unwritten.is_empty() {
            let remote = Pin::new(&mut self.remote);
            match self.unwritten.with_slices(|slices| remote.poll_write_vectored(cx, slices)) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => {
                    let completed = self.unwritten.advance(count);
                    self.waiting -= completed.bytes + completed.frames * size_of::<Frame>();
                    (wrote, self.needs_flush) = (true, true);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if wrote => return Poll::Ready(Ok(true)),
                Poll::Pending => return Poll::Pending,
            }
        }
        if wrote {
            self.unwritten.shrink_to(KEPT_FRAMES);
        }
        if self.needs_flush {
            ready!(Pin::new(&mut self.remote).poll_flush(cx))?;
            self.needs_flush = false;
        }
        Poll::Ready(Ok(wrote))
    }

    /// What was read along with the answer to the handshake, once.
    pub(super) fn take_early(&mut self) -> BytesMut {
        std::mem::take(&mut self.early)
    }

    /// Reads what is there; tells how much. It must all be decoded.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, UplinkError>> {
        let mut buffer = ReadBuf::new(buffer);
        let read = ready!(Pin::new(&mut self.remote).poll_read(cx, &mut buffer));
        if read.is_err() || buffer.filled().is_empty() {
            return Poll::Ready(Err(UplinkError::Lost));
        }
        self.heard = Instant::now();
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// The next event in what was read.
    pub(super) fn decode(&mut self, bytes: &mut &[u8]) -> Result<Option<Event>, UplinkError> {
        self.decoder.decode(bytes).map_err(UplinkError::Violation)
    }

    /// Delivers what waits, as far as the upstream takes it within this time, and closes.
    pub(super) async fn finish(mut self, code: u16, reason: &str, within: Duration) {
        self.control(&websocket::close(code, reason));
        let delivered = async {
            while std::future::poll_fn(|cx| self.poll_write(cx)).await? {}
            self.remote.shutdown().await?;
            // Closing with unread input would reset the connection, and what was just written might be lost.
            loop {
                let read = |cx: &mut Context<'_>| read_buffer::with(|buffer| self.poll_read(cx, buffer));
                if std::future::poll_fn(read).await.is_err() {
                    return io::Result::Ok(());
                }
            }
        };
        // An upstream that takes nothing any more is not waited for.
        let _ = tokio::time::timeout(within, delivered).await;
    }

    fn put(&mut self, frame: Frame) {
        self.waiting += frame.len() + size_of::<Frame>();
        self.unwritten.push(frame);
    }
}

/// How many places an empty line keeps.
const KEPT_FRAMES: usize = 2;
