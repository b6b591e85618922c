//! Which tables and columns of Lightning's are there, and what that says of its version.
//!
//! Source: Lightning 2.13 and what came behind it. That pages carry login sessions, and no signed user ids any more, is told
//! by `users.support_user` and `workflows.state` together: support users alone came some versions before.

use std::collections::HashSet;
use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

use tokio_postgres::types::Type;

use super::link::{Failure, Link};

/// What is known of Lightning's version by its tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Which kind of user token it hands out.
    pub generation: Generation,
    /// Whether support users may look at projects that allow it.
    pub support_access: bool,
    /// Whether projects may ask for a second factor.
    pub second_factor: bool,
    /// Whether runs, and what they were of, can be looked up.
    pub runs: bool,
}

/// Lightning before and after its tokens came to hold login sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// Signed tokens, with a user's id.
    Older,
    /// Encrypted tokens, with a login session.
    Newer,
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.generation {
            Generation::Older => "older",
            Generation::Newer => "newer",
        })?;
        f.write_str(if self.support_access { ", with support access" } else { ", without support access" })
    }
}

/// What was found in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// PostgreSQL's own version, such as `15.13`.
    pub server_version: String,
    /// Lightning's.
    pub schema: Schema,
    /// The tables and `table.column`s that presences need, and that are not there. Where there is one, nothing can be
    /// looked up.
    pub missing: Vec<String>,
}

impl Found {
    /// Looks, and asks every table for nothing: so it also shows that none is locked, and that all may be read.
    pub(super) async fn look(link: &Link, limit: Duration) -> Result<Self, Failure> {
        let needed = NEEDED.iter().map(|(table, _)| *table);
        let names: Vec<&str> = needed.chain(["runs", "work_orders"]).collect();
        let rows = link.query(limit, COLUMNS, &[(&names, Type::TEXT_ARRAY)]).await?;
        let mut server_version = String::new();
        let mut columns = HashSet::new();
        for row in rows {
            server_version = row.try_get(0)?;
            let (table, column) = (row.try_get::<_, String>(1)?, row.try_get::<_, Option<String>>(2)?);
            columns.extend(column.map(|column| (table, column)));
        }
        let found = Found::in_columns(server_version, &columns);
        if found.missing.is_empty() {
            link.query(limit, &EVERY_TABLE, &[]).await?;
        }
        Ok(found)
    }

    fn in_columns(server_version: String, columns: &HashSet<(String, String)>) -> Self {
        let has = |table: &str, column: &str| columns.contains(&(table.to_owned(), column.to_owned()));
        let mut missing = Vec::new();
        for (table, needed) in NEEDED {
            if columns.iter().all(|(other, _)| other != table) {
                missing.push((*table).to_owned());
            } else {
                let lost = needed.iter().filter(|column| !has(table, column));
                missing.extend(lost.map(|column| format!("{table}.{column}")));
            }
        }
        let newer = has("users", "support_user") && has("workflows", "state");
        let generation = if newer { Generation::Newer } else { Generation::Older };
        let support_access = has("users", "support_user") && has("projects", "allow_support_access");
        let second_factor = has("projects", "requires_mfa") && has("users", "mfa_enabled");
        let runs =
            has("runs", "work_order_id") && has("runs", "snapshot_id") && has("work_orders", "workflow_id");
        let schema = Schema { generation, support_access, second_factor, runs };
        Found { server_version, schema, missing }
    }
}

/// A row for each column of the tables `$1`, and one without a column for a table that is not there.
const COLUMNS: &str = "
    SELECT current_setting('server_version'), asked.name, a.attname::text
    FROM unnest($1::text[]) AS asked (name)
    LEFT JOIN pg_attribute a ON a.attrelid = to_regclass(asked.name) AND a.attnum > 0 AND NOT a.attisdropped";

/// Every column that is needed, of no row.
static EVERY_TABLE: LazyLock<String> = LazyLock::new(|| {
    let tables = NEEDED.iter().map(|(table, columns)| {
        format!("SELECT 1 FROM (SELECT {} FROM {table} LIMIT 0) AS {table}", columns.join(", "))
    });
    tables.collect::<Vec<_>>().join(" UNION ALL ")
});

/// What the questions of [`questions`](super::questions) are about, in both generations.
const NEEDED: &[(&str, &[&str])] = &[
    (
        "users",
        &[
            "id",
            "first_name",
            "last_name",
            "email",
            "disabled",
            "scheduled_deletion",
            "confirmed_at",
            "inserted_at",
        ],
    ),
    ("users_tokens", &["id", "token", "context", "user_id", "inserted_at"]),
    ("projects", &["id", "scheduled_deletion"]),
    ("project_users", &["user_id", "project_id", "role"]),
    ("workflows", &["id", "project_id", "deleted_at"]),
    ("workflow_snapshots", &["workflow_id", "lock_version"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn found(without: &[(&str, &str)], with: &[(&str, &str)]) -> Found {
        let needed =
            NEEDED.iter().flat_map(|(table, columns)| columns.iter().map(|column| (*table, *column)));
        let columns = needed.filter(|column| !without.contains(column)).chain(with.iter().copied());
        let columns = columns.map(|(table, column)| (table.to_owned(), column.to_owned())).collect();
        Found::in_columns("15".to_owned(), &columns)
    }

    #[test]
    fn the_generation_is_told_by_the_columns() {
        let support_user = ("users", "support_user");
        let state = ("workflows", "state");
        let allowed = ("projects", "allow_support_access");
        let table = [
            (vec![], "older, without support access"),
            (vec![allowed], "older, without support access"),
            (vec![state, allowed], "older, without support access"),
            (vec![support_user, allowed], "older, with support access"),
            (vec![support_user, state], "newer, without support access"),
            (vec![support_user, state, allowed], "newer, with support access"),
        ];
        for (with, expected) in table {
            let found = found(&[], &with);
            assert_eq!((found.schema.to_string().as_str(), found.missing.len()), (expected, 0));
        }
    }

    #[test]
    fn what_is_missing_is_named_a_table_as_a_whole() {
        let without = [("users", "disabled"), ("projects", "id"), ("projects", "scheduled_deletion")];
        assert_eq!(found(&without, &[]).missing, ["users.disabled", "projects"]);
    }
}
