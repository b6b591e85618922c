//! The trait an application implements for a kind of topic, and the values its callbacks return.

use std::borrow::Cow;
use std::error::Error;
use std::future::Future;
use std::ops::ControlFlow;

use serde_json::json;

use super::context::{Context, Incoming};
use crate::presence::Snapshot;
use crate::wire::Payload;

/// One client on one topic. Made when a client joins, dropped when it has left.
///
/// Callbacks of one channel never overlap and run in the order of what caused them. While `join` runs, its whole
/// connection waits, as Phoenix's does; while any other callback runs, only this channel's later messages wait.
/// A panic in a callback ends this channel with `phx_error` and nothing else.
///
/// A channel's own fields are what `socket.assigns` is in Phoenix.
pub trait Channel: Send + Sized + 'static {
    /// What may be sent to [`handle_info`](Channel::handle_info) through [`Context::send`]; `()` for nothing.
    type Info: Send + 'static;

    /// The events whose broadcasts pass through [`handle_out`](Channel::handle_out) instead of going straight to
    /// the client (Phoenix's `intercept/1`).
    const INTERCEPTS: &'static [&'static str] = &[];

    /// Lets a client in, with the `response` of the reply, or refuses it. Nothing may be pushed or broadcast from
    /// here: the client has not joined yet. See [`after_join`](Channel::after_join).
    ///
    /// # Errors
    /// [`JoinError::Refused`] is the client's to see; any other error becomes `{"reason": "join crashed"}` and a
    /// line in the log.
    fn join(
        &mut self,
        payload: Payload,
        context: &Context<Self::Info>,
    ) -> impl Future<Output = Result<Payload, JoinError>> + Send;

    /// Runs right behind the reply to the join, before any message of the client: the place to track and to push
    /// `presence_state` (what `send(self(), :after_join)` is for in Phoenix).
    ///
    /// # Errors
    /// An error ends the channel with `phx_error`, here and in the callbacks below.
    fn after_join(
        &mut self,
        context: &Context<Self::Info>,
    ) -> impl Future<Output = Result<Flow, BoxError>> + Send {
        let _ = context;
        async { Ok(Flow::Continue(())) }
    }

    /// A message of the client. An event that the channel does not know is best made an error: the channel then
    /// ends with `phx_error`, as in Phoenix where no clause matches.
    ///
    /// # Errors
    /// As [`after_join`](Channel::after_join).
    fn handle_in(
        &mut self,
        message: Incoming,
        context: &Context<Self::Info>,
    ) -> impl Future<Output = Result<Outcome, BoxError>> + Send;

    /// A message of the program itself, sent with [`Context::send`].
    ///
    /// # Errors
    /// As [`after_join`](Channel::after_join).
    fn handle_info(
        &mut self,
        info: Self::Info,
        context: &Context<Self::Info>,
    ) -> impl Future<Output = Result<Flow, BoxError>> + Send {
        let _ = (info, context);
        async { Ok(Flow::Continue(())) }
    }

    /// A broadcast of one of the [`INTERCEPTS`](Channel::INTERCEPTS). The client sees only what is pushed here.
    ///
    /// # Errors
    /// As [`after_join`](Channel::after_join).
    fn handle_out(
        &mut self,
        event: &str,
        payload: Payload,
        context: &Context<Self::Info>,
    ) -> impl Future<Output = Result<Flow, BoxError>> + Send {
        let pushed = context.push(event, &payload);
        async { Ok(pushed.map(Flow::Continue)?) }
    }

    /// Somebody came or went on a topic that the channel [observes](super::Presence::observe): its client was sent a
    /// `presence_state` or a `presence_diff` just now, and what is pushed here comes behind it. `present` is everyone
    /// there according to what the client was sent, as it was tracked, without what a fetch hook adds. While the
    /// channel is at work it misses what lies between: it runs once, with the last list.
    ///
    /// # Errors
    /// As [`after_join`](Channel::after_join).
    fn handle_presence(
        &mut self,
        topic: &str,
        present: Snapshot,
        context: &Context<Self::Info>,
    ) -> impl Future<Output = Result<Flow, BoxError>> + Send {
        let _ = (topic, present, context);
        async { Ok(Flow::Continue(())) }
    }

    /// The channel has ended. What is pushed here still reaches a client that left, behind its `phx_close`.
    /// Not called after a panic, nor when another join of the topic took its place.
    fn terminate(&mut self, why: &Ended, context: &Context<Self::Info>) -> impl Future<Output = ()> + Send {
        let _ = (why, context);
        async {}
    }
}

/// What a message of the client comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// No reply now; one may be sent later through [`Incoming::reply_ref`].
    NoReply,
    /// A reply with the message's reference.
    Reply(Reply),
    /// The end of the channel.
    Stop(StopReason),
    /// A reply, then the end of the channel.
    ReplyAndStop(Reply, StopReason),
}

/// Whether a channel goes on.
pub type Flow = ControlFlow<StopReason>;

/// Why a channel stops itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Done: the client gets `phx_close` and does not come back.
    Normal,
    /// Told to end: `phx_close` as well.
    Shutdown,
    /// Something is wrong: the client gets `phx_error` and joins again.
    Abnormal(String),
}

/// Why a channel has ended, for [`Channel::terminate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The client left the topic.
    Left,
    /// The channel stopped itself.
    Stopped(StopReason),
    /// A callback failed with this error.
    Crashed(String),
    /// The connection is gone.
    Closed,
}

/// A reply to one message: a status and the `response`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    pub(crate) status: Cow<'static, str>,
    pub(crate) response: Payload,
}

impl Reply {
    /// Status `ok` with this response: any JSON, or bytes for a V2 client.
    pub fn ok(response: impl Into<Payload>) -> Self {
        Reply::with_status("ok", response)
    }

    /// Status `ok` with the response `{}`.
    pub fn done() -> Self {
        Reply::ok(Payload::empty())
    }

    /// Status `error` with this response.
    pub fn error(response: impl Into<Payload>) -> Self {
        Reply::with_status("error", response)
    }

    /// Any status; phoenix.js calls the hook that was registered for it with `receive`.
    pub fn with_status(status: impl Into<Cow<'static, str>>, response: impl Into<Payload>) -> Self {
        Reply { status: status.into(), response: response.into() }
    }
}

/// Why a join did not succeed.
#[derive(Debug)]
pub enum JoinError {
    /// The client may not join; this is the `response` it sees, and phoenix.js tries again later.
    Refused(Payload),
    /// The join failed: the client sees `{"reason": "join crashed"}`, the log this error.
    Crashed(BoxError),
}

impl JoinError {
    /// A refusal with `{"reason": reason}`.
    pub fn reason(reason: impl AsRef<str>) -> Self {
        JoinError::Refused(json!({"reason": reason.as_ref()}).into())
    }

    /// A crash with these words for the log.
    pub fn crash(words: impl Into<String>) -> Self {
        JoinError::Crashed(words.into().into())
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for JoinError {
    fn from(error: E) -> Self {
        JoinError::Crashed(Box::new(error))
    }
}

/// Any error of an application; `?` makes one, and so does a text.
pub type BoxError = Box<dyn Error + Send + Sync>;
