//! Someone between client and server who does to the server's messages what no server may do.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use futures::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, accept_hdr_async, connect_async};

/// What is to become of a message of the server.
pub enum Fate {
    /// It reaches the client.
    Pass,
    /// It does not.
    Lose,
    /// It does twice.
    Double,
    /// It does behind the next one.
    Hold,
    /// This binary message reaches the client first.
    Behind(Vec<u8>),
}

type Downstream = WebSocketStream<TcpStream>;
type Upstream = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Meddling = Box<dyn FnMut(&[u8]) -> Fate + Send>;

/// Stands before a server, and meddles with the texts that it sends on the connection that was opened first. Returns
/// where it listens.
pub async fn meddler(server: SocketAddr, mut fate: impl FnMut(&str) -> Fate + Send + 'static) -> SocketAddr {
    bytes_meddler(server, "", move |bytes| str::from_utf8(bytes).map_or(Fate::Pass, &mut fate)).await
}

/// The same with its messages of either kind, on the first connection whose address has this text in it. A binary message
/// of Phoenix begins with a byte below 3.
pub async fn bytes_meddler(
    server: SocketAddr,
    whose: &'static str,
    fate: impl FnMut(&[u8]) -> Fate + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("the loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    tokio::spawn(async move {
        let mut meddling: Option<Meddling> = Some(Box::new(fate));
        while let Ok((stream, _)) = listener.accept().await {
            // Whoever opens no WebSocket only looked whether somebody listens.
            let Some((path, ends)) = connect_both(stream, server).await else { continue };
            let meddling = if path.contains(whose) { meddling.take() } else { None };
            let fate = meddling.unwrap_or_else(|| Box::new(|_| Fate::Pass));
            // Either side may end at any time, and the other with it.
            tokio::spawn(relay(ends, fate));
        }
    });
    address
}

/// The client's WebSocket, and one to the server with the same path, which it tells.
async fn connect_both(stream: TcpStream, server: SocketAddr) -> Option<(String, (Downstream, Upstream))> {
    stream.set_nodelay(true).ok()?;
    let path = Arc::new(Mutex::new(String::new()));
    let seen = path.clone();
    #[expect(clippy::result_large_err, reason = "tungstenite's own type")]
    let look = move |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        *seen.lock().expect("nobody panics with it") = request.uri().to_string();
        Ok(response)
    };
    let client = accept_hdr_async(stream, look).await.ok()?;
    let path = path.lock().expect("nobody panics with it").clone();
    let (upstream, _) = connect_async(format!("ws://{server}{path}")).await.ok()?;
    Some((path, (client, upstream)))
}

async fn relay((client, upstream): (Downstream, Upstream), mut fate: Meddling) -> Option<()> {
    let (mut to_client, from_client) = client.split();
    let (to_server, mut from_server) = upstream.split();
    let up = from_client.forward(to_server);
    let down = async {
        let mut held: Option<Message> = None;
        while let Some(Ok(message)) = from_server.next().await {
            if !message.is_text() && !message.is_binary() {
                continue;
            }
            let bytes = message.clone().into_data();
            let copies = match fate(&bytes) {
                Fate::Pass => 1,
                Fate::Lose => 0,
                Fate::Double => 2,
                Fate::Hold => {
                    held = Some(message);
                    continue;
                }
                Fate::Behind(first) => {
                    to_client.send(Message::binary(first)).await.ok()?;
                    1
                }
            };
            for _ in 0..copies {
                to_client.send(message.clone()).await.ok()?;
            }
            if let Some(held) = held.take() {
                to_client.send(held).await.ok()?;
            }
        }
        Some(())
    };
    tokio::select! {
        _ = up => None,
        done = down => done,
    }
}
