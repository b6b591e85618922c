//! A client that costs next to nothing: a plain blocking socket, and as many bytes read as are known to come.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A WebSocket to the server that has joined a topic.
pub struct Client {
    stream: UnixStream,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects, joins, and reads the reply.
    pub fn join(path: &Path, topic: &str) -> Self {
        let stream = UnixStream::connect(path).expect("the server listens, and two more files may be open");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit can be set");
        let mut client = Client { stream, buffer: Vec::new() };
        client.stream.write_all(REQUEST).expect("the server reads");
        client.read_head();
        // Masked with zeros.
        let join = format!(r#"["1","1","{topic}","phx_join",{{}}]"#);
        let length = u8::try_from(join.len()).ok().filter(|length| *length < 126).expect("a short topic");
        let frame = [&[0x81, 0x80 | length, 0, 0, 0, 0], join.as_bytes()].concat();
        client.stream.write_all(&frame).expect("the server reads");
        client.read_frame();
        assert!(client.buffer.ends_with(br#"{"status":"ok","response":{}}]"#), "the join is refused");
        client
    }

    /// Reads this many bytes.
    pub fn read(&mut self, count: usize) -> &[u8] {
        self.buffer.resize(count, 0);
        self.stream.read_exact(&mut self.buffer).expect("the server answers in time");
        &self.buffer
    }

    /// Reads a frame of less than 64 KiB, and returns its whole length.
    pub fn read_frame(&mut self) -> usize {
        let (header, body) = match self.read(2)[1] {
            126 => (4, usize::from(u16::from_be_bytes([self.read(1)[0], self.read(1)[0]]))),
            length => (2, usize::from(length)),
        };
        self.read(body);
        header + body
    }

    /// Reads the head of the answer to the handshake, and nothing that comes behind it.
    fn read_head(&mut self) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.read(1)[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "the handshake is refused");
    }
}

const REQUEST: &[u8] = b"GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(20);
