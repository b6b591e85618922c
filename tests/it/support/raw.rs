//! A client that says exactly the bytes it is told to, and reads the server's frames by itself.
//!
//! For what no WebSocket library would send. Not here: messages and their refs ([`super::Client`]).
//! Source: RFC 6455, section 5.2.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::within;

/// A TCP connection to the server.
pub struct Raw {
    reader: OwnedReadHalf,
    /// `None` once somebody else writes.
    writer: Option<OwnedWriteHalf>,
    unread: BytesMut,
}

/// A frame of the server: its first byte, and its payload.
#[derive(Debug, PartialEq)]
pub struct Frame {
    pub first: u8,
    pub payload: Bytes,
}

impl Raw {
    /// A connection on which nothing has been said.
    pub async fn connect(server: SocketAddr) -> Self {
        Raw::over(within("the connection", TcpStream::connect(server)).await.expect("the server listens"))
    }

    /// The same over a stream that was connected elsewhere.
    pub fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("the stream is open");
        let (reader, writer) = stream.into_split();
        Raw { reader, writer: Some(writer), unread: BytesMut::new() }
    }

    /// A WebSocket in this version, such as `2.0.0`, whose handshake is done.
    pub async fn open(server: SocketAddr, vsn: &str) -> Self {
        let mut raw = Raw::connect(server).await;
        raw.shake_hands(vsn).await;
        raw
    }

    /// Does the handshake.
    pub async fn shake_hands(&mut self, vsn: &str) {
        self.write(handshake(&format!("/socket/websocket?vsn={vsn}&user=raw")).as_bytes()).await;
        let head = self.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    }

    /// Says these bytes, in one packet where they fit.
    pub async fn write(&mut self, bytes: &[u8]) {
        let writer = self.writer.as_mut().expect("nobody else writes");
        within("the server to read", writer.write_all(bytes)).await.expect("the server reads");
    }

    /// Says these bytes to a server that may be gone.
    pub async fn try_write(&mut self, bytes: &[u8]) {
        let writer = self.writer.as_mut().expect("nobody else writes");
        // What the server says is what counts.
        let _ = within("the server to read", writer.write_all(bytes)).await;
    }

    /// Says these bytes until the server takes no more of them; how many it took.
    pub async fn write_until_stuck(&mut self, bytes: &[u8]) -> usize {
        let writer = self.writer.as_mut().expect("nobody else writes");
        let mut taken = 0;
        while let Ok(written) = timeout(STUCK, writer.write(&bytes[taken..])).await {
            taken += written.expect("the server reads");
            if taken == bytes.len() {
                break;
            }
        }
        taken
    }

    /// Says something and reads nothing, until the server has closed the stream: then the kernel refuses to take it.
    pub async fn write_until_gone(&mut self) {
        let writer = self.writer.as_mut().expect("nobody else writes");
        while writer.write_all(b"\n").await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    /// Says these bytes while the caller reads; nothing can be said behind them. The direction stays open for as long
    /// as what the task returns is held.
    pub fn write_meanwhile(&mut self, bytes: Vec<u8>) -> JoinHandle<OwnedWriteHalf> {
        self.write_all_meanwhile([bytes])
    }

    /// The same of bytes that are made as they are needed.
    pub fn write_all_meanwhile<All>(&mut self, all: All) -> JoinHandle<OwnedWriteHalf>
    where
        All: IntoIterator<Item = Vec<u8>, IntoIter: Send + 'static>,
    {
        let mut writer = self.writer.take().expect("nobody else writes");
        let all = all.into_iter();
        tokio::spawn(async move {
            for bytes in all {
                writer.write_all(&bytes).await.expect("the server reads");
            }
            writer
        })
    }

    /// Says that nothing more will be said; the other direction stays open.
    pub async fn finish(&mut self) {
        self.writer.as_mut().expect("nobody else writes").shutdown().await.expect("the stream is open");
    }

    /// The head of an HTTP answer, up to its empty line.
    pub async fn head(&mut self) -> String {
        loop {
            if let Some(at) = self.unread.windows(4).position(|end| end == b"\r\n\r\n") {
                let head = self.unread.split_to(at + 4);
                return String::from_utf8(head.to_vec()).expect("a head is text");
            }
            assert!(self.fill().await, "the stream ended within a head: {:?}", self.unread);
        }
    }

    /// What came up to the end of a head, or of the stream.
    pub async fn rest_or_head(&mut self) -> Bytes {
        while !self.unread.windows(4).any(|end| end == b"\r\n\r\n") && self.fill().await {}
        self.unread.split().freeze()
    }

    /// Everything up to the end of the stream.
    pub async fn rest(&mut self) -> Bytes {
        while self.fill().await {}
        self.unread.split().freeze()
    }

    /// The same, and keeps nothing of what comes.
    pub async fn ended_unread(&mut self) {
        while self.reader.read_buf(&mut self.unread).await.is_ok_and(|count| count > 0) {
            self.unread.clear();
        }
    }

    /// Waits for the end of the stream for as long as it takes, whatever comes before.
    pub async fn ended(&mut self) {
        while self.reader.read_buf(&mut self.unread).await.is_ok_and(|count| count > 0) {}
    }

    /// Waits until something is there, for whoever limits the time by other means.
    pub async fn patient_byte(&mut self) {
        if self.unread.is_empty() {
            // An end is something, too.
            let _ = self.reader.read_buf(&mut self.unread).await;
        }
    }

    /// The same as [`head`](Self::head) for whoever limits the time by other means.
    pub async fn patient_head(&mut self) -> String {
        while !self.unread.windows(4).any(|end| end == b"\r\n\r\n")
            && self.reader.read_buf(&mut self.unread).await.is_ok_and(|count| count > 0)
        {}
        self.head().await
    }

    /// The same as [`frame`](Self::frame) for whoever limits the time by other means. What was read when it is given up is
    /// kept.
    pub async fn patient_frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = Frame::take(&mut self.unread) {
                return Some(frame);
            }
            if self.reader.read_buf(&mut self.unread).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// The next frame; `None` where the stream ended.
    pub async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = Frame::take(&mut self.unread) {
                return Some(frame);
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// The next frame that is no ping. Pings are answered, as by whoever reads.
    pub async fn frame_but_pings(&mut self) -> Option<Frame> {
        loop {
            let next = self.frame().await?;
            if next.first != PING {
                return Some(next);
            }
            self.write(&frame(PONG, &next.payload)).await;
        }
    }

    /// The same where somebody else writes: they are not answered.
    pub async fn frame_but_pings_unanswered(&mut self) -> Option<Frame> {
        loop {
            let next = self.frame().await?;
            if next.first != PING {
                return Some(next);
            }
        }
    }

    /// The next message, of as many frames as it comes in, none of them a control frame; `None` where the stream ended.
    pub async fn message(&mut self) -> Option<Bytes> {
        let mut whole = BytesMut::new();
        loop {
            let frame = self.frame().await?;
            assert!(frame.first & CONTROL == 0, "{frame:?}");
            whole.extend_from_slice(&frame.payload);
            if frame.first & FIN != 0 {
                return Some(whole.freeze());
            }
        }
    }

    /// The next frame, which is a text, as JSON.
    pub async fn json(&mut self) -> Value {
        let frame = self.frame().await.expect("the stream goes on");
        assert_eq!(frame.first, TEXT, "{frame:?}");
        serde_json::from_slice(&frame.payload).expect("the server sends JSON")
    }

    /// The code of the close frame that has to come next, and to be the last; 1006 where the stream ends without.
    pub async fn closed(&mut self) -> u16 {
        let Some(mut frame) = self.frame().await else { return 1006 };
        assert_eq!(frame.first, CLOSE, "{frame:?}");
        let code = frame.payload.get_u16();
        assert_eq!(self.rest().await, Bytes::new(), "behind a close frame nothing is said");
        code
    }

    /// Reads on; `false` at the end of the stream.
    async fn fill(&mut self) -> bool {
        match within("the server to say something", self.reader.read_buf(&mut self.unread)).await {
            Ok(count) => count > 0,
            // The server may close a stream on which something is still under way to it.
            Err(_) => false,
        }
    }
}

impl Frame {
    /// Takes a frame off the front, if it is all there.
    fn take(unread: &mut BytesMut) -> Option<Frame> {
        let mut bytes = &unread[..];
        let (first, second) = (bytes.try_get_u8().ok()?, bytes.try_get_u8().ok()?);
        let length = match second {
            126 => u64::from(bytes.try_get_u16().ok()?),
            127 => bytes.try_get_u64().ok()?,
            short => u64::from(short),
        };
        let length = usize::try_from(length).expect("a server's frame fits into memory, and has no mask");
        if bytes.len() < length {
            return None;
        }
        unread.advance(unread.len() - bytes.len());
        Some(Frame { first, payload: unread.split_to(length).freeze() })
    }
}

/// A handshake for this path and query.
pub fn handshake(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A whole frame of a client with this first byte.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, payload.len() as u64);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The header of a frame of a client that claims this length, with the mask.
pub fn header(first: u8, length: u64) -> Vec<u8> {
    let mut header = vec![first];
    match length {
        0..=125 => header.push(MASKED | length as u8),
        126..=0xFFFF => {
            header.push(MASKED | 126);
            header.extend((length as u16).to_be_bytes());
        }
        _ => {
            header.push(MASKED | 127);
            header.extend(length.to_be_bytes());
        }
    }
    header.extend(MASK);
    header
}

/// A whole text message.
pub fn text(text: &str) -> Vec<u8> {
    frame(TEXT, text.as_bytes())
}

/// A whole binary message.
pub fn binary(bytes: &[u8]) -> Vec<u8> {
    frame(BINARY, bytes)
}

/// First bytes: the end of a message, with this opcode.
pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8A;
/// The start of a text message that goes on, its middle, and its end.
pub const TEXT_START: u8 = 0x01;
pub const MIDDLE: u8 = 0x00;
pub const END: u8 = 0x80;

/// A server that has taken nothing for this long takes nothing until something changes.
const STUCK: Duration = Duration::from_millis(500);
const MASKED: u8 = 0x80;
/// Of a first byte: the message ends with this frame; it is a control frame.
const FIN: u8 = 0x80;
const CONTROL: u8 = 0x08;
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
