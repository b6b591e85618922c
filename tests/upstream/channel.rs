//! The channel of the canvas, `workflow:collaborate:*`.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use presenced::channel::{
    BoxError, Channel, Context, Flow, Incoming, JoinError, Outcome, Payload, Reply, StopReason,
};
use serde_json::{Value, json};

use super::counts::Counts;
use super::message::Message;
use super::people::{Answer, Person, uuid};
use super::room::Room;
use super::server::Lightning;
use super::topic::{self, Topic};

/// One person on one canvas.
pub struct Workflow {
    lightning: Arc<Lightning>,
    person: Person,
    joined: Option<Joined>,
}

struct Joined {
    room: Arc<Mutex<Room>>,
    /// The number under which this channel is in the room; 0 before.
    id: u64,
    workflow: String,
    may_edit: bool,
}

/// What the control tells a channel.
pub enum Told {
    /// To stop: `phx_close`.
    Close,
    /// To crash: `phx_error`.
    Crash,
}

impl Workflow {
    /// A channel that has not joined yet.
    pub fn new(lightning: Arc<Lightning>, person: Person) -> Self {
        Workflow { lightning, person, joined: None }
    }

    fn joined(&self) -> Result<&Joined, BoxError> {
        self.joined.as_ref().ok_or_else(|| "no message comes before the join".into())
    }

    fn receive(&self, bytes: &[u8]) -> Result<Outcome, BoxError> {
        let message = Message::read(bytes);
        self.lightning.counts.message(&message);
        if message == Message::Fatal {
            eprintln!("out of memory");
            std::process::abort();
        }
        let Joined { room, id, may_edit, .. } = self.joined()?;
        room.lock().receive(*id, &message, *may_edit);
        Ok(Outcome::NoReply)
    }

    async fn context(&self, message: &Incoming) -> Result<Outcome, BoxError> {
        let reply = Reply::ok(self.person.context(&self.joined()?.workflow, 1));
        Ok(match self.person.answer() {
            Answer::AtOnce => Outcome::Reply(reply),
            Answer::Error => Outcome::Reply(refused("unauthorized", "You are not allowed to do this.")),
            Answer::Never => Outcome::NoReply,
            Answer::After(ms) => {
                let reply_ref = message.reply_ref.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    // Whoever has left meanwhile needs no answer.
                    let _ = reply_ref.reply(&reply);
                });
                Outcome::NoReply
            }
        })
    }

    fn save(&self) -> Result<Outcome, BoxError> {
        let Joined { room, id, workflow, may_edit } = self.joined()?;
        if !may_edit {
            return Ok(Outcome::Reply(refused("unauthorized", "You are not authorized to edit this workflow")));
        }
        let mut room = room.lock();
        let (lock_version, name) = room.save();
        let saved = json!({"id": workflow, "name": name, "lock_version": lock_version});
        let others = json!({"latest_snapshot_lock_version": lock_version, "workflow": saved});
        room.tell(*id, "workflow_saved", &others.into());
        let reply = json!({"saved_at": "2024-01-01T00:00:00Z", "lock_version": lock_version, "workflow": saved});
        Ok(Outcome::Reply(Reply::ok(reply)))
    }
}

impl Channel for Workflow {
    type Info = Told;

    async fn join(&mut self, payload: Payload, context: &Context<Told>) -> Result<Payload, JoinError> {
        self.lightning.awake().await;
        Counts::one_more(&self.lightning.counts.joins);
        let params = payload.json().and_then(|json| json.parse().ok()).unwrap_or(Value::Null);
        let Topic { workflow, is_latest } = topic::admit(context.topic(), &params).map_err(JoinError::reason)?;
        let room = self.lightning.room(context.topic(), workflow);
        let may_edit = is_latest && self.person.may_edit();
        self.joined = Some(Joined { room, id: 0, workflow: workflow.to_owned(), may_edit });
        Ok(Payload::empty())
    }

    async fn after_join(&mut self, context: &Context<Told>) -> Result<Flow, BoxError> {
        if let Some(joined) = &mut self.joined {
            joined.id = joined.room.lock().enter(context.clone());
        }
        self.lightning.register(&self.person, context);
        Ok(Flow::Continue(()))
    }

    async fn handle_in(&mut self, message: Incoming, _: &Context<Told>) -> Result<Outcome, BoxError> {
        self.lightning.awake().await;
        let event = message.event.as_str();
        self.lightning.counts.event(event);
        match (event, &message.payload) {
            ("yjs" | "yjs_sync", Payload::Binary(bytes)) => self.receive(bytes),
            ("get_context", _) => self.context(&message).await,
            ("request_credentials", _) => {
                let none = json!({"credentials": {"project_credentials": [], "keychain_credentials": []}});
                Ok(Outcome::Reply(Reply::ok(none)))
            }
            ("request_current_user", _) => {
                let current = json!({"current_user": {"id": uuid(&self.person.name)}});
                Ok(Outcome::Reply(Reply::ok(current)))
            }
            ("save_workflow", _) => self.save(),
            (event, _) => Ok(Outcome::Reply(Reply::error(json!({"reason": format!("unknown event: {event}")})))),
        }
    }

    async fn handle_info(&mut self, told: Told, _: &Context<Told>) -> Result<Flow, BoxError> {
        match told {
            Told::Close => Ok(Flow::Break(StopReason::Normal)),
            Told::Crash => Err("told to crash".into()),
        }
    }

}

/// However a channel ends, another join of its topic included, it is in the room no more.
impl Drop for Workflow {
    fn drop(&mut self) {
        if let Some(Joined { room, id, .. }) = &self.joined {
            room.lock().leave(*id);
        }
    }
}

/// An error in the form that every page can read.
fn refused(kind: &str, text: &str) -> Reply {
    Reply::error(json!({"reason": kind, "type": kind, "errors": {"base": [text]}}))
}
