//! A channel for tests that are about what lies beneath channels.

use std::future::pending;

use presenced::channel::{BoxError, Channel, Context, Flow, Incoming, JoinError, Outcome, Reply, Router};
use presenced::presence::Meta;
use presenced::wire::Payload;
use serde_json::json;

/// One member of a topic: it can speak for itself, and to all.
pub struct Lobby {
    name: String,
    is_present: bool,
}

/// Serves `lobby:*`, where nobody is present; `present:*`, where everybody is who has joined; and `never:*`, whose
/// join does not return.
pub fn lobbies() -> Router<String> {
    let lobby = |is_present| move |name: &String| Lobby { name: name.clone(), is_present };
    Router::new()
        .channel("lobby:*", lobby(false))
        .channel("present:*", lobby(true))
        .channel("never:*", lobby(false))
}

impl Channel for Lobby {
    type Info = ();

    async fn join(&mut self, _: Payload, context: &Context<()>) -> Result<Payload, JoinError> {
        if context.topic().starts_with("never:") {
            pending::<()>().await;
        }
        Ok(Payload::empty())
    }

    async fn after_join(&mut self, context: &Context<()>) -> Result<Flow, BoxError> {
        if self.is_present {
            context.presence().track(self.name.as_str(), Meta::of(&json!({}))?).await?;
            context.presence().push_state().await;
        }
        Ok(Flow::Continue(()))
    }

    /// `echo` replies with the payload, `size` with its length; `shout` sends it to all; `quiet` does nothing.
    async fn handle_in(&mut self, message: Incoming, context: &Context<()>) -> Result<Outcome, BoxError> {
        Ok(match message.event.as_str() {
            "echo" => Outcome::Reply(Reply::ok(message.payload)),
            "size" => Outcome::Reply(Reply::ok(json!(message.payload.len()))),
            "shout" => {
                context.broadcast("shout", message.payload).await?;
                Outcome::NoReply
            }
            "quiet" => Outcome::NoReply,
            event => return Err(format!("unknown event {event:?}").into()),
        })
    }
}
