//! A client on a WebSocket of another implementation, in V1 or V2.
//!
//! Owns: its refs, and a mailbox of what came but was not asked for yet.
//! It reads only while somebody waits for something: a client that is not asked for anything does not read at all.
//! Source: Phoenix 1.8.12, `Phoenix.Socket.V1.JSONSerializer` and `Phoenix.Socket.V2.JSONSerializer`.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::Path;

use futures::{SinkExt, StreamExt};
use presenced::wire::Vsn;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_tungstenite::tungstenite::{self, protocol::CloseFrame};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::within;

/// One connection.
pub struct Client {
    socket: WebSocketStream<Box<dyn Stream>>,
    vsn: Vsn,
    last_ref: u64,
    /// The join_ref of each topic joined last.
    joins: HashMap<String, String>,
    mailbox: VecDeque<Message>,
}

/// What a WebSocket goes over.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// What the server sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// `null` in V1, which does not send it.
    pub join_ref: Value,
    pub reference: Value,
    pub topic: String,
    pub event: String,
    /// `null` for bytes.
    pub payload: Value,
    /// The bytes, of a binary frame.
    pub binary: Option<Vec<u8>>,
    /// The text frame as it came; empty for a binary one.
    pub text: String,
}

/// A reply's status and response.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    pub status: String,
    pub response: Value,
    pub binary: Option<Vec<u8>>,
}

impl Client {
    /// Connects with these parameters, such as `user=ada`.
    pub async fn connect(server: SocketAddr, vsn: Vsn, params: &str) -> Self {
        let stream = within("the connection", TcpStream::connect(server)).await.expect("the server listens");
        // Without Nagle's algorithm: what a test sends is to be there when it looks for what it caused.
        stream.set_nodelay(true).expect("the stream is open");
        Client::over(Box::new(stream), &server.to_string(), vsn, params).await
    }

    /// The same through a Unix socket.
    pub async fn connect_unix(server: &Path, vsn: Vsn, params: &str) -> Self {
        let stream = within("the connection", UnixStream::connect(server)).await.expect("the server listens");
        Client::over(Box::new(stream), "localhost", vsn, params).await
    }

    async fn over(stream: Box<dyn Stream>, host: &str, vsn: Vsn, params: &str) -> Self {
        let number = match vsn {
            Vsn::V1 => "1.0.0",
            Vsn::V2 => "2.0.0",
        };
        let url = format!("ws://{host}/socket/websocket?vsn={number}&{params}");
        let handshake = within("the handshake", client_async(&url, stream)).await;
        let (socket, _) = handshake.unwrap_or_else(|error| panic!("{url}: {error}"));
        Client { socket, vsn, last_ref: 0, joins: HashMap::new(), mailbox: VecDeque::new() }
    }

    /// Joins a topic, and waits for the reply.
    pub async fn join(&mut self, topic: &str, payload: Value) -> Reply {
        let reference = self.send_join(topic, payload).await;
        self.reply(&reference).await
    }

    /// Joins a topic as [`join`](Self::join) does.
    ///
    /// # Panics
    /// If the join is refused.
    pub async fn enter(&mut self, topic: &str) -> Value {
        let Reply { status, response, .. } = self.join(topic, json!({})).await;
        assert_eq!(status, "ok", "{topic}: {response}");
        response
    }

    /// Asks to join and does not wait; the ref of the reply to come.
    pub async fn send_join(&mut self, topic: &str, payload: Value) -> String {
        let reference = self.next_ref();
        self.joins.insert(topic.to_owned(), reference.clone());
        self.send(topic, "phx_join", &reference, payload).await;
        reference
    }

    /// Sends an event and does not wait; the ref of a reply to come.
    pub async fn push(&mut self, topic: &str, event: &str, payload: Value) -> String {
        let reference = self.next_ref();
        self.send(topic, event, &reference, payload).await;
        reference
    }

    /// Sends an event, and waits for the reply.
    pub async fn call(&mut self, topic: &str, event: &str, payload: Value) -> Reply {
        let reference = self.push(topic, event, payload).await;
        self.reply(&reference).await
    }

    /// Sends an event with bytes, which only V2 can.
    pub async fn push_binary(&mut self, topic: &str, event: &str, bytes: &[u8]) -> String {
        let reference = self.next_ref();
        let join_ref = self.joins.get(topic).cloned().unwrap_or_default();
        let header = [&join_ref, &reference, topic, event];
        let sizes = header.iter().map(|field| u8::try_from(field.len()).expect("a short field"));
        let mut frame: Vec<u8> = std::iter::once(0).chain(sizes).collect();
        header.iter().for_each(|field| frame.extend_from_slice(field.as_bytes()));
        frame.extend_from_slice(bytes);
        self.write(tungstenite::Message::binary(frame)).await;
        reference
    }

    /// Sends a heartbeat, and waits for the reply.
    pub async fn heartbeat(&mut self) {
        assert_eq!(self.call("phoenix", "heartbeat", json!({})).await.status, "ok");
    }

    /// Sends a text frame as it is.
    pub async fn send_text(&mut self, text: &str) {
        self.write(tungstenite::Message::text(text)).await;
    }

    /// The reply with this ref. What else comes meanwhile stays in the mailbox.
    pub async fn reply(&mut self, reference: &str) -> Reply {
        let what = format!("the reply to {reference}");
        let reply =
            self.take(&what, |message| message.event == "phx_reply" && message.reference == reference).await;
        Reply {
            status: reply.payload["status"].as_str().expect("a reply has a status").to_owned(),
            response: reply.payload["response"].clone(),
            binary: reply.binary,
        }
    }

