//! A client that allocates nothing while it reads: plain blocking sockets, and text looked for in place.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A WebSocket to the server, with room for what it reads.
pub struct Client {
    stream: TcpStream,
    buffer: Box<[u8]>,
    filled: usize,
}

impl Client {
    /// What one keeps on the heap.
    pub const BYTES: usize = BUFFER;

    /// Opens a socket as this user.
    pub fn connect(port: u16, user: usize) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit can be set");
        let mut client = Client { stream, buffer: vec![0; BUFFER].into(), filled: 0 };
        let request = format!(
            "GET /socket/websocket?vsn=2.0.0&user_id={user}&first_name=Ada&last_name=Lovelace HTTP/1.1\r\nhost: x\r\n\
             connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        client.stream.write_all(request.as_bytes()).expect("the server reads");
        client.read_to(b"\r\n\r\n");
        client
    }

    /// Joins, and reads up to the list of who is there.
    pub fn join(&mut self, topic: &str) {
        self.send(&format!(r#"["1","1","{topic}","phx_join",{{}}]"#));
        self.read_to(b"presence_state");
    }

    /// Sends a text message.
    pub fn send(&mut self, text: &str) {
        let length = u8::try_from(text.len()).ok().filter(|length| *length < 126).expect("a short message");
        // Masked with zeros.
        let frame = [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat();
        self.stream.write_all(&frame).expect("the server reads");
    }

    /// Reads until this text has come; all that was read is forgotten.
    pub fn read_to(&mut self, text: &[u8]) {
        loop {
            let count =
                self.stream.read(&mut self.buffer[self.filled..]).expect("the server answers in time");
            assert!(count > 0, "the server has closed the connection");
            self.filled += count;
            let found = self.buffer[..self.filled].windows(text.len()).any(|part| part == text);
            // What may be the beginning of the text is kept.
            let kept = text.len().min(self.filled);
            self.buffer.copy_within(self.filled - kept..self.filled, 0);
            self.filled = kept;
            if found {
                self.filled = 0;
                return;
            }
        }
    }
}

const BUFFER: usize = 64;
const PATIENCE: Duration = Duration::from_secs(20);
