//! One connection, as its messages pass in both directions.
//!
//! Owns: which joins of canvas topics were let in and have not ended, which requests wait for answers that prove
//! something, and the verdict on each message. What it remembers is bounded, whatever is sent.
//!
//! Not here: what an awareness message says (`awareness`), and whatever happens without a message: the end of the
//! connection is known to the caller.
//!
//! Contract: contract/canvas.md, F.1 (leaving), F.3 (when a participant hears and is heard), F.4 (whose user) and F.5.

mod participants;
mod requests;

use bytes::Bytes;
use smol_str::SmolStr;

use self::participants::Participants;
use self::requests::{Requests, Wanted};
use super::heartbeat::{self, OwnHeartbeats};
use super::yjs::{self, Meaning};
use super::{DropReason, HeadVerdict, Key, Notice, User, Verdict, context};
use crate::wire::{BinaryFront, Field, Part, TextFront, Vsn};

/// What is known of one connection. Messages of each direction are shown in their order; of those that are too long to
/// be looked at whole the beginning is shown instead.
#[derive(Debug)]
pub struct Watch {
    vsn: Vsn,
    heartbeats: OwnHeartbeats,
    requests: Requests,
    participants: Participants,
    /// The id of the user whom the upstream named first.
    user: Option<SmolStr>,
}

impl Watch {
    /// A connection that speaks this version. On one of V1 only heartbeats are looked at: it carries no awareness.
    pub fn new(vsn: Vsn) -> Self {
        Watch {
            vsn,
            heartbeats: OwnHeartbeats::default(),
            requests: Requests::default(),
            participants: Participants::default(),
            user: None,
        }
    }

    /// A whole text message of the client.
    pub fn from_client_text(&mut self, text: &[u8], notices: &mut Vec<Notice>) -> Verdict {
        if self.vsn == Vsn::V1 {
            return heartbeat::answer(Vsn::V1, text).map_or(Verdict::Pass, Verdict::Answer);
        }
        let front = TextFront::of(text);
        if front.as_ref().is_some_and(|front| front.topic.text() == Some(heartbeat::TOPIC))
            && let Some(reply) = heartbeat::answer(Vsn::V2, text)
        {
            return Verdict::Answer(reply);
        }
        self.client_text_passes(front, notices);
        Verdict::Pass
    }

    /// The beginning of a text message of the client that is longer than is looked at.
    pub fn from_client_text_head(&mut self, head: &[u8], notices: &mut Vec<Notice>) -> HeadVerdict {
        if self.vsn == Vsn::V2 {
            self.client_text_passes(TextFront::of(head), notices);
        }
        HeadVerdict::Pass
    }

    /// A whole binary message of the client.
    pub fn from_client_binary(&mut self, message: &[u8], notices: &mut Vec<Notice>) -> Verdict {
        let Some(front) = self.client_binary(message) else { return Verdict::Pass };
        let participant = self.participants.find(front.topic, front.join_ref);
        let verdict = match (yjs::read(front.data), participant) {
            (Err(reason), _) => Verdict::Drop(reason),
            (Ok(Meaning::Awareness(_) | Meaning::Query), None) => Verdict::Drop(DropReason::NotJoined),
            (Ok(Meaning::Awareness(body)), Some(key)) => {
                notices.push(Notice::Awareness { key, body: Bytes::copy_from_slice(body) });
                Verdict::Taken
            }
            (Ok(Meaning::Query), Some(key)) => {
                notices.push(Notice::Query { key });
                Verdict::Taken
            }
            (Ok(Meaning::SyncStep1), Some(key)) => {
                notices.push(Notice::SyncStep1 { key });
                Verdict::Pass
            }
            (Ok(Meaning::SyncStep1 | Meaning::Sync | Meaning::Unknown), _) => Verdict::Pass,
        };
        if verdict == Verdict::Pass {
            self.client_binary_passes(&front);
        }
        verdict
    }

