//! Ordered entries as what clients see: keys, each with its metas.
//!
//! Owns the one writer of that JSON, which joins the entries' own texts and serialises nothing anew.
//! Not here: where the entries come from (`snapshot`, `diff`).
//! Contract: `Phoenix.Presence.list/1`, `{"key":{"metas":[…]},…}`.

use std::sync::Arc;

use super::entry::Entry;
use super::presences::{Presence, Presences};

/// Writes the JSON of entries that are in their order.
pub(super) fn write(entries: &[Arc<Entry>], out: &mut Vec<u8>) {
    out.push(b'{');
    for (nth, metas) in by_key(entries).enumerate() {
        separate(nth, out);
        write_key(&metas[0].key, out);
        out.extend_from_slice(b":{\"metas\":[");
        for (nth, entry) in metas.iter().enumerate() {
            separate(nth, out);
            out.extend_from_slice(entry.encoded());
        }
        out.extend_from_slice(b"]}");
    }
    out.push(b'}');
}

/// About how many bytes [`write()`] will write: never less, but for keys that need escaping.
pub(super) fn size(entries: &[Arc<Entry>]) -> usize {
    entries.iter().map(|entry| entry.encoded().len() + entry.key.len() + AROUND_A_META).sum::<usize>() + 2
}

/// The decoded form of entries that are in their order.
pub(super) fn decode(entries: &[Arc<Entry>]) -> Presences {
    Presences(by_key(entries).map(|metas| (metas[0].key.to_string(), presence(metas))).collect())
}

/// The decoded form of the entries of one key.
pub(super) fn presence(metas: &[Arc<Entry>]) -> Presence {
    Presence { metas: metas.iter().map(|entry| entry.meta_value()).collect(), ..Presence::default() }
}

/// The entries of each key, in order.
pub(super) fn by_key(entries: &[Arc<Entry>]) -> impl Iterator<Item = &[Arc<Entry>]> {
    entries.chunk_by(|one, next| one.key == next.key)
}

fn separate(nth: usize, out: &mut Vec<u8>) {
    if nth > 0 {
        out.push(b',');
    }
}

fn write_key(key: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, key).expect("a string serialises, and a Vec takes all that is written");
}

/// What stands around a meta at most: `"":{"metas":[]},`
const AROUND_A_META: usize = 16;
