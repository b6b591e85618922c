//! The dispatch of an incoming message: the first rule that applies, in Phoenix's order.

use foldhash::HashMap;
use serde_json::json;
use smol_str::SmolStr;

use crate::wire::{self, EncodeError, Field, Frame, Message, Payload, Vsn};

/// One joined channel of one connection, for the whole life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId(pub u64);

/// What one connection has joined, and the rules that follow from it.
pub struct Session {
    /// Boxed, because even a table for one has room for more.
    joined: HashMap<SmolStr, Box<Joined>>,
    max_channels: usize,
}

/// A joined topic. The join_ref is kept exactly as it was received: it may be null, or a number.
struct Joined {
    channel: ChannelId,
    join_ref: Field,
}

/// What a message asks for.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Answer at once.
    Answer(Answer),
    /// Run a channel's join; nothing else of this connection is looked at until it has returned.
    Join(Join),
    /// Hand the message to a joined channel.
    Deliver(Delivery),
    /// Let a joined channel go; its answer carries this reference.
    Leave {
        /// The channel to end.
        channel: ChannelId,
        /// The reference of the leave, to be echoed.
        reference: Field,
    },
    /// A message of an earlier join of the topic: dropped without an answer.
    Stale,
}

/// A reply that the connection itself gives, without a channel.
#[derive(Debug, PartialEq)]
pub struct Answer {
    /// The join_ref to send, which is often null whatever the request had.
    pub join_ref: Field,
    /// The request's reference, echoed with its JSON type.
    pub reference: Field,
    /// The request's topic, echoed.
    pub topic: Field,
    /// `"ok"` or `"error"`.
    pub status: &'static str,
    /// The `response` member.
    pub response: Payload,
}

/// A request to join a topic that some channel serves.
#[derive(Debug, PartialEq)]
pub struct Join {
    /// As received; echoed in the reply and kept for `phx_close` and `phx_error`.
    pub join_ref: Field,
    /// The request's reference.
    pub reference: Field,
    /// The topic to join.
    pub topic: SmolStr,
    /// The join parameters.
    pub payload: Payload,
    /// The channel that had the topic on this connection. It is dead from now on, and its `phx_close` goes
    /// out behind the reply to the new join.
    pub replaces: Option<Departed>,
}

/// A message for a joined channel.
#[derive(Debug, PartialEq)]
pub struct Delivery {
    /// Who it is for.
    pub channel: ChannelId,
    /// The event; text, unless the client sent something that no channel can match.
    pub event: Field,
    /// The message's reference, for a reply.
    pub reference: Field,
    /// The payload.
    pub payload: Payload,
}

/// A channel that is no longer joined.
#[derive(Debug, PartialEq)]
pub struct Departed {
    /// Which one.
    pub channel: ChannelId,
    /// The topic it had.
    pub topic: SmolStr,
    /// Its join_ref as received.
    pub join_ref: Field,
}

impl Session {
    /// A session with nothing joined, which may join up to `max_channels` topics at a time.
    pub fn new(max_channels: usize) -> Self {
        Session { joined: HashMap::default(), max_channels }
    }

    /// Finds what a message asks for. `serves` tells whether any channel serves a topic.
    ///
    /// A duplicate join forgets the channel it replaces at once; a join is only recorded by
    /// [`joined`](Self::joined).
    pub fn receive(&mut self, message: Message, serves: impl Fn(&str) -> bool) -> Step {
        match (message.topic.text(), message.event.text()) {
            (Some("phoenix"), Some("heartbeat")) => Step::Answer(Answer {
                join_ref: Field::Null,
                reference: message.reference,
                topic: message.topic,
                status: "ok",
                response: Payload::empty(),
            }),
            (Some(topic), Some("phx_join")) if serves(topic) => self.join(SmolStr::new(topic), message),
            (Some(topic), Some("phx_leave")) => match self.joined.get(topic) {
                Some(joined) if message.join_ref.is_null() || message.join_ref == joined.join_ref => {
                    Step::Leave { channel: joined.channel, reference: message.reference }
                }
                Some(_) => Step::Stale,
                None => Step::Answer(Answer {
                    join_ref: message.join_ref,
                    reference: message.reference,
                    topic: message.topic,
                    status: "ok",
                    response: Payload::empty(),
                }),
            },
            (_, Some("phx_join")) | (None, _) => unmatched(message),
            (Some(topic), _) => match self.joined.get(topic) {
                Some(joined) if message.join_ref.is_null() || message.join_ref == joined.join_ref => {
                    Step::Deliver(Delivery {
                        channel: joined.channel,
                        event: message.event,
                        reference: message.reference,
                        payload: message.payload,
                    })
                }
                Some(_) => Step::Stale,
                None => unmatched(message),
            },
        }
    }

