//! What a test asks of the double, over HTTP: `GET /counts`, and faults by `POST /control/<what>?<how>`.
//!
//! * `sleep?ms=`: the channels do nothing for so long
//! * `refuse?status=`: new connections are refused with this status; without one they are taken again
//! * `disconnect`, `disconnect?person=`: connections are closed with 1001
//! * `close?topic=&person=`, `crash?topic=&person=`: channels end with `phx_close`, `phx_error`; `person` may be left out
//! * `push?topic=&event=`, with an object as body: everybody in the room is pushed this

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use presenced::channel::{Handle, Payload};
use presenced::ops::metrics::Metrics;
use serde_json::Value;
use warp::Filter;
use warp::filters::BoxedFilter;

use super::channel::Told;
use super::server::{Lightning, socket_id};

/// The routes.
pub fn routes(lightning: &Arc<Lightning>, handle: Handle, metrics: Metrics) -> BoxedFilter<(Response<String>,)> {
    let (counted, metrics) = (lightning.clone(), Arc::new(metrics));
    let counts = warp::get().and(warp::path!("counts")).map(move || {
        let received = metrics.encode().lines().find_map(received).unwrap_or_default();
        Response::new(counted.counts.to_json(received).to_string())
    });
    let lightning = lightning.clone();
    let control = warp::post().and(warp::path!("control" / String)).and(query()).and(warp::body::bytes());
    let control = control.then(move |what: String, query: HashMap<String, String>, body: Bytes| {
        let (lightning, handle) = (lightning.clone(), handle.clone());
        async move {
            let done = carry_out(&lightning, &handle, &what, &query, &body).await;
            let mut response = Response::new(String::new());
            if done.is_none() {
                *response.status_mut() = StatusCode::BAD_REQUEST;
            }
            response
        }
    });
    counts.or(control).unify().boxed()
}

async fn carry_out(
    lightning: &Lightning,
    handle: &Handle,
    what: &str,
    query: &HashMap<String, String>,
    body: &[u8],
) -> Option<()> {
    let given = |name: &str| query.get(name).map(String::as_str);
    match what {
        "sleep" => lightning.sleep(Duration::from_millis(given("ms")?.parse().ok()?)),
        "refuse" => lightning.refuse(given("status").map(str::parse).transpose().ok()?),
        "disconnect" => {
            let people = given("person").map_or_else(|| lightning.people(), |person| vec![person.to_owned()]);
            for person in people {
                handle.disconnect(&socket_id(&person)).await;
            }
        }
        "close" => lightning.tell_channels(given("topic")?, given("person"), || Told::Close),
        "crash" => lightning.tell_channels(given("topic")?, given("person"), || Told::Crash),
        "push" => {
            let payload: Value = serde_json::from_slice(body).ok()?;
            lightning.known_room(given("topic")?)?.lock().tell(0, given("event")?, &Payload::from(payload));
        }
        _ => return None,
    }
    Some(())
}

/// The query by name; none is an empty one.
fn query() -> BoxedFilter<(HashMap<String, String>,)> {
    warp::query::<HashMap<String, String>>().or(warp::any().map(HashMap::new)).unify().boxed()
}

fn received(line: &str) -> Option<u64> {
    let (name, value) = line.split_once(' ')?;
    name.ends_with("received_messages_total").then(|| value.parse().ok())?
}
