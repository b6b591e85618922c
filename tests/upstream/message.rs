//! The binary messages of `yjs` and `yjs_sync`, as `y_ex` reads them.

use super::lib0::{Reader, put_bytes, put_number};

/// A message of a client.
#[derive(Debug, PartialEq)]
pub enum Message<'a> {
    /// Sync step 1: the state vector that the client has.
    Step1(&'a [u8]),
    /// Sync step 2: what the server lacks.
    Step2(&'a [u8]),
    /// A change of the document.
    Update(&'a [u8]),
    /// An awareness update.
    Awareness(&'a [u8]),
    /// The question who is there.
    QueryAwareness,
    /// Bytes that end the virtual machine of the real server: a count for which it asks for more memory than there is.
    Fatal,
    /// Anything else: nothing happens.
    Unknown,
}

impl<'a> Message<'a> {
    /// Reads a message.
    pub fn read(bytes: &'a [u8]) -> Message<'a> {
        Message::known(&mut Reader(bytes)).unwrap_or(Message::Unknown)
    }

    fn known(reader: &mut Reader<'a>) -> Option<Message<'a>> {
        Some(match reader.number()? {
            SYNC => match (reader.number()?, reader.bytes()?) {
                (STEP_1, vector) if counts_too_many(vector) => Message::Fatal,
                (STEP_1, vector) => Message::Step1(vector),
                (STEP_2, update) => Message::Step2(update),
                (UPDATE, update) => Message::Update(update),
                _ => Message::Unknown,
            },
            AWARENESS => match reader.bytes()? {
                update if counts_too_many(update) => Message::Fatal,
                update => Message::Awareness(update),
            },
            QUERY_AWARENESS => Message::QueryAwareness,
            _ => Message::Unknown,
        })
    }
}

/// A message of type sync.
pub fn sync(step: u64, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(body.len() + 8);
    put_number(&mut message, SYNC);
    put_number(&mut message, step);
    put_bytes(&mut message, body);
    message
}

/// A message of type awareness.
pub fn awareness(body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(body.len() + 8);
    put_number(&mut message, AWARENESS);
    put_bytes(&mut message, body);
    message
}

/// Room for as many entries as the head says is asked for before the first is read; so many are no error but the end.
fn counts_too_many(body: &[u8]) -> bool {
    Reader(body).number().is_some_and(|count| count > FATAL_COUNT)
}

pub const STEP_1: u64 = 0;
pub const STEP_2: u64 = 1;
pub const UPDATE: u64 = 2;
const SYNC: u64 = 0;
const AWARENESS: u64 = 1;
const QUERY_AWARENESS: u64 = 3;
const FATAL_COUNT: u64 = 1 << 30;
