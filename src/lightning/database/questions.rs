//! What is asked of Lightning's tables, one SQL statement each.
//!
//! Rules: `Lightning.Accounts` (who may come) and `Lightning.Policies` (what one may do). Timestamps are without time zone,
//! in UTC. Roles and addresses are of types of Lightning's own, and read as text.

use std::sync::Arc;

use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};
use uuid::Uuid;

use super::super::people::{Access, Account, Run, Unavailable, Workflow};
use super::super::user::User;
use super::availability::Availability;
use super::proof::SessionToken;
use super::schema::Schema;

/// Who may come, of the users `u`: who is not disabled, not to be deleted, and not locked out. Lightning locks out who
/// has not confirmed the address within two days, where `$1` says that it asks for that.
macro_rules! may_come {
    () => {
        "NOT coalesce(u.disabled, false) AND u.scheduled_deletion IS NULL
         AND NOT ($1 AND u.confirmed_at IS NULL
                  AND u.inserted_at < timezone('utc', now()) - interval '48 hours')"
    };
}

/// Which of the tokens `t` are login sessions that go on.
macro_rules! is_session {
    () => {
        "t.context = 'session' AND t.inserted_at > timezone('utc', now()) - interval '60 days'"
    };
}

/// Questions to a database, by the rules of its Lightning.
pub(super) struct Questions {
    pub(super) availability: Availability,
    /// Whether Lightning asks users to confirm their addresses.
    pub(super) email_verification: bool,
}

impl Questions {
    /// Whose login session this is.
    pub(super) async fn by_session(&self, token: &SessionToken) -> Result<Option<Account>, Unavailable> {
        let rows =
            self.ask(BY_SESSION, &[(&self.email_verification, Type::BOOL), (token, Type::BYTEA)]).await?;
        rows.first().map(account).transpose()
    }

    /// The user of this id.
    pub(super) async fn by_id(&self, user: Uuid) -> Result<Option<Account>, Unavailable> {
        let rows = self.ask(BY_ID, &[(&self.email_verification, Type::BOOL), (&user, Type::UUID)]).await?;
        rows.first().map(account).transpose()
    }

    /// Which of these users may still come, by the login session where there is one.
    pub(super) async fn still_in(
        &self,
        asked: &[(Option<Uuid>, Option<Uuid>)],
    ) -> Result<Vec<bool>, Unavailable> {
        let (users, sessions): (Vec<_>, Vec<_>) = asked.iter().copied().unzip();
        let parameters = [
            (&self.email_verification as _, Type::BOOL),
            (&users as _, Type::UUID_ARRAY),
            (&sessions as _, Type::UUID_ARRAY),
        ];
        let mut still_in = vec![false; asked.len()];
        for row in self.ask(STILL_IN, &parameters).await? {
            *numbered(&mut still_in, &row)? = true;
        }
        Ok(still_in)
    }

    /// What users may do in projects, asked by `(user, project)`; `None` where there is no such project.
    pub(super) async fn access(
        &self,
        schema: Schema,
        asked: &[(Option<Uuid>, Option<Uuid>)],
    ) -> Result<Vec<Option<Access>>, Unavailable> {
        let (users, projects): (Vec<_>, Vec<_>) = asked.iter().copied().unzip();
        let sql = match (schema.support_access, schema.second_factor) {
            (false, false) => ACCESS,
            (true, false) => ACCESS_WITH_SUPPORT,
            (false, true) => ACCESS_WITH_FACTOR,
            (true, true) => ACCESS_WITH_BOTH,
        };
        let parameters = [(&users as _, Type::UUID_ARRAY), (&projects as _, Type::UUID_ARRAY)];
        let mut found = vec![None; asked.len()];
        for row in self.ask(sql, &parameters).await? {
            let role: Option<String> = read(&row, 2)?;
            *numbered(&mut found, &row)? = Some(access(read(&row, 1)?, role.as_deref(), read(&row, 3)?));
        }
        Ok(found)
    }

