//! The channels that are not of the canvas: a gateway passes what it does not know.

use presenced::channel::{BoxError, Channel, Context, Incoming, JoinError, Outcome, Payload, Reply};

/// Says back whatever it is told, text or bytes, and takes every join.
pub struct Echo;

impl Channel for Echo {
    type Info = ();

    async fn join(&mut self, payload: Payload, _: &Context<()>) -> Result<Payload, JoinError> {
        Ok(payload)
    }

    async fn handle_in(&mut self, message: Incoming, context: &Context<()>) -> Result<Outcome, BoxError> {
        match message.event.as_str() {
            "push" => {
                context.push("pushed", &message.payload)?;
                Ok(Outcome::NoReply)
            }
            _ => Ok(Outcome::Reply(Reply::ok(message.payload))),
        }
    }
}
