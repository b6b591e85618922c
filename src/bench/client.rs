//! One client's WebSocket, lean enough for tens of thousands of them.
//!
//! Owns: the handshake, reading, writing, pings, and the heartbeat that keeps a quiet connection open. An idle client
//! holds no buffer: what is read goes through one that all clients of a thread share, and only a frame that is cut off
//! is kept.
//! Not here: what frames say ([`super::incoming`]), joining ([`super::channel`]).
//! Contract: RFC 6455, 4.1; Phoenix closes what says nothing for a minute.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Interval, MissedTickBehavior, interval_at};

use super::endpoint::Endpoint;
use super::frames::{self, Frame};
use super::trouble::Trouble;

/// A connection. Its halves are apart, for whoever has to read and write at once.
pub(super) struct Client {
    /// Which of the run's clients it is.
    pub number: u64,
    pub reading: Reading,
    pub writing: Writing,
    heartbeat: Interval,
    last_ref: u64,
}

/// What comes.
pub(super) struct Reading {
    stream: OwnedReadHalf,
    /// The start of a frame that is not all there.
    partial: Vec<u8>,
    /// What pings ask for.
    pongs: BytesMut,
    /// Whether nothing more will come.
    has_ended: bool,
}

/// What goes.
pub(super) struct Writing {
    stream: OwnedWriteHalf,
    unsent: BytesMut,
}

impl Client {
    /// Opens the WebSocket of a client.
    ///
    /// # Errors
    /// [`Trouble::Unreachable`], [`Trouble::Refused`], [`Trouble::NoWebSocket`] and [`Trouble::Lost`].
    pub(super) async fn connect(endpoint: &Endpoint, number: u64) -> Result<Client, Trouble> {
        let mut stream = endpoint.open(number).await.map_err(|error| Trouble::Unreachable(error.kind()))?;
        stream.set_nodelay(true).map_err(|error| lost(&error))?;
        stream.write_all(endpoint.request(number).as_bytes()).await.map_err(|error| lost(&error))?;
        let partial = handshake(&mut stream, &endpoint.accept).await?;
        let mut heartbeat = interval_at(tokio::time::Instant::now() + HEARTBEAT, HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (reading, writing) = stream.into_split();
        Ok(Client {
            number,
            reading: Reading { stream: reading, partial, pongs: BytesMut::new(), has_ended: false },
            writing: Writing { stream: writing, unsent: BytesMut::new() },
            heartbeat,
            last_ref: 0,
        })
    }

    /// Waits until something has come, and hands on every text and binary frame of it, with the time at which it was
    /// read. That may be none: a frame can come in pieces. Meanwhile a heartbeat is sent when it is due. A binary frame
    /// of Phoenix is known by its first byte, which no JSON has.
    ///
    /// Nothing is lost where the future is dropped.
    ///
    /// # Errors
    /// Those of [`Reading::batch`] and [`Writing::flush`].
    pub(super) async fn receive(&mut self, each: &mut impl FnMut(&[u8], Instant)) -> Result<(), Trouble> {
        loop {
            tokio::select! {
                biased;
                read = self.reading.batch(each) => {
                    read?;
                    self.writing.unsent.unsplit(self.reading.take_pongs());
                    return self.writing.flush().await;
                }
                _ = self.heartbeat.tick() => self.send_heartbeat().await.map(|_| ())?,
            }
        }
    }

    /// Waits until something has come, as [`receive`](Self::receive) does, or until what is in the line is sent:
    /// whichever is first. So a server that is not read from may stop to read, and nobody is stuck.
    ///
    /// Nothing is lost where the future is dropped.
    ///
    /// # Errors
    /// Those of [`Reading::batch`] and [`Writing::flush`].
    pub(super) async fn exchange(&mut self, each: &mut impl FnMut(&[u8], Instant)) -> Result<(), Trouble> {
        let is_sent = self.writing.is_empty();
        tokio::select! {
            read = self.reading.batch(each) => {
                read?;
                self.writing.unsent.unsplit(self.reading.take_pongs());
            }
            flushed = self.writing.flush(), if !is_sent => flushed?,
            _ = self.heartbeat.tick() => {
                let heartbeat = self.heartbeat();
                self.writing.put(&heartbeat.1);
            }
        }
        Ok(())
    }

    /// Sends a text frame.
    ///
    /// # Errors
    /// [`Trouble::Lost`].
    pub(super) async fn send(&mut self, text: &str) -> Result<(), Trouble> {
        self.writing.put(text);
        self.writing.flush().await
    }

    /// Sends a heartbeat; the ref of its reply.
    ///
    /// # Errors
    /// [`Trouble::Lost`].
    pub(super) async fn send_heartbeat(&mut self) -> Result<u64, Trouble> {
        let (reference, text) = self.heartbeat();
        self.send(&text).await?;
        Ok(reference)
    }

    fn heartbeat(&mut self) -> (u64, String) {
        let reference = self.next_ref();
        (reference, format!(r#"[null,"{reference}","phoenix","heartbeat",{{}}]"#))
    }

    /// Whether reading has failed: nothing more will come.
    pub(super) fn has_ended(&self) -> bool {
        self.reading.has_ended
    }

    /// A ref that no message of this client has had.
    pub(super) fn next_ref(&mut self) -> u64 {
        self.last_ref += 1;
        self.last_ref
    }
}

impl Reading {
    /// Waits until something has come, as [`Client::receive`] does, but answers no ping.
    ///
    /// # Errors
    /// [`Trouble::Closed`], [`Trouble::Lost`] and [`Trouble::BrokenFrame`].
    pub(super) async fn batch(&mut self, each: &mut impl FnMut(&[u8], Instant)) -> Result<(), Trouble> {
        let read = self.read(each).await;
        self.has_ended = read.is_err();
        read
    }

    async fn read(&mut self, each: &mut impl FnMut(&[u8], Instant)) -> Result<(), Trouble> {
        if self.partial.is_empty() {
            return std::future::poll_fn(|cx| self.poll_shared(cx, each)).await;
        }
        let length = frames::length(&self.partial).unwrap_or_default();
        if length == 0 || length > self.partial.len() {
            let missing = length.saturating_sub(self.partial.len());
            self.partial.reserve(missing.clamp(LEAST_RESERVE, MOST_RESERVE));
            let count = self.stream.read_buf(&mut self.partial).await.map_err(|error| lost(&error))?;
            if count == 0 {
                return Err(Trouble::Lost(ErrorKind::UnexpectedEof));
            }
        }
        let rest = hand_on(&self.partial, each, &mut self.pongs)?.len();
        // A new buffer, so that a client that has read something large does not keep the room for it.
        self.partial = self.partial[self.partial.len() - rest..].to_vec();
        Ok(())
    }

    /// Reads into the buffer that the thread's clients share.
    fn poll_shared(
        &mut self,
        cx: &mut Context<'_>,
        each: &mut impl FnMut(&[u8], Instant),
    ) -> Poll<Result<(), Trouble>> {
        BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
            read.map_err(|error| lost(&error))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Err(Trouble::Lost(ErrorKind::UnexpectedEof)));
            }
            let rest = hand_on(buffer.filled(), each, &mut self.pongs)?;
            if !rest.is_empty() {
                self.partial = rest.to_vec();
            }
            Poll::Ready(Ok(()))
        })
    }

    fn take_pongs(&mut self) -> BytesMut {
        std::mem::take(&mut self.pongs)
    }
}

