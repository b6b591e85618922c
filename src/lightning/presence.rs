//! Who is on which workflow: `Lightning.Workflows.Presence`, function for function.
//!
//! | in Elixir | here |
//! |---|---|
//! | `new_user_presence/3` | [`UserPresence::new`] |
//! | `track_user_presence/3`, `untrack_user_presence/3` | [`WorkflowPresence::track_user_presence`], [`WorkflowPresence::untrack_user_presence`] |
//! | `list_presences_for/1`, `has_any_presence?/1` | [`WorkflowPresence::list_presences_for`], [`WorkflowPresence::has_any_presence`] |
//! | `build_presences_summary/2` | [`build_presences_summary`](super::build_presences_summary) |
//! | `track/4`, `update/4`, `untrack/3` | [`WorkflowPresence::track`], [`WorkflowPresence::update`], [`WorkflowPresence::untrack`] |
//! | `list/1`, `get_by_key/2`, `fetch/2` | [`WorkflowPresence::list`], [`WorkflowPresence::get_by_key`], [`WorkflowPresence::fetch`] |
//! | `child_spec/1` | [`WorkflowPresence::start`] |
//! | `fetchers_pids/0` | [`WorkflowPresence::fetchers_done`] |
//!
//! Where Elixir passes a pid, an [`Owner`] stands: a channel has one ([`Context::owner`](crate::channel::Context)),
//! other code gets one from [`Handle::owner`].

use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};

use super::clock::now_us;
use super::user::{User, UserPresence};
use crate::channel::{Handle, Owner, TrackError, UpdateError};
use crate::presence::{Attributes, Headcount, Meta, PhxRef, Presence, Presences};

/// The presences of all workflows. Cheap to clone.
#[derive(Clone)]
pub struct WorkflowPresence {
    handle: Handle,
}

/// What is tracked for a session.
#[derive(Serialize, Deserialize)]
struct UserMeta {
    user: User,
    joined_at: i64,
}

impl WorkflowPresence {
    /// Presence over a server's topics. There is nothing to supervise: it lives as long as the server does.
    pub fn start(handle: Handle) -> Self {
        WorkflowPresence { handle }
    }

    /// The presence topic of a workflow. No client can join it; a workflow's rooms hear it under their own topics.
    pub fn topic(workflow_id: &str) -> SmolStr {
        format_smolstr!("workflow-{workflow_id}:presence")
    }

    /// Puts a user on a workflow, since now, for as long as the session lives: key `user.id`, meta
    /// `{user, joined_at}`. A session that is there already stays as it was. (In Lightning the calling process also
    /// subscribes to the topic; a channel does so with [`follow`](crate::channel::Presence::follow).)
    pub async fn track_user_presence(&self, user: &User, workflow_id: &str, session: &Owner) {
        self.track_user_presence_since(user, workflow_id, session, now_us()).await;
    }

    /// The same for a session that began at `joined_at`, in microseconds of Unix time: it ranks among the others by that.
    pub async fn track_user_presence_since(
        &self,
        user: &User,
        workflow_id: &str,
        session: &Owner,
        joined_at: i64,
    ) {
        let attributes = Attributes { page: None, ranked: true };
        self.track_session(user, workflow_id, session, joined_at, attributes).await;
    }

    /// The same, with what no client is told: a canvas may come back, and may not count where it is decided who edits.
    pub(super) async fn track_session(
        &self,
        user: &User,
        workflow_id: &str,
        session: &Owner,
        joined_at: i64,
        attributes: Attributes,
    ) {
        let meta = UserMeta { user: user.clone(), joined_at };
        let meta = Meta::of(&meta).expect("a user and a time are an object");
        // Either it is tracked already, which is as good, or the session has ended.
        let _ = session.track_as(Self::topic(workflow_id), user.id.as_str(), meta, attributes).await;
    }

    /// Takes a session of a user off a workflow.
    pub async fn untrack_user_presence(&self, user: &User, workflow_id: &str, session: &Owner) {
        session.untrack(Self::topic(workflow_id), user.id.as_str()).await;
    }

    /// Everyone on a workflow, one entry a user, by user id. `joined_at` is that of the user's oldest session, and
    /// `active_sessions` counts the sessions.
    pub async fn list_presences_for(&self, workflow_id: &str) -> Vec<UserPresence> {
        let list = self.handle.list(&Self::topic(workflow_id)).await;
        user_presences(list)
    }

    /// Those of [`list_presences_for`](Self::list_presences_for) among whom it is decided who may edit, by their sessions
    /// that count for that.
    pub fn ranked_presences_for(&self, workflow_id: &str) -> Vec<UserPresence> {
        user_presences(self.handle.snapshot(&Self::topic(workflow_id)).ranked().presences())
    }

    /// Whether anyone at all is on a workflow: someone who may only look, or looks at a snapshot, counts too.
    pub fn has_any_presence(&self, workflow_id: &str) -> bool {
        self.count(workflow_id).keys > 0
    }

    /// How many users (keys) and sessions (metas) are on a workflow; nothing of the list is decoded.
    pub fn count(&self, workflow_id: &str) -> Headcount {
        self.handle.count(&Self::topic(workflow_id))
    }

    /// `Phoenix.Presence.track/4` on any topic.
    ///
    /// # Errors
    /// Those of [`Owner::track`].
    pub async fn track(
        &self,
        session: &Owner,
        topic: &str,
        key: &str,
        meta: Meta,
    ) -> Result<PhxRef, TrackError> {
        session.track(topic, key, meta).await
    }

    /// `Phoenix.Presence.update/4` on any topic.
    ///
    /// # Errors
    /// Those of [`Owner::update`].
    pub async fn update(
        &self,
        session: &Owner,
        topic: &str,
        key: &str,
        meta: Meta,
    ) -> Result<PhxRef, UpdateError> {
        session.update(topic, key, meta).await
    }

    /// `Phoenix.Presence.untrack/3` on any topic.
    pub async fn untrack(&self, session: &Owner, topic: &str, key: &str) {
        session.untrack(topic, key).await;
    }

    /// `Phoenix.Presence.list/1` of any topic.
    pub async fn list(&self, topic: &str) -> Presences {
        self.handle.list(topic).await
    }

    /// `Phoenix.Presence.get_by_key/2` of any topic.
    pub async fn get_by_key(&self, topic: &str, key: &str) -> Option<Presence> {
        self.handle.get_by_key(topic, key).await
    }

    /// What Lightning decorates entries with: nothing, it keeps Phoenix's default. For
    /// [`Hooks::fetch`](crate::channel::Hooks::fetch).
    pub fn fetch(_topic: &str, entries: Presences) -> Presences {
        entries
    }

    /// Resolves once no fetch is running; a test waits for it before it ends.
    pub async fn fetchers_done(&self) {
        self.handle.fetches_done().await;
    }
}

/// One entry a user, by user id.
pub(super) fn user_presences(list: Presences) -> Vec<UserPresence> {
    list.0.into_values().filter_map(user_presence).collect()
}

/// A user's sessions as one. `None` for entries that were tracked with another meta.
fn user_presence(Presence { metas, .. }: Presence) -> Option<UserPresence> {
    let active_sessions = metas.len();
    let metas = metas.into_iter().map(|meta| serde_json::from_value::<UserMeta>(meta.into()));
    let metas: Vec<UserMeta> = metas.collect::<Result<_, _>>().ok()?;
    let joined_at = metas.iter().map(|meta| meta.joined_at).min()?;
    let user = metas.into_iter().next()?.user;
    Some(UserPresence::new(user, joined_at, active_sessions))
}
