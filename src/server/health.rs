//! Whether the process lives, and whether clients should be sent to it: two routes for whoever runs it.
//!
//! Both answer at once, whatever the server waits for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;
use warp::Filter;
use warp::filters::BoxedFilter;

/// What has to hold for clients to be sent here.
pub(super) struct Readiness {
    checks: Vec<Check>,
    draining: AtomicBool,
}

/// Says in words what is not ready.
pub(super) type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

impl Readiness {
    pub(super) fn new(checks: Vec<Check>) -> Arc<Self> {
        Arc::new(Readiness { checks, draining: AtomicBool::new(false) })
    }

    /// From now on the server is not ready any more.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// All that is not ready.
    fn lacks(&self) -> Vec<String> {
        let draining = self.draining.load(Ordering::Relaxed).then(|| "the server is stopping".to_owned());
        self.checks.iter().filter_map(|check| check().err()).chain(draining).collect()
    }
}

/// `GET /health`, which is answered for as long as the process serves, and `GET /ready`.
pub(super) fn health(readiness: Arc<Readiness>) -> BoxedFilter<(Response<String>,)> {
    let asked = warp::get().or(warp::head()).unify();
    let alive = asked.and(warp::path!("health")).map(|| answer(StatusCode::OK, json!({"alive": true})));
    let ready = asked.and(warp::path!("ready")).map(move || match &readiness.lacks()[..] {
        [] => answer(StatusCode::OK, json!({"ready": true})),
        lacks => answer(StatusCode::SERVICE_UNAVAILABLE, json!({"ready": false, "lacks": lacks})),
    });
    alive.or(ready).unify().boxed()
}

fn answer(status: StatusCode, body: serde_json::Value) -> Response<String> {
    let mut response = Response::new(body.to_string());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
