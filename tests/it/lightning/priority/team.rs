//! A people source whose viewers and workflows change, and a server for it.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use parking_lot::Mutex;
use presenced::channel::{ConnectInfo, Refusal};
use presenced::lightning::{
    Access, Account, Answer, Canvases, People, Project, Unavailable, User, UserSocket, Workflow, router,
};
use presenced::server::Options;
use presenced::wire::Vsn;
use smol_str::SmolStr;

use super::member::Member;
use crate::lightning::user;
use crate::support::{Client, Running};

/// A people source of one project, `p1`, where `vic` may only look, and of one workflow with a snapshot 3.
pub struct Team(pub Mutex<Now>);

/// What is true now.
pub struct Now {
    pub viewers: Vec<String>,
    pub deleted: bool,
    /// It cannot answer.
    pub down: bool,
}

/// A server for the team.
pub struct Studio {
    pub server: Running,
    pub people: Arc<Team>,
    pub canvases: Arc<Canvases>,
}

impl Team {
    pub async fn serve() -> Studio {
        Team::serve_with(Options::default()).await
    }

    pub async fn serve_with(options: Options) -> Studio {
        let now = Now { viewers: vec!["vic".to_owned()], deleted: false, down: false };
        let people = Arc::new(Team(Mutex::new(now)));
        let canvases = Canvases::new(people.clone());
        let socket = UserSocket::new(canvases.clone());
        let server = Running::start_with(socket, router(canvases.clone()), options).await;
        Studio { server, people, canvases }
    }

    fn answer<'a, T: Send + 'a>(&self, found: impl FnOnce(&Now) -> T) -> Answer<'a, T> {
        let now = self.0.lock();
        ready(if now.down { Err(Unavailable("asked to be".into())) } else { Ok(found(&now)) }).boxed()
    }
}

impl Now {
    fn access(&self, user: &str) -> Access {
        if self.viewers.iter().any(|viewer| viewer == user) { Access::View } else { Access::Edit }
    }
}

impl Studio {
    pub async fn client(&self, user: &str) -> Member {
        Member::new(Client::connect(self.server.address(), Vsn::V2, &format!("user={user}")).await)
    }

    pub async fn review(&self) {
        self.canvases.review().await.expect("the team can answer");
    }
}

impl People for Team {
    fn account<'a>(&'a self, info: &'a ConnectInfo) -> BoxFuture<'a, Result<Account, Refusal>> {
        let user = info.params.get("user").map(user).ok_or(Refusal::FORBIDDEN);
        ready(user.map(|user| Account { user: Arc::new(user), login_session: None })).boxed()
    }

    fn project<'a>(&'a self, id: &'a str, user: &'a User) -> Answer<'a, Option<Project>> {
        self.answer(|now| Some(Project { id: id.to_owned(), access: now.access(&user.id) }))
    }

    fn workflow<'a>(&'a self, _: &'a str) -> Answer<'a, Option<Workflow>> {
        self.answer(|now| Some(Workflow { project_id: "p1".to_owned(), deleted: now.deleted }))
    }

    fn has_snapshot<'a>(&'a self, _: &'a str, version: i64) -> Answer<'a, bool> {
        self.answer(|_| version == 3)
    }

    fn viewers<'a>(&'a self, _: &'a str) -> Answer<'a, Arc<[String]>> {
        self.answer(|now| now.viewers.as_slice().into())
    }

    fn still_in<'a>(&'a self, accounts: &'a [Account]) -> Answer<'a, Vec<bool>> {
        ready(Ok(vec![true; accounts.len()])).boxed()
    }

    fn access<'a>(&'a self, pairs: &'a [(SmolStr, SmolStr)]) -> Answer<'a, Vec<Access>> {
        self.answer(|now| pairs.iter().map(|(user, _)| now.access(user)).collect())
    }
}
