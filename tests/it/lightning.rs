//! Lightning's canvas and its presences, against a server of its own socket and channel.
//!
//! Owns [`Office`], a people source with a few projects in it.
//! Not here: the development source, which the recorded fixtures use ([`crate::fixtures`]).
//! Source: Lightning 2.13, `LightningWeb.WorkflowChannel` and `Lightning.Workflows.Presence`.

mod joins;
mod presences;
mod priority;
mod rooms;
mod summary;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use presenced::channel::{ConnectInfo, Refusal};
use presenced::lightning::{
    Access, Account, Answer, Canvases, People, Project, Unavailable, User, UserSocket, Workflow, router,
};
use presenced::server::Options;
use presenced::wire::Vsn;
use serde_json::json;
use smol_str::SmolStr;

use crate::support::{Client, Running};

/// A people source. `p1` is a project where `ada` and `bob` edit, `vic` looks and `eve` may do nothing; in `p2`
/// everybody edits. `w1` is in `p1` and has the snapshot 3, `w2` is in `p2`, `orphan` in a project that is gone.
/// About ids that begin with `down` the source cannot answer.
pub struct Office;

impl People for Office {
    fn account<'a>(&'a self, info: &'a ConnectInfo) -> BoxFuture<'a, Result<Account, Refusal>> {
        let user = info.params.get("user").map(user).ok_or(Refusal::FORBIDDEN);
        ready(user.map(|user| Account { user: Arc::new(user), login_session: None })).boxed()
    }

    fn project<'a>(&'a self, id: &'a str, user: &'a User) -> Answer<'a, Option<Project>> {
        let access = match (id, user.id.as_str()) {
            ("p1", "vic") => Some(Access::View),
            ("p1", "eve") => Some(Access::None),
            ("p1" | "p2", _) => Some(Access::Edit),
            _ => None,
        };
        answer(id, access.map(|access| Project { id: id.to_owned(), access }))
    }

    fn workflow<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Workflow>> {
        let project = match id {
            "w1" => Some("p1"),
            "w2" => Some("p2"),
            "orphan" => Some("gone"),
            _ => None,
        };
        answer(id, project.map(|project| Workflow { project_id: project.to_owned(), deleted: false }))
    }

    fn has_snapshot<'a>(&'a self, workflow: &'a str, version: i64) -> Answer<'a, bool> {
        answer(workflow, (workflow, version) == ("w1", 3))
    }

    fn viewers<'a>(&'a self, project: &'a str) -> Answer<'a, Arc<[String]>> {
        answer(project, if project == "p1" { Arc::new(["vic".to_owned()]) } else { Arc::default() })
    }

    fn still_in<'a>(&'a self, accounts: &'a [Account]) -> Answer<'a, Vec<bool>> {
        ready(Ok(vec![true; accounts.len()])).boxed()
    }

    fn access<'a>(&'a self, pairs: &'a [(SmolStr, SmolStr)]) -> Answer<'a, Vec<Access>> {
        ready(Ok(vec![Access::Edit; pairs.len()])).boxed()
    }
}

fn answer<'a, T: Send + 'a>(id: &str, found: T) -> Answer<'a, T> {
    ready(if id.starts_with("down") { Err(Unavailable("asked to be".into())) } else { Ok(found) }).boxed()
}

/// A user as the office knows one.
fn user(id: &str) -> User {
    User { id: id.to_owned(), first_name: Some(id.to_uppercase()), last_name: None, email: None }
}

async fn serve() -> Running {
    let canvases = Canvases::new(Arc::new(Office));
    Running::start_with(UserSocket::new(canvases.clone()), router(canvases), Options::default()).await
}

async fn client(server: &Running, user: &str) -> Client {
    Client::connect(server.address(), Vsn::V2, &format!("user={user}")).await
}

/// Opens a room of `w1`, and returns the state that follows.
async fn enter(client: &mut Client, room: &str) -> serde_json::Value {
    let reply = client.join(room, json!({"project_id": "p1", "action": "edit"})).await;
    assert_eq!((reply.status.as_str(), &reply.response), ("ok", &json!({})), "{room}");
    client.expect(room, "presence_state").await.payload
}

/// The rooms of `w1`.
const ROOMS: [&str; 3] = ["workflow:collaborate:w1", "workflow:collaborate:w1:v3", "workflow:presence:w1"];