    fn join(&mut self, topic: SmolStr, message: Message) -> Step {
        // The very join that is in, once more: a browser has repeated a request. A `phx_close` for it would be one for the
        // living channel.
        let is_again = |joined: &Joined| !message.join_ref.is_null() && joined.join_ref == message.join_ref;
        if self.joined.get(&topic).is_some_and(|joined| is_again(joined)) {
            return Step::Stale;
        }
        let replaces = self.joined.remove(&topic).map(|old| Departed {
            channel: old.channel,
            topic: topic.clone(),
            join_ref: old.join_ref,
        });
        if replaces.is_none() && self.joined.len() >= self.max_channels {
            return Step::Answer(Answer {
                join_ref: message.join_ref,
                reference: message.reference,
                topic: message.topic,
                status: "error",
                response: json!({"reason": "too many channels joined"}).into(),
            });
        }
        Step::Join(Join {
            join_ref: message.join_ref,
            reference: message.reference,
            topic,
            payload: message.payload,
            replaces,
        })
    }

    /// Records that a join succeeded.
    pub fn joined(&mut self, topic: SmolStr, join_ref: Field, channel: ChannelId) {
        self.joined.insert(topic, Box::new(Joined { channel, join_ref }));
    }

    /// Forgets a channel that has ended. `None` when another join has taken its topic, or it was forgotten
    /// before: then nothing more is to be sent for it.
    pub fn departed(&mut self, topic: &str, channel: ChannelId) -> Option<Departed> {
        if self.joined.get(topic)?.channel != channel {
            return None;
        }
        let (topic, joined) = self.joined.remove_entry(topic)?;
        Some(Departed { channel, topic, join_ref: joined.join_ref })
    }
}

impl Answer {
    /// The reply as a frame.
    ///
    /// # Errors
    /// Those of [`wire::encode_reply`].
    pub fn encode(&self, vsn: Vsn) -> Result<Frame, EncodeError> {
        wire::encode_reply(vsn, &self.join_ref, &self.reference, &self.topic, self.status, &self.response)
    }
}

impl Departed {
    /// The `phx_close` that tells the client that this channel ended as it should.
    ///
    /// # Errors
    /// Those of [`wire::encode_message`].
    pub fn phx_close(&self, vsn: Vsn) -> Result<Frame, EncodeError> {
        self.farewell(vsn, "phx_close", &Payload::empty())
    }

    /// The `phx_error` that tells the client that this channel crashed, so that it joins again.
    ///
    /// # Errors
    /// Those of [`wire::encode_message`].
    pub fn phx_error(&self, vsn: Vsn) -> Result<Frame, EncodeError> {
        self.farewell(vsn, "phx_error", &json!({"reason": "channel_crash"}).into())
    }

    /// Both references are the join_ref as it was received.
    fn farewell(&self, vsn: Vsn, event: &str, payload: &Payload) -> Result<Frame, EncodeError> {
        let topic = Field::from(self.topic.clone());
        wire::encode_message(vsn, &self.join_ref, &self.join_ref, &topic, event, payload)
    }
}

/// Phoenix answers a topic that nobody serves, or that is not joined, with a null join_ref.
fn unmatched(message: Message) -> Step {
    Step::Answer(Answer {
        join_ref: Field::Null,
        reference: message.reference,
        topic: message.topic,
        status: "error",
        response: json!({"reason": "unmatched topic"}).into(),
    })
}
