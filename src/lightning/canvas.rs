//! The canvas channel: everyone in a room of a workflow sees who is on that workflow, and, who asks, who may edit it.
//!
//! Owns what happens in a channel's life. Not here: who may join (`admission`), what is told of edit priority
//! (`priority`).
//! Rules: Lightning 2.13, `LightningWeb.WorkflowChannel`. What Lightning's canvas sends besides presence
//! is not served: its text events are answered with an error, its binary ones dropped.

mod admission;
mod priority;

use std::sync::Arc;

use serde_json::json;
use smol_str::SmolStr;

use self::admission::{Admission, Admitted};
use self::priority::EditPriority;
use super::canvases::{Canvases, SeatPlace};
use super::clock::now_us;
use super::people::Access;
use super::presence::WorkflowPresence;
use super::room::{Room, View};
use super::user::User;
use crate::channel::{
    BoxError, Channel, Context, Flow, Incoming, JoinError, Outcome, Payload, Reply, StopReason,
};
use crate::pages::Credentials;
use crate::presence::{Attributes, Snapshot};

/// One user in one room of a workflow.
pub struct Canvas {
    user: Arc<User>,
    canvases: Arc<Canvases>,
    /// Until it is tracked. Boxed, because it is seldom there.
    page: Option<Box<Credentials>>,
    /// Empty until the join.
    workflow: SmolStr,
    /// It shows the latest version, and no other.
    is_latest: bool,
    may_edit: bool,
    /// There is none until the join, nor where nobody is reviewed.
    place: Option<SeatPlace>,
    /// There where the client asked for it with `"summary": true`.
    priority: Option<Box<EditPriority>>,
}

/// What the user of a canvas may do now, in the project that holds it.
pub struct Reviewed {
    pub(super) access: Access,
}

impl Canvas {
    /// A canvas that this user is about to join.
    pub fn new(user: Arc<User>, canvases: Arc<Canvases>) -> Self {
        Canvas {
            user,
            canvases,
            page: None,
            workflow: SmolStr::default(),
            is_latest: false,
            may_edit: false,
            place: None,
            priority: None,
        }
    }

    /// The same, on the page that opened the connection with these.
    #[must_use]
    pub fn of_page(self, page: Option<Credentials>) -> Self {
        Canvas { page: page.map(Box::new), ..self }
    }

    /// Whether it counts where it is decided who may edit. Whoever looks on is listed all the same.
    fn is_ranked(&self) -> bool {
        self.is_latest && self.may_edit
    }
}

impl Channel for Canvas {
    type Info = Reviewed;

    async fn join(&mut self, payload: Payload, context: &Context<Reviewed>) -> Result<Payload, JoinError> {
        let room = Room::parse(context.topic())?;
        let admission = Admission { people: self.canvases.people(), user: &self.user, room: &room };
        let Admitted { project, found } = admission.decide(&payload).await?;
        let deleted = found.as_ref().is_some_and(|workflow| workflow.deleted);
        if EditPriority::is_wanted(&payload) {
            let workflow = self.canvases.open(&room.workflow, &project.id, deleted).await?;
            self.priority = Some(Box::new(EditPriority::new(workflow, &room, &self.user, project.access)));
        }
        self.is_latest = room.view == View::Latest;
        self.may_edit = project.access >= Access::Edit;
        self.workflow = room.workflow.into();
        self.place = self.canvases.seated(&self.user.id, &project.id, &self.workflow, found, context);
        Ok(Payload::empty())
    }

    /// The client gets a list that holds itself already, and its summary behind it. Asking for both at once puts them
    /// next to one another, so that a list serves all who came together.
    async fn after_join(&mut self, context: &Context<Reviewed>) -> Result<Flow, BoxError> {
        let presence = context.presence_of(WorkflowPresence::topic(&self.workflow));
        presence.follow();
        if self.priority.is_some() {
            presence.observe();
        }
        let workflows = WorkflowPresence::start(context.handle().clone());
        let attributes = Attributes {
            page: self.page.take().map(|page| page.page(context.topic())),
            ranked: self.is_ranked(),
        };
        let (owner, now) = (context.owner(), now_us());
        let tracked = workflows.track_session(&self.user, &self.workflow, owner, now, attributes);
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

    async fn handle_presence(
        &mut self,
        _: &str,
        present: Snapshot,
        context: &Context<Reviewed>,
    ) -> Result<Flow, BoxError> {
        if let Some(priority) = &mut self.priority {
            priority.present(present, context)?;
        }
        Ok(Flow::Continue(()))
    }

    /// Who has lost every role is shown out, and does not come back by itself.
    async fn handle_info(&mut self, now: Reviewed, context: &Context<Reviewed>) -> Result<Flow, BoxError> {
        if now.access == Access::None {
            return Ok(Flow::Break(StopReason::Shutdown));
        }
        let before = self.is_ranked();
        self.may_edit = now.access >= Access::Edit;
        if self.is_ranked() != before {
            context.owner().rank(WorkflowPresence::topic(&self.workflow), self.is_ranked());
        }
        if let Some(priority) = &mut self.priority {
            priority.reviewed(now.access, context)?;
        }
        Ok(Flow::Continue(()))
    }
}
