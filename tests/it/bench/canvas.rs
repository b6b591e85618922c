//! A server of cursors to measure: each member of a room is told what the others say of themselves.
//!
//! Not here: documents, numbers of its own, an end of anybody.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use presenced::channel::{
    BoxError, Channel, Context, Incoming, JoinError, Outcome, PushError, Reply, Router,
};
use presenced::server::Options;
use presenced::wire::Payload;
use serde_json::json;

use crate::support::Running;

/// Of each topic the last message of each member, by its clientID.
type Rooms = Arc<Mutex<HashMap<String, HashMap<Vec<u8>, Payload>>>>;

/// Serves `canvas:*`.
pub async fn canvas() -> Running {
    let rooms = Rooms::default();
    let router = Router::new().channel("canvas:*", move |name: &String| Member {
        name: name.clone(),
        id: Vec::new(),
        rooms: rooms.clone(),
    });
    Running::start(router, Options::default()).await
}

/// A message of awareness with one entry, whose length fits into two bytes.
pub fn awareness(client: u64, clock: u8, state: &str) -> Vec<u8> {
    let mut id = client;
    let mut entry = vec![1];
    while id > 0x7F {
        entry.push((id & 0x7F) as u8 | 0x80);
        id >>= 7;
    }
    entry.extend([id as u8, clock, u8::try_from(state.len()).expect("it is short")]);
    entry.extend(state.bytes());
    [vec![1, u8::try_from(entry.len()).expect("it is short")], entry].concat()
}

struct Member {
    name: String,
    /// The bytes of the clientID that it named first.
    id: Vec<u8>,
    rooms: Rooms,
}

impl Member {
    /// Whether a message has one entry, and that of its own: no echo.
    fn is_own(&mut self, message: &[u8]) -> bool {
        let Some(entries) = entries(message).filter(|entries| entries.first() == Some(&1)) else {
            return false;
        };
        let length = entries[1..].iter().position(|byte| byte & 0x80 == 0).map_or(0, |end| end + 1);
        let id = &entries[1..=length];
        if self.id.is_empty() {
            self.id = id.to_vec();
        }
        self.id == id
    }

    fn keep(&self, topic: &str, message: Payload) {
        let mut rooms = self.rooms.lock().expect("nobody panics with it");
        rooms.entry(topic.to_owned()).or_default().insert(self.id.clone(), message);
    }

    fn tell_others(&self, context: &Context<()>) -> Result<(), PushError> {
        let rooms = self.rooms.lock().expect("nobody panics with it");
        let said = rooms.get(context.topic()).into_iter().flatten().filter(|(id, _)| **id != self.id);
        said.into_iter().try_for_each(|(_, message)| context.push("yjs", message))
    }
}

impl Channel for Member {
    type Info = ();

    async fn join(&mut self, params: Payload, _: &Context<()>) -> Result<Payload, JoinError> {
        match params {
            Payload::Json(_) => Ok(Payload::empty()),
            Payload::Binary(_) => Err(JoinError::reason("no page")),
        }
    }

    async fn handle_in(&mut self, message: Incoming, context: &Context<()>) -> Result<Outcome, BoxError> {
        let own = json!({"id": self.name, "first_name": "Ada", "last_name": self.name, "email": "a@b.org"});
        match (message.event.as_str(), &message.payload) {
            ("get_context", _) => return Ok(Outcome::Reply(Reply::ok(json!({"user": own})))),
            // As Lightning does: it wants the document of the client, and tells who is there.
            ("yjs_sync", Payload::Binary(bytes)) if bytes.starts_with(&[0, 0]) => {
                context.push("yjs", &Payload::Binary(vec![0, 0, 1, 0].into()))?;
                self.tell_others(context)?;
            }
            ("yjs", Payload::Binary(bytes)) if self.is_own(bytes) => {
                self.keep(context.topic(), message.payload.clone());
                context.broadcast_from("yjs", message.payload.clone()).await?;
            }
            ("yjs", Payload::Binary(_)) => {}
            (event, _) => return Err(format!("unknown event {event:?}").into()),
        }
        Ok(Outcome::NoReply)
    }
}

/// Of an awareness message.
fn entries(message: &[u8]) -> Option<&[u8]> {
    let body = message.strip_prefix(&[1])?;
    let length = body.iter().position(|byte| byte & 0x80 == 0)? + 1;
    Some(&body[length..])
}
