//! Where users, projects and workflows come from.

use futures::future::BoxFuture;
use thiserror::Error;

use super::user::User;
use crate::channel::{ConnectInfo, Refusal};

/// A people source: it knows who connects, and what they may join. Implemented for development by
/// [`Development`](super::Development).
pub trait People: Send + Sync + 'static {
    /// The user behind a connection.
    ///
    /// # Errors
    /// The refusal the client is answered with.
    fn user<'a>(&'a self, info: &'a ConnectInfo) -> BoxFuture<'a, Result<User, Refusal>>;

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
}

/// What a source answers with.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Unavailable>>;

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
}

/// What a user may do in a project (contract/lightning.md §6).
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
