//! `room:*`: the channel that has every behaviour.

use presenced::channel::{
    BoxError, Channel, Context, Flow, Incoming, JoinError, Outcome, Reply, StopReason, TrackError,
};
use presenced::presence::Meta;
use presenced::wire::{Json, Payload};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// One user in one room.
pub struct Room {
    user_id: String,
    /// The meta to track once joined.
    track: Option<Meta>,
}

impl Room {
    pub fn new(user_id: String) -> Self {
        Room { user_id, track: None }
    }

    async fn track(&self, message: &Incoming, context: &Context<()>) -> Result<Reply, BoxError> {
        let Tracked { key, meta } = message.parse()?;
        let meta = Meta::parse(meta.get().as_bytes())?;
        match context.presence().track(key.as_str(), meta).await {
            Ok(phx_ref) => Ok(Reply::ok(json!({"phx_ref": phx_ref}))),
            Err(TrackError::AlreadyTracked(_)) => {
                Ok(Reply::error(json!({"reason": "already_tracked", "key": key})))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn update(&self, message: &Incoming, context: &Context<()>) -> Result<Reply, BoxError> {
        let Tracked { key, meta } = message.parse()?;
        let meta = Meta::parse(meta.get().as_bytes())?;
        let phx_ref = context.presence().update(key, meta).await?;
        Ok(Reply::ok(json!({"phx_ref": phx_ref})))
    }
}

/// The payload of `track` and `update`.
#[derive(Deserialize)]
struct Tracked<'a> {
    key: String,
    #[serde(borrow)]
    meta: &'a RawValue,
}

/// The payload of `untrack` and `get_by_key`.
#[derive(Deserialize)]
struct Keyed {
    key: String,
}

impl Channel for Room {
    type Info = ();
    const INTERCEPTS: &'static [&'static str] = &["intercepted"];

    async fn join(&mut self, payload: Payload, context: &Context<()>) -> Result<Payload, JoinError> {
        if context.topic() == "room:crash_join" {
            return Err(JoinError::crash("asked to crash"));
        }
        let Some(Ok(mut params)) = payload.json().map(Json::parse::<Map<String, Value>>) else {
            return Ok(Payload::empty());
        };
        if let Some(reason) = params.remove("error") {
            return Err(JoinError::Refused(json!({"reason": reason}).into()));
        }
        if let Some(reply) = params.remove("reply") {
            return Ok(reply.into());
        }
        if let Some(Value::Object(meta)) = params.remove("track") {
            self.track = Some(Meta::try_from(meta)?);
        }
        Ok(Payload::empty())
    }

    async fn after_join(&mut self, context: &Context<()>) -> Result<Flow, BoxError> {
        if let Some(meta) = self.track.take() {
            context.presence().push_state().await;
            context.presence().track(self.user_id.as_str(), meta).await?;
        }
        Ok(Flow::Continue(()))
    }

    async fn handle_in(&mut self, message: Incoming, context: &Context<()>) -> Result<Outcome, BoxError> {
        let presence = context.presence();
        Ok(match message.event.as_str() {
            "echo" => Outcome::Reply(Reply::ok(message.payload)),
            "echo_error" => Outcome::Reply(Reply::error(message.payload)),
            "ack" => Outcome::Reply(Reply::done()),
            "noreply" => Outcome::NoReply,
            "shout" => {
                context.broadcast("shout", message.payload).await?;
                Outcome::NoReply
            }
            "shout_from" => {
                context.broadcast_from("shout", message.payload).await?;
                Outcome::NoReply
            }
            "push" => {
                context.push("pushed", &message.payload)?;
                Outcome::NoReply
            }
            "intercept" => {
                context.broadcast("intercepted", message.payload).await?;
                Outcome::NoReply
            }
            "stop" => match message.parse::<Value>()?["reason"].as_str() {
                Some("normal") => Outcome::ReplyAndStop(Reply::done(), StopReason::Normal),
                Some("shutdown") => Outcome::Stop(StopReason::Shutdown),
                _ => return Err("asked to stop for no known reason".into()),
            },
            "track" => Outcome::Reply(self.track(&message, context).await?),
            "update" => Outcome::Reply(self.update(&message, context).await?),
            "untrack" => {
                presence.untrack(message.parse::<Keyed>()?.key).await;
                Outcome::Reply(Reply::done())
            }
            "list" => Outcome::Reply(Reply::ok(presence.list_json().await)),
            "get_by_key" => {
                let entry = presence.get_by_key(&message.parse::<Keyed>()?.key).await;
                Outcome::Reply(Reply::ok(entry.map_or_else(|| json!({}), |entry| json!(entry))))
            }
            event => return Err(format!("unknown event {event:?}").into()),
        })
    }

    async fn handle_out(
        &mut self,
        event: &str,
        payload: Payload,
        context: &Context<()>,
    ) -> Result<Flow, BoxError> {
        let mut payload: Map<String, Value> = payload.json().ok_or("the payload is binary")?.parse()?;
        payload.insert("for".into(), self.user_id.as_str().into());
        context.push(event, &Value::from(payload).into())?;
        Ok(Flow::Continue(()))
    }
}
