//! The gateway: a server in front of another, as its clients and its upstream see it.
//!
//! Owns: the gateway under test, and an upstream that says exactly what a test tells it to.
//! Source: canvas.md F.5 to F.7.

mod ends;
mod faults;
mod fixtures;
mod metrics;
mod patience;
mod pressure;
mod streaming;
mod upgrade;
mod upstreams;

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use presenced::server::{GatewayOptions, GatewayServer, Options, Stopped};
use presenced::wire::websocket::{DataKind, Decoder, Event, Limits, Part, Role, Violation};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::raw::{Raw, handshake};
use crate::support::within;

/// A gateway in the test's own process. It stops when this is dropped.
struct Gateway {
    address: SocketAddr,
    metrics: presenced::ops::metrics::Metrics,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Stopped>,
}

/// An upstream that does nothing by itself.
struct FakeUpstream {
    listener: TcpListener,
}

/// The upstream's end of one connection.
struct UpstreamEnd {
    stream: TcpStream,
    decoder: Decoder,
    unread: Vec<u8>,
    /// The request, up to its empty line.
    request: String,
}

impl Gateway {
    async fn start(upstream: SocketAddr) -> Self {
        Gateway::start_with(&format!("ws://{upstream}/socket"), GatewayOptions::default(), Options::default())
            .await
    }

    async fn start_with(upstream: &str, gateway: GatewayOptions, options: Options) -> Self {
        let upstream = upstream.parse().expect("an upstream's address");
        let server = GatewayServer::new(upstream, gateway, options).expect("no TLS is set up");
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("the loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let metrics = server.metrics();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(listener, async {
            // Dropped or sent: either way it is to stop.
            let _ = stopped.await;
        }));
        Gateway { address, metrics, stop, task }
    }

    /// Stops it as a signal would, and waits until it has.
    async fn stop(self) -> Stopped {
        // It may have ended already.
        let _ = self.stop.send(());
        within("the gateway to stop", self.task).await.expect("the gateway does not panic")
    }

    /// The value of a metric, by its name and labels as they stand on the page.
    fn metric(&self, name: &str) -> f64 {
        let page = self.metrics.encode();
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in {page}")).parse().expect("a number")
    }

    /// Waits until a metric has a value.
    async fn metric_is(&self, name: &str, value: f64) {
        within(&format!("{name} to be {value}"), async {
            while self.metric(name) != value {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

impl FakeUpstream {
    async fn listen() -> Self {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("the loopback has a free port");
        FakeUpstream { listener }
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("a bound socket has an address")
    }

    /// The next connection, with its request read and not answered. One without a request was only tried, as a gateway
    /// does where an upstream has ended another.
    async fn accept(&self) -> UpstreamEnd {
        let mut end = loop {
            let accepted = within("a connection", self.listener.accept()).await;
            let (stream, _) = accepted.expect("the listener works");
            stream.set_nodelay(true).expect("the stream is open");
            let decoder = Decoder::of(Role::Client, Limits { max_whole: usize::MAX, ..Limits::RELAYED });
            let mut end = UpstreamEnd { stream, decoder, unread: Vec::new(), request: String::new() };
            if end.fill().await {
                break end;
            }
        };
        while !end.unread.windows(4).any(|window| window == b"\r\n\r\n") {
            assert!(end.fill().await, "the request ends early");
        }
        let at = end.unread.windows(4).position(|window| window == b"\r\n\r\n").expect("it was found") + 4;
        let rest = end.unread.split_off(at);
        end.request = String::from_utf8(std::mem::replace(&mut end.unread, rest)).expect("a head is text");
        end
    }

    /// A client and its upstream connection, both open.
    async fn open(&self, gateway: &Gateway) -> (Raw, UpstreamEnd) {
        self.open_with(gateway, "vsn=2.0.0&token=t&request_id=r").await
    }

    async fn open_with(&self, gateway: &Gateway, query: &str) -> (Raw, UpstreamEnd) {
        self.open_at(gateway.address, query).await
    }

    /// The same through a gateway that is a process of its own.
    async fn open_at(&self, gateway: SocketAddr, query: &str) -> (Raw, UpstreamEnd) {
        let mut client = Raw::connect(gateway).await;
        client.write(handshake(&format!("/socket/websocket?{query}")).as_bytes()).await;
        let mut end = self.accept().await;
        end.upgrade().await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        (client, end)
    }
}

impl UpstreamEnd {
    async fn upgrade(&mut self) {
        let key = self.header("sec-websocket-key").expect("the client's key passes").to_owned();
        let accept = presenced::wire::websocket::accept_key(&key);
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: {accept}\r\n\r\n"
        );
        self.write(answer.as_bytes()).await;
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.request.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    async fn write(&mut self, bytes: &[u8]) {
        within("the gateway to read", self.stream.write_all(bytes)).await.expect("the gateway reads");
    }

    async fn say(&mut self, text: &str) {
        let frame = Part::whole(DataKind::Text, Bytes::copy_from_slice(text.as_bytes())).into_frame();
        self.write(&frame.websocket()).await;
    }

    async fn say_binary(&mut self, data: impl Into<Bytes>) {
        self.write(&Part::whole(DataKind::Binary, data.into()).into_frame().websocket()).await;
    }

    /// What the gateway says next.
    async fn event(&mut self) -> Option<Event> {
        self.try_event().await.expect("the gateway speaks WebSocket")
    }

    /// The same where it may be what no WebSocket says.
    async fn try_event(&mut self) -> Result<Option<Event>, Violation> {
        loop {
            let mut rest = &self.unread[..];
            let event = self.decoder.decode(&mut rest)?;
            let read = self.unread.len() - rest.len();
            self.unread.drain(..read);
            if event.is_some() {
                return Ok(event);
            }
            if !self.fill().await {
                return Ok(None);
            }
        }
    }

    /// What the gateway says next, which is a text.
    async fn text(&mut self) -> String {
        match self.event().await {
            Some(Event::Text(text)) => String::from_utf8(text.to_vec()).expect("it is UTF-8"),
            other => panic!("{other:?} is no text"),
        }
    }

    async fn fill(&mut self) -> bool {
        let read = within("the gateway to say something", self.stream.read_buf(&mut self.unread)).await;
        read.is_ok_and(|count| count > 0)
    }
}
