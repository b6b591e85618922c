//! One room: its document, who is aware of whom, and the channels that are in it.

use bytes::Bytes;
use presenced::channel::{Context, Payload};

use super::awareness::Awareness;
use super::channel::Told;
use super::document::Document;
use super::message::{self, Message, STEP_1, STEP_2, UPDATE};

/// Everything that a topic has in common. The channels take turns.
pub struct Room {
    document: Document,
    awareness: Awareness,
    members: Vec<Member>,
    next: u64,
}

struct Member {
    id: u64,
    context: Context<Told>,
    /// The clients that this channel was the first to name; they go with it.
    clients: Vec<u64>,
}

impl Room {
    /// The room of a workflow, or of one version of it.
    pub fn new(workflow: &str) -> Self {
        Room { document: Document::saved(workflow), awareness: Awareness::default(), members: Vec::new(), next: 0 }
    }

    /// A channel is in from now on, under the number that is returned.
    pub fn enter(&mut self, context: Context<Told>) -> u64 {
        self.next += 1;
        self.members.push(Member { id: self.next, context, clients: Vec::new() });
        self.next
    }

    /// A channel is gone; its clients are told as gone.
    pub fn leave(&mut self, id: u64) {
        let Some(at) = self.members.iter().position(|member| member.id == id) else { return };
        let member = self.members.swap_remove(at);
        let removed = self.awareness.remove(&member.clients);
        if !removed.is_empty() {
            self.relay(id, message::awareness(&self.awareness.encode(&removed)));
        }
    }

    /// A message of a channel; one that `may_edit` not has its changes of the document dropped, without a word.
    pub fn receive(&mut self, id: u64, message: &Message<'_>, may_edit: bool) {
        match message {
            Message::Step1(vector) => {
                let Some(diff) = self.document.diff(vector) else { return };
                self.push(id, message::sync(STEP_2, &diff));
                self.push(id, message::sync(STEP_1, &self.document.state_vector()));
                self.push(id, message::awareness(&self.awareness.encode(&self.awareness.present())));
            }
            Message::Step2(update) | Message::Update(update) if may_edit => {
                if let Some(news) = self.document.apply(update) {
                    self.relay(id, message::sync(UPDATE, &news));
                }
            }
            Message::Awareness(update) => {
                let Some(applied) = self.awareness.apply(update) else { return };
                if let Some(member) = self.members.iter_mut().find(|member| member.id == id) {
                    member.clients.extend(&applied.added);
                }
                if !applied.changed.is_empty() {
                    self.relay(id, message::awareness(&self.awareness.encode(&applied.changed)));
                }
            }
            Message::QueryAwareness => {
                self.push(id, message::awareness(&self.awareness.encode(&self.awareness.present())));
            }
            Message::Step2(_) | Message::Update(_) | Message::Fatal | Message::Unknown => {}
        }
    }

    /// Saves what the document holds now: its lock version and its name. Everybody hears of the version.
    pub fn save(&mut self) -> (i64, String) {
        let (version, update) = self.document.save();
        self.relay(0, message::sync(UPDATE, &update));
        (version, self.document.name())
    }

    /// Pushes an event to everybody but one.
    pub fn tell(&self, except: u64, event: &str, payload: &Payload) {
        for member in self.members.iter().filter(|member| member.id != except) {
            // A client that cannot be sent this, one of long poll say, goes without.
            let _ = member.context.push(event, payload);
        }
    }

    fn relay(&self, except: u64, message: Vec<u8>) {
        self.tell(except, "yjs", &Payload::Binary(Bytes::from(message)));
    }

    fn push(&self, id: u64, message: Vec<u8>) {
        let Some(member) = self.members.iter().find(|member| member.id == id) else { return };
        let _ = member.context.push("yjs", &Payload::Binary(Bytes::from(message)));
    }
}