impl Writing {
    /// Puts a text frame into the line; [`flush`](Self::flush) sends it.
    pub(super) fn put(&mut self, text: &str) {
        frames::put_text(&mut self.unsent, text.as_bytes());
    }

    /// Puts a binary frame into the line.
    pub(super) fn put_binary(&mut self, bytes: &[u8]) {
        frames::put_binary(&mut self.unsent, bytes);
    }

    /// Whether all is sent.
    pub(super) fn is_empty(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Sends what is in the line. Nothing is lost or sent twice where the future is dropped.
    ///
    /// # Errors
    /// [`Trouble::Lost`].
    pub(super) async fn flush(&mut self) -> Result<(), Trouble> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent).await {
                Ok(0) => return Err(Trouble::Lost(ErrorKind::WriteZero)),
                Ok(count) => self.unsent.advance(count),
                Err(error) => return Err(lost(&error)),
            }
        }
        self.unsent = BytesMut::new();
        Ok(())
    }
}

/// Hands on the text and binary frames of `bytes`, and returns what is behind the last whole frame.
fn hand_on<'a>(
    mut bytes: &'a [u8],
    each: &mut impl FnMut(&[u8], Instant),
    pongs: &mut BytesMut,
) -> Result<&'a [u8], Trouble> {
    let now = Instant::now();
    while let Some(frame) = frames::take(&mut bytes)? {
        match frame {
            Frame::Text(payload) | Frame::Binary(payload) => each(payload, now),
            Frame::Close(code) => return Err(Trouble::Closed(code)),
            Frame::Ping(payload) => frames::put_pong(pongs, payload),
            Frame::Pong => {}
        }
    }
    Ok(bytes)
}

/// Reads the answer to the request, and returns what came behind it.
async fn handshake(stream: &mut TcpStream, accept: &str) -> Result<Vec<u8>, Trouble> {
    let mut answer = Vec::with_capacity(LEAST_RESERVE);
    let end = loop {
        let count = stream.read_buf(&mut answer).await.map_err(|error| lost(&error))?;
        if let Some(end) = memmem::find(&answer, b"\r\n\r\n") {
            break end;
        }
        if count == 0 || answer.len() > MAX_HEAD {
            return Err(Trouble::NoWebSocket);
        }
    };
    let head = str::from_utf8(&answer[..end]).map_err(|_| Trouble::NoWebSocket)?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    match status {
        Some(101) => {}
        Some(status) => return Err(Trouble::Refused(status)),
        None => return Err(Trouble::NoWebSocket),
    }
    let accepted = lines
        .filter_map(|line| line.split_once(':'))
        .any(|(name, value)| name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == accept);
    if !accepted {
        return Err(Trouble::NoWebSocket);
    }
    Ok(answer.split_off(end + 4))
}

fn lost(error: &std::io::Error) -> Trouble {
    Trouble::Lost(error.kind())
}

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; SHARED]);
}

/// Of the buffer that a thread's clients share, in bytes: many small frames to one call.
const SHARED: usize = 65_536;
/// For a frame that is cut off, in bytes. What a header claims is not believed beyond the most.
const LEAST_RESERVE: usize = 1_024;
const MOST_RESERVE: usize = 1 << 20;
/// Of an answer to the handshake, in bytes.
const MAX_HEAD: usize = 16_384;
/// As often as phoenix.js.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(30);
