//! The HTTP API, for programs: who is on which workflow, sessions by lease, and events.
//!
//! Owns paths, requests, answers and problem documents below `/api/v1`, and the document that describes them.
//! Not here: what is asked for ([`crate::lightning`], [`crate::channel::Watch`]); the listeners: the one that canvas clients
//! use ([`Server::api`](crate::server::Server::api)), or one for the API alone
//! ([`Server::api_on`](crate::server::Server::api_on)).

mod access;
mod browser;
mod connections;
mod document;
mod events;
mod fields;
mod guesses;
mod problem;
mod request;
mod resource;
mod sessions;
mod token;
mod workflows;

use std::sync::Arc;

use http::{HeaderValue, Method, Response, StatusCode, header};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tracing::debug;
use warp::filters::BoxedFilter;
use warp::{Filter, Reply};

pub use self::access::Access;
use self::fields::Id;
use self::problem::Problem;
use self::request::{Request, request};
use self::resource::Resource;
pub use self::token::{ApiToken, BadToken};
use crate::channel::Handle;
use crate::lightning::{Canvases, Leases, MOST_LEASES, Unavailable, WorkflowPresence};

/// The API of one server. Cheap to clone; the sessions that were put with it end with the last clone.
#[derive(Clone)]
pub struct Api {
    handle: Handle,
    canvases: Arc<Canvases>,
    leases: Leases,
    access: Access,
    document: Arc<str>,
    stopping: CancellationToken,
}

impl Api {
    /// An API over a server's topics. Every request has to bring the token, where there is one.
    ///
    /// # Panics
    /// If called outside a tokio runtime, which runs the task that ends leases.
    pub fn new(handle: Handle, canvases: Arc<Canvases>, token: Option<ApiToken>) -> Self {
        let leases = Leases::start(handle.clone(), MOST_LEASES);
        let document = document::text(token.is_some()).into();
        Api {
            handle,
            canvases,
            leases,
            access: Access::new(token),
            document,
            stopping: CancellationToken::new(),
        }
    }

    /// Ends the streams of events, those still to come too. Everything else is still answered.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// Everything below the base path. Nothing of it is rejected: what does not exist is answered with a problem.
    pub fn routes(&self) -> BoxedFilter<(warp::reply::Response,)> {
        let api = self.clone();
        let answer = move |request| {
            let api = api.clone();
            async move { api.answer(request).await }
        };
        warp::path!("api" / "v1" / ..).and(request()).then(answer).boxed()
    }

    /// The same where nothing else is: every other path is answered with a problem as well.
    pub fn all_routes(&self) -> BoxedFilter<(warp::reply::Response,)> {
        let nothing = warp::any().map(|| Problem::NoSuchPath.into_response().into_response());
        self.routes().or(nothing).unify().boxed()
    }

    /// Who may use it.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Whether its requests have to bring a token.
    pub fn has_token(&self) -> bool {
        self.access.has_token()
    }

    async fn answer(&self, mut request: Request) -> warp::reply::Response {
        let response = self.respond(&mut request).await;
        let mut response = response.unwrap_or_else(|problem| problem.into_response().into_response());
        if request.is_unread {
            // Otherwise the rest of the body would have to be read before the next request is.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        debug!(method = %request.method, status = response.status().as_u16(), "an API request was answered");
        response
    }

    async fn respond(&self, request: &mut Request) -> Result<warp::reply::Response, Problem> {
        self.access.admit(&request.headers, request.peer).await?;
        let path = std::mem::take(&mut request.path);
        let resource = Resource::find(&path).ok_or(Problem::NoSuchPath)?;
        if !resource.methods().contains(&request.method) {
            return Err(Problem::MethodNotAllowed(resource.methods()));
        }
        let workflow = |segment| Id::of_segment("workflow_id", segment);
        let response = match resource {
            Resource::Document => document::document(self),
            Resource::ManyPresences => workflows::many(self, fields::read(request.json().await?)?).await?,
            Resource::Presences(id) => workflows::presences(self, workflow(id)?).await,
            Resource::Counts(id) => workflows::counts(self, &workflow(id)?),
            Resource::Summary(id) => workflows::summary(self, workflow(id)?, &request.query).await?,
            Resource::Events(id) => return Ok(events::watch(self, &workflow(id)?)),
            Resource::Session(id, session) => {
                self.session(workflow(id)?, Id::of_segment("session_id", session)?, request).await?
            }
            Resource::Connections(id) => connections::disconnect(self, Id::of_segment("user_id", id)?).await,
        };
        Ok(response.into_response())
    }

    async fn session(
        &self,
        workflow: Id,
        session: Id,
        request: &mut Request,
    ) -> Result<Response<String>, Problem> {
        match request.method {
            Method::PUT => sessions::put(self, workflow, session, fields::read(request.json().await?)?).await,
            Method::PATCH => sessions::renew(self, workflow, session, fields::read(request.json().await?)?),
            _ => Ok(sessions::end(self, workflow, session).await),
        }
    }

    fn presence(&self) -> WorkflowPresence {
        WorkflowPresence::start(self.handle.clone())
    }

    /// The viewers of the project that holds a workflow; nobody, where there is no such workflow.
    async fn viewers(&self, workflow_id: &str) -> Result<Arc<[String]>, Unavailable> {
        let people = self.canvases.people();
        match people.workflow(workflow_id).await? {
            Some(workflow) => people.viewers(&workflow.project_id).await,
            None => Ok(Arc::default()),
        }
    }
}

fn json(body: &impl Serialize) -> Response<String> {
    of_type(
        "application/json",
        serde_json::to_string(body).expect("texts, numbers and maps of them are JSON"),
    )
}

fn of_type(media_type: &'static str, body: String) -> Response<String> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

fn nothing() -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
