//! The messages of the Yjs protocols, as far as a client without a document needs them.
//!
//! Owns: lib0's numbers, awareness messages both ways, the two words of sync that open a document.
//! Not here: which state is taken ([`super::others`]), the Phoenix frame around it ([`super::pushed`]). A judge has a
//! reader of its own, so that it does not share the mistakes of the server that it judges.
//! Contract: lib0's encoding; y-protocols, `sync` and `awareness`.

/// The state of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub client: u64,
    pub clock: u64,
    /// JSON; `null` where the client is gone.
    pub state: &'a [u8],
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// The other side asks for the document.
    SyncStep1,
    Awareness(Vec<Entry<'a>>),
    Other,
}

impl Entry<'_> {
    /// Whether the client is gone.
    pub(super) fn is_null(&self) -> bool {
        self.state == b"null"
    }
}

/// Reads a message; `None` for an awareness message that is cut off, or longer than it says, and for an empty one.
pub(super) fn read(mut bytes: &[u8]) -> Option<Message<'_>> {
    match number(&mut bytes)? {
        SYNC if number(&mut bytes) == Some(STEP_1) => Some(Message::SyncStep1),
        AWARENESS => {
            let mut body = text(&mut bytes)?;
            let count = number(&mut body)?;
            let entries = (0..count).map(|_| {
                let (client, clock) = (number(&mut body)?, number(&mut body)?);
                Some(Entry { client, clock, state: text(&mut body)? })
            });
            Some(Message::Awareness(entries.collect::<Option<_>>()?))
        }
        _ => Some(Message::Other),
    }
}

/// An awareness message.
pub(super) fn write(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut body = Vec::with_capacity(entries.iter().map(|entry| entry.state.len() + MOST_NUMBERS).sum());
    put(&mut body, entries.len() as u64);
    for entry in entries {
        put(&mut body, entry.client);
        put(&mut body, entry.clock);
        put(&mut body, entry.state.len() as u64);
        body.extend_from_slice(entry.state);
    }
    let mut message = Vec::with_capacity(body.len() + MOST_NUMBERS);
    put(&mut message, AWARENESS);
    put(&mut message, body.len() as u64);
    message.extend_from_slice(&body);
    message
}

/// Seven bits a byte, the lowest first.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & LOW_BITS).checked_shl(shift)?;
        if byte & MORE == 0 {
            return Some(number);
        }
    }
    None
}

fn text<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(number(bytes)?).ok()?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(text)
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number > u64::from(LOW_BITS) {
        // The mask leaves seven bits.
        out.push((number & u64::from(LOW_BITS)) as u8 | MORE);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Sync step 1 of a client that has nothing: an empty state vector.
pub(super) const WANTS_ALL: &[u8] = &[0, 0, 1, 0];
/// Sync step 2 of a client that has nothing: an update without structs and deletions.
pub(super) const HAS_NOTHING: &[u8] = &[0, 1, 2, 0, 0];

const SYNC: u64 = 0;
const STEP_1: u64 = 0;
const AWARENESS: u64 = 1;
const LOW_BITS: u8 = 0x7F;
const MORE: u8 = 0x80;
/// Of the numbers before a state or a body, in bytes.
const MOST_NUMBERS: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_pages_own_library_writes_is_read_and_written_alike() {
        // Client 1001 at clock 0 with `{}`, as recorded.
        let recorded: &[u8] = &[1, 7, 1, 0xE9, 7, 0, 2, b'{', b'}'];
        let entry = Entry { client: 1001, clock: 0, state: b"{}" };
        assert_eq!(read(recorded), Some(Message::Awareness(vec![entry])));
        assert_eq!(write(&[entry]), recorded);
    }

    #[test]
    fn numbers_of_every_length_and_states_of_every_kind_come_back() {
        for number in [0, 127, 128, 16_383, 16_384, u64::from(u32::MAX), (1 << 53) - 1] {
            let long = vec![b'1'; 20_000];
            for state in [&b"null"[..], b"{}", &long] {
                let entries = [Entry { client: number, clock: number, state }; 2];
                assert_eq!(read(&write(&entries)), Some(Message::Awareness(entries.to_vec())));
            }
        }
        assert!(Entry { client: 1, clock: 1, state: b"null" }.is_null());
    }

    #[test]
    fn sync_is_told_apart() {
        assert_eq!(read(WANTS_ALL), Some(Message::SyncStep1));
        assert_eq!(read(HAS_NOTHING), Some(Message::Other));
        assert_eq!(read(&[3]), Some(Message::Other));
    }

    #[test]
    fn what_is_cut_off_or_claims_too_much_is_unreadable() {
        let whole = write(&[Entry { client: 300, clock: 5, state: b"{}" }]);
        for cut in 0..whole.len() {
            assert_eq!(read(&whole[..cut]), None, "{cut}");
        }
        for wrong in [&[1, 1, 9][..], &[1, 5, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F], &[0x80; 12]] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
