//! A channel's callback under way. It owns the channel until it returns, and a panic in it stays in it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use tracing::{Instrument, Span};

use crate::channel::context::Seat;
use crate::channel::erased::AnyChannel;
use crate::channel::node::{Asked, Mail};
use crate::channel::{BoxError, Ended, JoinError, Outcome, ReplyRef};
use crate::presence::OwnerId;
use crate::wire::Payload;

/// One call of one channel.
pub(crate) struct Callback {
    pub(crate) channel: OwnerId,
    future: BoxFuture<'static, Called>,
}

/// What a call came to.
pub(crate) enum Called {
    Join(Joined),
    /// The channel, where its reply goes, and what it returned.
    Handle(Box<dyn AnyChannel>, Option<ReplyRef>, Result<Outcome, BoxError>),
    Terminated,
    /// The channel is lost.
    Panicked,
}

/// What a join came to.
pub(crate) enum Joined {
    In(Box<dyn AnyChannel>, Payload),
    Refused(JoinError),
}

impl Callback {
    /// A call of `join`, once what has to come before it is done. A panic in it refuses the join. Here and below, the
    /// span is around all that the channel logs.
    pub(crate) fn join(
        span: Span,
        before: Vec<Asked<()>>,
        seat: Arc<Seat>,
        mut channel: Box<dyn AnyChannel>,
        payload: Payload,
    ) -> Self {
        Callback::new(span, seat.id(), async move {
            for done in before {
                done.await;
            }
            let call = AssertUnwindSafe(channel.join(payload, &seat)).catch_unwind().await;
            Called::Join(match call {
                Ok(Ok(response)) => Joined::In(channel, response),
                Ok(Err(error)) => Joined::Refused(error),
                Err(_) => Joined::Refused(JoinError::crash("the join panicked")),
            })
        })
    }

    /// A call of the callback that a piece of mail is for.
    pub(crate) fn handle(span: Span, seat: Arc<Seat>, mut channel: Box<dyn AnyChannel>, mail: Mail) -> Self {
        Callback::new(span, seat.id(), async move {
            let reply_to = match &mail {
                Mail::In { reference, .. } => Some(seat.reply_ref(reference.clone())),
                _ => None,
            };
            match AssertUnwindSafe(channel.handle(mail, &seat)).catch_unwind().await {
                Ok(result) => Called::Handle(channel, reply_to, result),
                Err(_) => Called::Panicked,
            }
        })
    }

    /// A call of `terminate`.
    pub(crate) fn terminate(
        span: Span,
        seat: Arc<Seat>,
        mut channel: Box<dyn AnyChannel>,
        why: Ended,
    ) -> Self {
        Callback::new(span, seat.id(), async move {
            match AssertUnwindSafe(channel.terminate(&why, &seat)).catch_unwind().await {
                Ok(()) => Called::Terminated,
                Err(_) => Called::Panicked,
            }
        })
    }

    fn new(span: Span, channel: OwnerId, call: impl Future<Output = Called> + Send + 'static) -> Self {
        // What makes the call's future may panic as well as the future itself.
        Callback { channel, future: call.instrument(span).boxed() }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Called> {
        self.future.poll_unpin(cx)
    }

    pub(crate) fn into_future(self) -> BoxFuture<'static, Called> {
        self.future
    }
}
