//! The people, projects and workflows of the recordings.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use presenced::channel::{ConnectInfo, Refusal};
use presenced::lightning::{Access, Account, Answer, People, Project, User, Workflow};
use smol_str::SmolStr;

/// Knows everybody, and nearly everything; what it does not know has a telling name.
pub struct Recorded;

/// User `N` as the recordings show it.
pub fn user(id: &str) -> User {
    User {
        id: id.to_owned(),
        first_name: Some(format!("U{id}")),
        last_name: Some("L".to_owned()),
        email: Some(format!("{id}@openfn.org")),
    }
}

impl People for Recorded {
    fn account<'a>(&'a self, info: &'a ConnectInfo) -> BoxFuture<'a, Result<Account, Refusal>> {
        let user = Arc::new(user(info.params.get("user_id").unwrap_or("anon")));
        ready(Ok(Account { user, login_session: None })).boxed()
    }

    fn project<'a>(&'a self, id: &'a str, _: &'a User) -> Answer<'a, Option<Project>> {
        let project = match id {
            "missing" => None,
            "elsewhere" => Some(Project { id: id.to_owned(), access: Access::Edit }),
            "forbidden" => Some(Project { id: HOME.to_owned(), access: Access::None }),
            _ => Some(Project { id: HOME.to_owned(), access: Access::Edit }),
        };
        ready(Ok(project)).boxed()
    }

    fn workflow<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Workflow>> {
        ready(Ok((id != "missing").then(|| Workflow { project_id: HOME.to_owned(), deleted: false }))).boxed()
    }

    fn has_snapshot<'a>(&'a self, _: &'a str, version: i64) -> Answer<'a, bool> {
        ready(Ok(version != 404)).boxed()
    }

    fn viewers<'a>(&'a self, _: &'a str) -> Answer<'a, Arc<[String]>> {
        ready(Ok(Arc::default())).boxed()
    }

    fn still_in<'a>(&'a self, accounts: &'a [Account]) -> Answer<'a, Vec<bool>> {
        ready(Ok(vec![true; accounts.len()])).boxed()
    }

    fn access<'a>(&'a self, pairs: &'a [(SmolStr, SmolStr)]) -> Answer<'a, Vec<Access>> {
        ready(Ok(vec![Access::Edit; pairs.len()])).boxed()
    }

    fn changes(&self) -> bool {
        false
    }
}

/// The project that holds every workflow.
const HOME: &str = "p1";
