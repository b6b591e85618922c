//! What the channel API promises, seen by clients of a running server.
//!
//! Owns [`Lab`], a channel whose every event does one thing, and the bench it stands on.
//! Not here: presence ([`crate::presence`], [`crate::hooks`]).
//! Source: the docs of `presenced::channel`; Phoenix 1.8.12, `Phoenix.Channel` and `Phoenix.Socket`.

mod backlog;
mod broadcasts;
mod connections;
mod crashes;
mod endings;
mod order;
mod own_messages;
mod replies;
mod stuck;
mod waiting;

use std::sync::Arc;

use bytes::Bytes;
use presenced::channel::{
    BoxError, Channel, Context, Ended, Flow, Incoming, JoinError, Outcome, Reply, Router, StopReason,
};
use presenced::server::Options;
use presenced::wire::{Payload, Vsn};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};

use crate::support::{Client, Running, within};

/// A server whose topics `lab:*` are [`Lab`]s.
struct Bench {
    server: Running,
    /// Each permit lets one waiting callback go on.
    gate: Arc<Semaphore>,
    terminated: mpsc::UnboundedReceiver<(String, Ended)>,
}

/// A channel that does what the event says.
struct Lab {
    user: String,
    gate: Arc<Semaphore>,
    terminated: mpsc::UnboundedSender<(String, Ended)>,
}

impl Bench {
    async fn new() -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let (report, terminated) = mpsc::unbounded_channel();
        let shared = gate.clone();
        let router = Router::new().channel("lab:*", move |user: &String| Lab {
            user: user.clone(),
            gate: shared.clone(),
            terminated: report.clone(),
        });
        Bench { server: Running::start(router, Options::default()).await, gate, terminated }
    }

    /// A client that is on a topic.
    async fn member(&self, user: &str, topic: &str) -> Client {
        let mut client = self.client(user, Vsn::V2).await;
        client.enter(topic).await;
        client
    }

    async fn client(&self, user: &str, vsn: Vsn) -> Client {
        Client::connect(self.server.address(), vsn, &format!("user={user}")).await
    }

    /// The next channel that was terminated, and why.
    async fn terminated(&mut self) -> (String, Ended) {
        within("a channel to terminate", self.terminated.recv()).await.expect("the server runs")
    }
}

impl Lab {
    async fn pass_gate(&self) {
        self.gate.acquire().await.expect("the gate is never closed").forget();
    }
}

impl Channel for Lab {
    type Info = Value;
    const INTERCEPTS: &'static [&'static str] = &["intercepted"];

    async fn join(&mut self, payload: Payload, context: &Context<Value>) -> Result<Payload, JoinError> {
        let payload: Value = payload.json().map_or(Ok(Value::Null), |json| json.parse())?;
        match payload["do"].as_str() {
            Some("panic") => panic!("asked to panic"),
            Some("fail") => return Err(JoinError::crash("asked to fail")),
            Some("push") => context.push("early", &Payload::empty())?,
            Some("broadcast") => context.broadcast("early", Payload::empty()).await?,
            Some("broadcast_from") => context.broadcast_from("early", Payload::empty()).await?,
            Some("yield") => tokio::task::yield_now().await,
            Some("wait") => self.pass_gate().await,
            _ => {}
        }
        Ok(payload.get("reply").cloned().unwrap_or(json!({})).into())
    }

    async fn handle_in(&mut self, message: Incoming, context: &Context<Value>) -> Result<Outcome, BoxError> {
        let reply = message.reply_ref.clone();
        Ok(match message.event.as_str() {
            "echo" => Outcome::Reply(Reply::ok(message.payload)),
            "teapot" => Outcome::Reply(Reply::with_status("teapot", message.payload)),
            "bytes" => Outcome::Reply(Reply::ok(Payload::Binary(Bytes::from_static(BYTES)))),
            "wait" => {
                self.pass_gate().await;
                Outcome::Reply(Reply::done())
            }
            "later" => {
                let gate = self.gate.clone();
                tokio::spawn(async move {
                    gate.acquire().await.expect("the gate is never closed").forget();
                    reply.reply(&Reply::ok(message.payload)).expect("any JSON can be a response");
                });
                Outcome::NoReply
            }
            "twice" => {
                reply.reply(&Reply::ok(json!({"nth": 1})))?;
                Outcome::Reply(Reply::ok(json!({"nth": 2})))
            }
            "send" => {
                context.send(message.parse()?);
                Outcome::Reply(Reply::done())
            }
            "push" => {
                context.push("pushed", &message.payload)?;
                Outcome::NoReply
            }
            "shout_and_push" => {
                context.broadcast("shout", message.payload.clone()).await?;
                context.push("pushed", &message.payload)?;
                Outcome::NoReply
            }
            "shout_from" => {
                context.broadcast_from("shout", message.payload).await?;
                Outcome::Reply(Reply::done())
            }
            "intercept" => {
                context.broadcast("intercepted", message.payload).await?;
                Outcome::NoReply
            }
            "stop" => {
                let asked: Value = message.parse()?;
                let reason = match asked["how"].as_str() {
                    Some("normal") => StopReason::Normal,
                    Some("shutdown") => StopReason::Shutdown,
                    _ => StopReason::Abnormal("asked to".into()),
                };
                match asked["reply"].as_bool() {
                    Some(true) => Outcome::ReplyAndStop(Reply::ok(asked), reason),
                    _ => Outcome::Stop(reason),
                }
            }
            "panic" => panic!("asked to panic"),
            event => return Err(format!("unknown event {event:?}").into()),
        })
    }

    async fn handle_info(&mut self, info: Value, context: &Context<Value>) -> Result<Flow, BoxError> {
        match info["do"].as_str() {
            Some("panic") => panic!("asked to panic"),
            Some("stop") => Ok(Flow::Break(StopReason::Normal)),
            _ => Ok(Flow::Continue(context.push("info", &info.into())?)),
        }
    }

    async fn handle_out(
        &mut self,
        event: &str,
        payload: Payload,
        context: &Context<Value>,
    ) -> Result<Flow, BoxError> {
        let heard: Value = payload.json().ok_or("the payload is binary")?.parse()?;
        context.push(event, &json!({"heard": heard, "by": self.user}).into())?;
        Ok(Flow::Continue(()))
    }

    async fn terminate(&mut self, why: &Ended, context: &Context<Value>) {
        // A test that has seen enough listens no more.
        let _ = self.terminated.send((context.topic().to_owned(), why.clone()));
        context.push("farewell", &Payload::empty()).expect("an empty object can be pushed");
    }
}

/// Bytes that are no UTF-8.
const BYTES: &[u8] = &[0, 255, 1];
