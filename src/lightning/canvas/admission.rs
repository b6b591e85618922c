//! Who may join which room: Lightning's checks, in Lightning's order.
//!
//! Rules: Lightning 2.13, `LightningWeb.WorkflowChannel.join/3`, and the rooms of what came behind it (contract/canvas.md
//! A.4).

use serde::Deserialize;
use serde_json::{Value, json};

use crate::channel::{JoinError, Payload};
use crate::lightning::people::{Access, People, Project, Run, Workflow};
use crate::lightning::room::{Room, View};
use crate::lightning::user::User;

/// A user before a room.
pub(super) struct Admission<'a> {
    pub(super) people: &'a dyn People,
    pub(super) user: &'a User,
    pub(super) room: &'a Room,
}

/// What a user who may join has come to.
pub(super) struct Admitted {
    pub(super) project: Project,
    /// What is known of the workflow: nothing, where it is not saved yet.
    pub(super) found: Option<Workflow>,
}

/// What a join of a collaboration room has to say.
struct JoinParams {
    project_id: String,
    action: String,
}

impl Admission<'_> {
    /// Lets the user in, or says why not.
    pub(super) async fn decide(&self, payload: &Payload) -> Result<Admitted, JoinError> {
        if self.room.view == View::Presence {
            return self.to_look().await;
        }
        let params = JoinParams::read(payload)
            .ok_or_else(|| JoinError::reason("invalid parameters. project_id and action are required"))?;
        let project = self.people.project(&params.project_id, self.user).await?;
        let project = project.ok_or_else(|| JoinError::reason("project not found"))?;
        match params.action.as_str() {
            "edit" => self.to_edit(project).await,
            "new" => self.to_create(project).await,
            other => Err(JoinError::reason(format!("invalid action '{other}', must be 'new' or 'edit'"))),
        }
    }

    async fn to_edit(&self, project: Project) -> Result<Admitted, JoinError> {
        let id = &self.room.workflow;
        match &self.room.view {
            View::Snapshot(version) => {
                let number = number(version)?;
                if !self.people.has_snapshot(id, number).await? {
                    return Err(JoinError::reason(format!("snapshot version {number} not found")));
                }
            }
            View::Unknown(suffix) => {
                return Err(refusal("validation_error", &format!("invalid room suffix '{suffix}'")));
            }
            // Which releases there are is not known here.
            View::Release(version) => drop(number(version)?),
            View::Run(_) | View::Latest | View::Presence => {}
        }
        let workflow = self.people.workflow(id).await?;
        let workflow = workflow.ok_or_else(|| JoinError::reason("workflow not found"))?;
        if workflow.project_id != project.id {
            return Err(JoinError::reason("workflow does not belong to specified project"));
        }
        at_least(Access::View, &project)?;
        if let View::Run(run) = &self.room.view {
            match self.people.run(id, run).await? {
                Run::Unknown => return Err(refusal("not_found", "run not found")),
                Run::WithoutSnapshot => return Err(refusal("not_found", "run snapshot not found")),
                Run::Known => {}
            }
        }
        Ok(Admitted { project, found: Some(workflow) })
    }

    /// A workflow may be joined before it is saved; one that is saved already is joined as it is.
    async fn to_create(&self, project: Project) -> Result<Admitted, JoinError> {
        if self.room.view != View::Latest {
            let reason = "invalid parameters. a new workflow has no version to pin";
            return Err(refusal("validation_error", reason));
        }
        at_least(Access::Edit, &project)?;
        match self.people.workflow(&self.room.workflow).await? {
            Some(workflow) if workflow.project_id != project.id => {
                Err(JoinError::reason("workflow does not belong to specified project"))
            }
            found => Ok(Admitted { project, found }),
        }
    }

    /// As for `edit`, in the workflow's own project.
    async fn to_look(&self) -> Result<Admitted, JoinError> {
        let workflow = self.people.workflow(&self.room.workflow).await?;
        let workflow = workflow.ok_or_else(|| JoinError::reason("workflow not found"))?;
        let project = self.people.project(&workflow.project_id, self.user).await?;
        let project = project.ok_or_else(|| JoinError::reason("project not found"))?;
        at_least(Access::View, &project)?;
        Ok(Admitted { project, found: Some(workflow) })
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

fn number(version: &str) -> Result<i64, JoinError> {
    version.parse().map_err(|_| JoinError::reason("invalid version format"))
}

/// A refusal in the form of the newer canvas, whose rooms these are (contract/canvas.md A.1): it shows people the texts
/// under `errors`.
fn refusal(kind: &str, reason: &str) -> JoinError {
    JoinError::Refused(json!({"reason": reason, "type": kind, "errors": {"base": [reason]}}).into())
}

fn at_least(access: Access, project: &Project) -> Result<(), JoinError> {
    if project.access >= access { Ok(()) } else { Err(JoinError::reason("unauthorized")) }
}
