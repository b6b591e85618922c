//! Awareness as `y_ex` 0.8 keeps it: clocks are remembered, only what changed is relayed, and what it removes itself is
//! one number on. So whoever returns is not seen at first, and sees nobody.

use std::collections::BTreeMap;

use super::lib0::{Reader, put_bytes, put_number};

/// Who is in one room, by client.
#[derive(Default)]
pub struct Awareness {
    clients: BTreeMap<u64, Client>,
}

struct Client {
    clock: u64,
    /// JSON text; `None` for who is gone.
    state: Option<String>,
}

impl Awareness {
    /// Takes an update; the clients whose state it changed, and those that are new. `None` where it cannot be read.
    pub fn apply(&mut self, body: &[u8]) -> Option<Applied> {
        let entries = read(body)?;
        let mut applied = Applied::default();
        for (client, clock, state) in entries {
            let state = Some(state).filter(|state| state != "null");
            let known = self.clients.get(&client);
            let is_news = known.is_none_or(|known| {
                known.clock < clock || (known.clock == clock && state.is_none() && known.state.is_some())
            });
            if !is_news {
                continue;
            }
            if known.is_none_or(|known| known.state != state) {
                applied.changed.push(client);
            }
            if known.is_none() && state.is_some() {
                applied.added.push(client);
            }
            self.clients.insert(client, Client { clock, state });
        }
        Some(applied)
    }

    /// Removes clients, as for a connection that is gone; those that were there.
    pub fn remove(&mut self, clients: &[u64]) -> Vec<u64> {
        let mut removed = Vec::new();
        for client in clients {
            let Some(known) = self.clients.get_mut(client) else { continue };
            if known.state.take().is_some() {
                known.clock += 1;
                removed.push(*client);
            }
        }
        removed
    }

    /// Everybody who is there.
    pub fn present(&self) -> Vec<u64> {
        let present = self.clients.iter().filter(|(_, client)| client.state.is_some());
        present.map(|(client, _)| *client).collect()
    }

    /// An update that tells of these clients.
    pub fn encode(&self, clients: &[u64]) -> Vec<u8> {
        let mut body = Vec::new();
        put_number(&mut body, clients.len() as u64);
        for client in clients {
            let known = &self.clients[client];
            put_number(&mut body, *client);
            put_number(&mut body, known.clock);
            put_bytes(&mut body, known.state.as_deref().unwrap_or("null").as_bytes());
        }
        body
    }
}

/// What an update came to.
#[derive(Default)]
pub struct Applied {
    /// To be relayed.
    pub changed: Vec<u64>,
    /// Whoever sent it is the one who takes them away again.
    pub added: Vec<u64>,
}

fn read(body: &[u8]) -> Option<Vec<(u64, u64, String)>> {
    let mut reader = Reader(body);
    let count = reader.number()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let (client, clock) = (reader.number()?, reader.number()?);
        let text = reader.text()?;
        serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
        entries.push((client, clock, text.to_owned()));
    }
    Some(entries)
}
