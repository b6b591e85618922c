//! One WebSocket of a client.
//!
//! Owns: sending, closing, cutting, and a task that reports whatever comes in, in order.
//! Not here: the handshake ([`super::http`]), and who waits for what how long ([`super::player`]).

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::fixture::SocketDeed;
use super::seen::{Seen, hex};

/// An open WebSocket. Dropping it leaves the connection to end by itself; see [`Socket::cut`].
#[derive(Debug)]
pub struct Socket {
    id: SocketId,
    outgoing: SplitSink<Stream, Message>,
    reader: JoinHandle<()>,
}

/// Tells the sockets apart that one client opens after another.
pub type SocketId = usize;

/// Something that came in on a socket.
#[derive(Debug)]
pub struct Arrival {
    /// The client's name.
    pub client: String,
    /// The socket it came in on.
    pub socket: SocketId,
    /// What came; [`Seen::Closed`] is the last arrival of every socket that is not cut.
    pub seen: Seen,
}

impl Socket {
    /// Takes over a connection after its handshake and reports to `arrivals` from now on.
    pub async fn open(
        id: SocketId,
        client: &str,
        connection: TokioIo<Upgraded>,
        arrivals: UnboundedSender<Arrival>,
    ) -> Self {
        let stream = WebSocketStream::from_raw_socket(connection, Role::Client, None).await;
        let (outgoing, incoming) = stream.split();
        let client = client.to_owned();
        let report = move |seen| {
            // A replay that is over listens no more.
            let _ = arrivals.send(Arrival { client: client.clone(), socket: id, seen });
        };
        Self { id, outgoing, reader: tokio::spawn(read(incoming, report)) }
    }

    /// Which socket this is.
    pub fn id(&self) -> SocketId {
        self.id
    }

    /// Sends what the client wants to. What a dying connection cannot take is lost; its end is reported anyway.
    /// A close begins the closing handshake, and the server's answer is reported as [`Seen::Closed`].
    pub async fn act(&mut self, deed: &SocketDeed) {
        let messages = match deed {
            SocketDeed::Send(frames) => frames.iter().map(|frame| Message::text(frame.as_str())).collect(),
            SocketDeed::SendBinary(bytes) => vec![Message::binary(bytes.clone())],
            SocketDeed::Ping(payload) => vec![Message::Ping(payload.clone().into())],
            SocketDeed::Close(code) => {
                vec![Message::Close(Some(CloseFrame { code: (*code).into(), reason: "".into() }))]
            }
        };
        for message in messages {
            let _ = self.outgoing.feed(message).await;
        }
        let _ = self.outgoing.flush().await;
    }

    /// Cuts the TCP connection without a close frame. Nothing is reported after this.
    pub async fn cut(self) {
        self.reader.abort();
        // Both halves must be gone for the connection to be, so wait for the reader's.
        let _ = self.reader.await;
    }
}

type Stream = WebSocketStream<TokioIo<Upgraded>>;

/// Reports until the end of the connection. Reading goes on behind a close frame, for that sends the answer to it.
async fn read(mut incoming: SplitStream<Stream>, report: impl Fn(Seen)) {
    let mut closed = false;
    while let Some(message) = incoming.next().await {
        match message {
            Ok(Message::Text(text)) => report(Seen::text(&text)),
            Ok(Message::Binary(bytes)) => report(Seen::Binary(hex(&bytes))),
            Ok(Message::Pong(payload)) => report(Seen::Pong(hex(&payload))),
            Ok(Message::Close(frame)) => {
                report(Seen::Closed(frame.map_or(NO_CODE, |frame| frame.code.into())));
                closed = true;
            }
            Ok(Message::Ping(_) | Message::Frame(_)) => {}
            Err(error) if closed || is_end(&error) => break,
            Err(error) => {
                report(Seen::Broken(error.to_string()));
                break;
            }
        }
    }
    if !closed {
        report(Seen::Closed(NO_CLOSE_FRAME));
    }
}

/// Whether an error is but the end of the TCP connection, and no misbehaviour of the server's.
fn is_end(error: &Error) -> bool {
    matches!(
        error,
        Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Io(_)
            | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
    )
}

/// What a client says it saw where a close frame has no code. Source: RFC 6455, section 7.4.1.
const NO_CODE: u16 = 1005;

/// What a client says it saw where no close frame came. Source: RFC 6455, section 7.4.1.
pub const NO_CLOSE_FRAME: u16 = 1006;