    /// The beginning of a binary message of the client that is longer than is looked at.
    pub fn from_client_binary_head(&mut self, head: &[u8], notices: &mut Vec<Notice>) -> HeadVerdict {
        let Some(front) = self.client_binary(head) else { return HeadVerdict::Pass };
        match yjs::read_head(front.data) {
            Err(reason) => return HeadVerdict::Drop(reason),
            Ok(Meaning::SyncStep1) => {
                let participant = self.participants.find(front.topic, front.join_ref);
                notices.extend(participant.map(|key| Notice::SyncStep1 { key }));
            }
            Ok(_) => {}
        }
        self.client_binary_passes(&front);
        HeadVerdict::Pass
    }

    /// A whole text message of the upstream.
    pub fn from_upstream_text(&mut self, text: &[u8], notices: &mut Vec<Notice>) -> Verdict {
        if self.vsn == Vsn::V1 {
            let is_ours = self.heartbeats.is_v1_answer(text);
            return if is_ours { Verdict::Taken } else { Verdict::Pass };
        }
        let Some(front) = TextFront::of(text) else { return Verdict::Pass };
        match front.event.text() {
            Some("phx_reply") => {
                let (topic, reference) = (front.topic.text(), front.reference.text());
                if let Some((topic, reference)) = topic.zip(reference)
                    && self.heartbeats.is_answer(topic, reference)
                {
                    return Verdict::Taken;
                }
                self.reply(&front, &text[front.payload_at..], notices);
            }
            Some("session_context_updated") => {
                if let Some(key) = self.participant(&front) {
                    self.named(key, context::of_context(&text[front.payload_at..]), notices);
                }
            }
            _ => self.channel_ends(&front, notices),
        }
        Verdict::Pass
    }

    /// The beginning of a text message of the upstream that is longer than is looked at.
    pub fn from_upstream_text_head(&mut self, head: &[u8], notices: &mut Vec<Notice>) -> HeadVerdict {
        let front = if self.vsn == Vsn::V2 { TextFront::of(head) } else { None };
        let Some(front) = front else { return HeadVerdict::Pass };
        let wanted = match front.event.text() {
            Some("phx_reply") => self.requests.is_answered_by(&front),
            Some("session_context_updated") => self.participant(&front).is_some(),
            _ => {
                self.channel_ends(&front, notices);
                false
            }
        };
        if wanted { HeadVerdict::Keep } else { HeadVerdict::Pass }
    }

    /// A whole binary message of the upstream.
    pub fn from_upstream_binary(&self, message: &[u8]) -> Verdict {
        match self.from_upstream_binary_head(message) {
            HeadVerdict::Drop(reason) => Verdict::Drop(reason),
            HeadVerdict::Pass | HeadVerdict::Keep => Verdict::Pass,
        }
    }

    /// The beginning of a binary message of the upstream that is longer than is looked at.
    pub fn from_upstream_binary_head(&self, head: &[u8]) -> HeadVerdict {
        let front = if self.vsn == Vsn::V2 { BinaryFront::of_server(head) } else { None };
        match front.filter(is_yjs) {
            Some(front) if yjs::is_awareness(front.data) => HeadVerdict::Drop(DropReason::FromUpstream),
            _ => HeadVerdict::Pass,
        }
    }

    /// The text of a heartbeat to the upstream, in the form of the connection. Its reply is taken.
    pub fn heartbeat(&mut self) -> Bytes {
        self.heartbeats.next(self.vsn)
    }

    /// Who has joined and has not ended: all of them end with the connection.
    pub fn participants(&self) -> impl Iterator<Item = Key> {
        self.participants.keys()
    }

    /// A text of the client that passes, whose front may not be there.
    fn client_text_passes(&mut self, front: Option<TextFront<'_>>, notices: &mut Vec<Notice>) {
        let Some(front) = front else { return self.requests.passes_unread() };
        let new = self.requests.passes(front.reference.text());
        let topic = front.topic.text().filter(|topic| is_canvas(topic.as_bytes()) && fits(topic));
        let Some(topic) = topic else { return };
        let wanted = match front.event.text() {
            Some("phx_join") => Wanted::Join,
            Some("get_context") => Wanted::Context,
            Some("phx_leave") => return self.leave(topic, &front.join_ref, notices),
            _ => return,
        };
        if let Some((reference, join_ref)) = new.zip(front.join_ref.text().filter(|join_ref| fits(join_ref)))
        {
            self.requests.add(wanted, topic, join_ref, reference);
        }
    }

