//! The canvas channel: everyone in a room of a workflow sees who is on that workflow.
//!
//! Rules: `LightningWeb.WorkflowChannel`; contract/lightning.md §4. What Lightning's canvas sends besides presence
//! is not served: its text events are answered with an error, its binary ones dropped.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use smol_str::SmolStr;

use super::canvases::{Canvases, SeatPlace};
use super::people::{Access, People, Project};
use super::presence::WorkflowPresence;
use super::room::{Room, View};
use super::user::User;
use crate::channel::{
    BoxError, Channel, Context, Flow, Incoming, JoinError, Outcome, Payload, Reply, StopReason,
};

/// One user in one room of a workflow.
pub struct Canvas {
    user: Arc<User>,
    canvases: Arc<Canvases>,
    /// Empty until the join.
    workflow: SmolStr,
    /// There is none until the join, nor where nobody is reviewed.
    place: Option<SeatPlace>,
}

/// What the user of a canvas may do now, in the project that holds it.
pub struct Reviewed {
    pub(super) access: Access,
}

/// What a join of a collaboration room has to say.
struct JoinParams {
    project_id: String,
    action: String,
}

impl Canvas {
    /// A canvas that this user is about to join.
    pub fn new(user: Arc<User>, canvases: Arc<Canvases>) -> Self {
        Canvas { user, canvases, workflow: SmolStr::default(), place: None }
    }

    /// Lightning's checks, in Lightning's order.
    async fn authorize(&self, room: &Room, payload: &Payload) -> Result<Project, JoinError> {
        if room.view == View::Presence {
            return self.authorize_presence(room).await;
        }
        let params = JoinParams::read(payload)
            .ok_or_else(|| JoinError::reason("invalid parameters. project_id and action are required"))?;
        let project = self.people().project(&params.project_id, &self.user).await?;
        let project = project.ok_or_else(|| JoinError::reason("project not found"))?;
        match params.action.as_str() {
            "edit" => self.authorize_edit(room, &project).await?,
            "new" => self.authorize_new(room, &project).await?,
            other => {
                return Err(JoinError::reason(format!("invalid action '{other}', must be 'new' or 'edit'")));
            }
        }
        Ok(project)
    }

    async fn authorize_edit(&self, room: &Room, project: &Project) -> Result<(), JoinError> {
        if let View::Snapshot(version) = &room.view {
            let number = version.parse().map_err(|_| JoinError::reason("invalid version format"))?;
            if !self.people().has_snapshot(&room.workflow, number).await? {
                return Err(JoinError::reason(format!("snapshot version {number} not found")));
            }
        }
        let workflow = self.people().workflow(&room.workflow).await?;
        let workflow = workflow.ok_or_else(|| JoinError::reason("workflow not found"))?;
        if workflow.project_id != project.id {
            return Err(JoinError::reason("workflow does not belong to specified project"));
        }
        at_least(Access::View, project)
    }

    /// A workflow may be joined before it is saved; one that is saved already is joined as it is.
    async fn authorize_new(&self, room: &Room, project: &Project) -> Result<(), JoinError> {
        at_least(Access::Edit, project)?;
        match self.people().workflow(&room.workflow).await? {
            Some(workflow) if workflow.project_id != project.id => {
                Err(JoinError::reason("workflow does not belong to specified project"))
            }
            _ => Ok(()),
        }
    }

    /// As for `edit`, in the workflow's own project.
    async fn authorize_presence(&self, room: &Room) -> Result<Project, JoinError> {
        let workflow = self.people().workflow(&room.workflow).await?;
        let workflow = workflow.ok_or_else(|| JoinError::reason("workflow not found"))?;
        let project = self.people().project(&workflow.project_id, &self.user).await?;
        let project = project.ok_or_else(|| JoinError::reason("project not found"))?;
        at_least(Access::View, &project)?;
        Ok(project)
    }

    fn people(&self) -> &dyn People {
        self.canvases.people()
    }
}

impl Channel for Canvas {
    type Info = Reviewed;

    async fn join(&mut self, payload: Payload, context: &Context<Reviewed>) -> Result<Payload, JoinError> {
        let room = Room::parse(context.topic())?;
        let project = self.authorize(&room, &payload).await?;
        self.workflow = room.workflow.into();
        self.place = self.canvases.seated(&self.user.id, &project.id, context);
        Ok(Payload::empty())
    }

    /// The client gets a list that holds itself already. Asking for both at once puts them next to one another, so
    /// that a list serves all who came together.
    async fn after_join(&mut self, context: &Context<Reviewed>) -> Result<Flow, BoxError> {
        let presence = context.presence_of(WorkflowPresence::topic(&self.workflow));
        presence.follow();
        let workflows = WorkflowPresence::start(context.handle().clone());
        let tracked = workflows.track_user_presence(&self.user, &self.workflow, context.owner());
        futures::join!(tracked, presence.push_state());
        Ok(Flow::Continue(()))
    }

    async fn handle_in(&mut self, message: Incoming, _: &Context<Reviewed>) -> Result<Outcome, BoxError> {
        Ok(match message.payload {
            Payload::Json(_) => {
                Outcome::Reply(Reply::error(json!({"reason": format!("unknown event '{}'", message.event)})))
            }
            Payload::Binary(_) => Outcome::NoReply,
        })
    }

    /// Who has lost every role is shown out, and does not come back by itself.
    async fn handle_info(&mut self, now: Reviewed, _: &Context<Reviewed>) -> Result<Flow, BoxError> {
        Ok(if now.access == Access::None { Flow::Break(StopReason::Shutdown) } else { Flow::Continue(()) })
    }
}

impl JoinParams {
    /// `None` unless both are there, as texts.
    fn read(payload: &Payload) -> Option<Self> {
        #[derive(Deserialize)]
        struct Given {
            project_id: Value,
            action: Value,
        }
        let given: Given = payload.json()?.parse().ok()?;
        match (given.project_id, given.action) {
            (Value::String(project_id), Value::String(action)) => Some(JoinParams { project_id, action }),
            _ => None,
        }
    }
}

fn at_least(access: Access, project: &Project) -> Result<(), JoinError> {
    if project.access >= access { Ok(()) } else { Err(JoinError::reason("unauthorized")) }
}