    /// A workflow; one without a project is nobody's, and none.
    pub(super) async fn workflow(&self, id: Uuid) -> Result<Option<Workflow>, Unavailable> {
        let rows = self.ask(WORKFLOW, &[(&id, Type::UUID)]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let (project, deleted) = (read::<Uuid>(row, 0)?, read(row, 1)?);
        Ok(Some(Workflow { project_id: project.to_string(), deleted }))
    }

    /// These workflows, as [`workflow`](Self::workflow) says of each.
    pub(super) async fn workflows(&self, ids: &[Option<Uuid>]) -> Result<Vec<Option<Workflow>>, Unavailable> {
        let mut found = vec![None; ids.len()];
        for row in self.ask(WORKFLOWS, &[(&ids, Type::UUID_ARRAY)]).await? {
            let project_id = read::<Uuid>(&row, 1)?.to_string();
            *numbered(&mut found, &row)? = Some(Workflow { project_id, deleted: read(&row, 2)? });
        }
        Ok(found)
    }

    /// Whether there is a snapshot of this lock version.
    pub(super) async fn has_snapshot(&self, workflow: Uuid, version: i64) -> Result<bool, Unavailable> {
        let rows = self.ask(SNAPSHOT, &[(&workflow, Type::UUID), (&version, Type::INT8)]).await?;
        Ok(!rows.is_empty())
    }

    /// What is known of a run of a workflow.
    pub(super) async fn run(&self, workflow: Uuid, run: Uuid) -> Result<Run, Unavailable> {
        let rows = self.ask(RUN, &[(&run, Type::UUID), (&workflow, Type::UUID)]).await?;
        let Some(row) = rows.first() else { return Ok(Run::Unknown) };
        Ok(if read(row, 0)? { Run::Known } else { Run::WithoutSnapshot })
    }

    /// Who may only look at what a project holds.
    pub(super) async fn viewers(&self, project: Uuid) -> Result<Arc<[String]>, Unavailable> {
        let rows = self.ask(VIEWERS, &[(&project, Type::UUID)]).await?;
        rows.iter().map(|row| read::<Uuid>(row, 0).map(|user| user.to_string())).collect()
    }

    /// Who may only look, of each of these projects.
    pub(super) async fn viewers_of(
        &self,
        projects: &[Option<Uuid>],
    ) -> Result<Vec<Arc<[String]>>, Unavailable> {
        let mut viewers = vec![Vec::new(); projects.len()];
        for row in self.ask(VIEWERS_OF, &[(&projects, Type::UUID_ARRAY)]).await? {
            numbered(&mut viewers, &row)?.push(read::<Uuid>(&row, 1)?.to_string());
        }
        Ok(viewers.into_iter().map(Arc::from).collect())
    }

    async fn ask(&self, sql: &str, parameters: super::link::Parameters<'_>) -> Result<Vec<Row>, Unavailable> {
        self.availability.ask(sql, parameters).await
    }
}

/// What comes of a membership and of support access. Support may edit, but where it is a member its role decides. Whoever
/// is a member in a role that is not known here may look, as every member may.
fn access(is_closed: bool, role: Option<&str>, supported: bool) -> Access {
    match role {
        _ if is_closed => Access::None,
        Some("owner" | "admin" | "editor") => Access::Edit,
        Some(_) => Access::View,
        None if supported => Access::Edit,
        None => Access::None,
    }
}

fn account(row: &Row) -> Result<Account, Unavailable> {
    let user = User {
        id: read::<Uuid>(row, 1)?.to_string(),
        first_name: read(row, 2)?,
        last_name: read(row, 3)?,
        email: read(row, 4)?,
    };
    Ok(Account { user: Arc::new(user), login_session: read(row, 0)? })
}

/// The place of what a row answers to, whose number, from 1 on, is its first column.
fn numbered<'a, T>(answers: &'a mut [T], row: &Row) -> Result<&'a mut T, Unavailable> {
    let number: i64 = read(row, 0)?;
    let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    at.and_then(|at| answers.get_mut(at)).ok_or_else(|| Unavailable(format!("nothing has number {number}")))
}

fn read<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Unavailable> {
    row.try_get(column).map_err(|error| Unavailable(error.to_string()))
}

