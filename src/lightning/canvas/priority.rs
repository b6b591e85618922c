//! What one client is told of edit priority: `presence_summary`, and `set-disabled` as the legacy editor has it. Each
//! is pushed when it changes for this client, and only to a client that asked.
//!
//! Not here: what all clients of a workflow share (`open_workflow`), the rule (`summary`).
//! Rules: Lightning 2.13, `Lightning.Workflows.Presence` and the `set-disabled` of `LightningWeb.WorkflowLive.Edit`.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::channel::{Context, Payload, PushError};
use crate::lightning::clock::now_us;
use crate::lightning::open_workflow::{OpenWorkflow, Ranked};
use crate::lightning::people::Access;
use crate::lightning::room::{Room, View};
use crate::lightning::user::{User, UserPresence};
use crate::presence::Snapshot;

/// Edit priority as one client sees it.
pub(super) struct EditPriority {
    workflow: Arc<OpenWorkflow>,
    shows_latest: bool,
    access: Access,
    /// The user as joined now in one tab, for as long as nobody lists the user.
    stand_in: UserPresence,
    /// Who was there according to what the client was sent last; nobody knows before its `presence_state`.
    present: Option<Snapshot>,
    told_summary: Option<Arc<Ranked>>,
    told_disabled: Option<bool>,
}

impl EditPriority {
    /// Whether the parameters of a join ask to be told; anything but `true` does not.
    pub(super) fn is_wanted(params: &Payload) -> bool {
        let params = params.json().and_then(|json| json.parse::<Value>().ok());
        params.is_some_and(|params| params["summary"] == true)
    }

    /// Nothing is told yet. `access` is what the user may do in the workflow's project.
    pub(super) fn new(workflow: Arc<OpenWorkflow>, room: &Room, user: &User, access: Access) -> Self {
        EditPriority {
            workflow,
            shows_latest: matches!(room.view, View::Latest | View::Presence),
            access,
            stand_in: UserPresence::new(user.clone(), now_us(), 1),
            present: None,
            told_summary: None,
            told_disabled: None,
        }
    }

    /// Somebody came or went, and the client knows.
    pub(super) fn present<I: Send + 'static>(
        &mut self,
        present: Snapshot,
        client: &Context<I>,
    ) -> Result<(), PushError> {
        self.present = Some(present);
        self.tell(client)
    }

    /// The user, and all that the workflow's canvases share, was looked at again.
    pub(super) fn reviewed<I: Send + 'static>(
        &mut self,
        access: Access,
        client: &Context<I>,
    ) -> Result<(), PushError> {
        self.access = access;
        self.tell(client)
    }

    /// What is told of one ranking to one user is always the same, so the ranking alone says whether it changed.
    fn tell<I: Send + 'static>(&mut self, client: &Context<I>) -> Result<(), PushError> {
        let Some(present) = &self.present else { return Ok(()) };
        let ranked = self.workflow.rank(present);
        let standing = ranked.ranking().standing_of(&self.stand_in.user.id, &self.stand_in);
        if !self.told_summary.as_ref().is_some_and(|told| told.says_the_same_as(&ranked)) {
            client.push(PRESENCE_SUMMARY, &ranked.summary(&standing))?;
        }
        let may_edit = !self.workflow.is_deleted()
            && standing.has_presence_edit_priority
            && self.shows_latest
            && self.access >= Access::Edit;
        if self.told_disabled != Some(!may_edit) {
            client.push(SET_DISABLED, &json!({"disabled": !may_edit}).into())?;
        }
        self.told_summary = Some(ranked);
        self.told_disabled = Some(!may_edit);
        Ok(())
    }
}

const PRESENCE_SUMMARY: &str = "presence_summary";
const SET_DISABLED: &str = "set-disabled";
