//! Where users, projects and workflows come from.

use std::sync::Arc;

use futures::future::BoxFuture;
use smol_str::SmolStr;
use thiserror::Error;
use uuid::Uuid;

use super::user::User;
use crate::channel::{ConnectInfo, Refusal};

/// A people source: it knows who connects, and what they may join. Implemented for development by
/// [`Development`](super::Development).
pub trait People: Send + Sync + 'static {
    /// The account behind a connection.
    ///
    /// # Errors
    /// The refusal the client is answered with: 403 for whoever may not connect, 503 while the source cannot answer.
    fn account<'a>(&'a self, info: &'a ConnectInfo) -> BoxFuture<'a, Result<Account, Refusal>>;

    /// A project as a user sees it; `None` where there is no such project.
    ///
    /// # Errors
    /// [`Unavailable`], here and below.
    fn project<'a>(&'a self, id: &'a str, user: &'a User) -> Answer<'a, Option<Project>>;

    /// A workflow; `None` where there is none. One that was deleted is still found, as in Lightning.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn workflow<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Workflow>>;

    /// Whether a workflow has a snapshot with this lock version.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn has_snapshot<'a>(&'a self, workflow: &'a str, version: i64) -> Answer<'a, bool>;

    /// What is known of a run of a workflow. By itself no run is known.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn run<'a>(&'a self, workflow: &'a str, run: &'a str) -> Answer<'a, Run> {
        let _ = (workflow, run);
        Box::pin(std::future::ready(Ok(Run::Unknown)))
    }

    /// The ids of those who may only look at what a project holds: its members with the role of a viewer.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn viewers<'a>(&'a self, project: &'a str) -> Answer<'a, Arc<[String]>>;

    /// What [`workflow`](Self::workflow) says of each of these, in their order, and as current as
    /// [`still_in`](Self::still_in). By itself it asks for one after the other, which does where nothing is remembered.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn workflows<'a>(&'a self, ids: &'a [SmolStr]) -> Answer<'a, Vec<Option<Workflow>>> {
        Box::pin(async move {
            let mut workflows = Vec::with_capacity(ids.len());
            for id in ids {
                workflows.push(self.workflow(id).await?);
            }
            Ok(workflows)
        })
    }

    /// The [`viewers`](Self::viewers) of each of these projects, in their order; otherwise as
    /// [`workflows`](Self::workflows).
    ///
    /// # Errors
    /// [`Unavailable`].
    fn viewers_of<'a>(&'a self, projects: &'a [SmolStr]) -> Answer<'a, Vec<Arc<[String]>>> {
        Box::pin(async move {
            let mut viewers = Vec::with_capacity(projects.len());
            for project in projects {
                viewers.push(self.viewers(project).await?);
            }
            Ok(viewers)
        })
    }

    /// Which of these accounts could still connect, in their order. Asked again and again for everybody who is
    /// connected, so it is about what is true now, and not about what was found a moment ago.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn still_in<'a>(&'a self, accounts: &'a [Account]) -> Answer<'a, Vec<bool>>;

    /// What users may do in projects, in the order of the pairs `(user, project)`; [`Access::None`] where there is no
    /// such project. As current as [`still_in`](Self::still_in).
    ///
    /// # Errors
    /// [`Unavailable`].
    fn access<'a>(&'a self, pairs: &'a [(SmolStr, SmolStr)]) -> Answer<'a, Vec<Access>>;

    /// Whether an answer of the last two can ever change; where it cannot, nobody is asked about.
    fn changes(&self) -> bool {
        true
    }
}

/// What a source answers with.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Unavailable>>;

/// Who is connected, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub user: Arc<User>,
    /// The id of the login session that let the user in, which may end before the user's other ones; `None` where
    /// nothing but the user's id was proved.
    pub login_session: Option<Uuid>,
}

/// A project, and what one user may do in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// The id by which workflows name it.
    pub id: String,
    /// What the user may do.
    pub access: Access,
}

/// A workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workflow {
    /// The project that holds it.
    pub project_id: String,
    /// It is deleted: still looked at, no longer edited.
    pub deleted: bool,
}

/// A run, as far as its version of the workflow goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// There is none of this id, of this workflow.
    Unknown,
    /// What it was of is not kept.
    WithoutSnapshot,
    /// It can be looked at.
    Known,
}

/// What a user may do in a project, by Lightning's roles and policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Nothing: no member, or the project is about to be deleted.
    None,
    /// Look (`:access_read`): a viewer.
    View,
    /// Create and edit workflows: an editor, admin or owner.
    Edit,
}

/// The source cannot answer now; the words are for the log.
#[derive(Clone, Debug, Error)]
#[error("the people source is unavailable: {0}")]
pub struct Unavailable(pub String);
