//! The people source for development: everybody is who they say they are, and may do everything but if they say that
//! they only look.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use indexmap::IndexSet;
use parking_lot::Mutex;
use smol_str::SmolStr;
use tracing::debug;
use uuid::Uuid;

use super::people::{Access, Account, Answer, People, Project, Run, Workflow};
use super::user::User;
use crate::channel::{ConnectInfo, Params, Refusal};

/// Takes people from the connection's parameters: `user_id`, and optionally `first_name`, `last_name` and `email`.
/// Without a `user_id` one is a guest of one's own. Every project and every workflow exists. Ids that are names of
/// JavaScript's `Object.prototype` are refused: phoenix.js up to 1.8.5 keeps lists in plain objects.
///
/// A user who connects with `role=viewer` is a viewer of every project, in all tabs, until connecting without it. The
/// last 1000 viewers are remembered; one before them may edit.
#[derive(Debug, Default)]
pub struct Development {
    /// The ids of the viewers, who connected last at the end.
    viewers: Mutex<IndexSet<String>>,
}

impl Development {
    fn remember(&self, user_id: &str, role: Option<&str>) {
        let mut viewers = self.viewers.lock();
        viewers.shift_remove(user_id);
        if role == Some("viewer") {
            viewers.insert(user_id.to_owned());
            if viewers.len() > MOST_VIEWERS {
                viewers.shift_remove_index(0);
            }
        }
    }

    fn access_of(&self, user_id: &str) -> Access {
        if self.viewers.lock().contains(user_id) { Access::View } else { Access::Edit }
    }
}

impl People for Development {
    fn account<'a>(&'a self, info: &'a ConnectInfo) -> BoxFuture<'a, Result<Account, Refusal>> {
        let user = user(&info.params, Uuid::new_v4());
        if NO_KEYS.contains(&&*user.id) {
            debug!(user = user.id, "a user of this id would spoil the lists of older phoenix.js");
            return ready(Err(Refusal::FORBIDDEN)).boxed();
        }
        self.remember(&user.id, info.params.get("role"));
        ready(Ok(Account { user: Arc::new(user), login_session: None })).boxed()
    }

    fn project<'a>(&'a self, _: &'a str, user: &'a User) -> Answer<'a, Option<Project>> {
        ready(Ok(Some(Project { id: PROJECT.to_owned(), access: self.access_of(&user.id) }))).boxed()
    }

    fn workflow<'a>(&'a self, _: &'a str) -> Answer<'a, Option<Workflow>> {
        ready(Ok(Some(Workflow { project_id: PROJECT.to_owned(), deleted: false }))).boxed()
    }

    fn has_snapshot<'a>(&'a self, _: &'a str, _: i64) -> Answer<'a, bool> {
        ready(Ok(true)).boxed()
    }

    fn run<'a>(&'a self, _: &'a str, _: &'a str) -> Answer<'a, Run> {
        ready(Ok(Run::Known)).boxed()
    }

    fn viewers<'a>(&'a self, _: &'a str) -> Answer<'a, Arc<[String]>> {
        let viewers = self.viewers.lock().iter().cloned().collect();
        ready(Ok(viewers)).boxed()
    }

    fn still_in<'a>(&'a self, accounts: &'a [Account]) -> Answer<'a, Vec<bool>> {
        ready(Ok(vec![true; accounts.len()])).boxed()
    }

    fn access<'a>(&'a self, pairs: &'a [(SmolStr, SmolStr)]) -> Answer<'a, Vec<Access>> {
        let access = pairs.iter().map(|(user, _)| self.access_of(user));
        ready(Ok(access.collect())).boxed()
    }

    /// A role that changes is taken up with the next join, which is soon enough for development.
    fn changes(&self) -> bool {
        false
    }
}

fn user(params: &Params, guest: Uuid) -> User {
    let text = |name: &str| params.get(name).filter(|text| !text.is_empty()).map(str::to_owned);
    match text("user_id") {
        Some(id) => {
            User { id, first_name: text("first_name"), last_name: text("last_name"), email: text("email") }
        }
        None => {
            let short: String = guest.simple().to_string().chars().take(4).collect();
            let (first_name, last_name) = (Some("Guest".to_owned()), Some(short));
            User { id: format!("guest-{guest}"), first_name, last_name, email: text("email") }
        }
    }
}

/// One project holds everything, whatever it is called.
const PROJECT: &str = "development";

/// The names that every JavaScript object has.
const NO_KEYS: [&str; 12] = [
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];

/// Nobody's memory is to be filled by whoever connects under ever new names.
const MOST_VIEWERS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_who_they_say_they_are() {
        let params =
            Params::decode("user_id=7&first_name=Ada&last_name=&email=ada%40example.org").expect("a query");
        let user = user(&params, Uuid::nil());
        assert_eq!((user.id.as_str(), user.first_name.as_deref()), ("7", Some("Ada")));
        assert_eq!((user.last_name, user.email.as_deref()), (None, Some("ada@example.org")));
    }

    #[test]
    fn a_viewer_is_one_until_connecting_as_something_else_or_a_thousand_others_have() {
        let people = Development::default();
        people.remember("vic", Some("viewer"));
        people.remember("ada", Some("owner"));
        assert_eq!((people.access_of("vic"), people.access_of("ada")), (Access::View, Access::Edit));
        people.remember("vic", None);
        assert_eq!(people.access_of("vic"), Access::Edit);

        people.remember("vic", Some("viewer"));
        people.remember("kay", Some("viewer"));
        for other in 2..MOST_VIEWERS {
            people.remember(&other.to_string(), Some("viewer"));
        }
        people.remember("vic", Some("viewer"));
        people.remember("one more", Some("viewer"));
        assert_eq!((people.access_of("vic"), people.access_of("kay")), (Access::View, Access::Edit));
    }

    #[test]
    fn whoever_says_nothing_is_a_guest_of_ones_own() {
        let guest = |id| user(&Params::default(), Uuid::from_u128(id));
        assert_ne!(guest(1).id, guest(2).id);
        assert_eq!(guest(1).first_name.as_deref(), Some("Guest"));
    }
}
