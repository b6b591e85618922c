//! A room: the last state of each, and one message a member at the gateway's pace.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use presenced::wire::Frame;
use tokio::net::tcp::OwnedWriteHalf;

use super::client::Text;

/// Those who are told of one another.
pub struct Room {
    table: Mutex<Table>,
    interval: Duration,
}

struct Table {
    places: Vec<Place>,
    told_at: Option<Instant>,
    is_due: bool,
}

/// A member's.
pub struct Place {
    /// What of each message to it is the same: the front of a push.
    head: Vec<u8>,
    writing: Arc<OwnedWriteHalf>,
    /// Its entry as it came.
    entry: Vec<u8>,
    is_changed: bool,
}

impl Room {
    /// Nobody's.
    pub fn new(interval: Duration) -> Self {
        Room { table: Mutex::new(Table { places: Vec::new(), told_at: None, is_due: false }), interval }
    }

    /// Takes somebody in, and returns its place.
    pub fn enter(&self, place: Place) -> usize {
        let mut table = self.table.lock();
        table.places.push(place);
        table.places.len() - 1
    }

    /// Tells one what all others have said.
    pub fn tell_all_to(&self, place: usize) {
        let table = self.table.lock();
        table.tell(place, |place| !place.entry.is_empty());
    }

    /// Somebody says something: the others are told at once where the room was quiet, or when they are next told.
    pub fn change(self: &Arc<Self>, place: usize, entry: &[u8]) {
        let mut table = self.table.lock();
        let place = &mut table.places[place];
        place.entry.clear();
        place.entry.extend_from_slice(entry);
        place.is_changed = true;
        if table.is_due {
            return;
        }
        match table.told_at.map(|at| at + self.interval).filter(|at| *at > Instant::now()) {
            None => table.tell_changes(),
            Some(at) => {
                table.is_due = true;
                let room = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep_until(at.into()).await;
                    room.table.lock().tell_changes();
                });
            }
        }
    }
}

impl Table {
    fn tell_changes(&mut self) {
        for place in 0..self.places.len() {
            self.tell(place, |place| place.is_changed);
        }
        self.places.iter_mut().for_each(|place| place.is_changed = false);
        self.told_at = Some(Instant::now());
        self.is_due = false;
    }

    fn tell(&self, to: usize, is_told: impl Fn(&Place) -> bool) {
        let others = self.places.iter().enumerate().filter(|(number, place)| *number != to && is_told(place));
        let entries: Vec<&[u8]> = others.map(|(_, place)| &place.entry[..]).collect();
        if entries.is_empty() {
            return;
        }
        let (mut count, mut length) = (Vec::new(), Vec::new());
        put(&mut count, entries.len());
        put(&mut length, count.len() + entries.iter().map(|entry| entry.len()).sum::<usize>());
        let place = &self.places[to];
        let body = [&place.head[..], &[1], &length[..], &count[..], &entries.concat()[..]].concat();
        // Whoever takes nothing is not told.
        let _ = place.writing.try_write(&Frame::binary(&body).websocket());
    }
}

impl Place {
    /// Of a client that joins.
    pub fn new(join: &Text<'_>, writing: Arc<OwnedWriteHalf>) -> Self {
        let [join_ref, topic] = [join.join_ref, join.topic].map(|field| field.len() as u8);
        let head = [&[0, join_ref, topic, 3][..], join.join_ref, join.topic, b"yjs"].concat();
        Place { head, writing, entry: Vec::new(), is_changed: false }
    }
}

/// A number as lib0 writes it.
fn put(out: &mut Vec<u8>, mut number: usize) {
    while number > 0x7F {
        out.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