    /// A leave takes effect as it passes: the upstream takes it in the same order.
    fn leave(&mut self, topic: &str, join_ref: &Part<'_>, notices: &mut Vec<Notice>) {
        let named = match join_ref {
            Part::Null => None,
            Part::Text(join_ref) => Some(join_ref.as_ref()),
            Part::Other => return,
        };
        self.requests.leave(topic, named);
        notices.extend(self.participants.end(topic, named).map(|key| Notice::Left { key }));
    }

    /// A binary message of the client, if it is one of documents and awareness. Any other passes here.
    fn client_binary<'a>(&mut self, message: &'a [u8]) -> Option<BinaryFront<'a>> {
        let front = if self.vsn == Vsn::V2 { BinaryFront::of_client(message)? } else { return None };
        if !is_yjs(&front) {
            self.client_binary_passes(&front);
            return None;
        }
        Some(front)
    }

    /// Any event may come as binary, and be answered under its reference.
    fn client_binary_passes(&mut self, front: &BinaryFront<'_>) {
        self.requests.passes(str::from_utf8(front.reference).ok());
    }

    /// A reply that may answer a join or a `get_context`.
    fn reply(&mut self, front: &TextFront<'_>, payload: &[u8], notices: &mut Vec<Notice>) {
        let Some(request) = self.requests.answered_by(front) else { return };
        match request.what {
            Wanted::Join if context::is_ok(payload) => {
                if let Some((key, replaces)) = self.participants.join(&request.topic, &request.join_ref) {
                    let join_ref = Field::Text(request.join_ref);
                    notices.push(Notice::Joined { key, topic: request.topic, join_ref, replaces });
                }
            }
            Wanted::Join => {}
            Wanted::Context => {
                let participant =
                    self.participants.find(request.topic.as_bytes(), request.join_ref.as_bytes());
                if let Some(key) = participant {
                    self.named(key, context::of_reply(payload), notices);
                }
            }
        }
    }

    /// The upstream said who a participant's user is.
    fn named(&mut self, key: Key, user: Option<User>, notices: &mut Vec<Notice>) {
        if let Some(user) = &user {
            let known = self.user.get_or_insert_with(|| user.id().into());
            if known != user.id() {
                return notices.push(Notice::AnotherUser { key });
            }
        }
        notices.push(Notice::User { key, user });
    }

    /// Any other message of the upstream: it may end the channel whose join_ref it carries.
    fn channel_ends(&mut self, front: &TextFront<'_>, notices: &mut Vec<Notice>) {
        let ended: fn(Key) -> Notice = match front.event.text() {
            Some("phx_close") => |key| Notice::ChannelClosed { key },
            Some("phx_error") => |key| Notice::ChannelError { key },
            _ => return,
        };
        if let Some((topic, join_ref)) = front.topic.text().zip(front.join_ref.text()) {
            notices.extend(self.participants.end(topic, Some(join_ref)).map(ended));
        }
    }

    /// The participant that a message of the upstream is for.
    fn participant(&self, front: &TextFront<'_>) -> Option<Key> {
        let (topic, join_ref) = front.topic.text().zip(front.join_ref.text())?;
        self.participants.find(topic.as_bytes(), join_ref.as_bytes())
    }
}

/// Whether a frame carries documents and awareness of a canvas. Whose join it names does not matter: some versions of
/// Phoenix deliver it whatever the join_ref is.
fn is_yjs(front: &BinaryFront<'_>) -> bool {
    is_canvas(front.topic) && EVENTS.contains(&front.event)
}

/// Whether a topic is of a canvas, of whatever room.
fn is_canvas(topic: &[u8]) -> bool {
    topic.starts_with(CANVAS)
}

/// Whether a topic or join_ref may stand in the header of a binary frame, and is not what stands there for none.
fn fits(field: &str) -> bool {
    (1..=usize::from(u8::MAX)).contains(&field.len())
}

/// What canvas topics begin with; the workflow's id follows, and perhaps a room's suffix.
const CANVAS: &[u8] = b"workflow:collaborate:";
/// The events that carry messages of y-protocols.
const EVENTS: [&[u8]; 2] = [b"yjs", b"yjs_sync"];

#[cfg(test)]
mod tests;