    /// The first message of this event on this topic. What else comes meanwhile stays in the mailbox.
    pub async fn expect(&mut self, topic: &str, event: &str) -> Message {
        let what = format!("{event} on {topic}");
        self.take(&what, |message| message.topic == topic && message.event == event).await
    }

    /// Everything up to the first message of this event, and not it.
    pub async fn until(&mut self, topic: &str, event: &str) -> Vec<Message> {
        let mut before = Vec::new();
        loop {
            let message = self.next().await;
            if message.topic == topic && message.event == event {
                return before;
            }
            before.push(message);
        }
    }

    /// The oldest message that was not asked for yet.
    pub async fn next(&mut self) -> Message {
        match self.mailbox.pop_front() {
            Some(message) => message,
            None => self.read("a message").await.unwrap_or_else(|code| panic!("closed with {code}")),
        }
    }

    /// Waits for the end of the connection: the server's close code, or 1006 where it sent no close frame. What
    /// comes before stays in the mailbox.
    pub async fn closed(&mut self) -> u16 {
        loop {
            match self.read("the connection to be closed").await {
                Ok(message) => self.mailbox.push_back(message),
                Err(code) => return code,
            }
        }
    }

    /// What came and was not asked for.
    pub fn unasked(&mut self) -> Vec<Message> {
        self.mailbox.drain(..).collect()
    }

    /// The ref of the last join of a topic.
    pub fn join_ref(&self, topic: &str) -> &str {
        &self.joins[topic]
    }

    async fn take(&mut self, what: &str, wanted: impl Fn(&Message) -> bool) -> Message {
        if let Some(at) = self.mailbox.iter().position(&wanted) {
            return self.mailbox.remove(at).expect("it is there");
        }
        loop {
            match self.read(what).await {
                Ok(message) if wanted(&message) => return message,
                Ok(message) => self.mailbox.push_back(message),
                Err(code) => panic!("closed with {code} instead of {what}; unasked: {:#?}", self.mailbox),
            }
        }
    }

    /// The next message from the socket, or the close code.
    async fn read(&mut self, what: &str) -> Result<Message, u16> {
        loop {
            match within(what, self.socket.next()).await {
                Some(Ok(tungstenite::Message::Text(text))) => return Ok(Message::read_text(self.vsn, &text)),
                Some(Ok(tungstenite::Message::Binary(bytes))) => return Ok(Message::read_binary(&bytes)),
                Some(Ok(tungstenite::Message::Close(frame))) => {
                    let code = frame.map_or(1005, |CloseFrame { code, .. }| code.into());
                    // Reading on sends the answer to the close frame.
                    while let Some(Ok(_)) = within("the stream to end", self.socket.next()).await {}
                    return Err(code);
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }

    async fn send(&mut self, topic: &str, event: &str, reference: &str, payload: Value) {
        let join_ref = self.joins.get(topic);
        let text = match self.vsn {
            Vsn::V1 => json!({"topic": topic, "event": event, "payload": payload, "ref": reference}),
            Vsn::V2 => json!([join_ref, reference, topic, event, payload]),
        };
        self.send_text(&text.to_string()).await;
    }

    async fn write(&mut self, message: tungstenite::Message) {
        within("the server to read", self.socket.send(message)).await.expect("the connection is open");
    }

    fn next_ref(&mut self) -> String {
        self.last_ref += 1;
        self.last_ref.to_string()
    }
}

impl Message {
    fn read_text(vsn: Vsn, text: &str) -> Self {
        let mut frame: Value = serde_json::from_str(text).expect("the server sends JSON");
        let mut part = |v1: &str, v2: usize| match vsn {
            Vsn::V1 => frame.get_mut(v1).map(Value::take),
            Vsn::V2 => frame.get_mut(v2).map(Value::take),
        };
        let mut string = |v1: &str, v2: usize| match part(v1, v2) {
            Some(Value::String(string)) => string,
            other => panic!("{v1} is {other:?} in {text}"),
        };
        let (topic, event) = (string("topic", 2), string("event", 3));
        Message {
            join_ref: part("join_ref", 0).unwrap_or_default(),
            reference: part("ref", 1).expect("every message has a ref"),
            topic,
            event,
            payload: part("payload", 4).expect("every message has a payload"),
            binary: None,
            text: text.to_owned(),
        }
    }

    /// Push, reply and broadcast have the kinds 0, 1 and 2.
    fn read_binary(frame: &[u8]) -> Self {
        let fields = match frame[0] {
            0 => 3,
            1 => 4,
            2 => 2,
            kind => panic!("a binary frame of kind {kind}"),
        };
        let mut rest = &frame[1 + fields..];
        let mut field = |at: usize| {
            let (field, behind) = rest.split_at(usize::from(frame[1 + at]));
            rest = behind;
            String::from_utf8(field.to_vec()).expect("the header is UTF-8")
        };
        let mut message = Message {
            join_ref: Value::Null,
            reference: Value::Null,
            topic: String::new(),
            event: String::new(),
            payload: Value::Null,
            binary: None,
            text: String::new(),
        };
        match fields {
            3 => (message.join_ref, message.topic, message.event) = (field(0).into(), field(1), field(2)),
            4 => {
                (message.join_ref, message.reference, message.topic) =
                    (field(0).into(), field(1).into(), field(2));
                message.event = "phx_reply".into();
                message.payload = json!({"status": field(3), "response": null});
            }
            _ => (message.topic, message.event) = (field(0), field(1)),
        }
        message.binary = Some(rest.to_vec());
        message
    }
}
