//! One connection: frames in, and the few answers that a page waits for.

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use memchr::memmem;
use presenced::wire::Frame;
use presenced::wire::websocket::{accept_key, apply_mask};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::Rooms;
use super::room::{Place, Room};

/// What a client has joined.
struct Joined {
    room: Arc<Room>,
    place: usize,
    /// The bytes of the clientID that it named first.
    id: Vec<u8>,
}

/// Serves a connection until it ends or says what is not understood.
pub async fn serve(stream: TcpStream, rooms: Arc<Rooms>) {
    let (mut reading, writing) = stream.into_split();
    let writing = Arc::new(writing);
    let mut buffer = BytesMut::new();
    let mut joined: Option<Joined> = None;
    let mut is_open = false;
    loop {
        buffer.reserve(BUFFER);
        if !reading.read_buf(&mut buffer).await.is_ok_and(|count| count > 0) {
            return;
        }
        if !is_open {
            let Some(end) = memmem::find(&buffer, b"\r\n\r\n") else { continue };
            let _ = writing.try_write(handshake(&buffer[..end]).as_bytes());
            buffer.advance(end + 4);
            is_open = true;
        }
        let whole = buffer.len();
        let mut rest = &mut buffer[..];
        while let Some((opcode, payload)) = take(&mut rest) {
            match opcode {
                TEXT => {
                    let Some(message) = Text::read(payload) else { return };
                    if message.event == b"phx_join" {
                        let room = rooms.of(message.topic);
                        let place = room.enter(Place::new(&message, writing.clone()));
                        joined = Some(Joined { room, place, id: Vec::new() });
                    }
                    let _ = writing.try_write(&message.answer().websocket());
                }
                BINARY => joined.iter_mut().for_each(|joined| joined.hear(payload)),
                _ => return,
            }
        }
        let taken = whole - rest.len();
        buffer.advance(taken);
    }
}

impl Joined {
    fn hear(&mut self, message: &[u8]) {
        let sizes: usize = message[1..5].iter().map(|size| usize::from(*size)).sum();
        match &message[5 + sizes..] {
            // Sync step 1 of somebody new.
            [0, 0, ..] => self.room.tell_all_to(self.place),
            [1, body @ ..] => {
                let entries = &body[number(body)..];
                let id = &entries[1..];
                let id = &id[..number(id)];
                if self.id.is_empty() {
                    self.id = id.to_vec();
                }
                // An echo has others, or several.
                if entries[0] == 1 && id == self.id {
                    self.room.change(self.place, &entries[1..]);
                }
            }
            _ => {}
        }
    }
}

/// A text message in parts of its frame, without their quotes.
pub struct Text<'a> {
    pub join_ref: &'a [u8],
    reference: &'a [u8],
    pub topic: &'a [u8],
    event: &'a [u8],
}

impl<'a> Text<'a> {
    /// Nothing in it is escaped.
    fn read(text: &'a [u8]) -> Option<Self> {
        let mut rest = text.strip_prefix(b"[")?;
        let mut field = || {
            let end = memchr::memchr(b',', rest)?;
            let field = &rest[..end];
            rest = &rest[end + 1..];
            Some(field.strip_prefix(b"\"").and_then(|field| field.strip_suffix(b"\"")).unwrap_or(field))
        };
        Some(Text { join_ref: field()?, reference: field()?, topic: field()?, event: field()? })
    }

    fn answer(&self) -> Frame {
        let null = self.join_ref == b"null";
        let quote: &[u8] = if null { b"" } else { b"\"" };
        let parts = [&b"["[..], quote, self.join_ref, quote, b",\"", self.reference, b"\",\"", self.topic];
        let answer = br#"","phx_reply",{"status":"ok","response":{}}]"#;
        Frame::text(&[&parts.concat()[..], answer].concat())
    }
}

/// Takes the frame off the front, and its mask off it, if it is all there.
fn take<'a>(bytes: &mut &'a mut [u8]) -> Option<(u8, &'a [u8])> {
    let (size, length) = match (*bytes.get(1)? & 0x7F, bytes.get(2..4)) {
        (126, Some(length)) => (8, usize::from(u16::from_be_bytes([length[0], length[1]]))),
        (126.., _) => return None,
        (length, _) => (6, usize::from(length)),
    };
    if bytes.len() < size + length {
        return None;
    }
    let (frame, rest) = std::mem::take(bytes).split_at_mut(size + length);
    *bytes = rest;
    let (head, payload) = frame.split_at_mut(size);
    apply_mask(payload, *head.last_chunk()?);
    Some((head[0] & 0x0F, payload))
}

/// How many bytes the number at the front has.
fn number(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| byte & 0x80 == 0).map_or(0, |end| end + 1)
}

fn handshake(request: &[u8]) -> String {
    let request = String::from_utf8_lossy(request);
    let key = request.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim())
    });
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        accept_key(key.unwrap_or_default())
    )
}

const TEXT: u8 = 1;
const BINARY: u8 = 2;
/// In bytes; a read takes as much.
const BUFFER: usize = 8_192;
