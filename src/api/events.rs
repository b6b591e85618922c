//! A workflow's presence as server-sent events.
//!
//! Source: the HTML standard, "Server-sent events"; the events are those of phoenix.js.

use std::convert::Infallible;
use std::time::Duration;

use futures::{StreamExt, stream};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use warp::Reply;
use warp::sse::{self, Event};

use super::Api;
use super::fields::Id;
use crate::channel::{Watch, Watched};
use crate::lightning::WorkflowPresence;

/// One event of the stream.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is what the document says of events")]
struct PresenceEvent {
    event: PresenceEventName,
    /// JSON: `{key: {"metas": […]}}` of a state, `{"joins": …, "leaves": …}` of a diff.
    data: String,
}

/// What an event tells.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "it is what the document says of events")]
enum PresenceEventName {
    PresenceState,
    PresenceDiff,
}

/// Follows a workflow: first the event `presence_state`, whose data is `{key: {"metas": […]}}`, then a
/// `presence_diff`, `{"joins": …, "leaves": …}`, for every change. Fold them by `phx_ref`: a diff may name a join that
/// the state holds already. The stream ends when its reader is too slow, and when the server stops; whoever comes
/// back gets a fresh state. A comment every 15 seconds keeps the connection alive.
#[utoipa::path(
    get,
    path = "/api/v1/workflows/{workflow_id}/events",
    operation_id = "watchPresences",
    tag = "workflows",
    params(("workflow_id" = Id, Path, description = "The workflow")),
    responses((status = 200, description = "The events", body = PresenceEvent, content_type = "text/event-stream")),
)]
pub(super) fn watch(api: &Api, workflow: &Id) -> warp::reply::Response {
    let watch = api.handle.watch(&WorkflowPresence::topic(&workflow.0), MOST_WAITING_BYTES);
    answer(watch, &api.stopping)
}

fn answer(watch: Watch, stopping: &CancellationToken) -> warp::reply::Response {
    let told = stream::unfold(watch, |mut watch| async {
        let told = watch.next().await?;
        Some((Ok::<_, Infallible>(event(&told)), watch))
    });
    let until_stop = told.take_until(stopping.clone().cancelled_owned());
    let events = sse::reply(sse::keep_alive().interval(KEEP_ALIVE).stream(until_stop));
    // nginx would hold events back to compress them, whatever it is told of buffering.
    warp::reply::with_header(events, "x-accel-buffering", "no").into_response()
}

fn event(told: &Watched) -> Event {
    Event::default().event(told.event()).data(told.payload().as_str())
}

/// As much as may wait for a canvas client by default.
const MOST_WAITING_BYTES: usize = 8 * 1024 * 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(15);
