//! A reader of server-sent events, which reads only while somebody waits for one.
//!
//! Source: the HTML standard, "Parsing an event stream"; of it what the server uses.

use std::net::SocketAddr;

use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::net::TcpStream;

use super::http::send;
use super::within;

/// A stream of events. Dropping it closes the connection.
pub struct EventStream {
    body: Incoming,
    unread: BytesMut,
}

impl EventStream {
    /// Asks for a stream.
    ///
    /// # Panics
    /// If the answer is none.
    pub async fn open(server: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        let stream = within("the connection", TcpStream::connect(server)).await.expect("the server listens");
        let answer = within("the head of the stream", send(stream, "GET", path, headers, "")).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (200, &"text/event-stream".parse().expect("header text"))
        );
        EventStream { body: answer.into_body(), unread: BytesMut::new() }
    }

    /// The name and data of the next event; `None` where the server has ended the stream in order.
    pub async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            while let Some(end) = self.unread.windows(2).position(|bytes| bytes == b"\n\n") {
                let block = self.unread.split_to(end + 2);
                if let Some(event) = read(std::str::from_utf8(&block).expect("events are UTF-8")) {
                    return Some(event);
                }
            }
            let frame = within("an event", self.body.frame()).await?;
            let frame = frame.expect("the stream does not break off");
            self.unread.extend_from_slice(&frame.into_data().expect("there are no trailers"));
        }
    }
}

/// `None` for a block that has comments alone.
fn read(block: &str) -> Option<(String, Value)> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim_start);
    let data = field("data:")?;
    let data = serde_json::from_str(data).unwrap_or_else(|error| panic!("{error} in {data}"));
    Some((field("event:").expect("every event has a name").to_owned(), data))
}
