//! What a client says of channels: joining, leaving, and the call after which nothing more can come.
//!
//! Contract: Phoenix 1.8.12, serializer V2.

use std::str::FromStr;
use std::time::Instant;

use serde::Serialize;
use serde_json::value::RawValue;

use super::client::Client;
use super::incoming::{Incoming, PHX_CLOSE};
use super::pattern::Pattern;
use super::trouble::Trouble;

/// A topic, as the JSON string that it is in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Topic(String);

impl Topic {
    pub(super) fn new(name: &str) -> Self {
        Topic(serde_json::Value::from(name).to_string())
    }

    /// With its quotes.
    pub(super) fn json(&self) -> &str {
        &self.0
    }

    /// Without them, as [`Incoming`] has it.
    pub(super) fn written(&self) -> &[u8] {
        &self.0.as_bytes()[1..self.0.len() - 1]
    }
}

/// When a join is over.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Ready(String);

impl Ready {
    /// With the reply to it.
    pub(super) fn with_reply() -> Self {
        Ready(REPLY.to_owned())
    }

    /// Whether it is over with the reply.
    pub(super) fn is_reply(&self) -> bool {
        self.0 == REPLY
    }
}

impl From<&str> for Ready {
    fn from(event: &str) -> Self {
        Ready(event.to_owned())
    }
}

/// The payload that joins bring, a JSON object.
#[derive(Clone, Debug)]
pub(super) struct JoinParams(Pattern);

impl JoinParams {
    /// The payload of one client.
    pub(super) fn fill(&self, client: u64, group: u64) -> String {
        self.0.fill(client, group)
    }
}

impl FromStr for JoinParams {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let filled = Pattern::from(text).fill(0, 0);
        match serde_json::from_str::<&RawValue>(&filled) {
            Ok(json) if json.get().starts_with('{') => Ok(JoinParams(Pattern::from(text))),
            _ => Err("must be a JSON object"),
        }
    }
}

/// A joined channel of a client.
#[derive(Clone, Debug)]
pub(super) struct Joined {
    pub join_ref: u64,
    /// When the frame was read that made it ready.
    pub ready_at: Instant,
}

impl Client {
    /// Joins a topic, and waits until the reply has come and the event that makes it ready. Every frame that comes
    /// meanwhile is handed on, these two among them.
    ///
    /// # Errors
    /// [`Trouble::JoinRefused`] and [`Trouble::ChannelEnded`], and those of [`receive`](Self::receive) and [`send`](Self::send).
    pub(super) async fn join(
        &mut self,
        topic: &Topic,
        params: &str,
        ready: &Ready,
        each: &mut impl FnMut(&[u8], Instant),
    ) -> Result<Joined, Trouble> {
        let join_ref = self.next_ref();
        let written = join_ref.to_string();
        let json = topic.json();
        self.send(&format!(r#"["{join_ref}","{join_ref}",{json},"phx_join",{params}]"#)).await?;
        let mut outcome = None;
        let mut ready_at = None;
        let mut trouble = None;
        loop {
            self.receive(&mut |frame, now| {
                each(frame, now);
                let message = Incoming::read(frame).filter(|message| message.topic == topic.written());
                let Some(message) = message else { return };
                let is_reply = message.event == REPLY.as_bytes() && message.reference == written.as_bytes();
                if is_reply {
                    outcome = Some(message.outcome());
                }
                if is_reply && ready.is_reply() || !is_reply && message.event == ready.0.as_bytes() {
                    ready_at.get_or_insert(now);
                }
                if !is_reply {
                    trouble = trouble.take().or(message.trouble(topic.written()));
                }
            })
            .await?;
            if let Some(trouble) = trouble.take() {
                return Err(trouble);
            }
            match (&mut outcome, ready_at) {
                (Some(Err(reason)), _) => return Err(Trouble::JoinRefused(std::mem::take(reason))),
                (Some(Ok(())), Some(ready_at)) => return Ok(Joined { join_ref, ready_at }),
                _ => {}
            }
        }
    }

    /// Leaves a topic, and waits until the channel is closed.
    ///
    /// # Errors
    /// [`Trouble::ChannelEnded`] and [`Trouble::MessageRefused`], and those of [`receive`](Self::receive) and [`send`](Self::send).
    pub(super) async fn leave(
        &mut self,
        topic: &Topic,
        join_ref: u64,
        each: &mut impl FnMut(&[u8], Instant),
    ) -> Result<(), Trouble> {
        let reference = self.next_ref();
        let json = topic.json();
        self.send(&format!(r#"["{join_ref}","{reference}",{json},"phx_leave",{{}}]"#)).await?;
        let mut end = None;
        loop {
            self.receive(&mut |frame, now| {
                each(frame, now);
                let trouble = Incoming::read(frame).and_then(|message| message.trouble(topic.written()));
                end = end.take().or(trouble);
            })
            .await?;
            match end {
                Some(Trouble::ChannelEnded(PHX_CLOSE)) => return Ok(()),
                Some(trouble) => return Err(trouble),
                None => {}
            }
        }
    }

    /// Sends a heartbeat and reads up to its reply: the server has then sent all that stood in line for this client
    /// before.
    ///
    /// # Errors
    /// Those of [`receive`](Self::receive) and [`send`](Self::send).
    pub(super) async fn last_call(&mut self, each: &mut impl FnMut(&[u8], Instant)) -> Result<(), Trouble> {
        let reference = self.send_heartbeat().await?.to_string();
        let mut answered = false;
        while !answered {
            self.receive(&mut |frame, now| {
                each(frame, now);
                let message = Incoming::read(frame);
                answered |= message.is_some_and(|message| {
                    message.topic == b"phoenix" && message.reference == reference.as_bytes()
                });
            })
            .await?;
        }
        Ok(())
    }
}

const REPLY: &str = "phx_reply";