const BY_SESSION: &str = concat!(
    "SELECT t.id, u.id, u.first_name::text, u.last_name::text, u.email::text
     FROM users_tokens t JOIN users u ON u.id = t.user_id
     WHERE t.token = $2 AND ",
    is_session!(),
    " AND ",
    may_come!()
);

const BY_ID: &str = concat!(
    "SELECT NULL::uuid, u.id, u.first_name::text, u.last_name::text, u.email::text
     FROM users u
     WHERE u.id = $2 AND ",
    may_come!()
);

const STILL_IN: &str = concat!(
    "SELECT asked.number
     FROM unnest($2::uuid[], $3::uuid[]) WITH ORDINALITY AS asked (user_id, session_id, number)
     JOIN users u ON u.id = asked.user_id
     WHERE (asked.session_id IS NULL
            OR EXISTS (SELECT FROM users_tokens t
                       WHERE t.id = asked.session_id AND t.user_id = asked.user_id AND ",
    is_session!(),
    ")) AND ",
    may_come!()
);

/// The number, whether the project is closed to the user, the role, and whether support access holds. It is closed to
/// everybody where it is to be deleted, and to whoever has no second factor where it asks for one.
macro_rules! access_with {
    ($supported:expr, $lacks_factor:expr) => {
        concat!(
            "SELECT asked.number, p.scheduled_deletion IS NOT NULL OR coalesce(",
            $lacks_factor,
            ", false), m.role::text, coalesce(",
            $supported,
            ", false)
             FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS asked (user_id, project_id, number)
             JOIN projects p ON p.id = asked.project_id
             LEFT JOIN project_users m ON m.project_id = p.id AND m.user_id = asked.user_id"
        )
    };
}

macro_rules! is_supported {
    () => {
        "p.allow_support_access AND (SELECT u.support_user FROM users u WHERE u.id = asked.user_id)"
    };
}

macro_rules! lacks_factor {
    () => {
        "p.requires_mfa
         AND NOT coalesce((SELECT u.mfa_enabled FROM users u WHERE u.id = asked.user_id), false)"
    };
}

const ACCESS: &str = access_with!("false", "false");
const ACCESS_WITH_SUPPORT: &str = access_with!(is_supported!(), "false");
const ACCESS_WITH_FACTOR: &str = access_with!("false", lacks_factor!());
const ACCESS_WITH_BOTH: &str = access_with!(is_supported!(), lacks_factor!());

const RUN: &str = "SELECT r.snapshot_id IS NOT NULL
     FROM runs r JOIN work_orders w ON w.id = r.work_order_id
     WHERE r.id = $1 AND w.workflow_id = $2";

const WORKFLOW: &str =
    "SELECT project_id, deleted_at IS NOT NULL FROM workflows WHERE id = $1 AND project_id IS NOT NULL";

const WORKFLOWS: &str = "SELECT asked.number, w.project_id, w.deleted_at IS NOT NULL
     FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, number)
     JOIN workflows w ON w.id = asked.id
     WHERE w.project_id IS NOT NULL";

const SNAPSHOT: &str =
    "SELECT 1 FROM workflow_snapshots WHERE workflow_id = $1 AND lock_version = $2 LIMIT 1";

const VIEWERS: &str =
    "SELECT user_id FROM project_users WHERE project_id = $1 AND role::text = 'viewer' ORDER BY user_id";

const VIEWERS_OF: &str = "SELECT asked.number, m.user_id
     FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, number)
     JOIN project_users m ON m.project_id = asked.id
     WHERE m.role::text = 'viewer' ORDER BY asked.number, m.user_id";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_or_support_gives_access_unless_the_project_is_to_be_deleted() {
        let table = [
            (Some("owner"), false, Access::Edit),
            (Some("admin"), false, Access::Edit),
            (Some("editor"), false, Access::Edit),
            (Some("viewer"), false, Access::View),
            (Some("role of a later version"), false, Access::View),
            (Some("editor"), true, Access::Edit),
            (None, true, Access::Edit),
            (Some("viewer"), true, Access::View),
            (None, false, Access::None),
        ];
        for (role, supported, expected) in table {
            assert_eq!(access(false, role, supported), expected, "{role:?} {supported}");
            assert_eq!(access(true, role, supported), Access::None, "{role:?} {supported}");
        }
    }
}
