//! Channels and connect handlers in the object-safe form in which the running side keeps them.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use smol_str::SmolStr;

use super::connect::{Closer, Connect, ConnectInfo, Refusal};
use super::context::{Context, Incoming, Seat};
use super::contract::{BoxError, Channel, Ended, Flow, JoinError, Outcome};
use super::node::Mail;
use super::router::Router;
use crate::wire::Payload;

/// A channel of any type.
pub(crate) trait AnyChannel: Send {
    fn intercepts(&self) -> &'static [&'static str];
    fn join<'a>(
        &'a mut self,
        payload: Payload,
        seat: &'a Arc<Seat>,
    ) -> BoxFuture<'a, Result<Payload, JoinError>>;
    /// Runs the callback for a piece of mail, other than a leave.
    fn handle<'a>(&'a mut self, mail: Mail, seat: &'a Arc<Seat>) -> BoxFuture<'a, Result<Outcome, BoxError>>;
    fn terminate<'a>(&'a mut self, why: &'a Ended, seat: &'a Arc<Seat>) -> BoxFuture<'a, ()>;
}

impl<C: Channel> AnyChannel for C {
    fn intercepts(&self) -> &'static [&'static str] {
        C::INTERCEPTS
    }

    fn join<'a>(
        &'a mut self,
        payload: Payload,
        seat: &'a Arc<Seat>,
    ) -> BoxFuture<'a, Result<Payload, JoinError>> {
        async move { Channel::join(self, payload, &Context::new(seat.clone())).await }.boxed()
    }

    fn handle<'a>(&'a mut self, mail: Mail, seat: &'a Arc<Seat>) -> BoxFuture<'a, Result<Outcome, BoxError>> {
        let context = Context::new(seat.clone());
        async move {
            match mail {
                Mail::AfterJoin => self.after_join(&context).await.map(Outcome::from),
                Mail::In { event, reference, payload } => {
                    let event = event.text().ok_or("the event is not a text")?;
                    let reply_ref = seat.reply_ref(reference);
                    self.handle_in(Incoming { event: SmolStr::new(event), payload, reply_ref }, &context)
                        .await
                }
                Mail::Info(info) => match info.downcast() {
                    Ok(info) => self.handle_info(*info, &context).await.map(Outcome::from),
                    Err(_) => Err("a message of another channel's type".into()),
                },
                Mail::Out { event, payload } => {
                    self.handle_out(&event, payload, &context).await.map(Outcome::from)
                }
                Mail::Presence(observation) => match observation.take() {
                    Some(list) => {
                        self.handle_presence(observation.topic(), list, &context).await.map(Outcome::from)
                    }
                    None => Ok(Outcome::NoReply),
                },
                // Both are the connection's own to answer.
                Mail::Leave { .. } | Mail::Probe(_) => Ok(Outcome::NoReply),
            }
        }
        .boxed()
    }

    fn terminate<'a>(&'a mut self, why: &'a Ended, seat: &'a Arc<Seat>) -> BoxFuture<'a, ()> {
        async move { Channel::terminate(self, why, &Context::new(seat.clone())).await }.boxed()
    }
}

impl From<Flow> for Outcome {
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::Continue(()) => Outcome::NoReply,
            Flow::Break(reason) => Outcome::Stop(reason),
        }
    }
}

/// A connect handler with its router, of any identity.
pub(crate) trait AnyEndpoint: Send + Sync {
    fn connect<'a>(&'a self, info: &'a ConnectInfo) -> BoxFuture<'a, Result<Accepted, Refusal>>;
}

/// A connection that was let in.
pub(crate) struct Accepted {
    pub(crate) socket_id: Option<SmolStr>,
    pub(crate) topics: Box<dyn Topics>,
}

/// The topics of one connection: the router with the identity filled in.
pub(crate) trait Topics: Send + Sync {
    fn opened(&self, closer: Closer);
    fn serves(&self, topic: &str) -> bool;
    fn open(&self, topic: &str) -> Option<Box<dyn AnyChannel>>;
}

/// A connect handler and the channels behind it.
pub(crate) struct Endpoint<C: Connect> {
    pub(crate) connect: C,
    pub(crate) router: Router<C::Identity>,
}

struct Identified<C: Connect> {
    identity: C::Identity,
    endpoint: Arc<Endpoint<C>>,
}

impl<C: Connect> AnyEndpoint for Arc<Endpoint<C>> {
    fn connect<'a>(&'a self, info: &'a ConnectInfo) -> BoxFuture<'a, Result<Accepted, Refusal>> {
        async move {
            let connected = self.connect.connect(info).await?;
            Ok(Accepted {
                socket_id: connected.socket_id.map(SmolStr::from),
                topics: Box::new(Identified { identity: connected.identity, endpoint: self.clone() }),
            })
        }
        .boxed()
    }
}

impl<C: Connect> Topics for Identified<C> {
    fn opened(&self, closer: Closer) {
        self.endpoint.connect.opened(&self.identity, closer);
    }

    fn serves(&self, topic: &str) -> bool {
        self.endpoint.router.serves(topic)
    }

    fn open(&self, topic: &str) -> Option<Box<dyn AnyChannel>> {
        self.endpoint.router.open(topic, &self.identity)
    }
}
