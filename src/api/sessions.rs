//! Sessions that are put on workflows from outside, by lease.

use std::time::Duration;

use http::{Response, StatusCode};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::fields::{Field, Fields, Id, LeaseSeconds, Name, UnixMicros};
use super::problem::{Fault, PROBLEM_JSON, Problem, ProblemDocument};
use super::{Api, json, nothing};
use crate::lightning::{Leased, Put, SessionName, User};

/// A session to put.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PutSession {
    user: SessionUser,
    lease_seconds: LeaseSeconds,
    /// Since when the user is there, in microseconds of Unix time; now, where it is absent or later than now. A session
    /// that is there already keeps its own.
    joined_at: Option<UnixMicros>,
    /// Whether the session counts where it is decided who may edit, unless its user may only look; it does, where this is
    /// absent. A session that is there already keeps its own.
    may_edit: Option<bool>,
}

/// Whose session it is, and what others see of the user.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionUser {
    id: Id,
    first_name: Option<Name>,
    last_name: Option<Name>,
    email: Option<Name>,
}

/// A lease to begin anew.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RenewLease {
    lease_seconds: LeaseSeconds,
}

/// A session that is there, and how long it stays unless its lease is renewed.
#[derive(Serialize, ToSchema)]
pub(super) struct LeasedSession {
    workflow_id: String,
    session_id: String,
    user_id: String,
    /// Since when the user is there, in microseconds of Unix time.
    joined_at: i64,
    lease_seconds: u16,
}

/// Puts a session on a workflow (`track_user_presence/3`). Canvas clients see it as they see a tab. One that is there
/// already stays as it was, with a new lease.
#[utoipa::path(
    put,
    path = "/api/v1/workflows/{workflow_id}/sessions/{session_id}",
    operation_id = "putSession",
    tag = "sessions",
    params(
        ("workflow_id" = Id, Path, description = "The workflow"),
        ("session_id" = Id, Path, description = "The session's name, unique on the workflow"),
    ),
    request_body = PutSession,
    responses(
        (status = 200, description = "It was there; its lease begins anew", body = LeasedSession),
        (status = 201, description = "It is there from now on", body = LeasedSession),
        (status = 409, description = "It is there for another user",
            body = ProblemDocument, content_type = PROBLEM_JSON),
        (status = 503, description = "There are too many sessions",
            body = ProblemDocument, content_type = PROBLEM_JSON),
    ),
)]
pub(super) async fn put(
    api: &Api,
    workflow: Id,
    session: Id,
    request: PutSession,
) -> Result<Response<String>, Problem> {
    let PutSession { user, lease_seconds, joined_at, may_edit } = request;
    let user = User::from(user);
    let (name, joined_at) = (name(&workflow, &session), joined_at.map(|joined_at| joined_at.0));
    let ranked = may_edit.unwrap_or(true);
    let (put, leased) = api.leases.put(name, &user, joined_at, ranked, lease(lease_seconds)).await?;
    let mut response = answer(workflow, session, leased, lease_seconds);
    if put == Put::Begun {
        *response.status_mut() = StatusCode::CREATED;
    }
    Ok(response)
}

/// Lets a session's lease begin anew.
#[utoipa::path(
    patch,
    path = "/api/v1/workflows/{workflow_id}/sessions/{session_id}",
    operation_id = "renewSession",
    tag = "sessions",
    params(
        ("workflow_id" = Id, Path, description = "The workflow"),
        ("session_id" = Id, Path, description = "The session"),
    ),
    request_body = RenewLease,
    responses(
        (status = 200, description = "It stays", body = LeasedSession),
        (status = 404, description = "It is not there (any more)",
            body = ProblemDocument, content_type = PROBLEM_JSON),
    ),
)]
pub(super) fn renew(
    api: &Api,
    workflow: Id,
    session: Id,
    request: RenewLease,
) -> Result<Response<String>, Problem> {
    let RenewLease { lease_seconds } = request;
    let leased = api.leases.renew(&name(&workflow, &session), lease(lease_seconds));
    Ok(answer(workflow, session, leased.ok_or(Problem::NoSuchSession)?, lease_seconds))
}

/// Takes a session off a workflow (`untrack_user_presence/3`).
#[utoipa::path(
    delete,
    path = "/api/v1/workflows/{workflow_id}/sessions/{session_id}",
    operation_id = "endSession",
    tag = "sessions",
    params(
        ("workflow_id" = Id, Path, description = "The workflow"),
        ("session_id" = Id, Path, description = "The session"),
    ),
    responses((status = 204, description = "It is not there, whether it was or not")),
)]
pub(super) async fn end(api: &Api, workflow: Id, session: Id) -> Response<String> {
    api.leases.end(&name(&workflow, &session)).await;
    nothing()
}

fn name(workflow: &Id, session: &Id) -> SessionName {
    SessionName { workflow_id: workflow.0.as_str().into(), session_id: session.0.as_str().into() }
}

fn lease(LeaseSeconds(seconds): LeaseSeconds) -> Duration {
    Duration::from_secs(seconds.into())
}

fn answer(
    workflow: Id,
    session: Id,
    Leased { user_id, joined_at }: Leased,
    LeaseSeconds(lease_seconds): LeaseSeconds,
) -> Response<String> {
    json(&LeasedSession { workflow_id: workflow.0, session_id: session.0, user_id, joined_at, lease_seconds })
}

impl From<SessionUser> for User {
    fn from(user: SessionUser) -> Self {
        let text = |name: Option<Name>| name.map(|Name(text)| text);
        User {
            id: user.id.0,
            first_name: text(user.first_name),
            last_name: text(user.last_name),
            email: text(user.email),
        }
    }
}

impl Field for PutSession {
    fn read(value: Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        let mut fields = Fields::of(value, at, faults)?;
        let user = fields.required("user");
        let lease_seconds = fields.required("lease_seconds");
        let joined_at = fields.optional("joined_at");
        let may_edit = fields.optional("may_edit");
        fields.no_others();
        let (joined_at, may_edit) = (joined_at?, may_edit?);
        Some(PutSession { user: user?, lease_seconds: lease_seconds?, joined_at, may_edit })
    }
}

impl Field for SessionUser {
    fn read(value: Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        let mut fields = Fields::of(value, at, faults)?;
        let id = fields.required("id");
        let first_name = fields.optional("first_name");
        let last_name = fields.optional("last_name");
        let email = fields.optional("email");
        fields.no_others();
        Some(SessionUser { id: id?, first_name: first_name?, last_name: last_name?, email: email? })
    }
}

impl Field for RenewLease {
    fn read(value: Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        let mut fields = Fields::of(value, at, faults)?;
        let lease_seconds = fields.required("lease_seconds");
        fields.no_others();
        Some(RenewLease { lease_seconds: lease_seconds? })
    }
}
