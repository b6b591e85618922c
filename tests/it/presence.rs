//! Presence from outside: what members of a topic see of who comes, changes and goes.
//!
//! Owns [`Roster`], a channel that does with presence what it is told.
//! Not here: hooks ([`crate::hooks`]), Lightning's canvas ([`crate::lightning`]).
//! Source: Phoenix 1.8.12, `Phoenix.Presence`; phoenix.js `Presence`.

mod coalescing;
mod observing;
mod owners;
mod rejoin;
mod slow_reader;
mod storm;
mod tracking;

use presenced::channel::{
    BoxError, Channel, Context, Flow, Incoming, JoinError, Outcome, Reply, Router, TrackError, UpdateError,
};
use presenced::presence::Meta;
use presenced::server::Options;
use presenced::wire::{Payload, Vsn};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::support::{Client, Running};

/// A server whose topics `roster:*` are [`Roster`]s.
pub async fn serve(options: Options) -> Running {
    Running::start(Router::new().channel("roster:*", |user: &String| Roster::new(user)), options).await
}

/// A client on a topic that is not present itself.
pub async fn watcher(server: &Running, topic: &str) -> Client {
    let mut client = Client::connect(server.address(), Vsn::V2, "user=watcher").await;
    client.enter(topic).await;
    client
}

/// A client that is present on a topic under its user's name.
pub async fn member(server: &Running, user: &str, topic: &str) -> Client {
    let mut client = Client::connect(server.address(), Vsn::V2, &format!("user={user}")).await;
    let reply = client.join(topic, json!({"track": {"name": user}})).await;
    assert_eq!(reply.status, "ok");
    client
}

/// A channel that tracks its user if the join says so, and then is pushed the state.
struct Roster {
    user: String,
    meta: Option<Meta>,
}

/// What an event is about. The meta's text is kept as the client wrote it.
#[derive(Deserialize)]
struct Asked<'a> {
    key: String,
    topic: Option<String>,
    #[serde(borrow)]
    meta: Option<&'a RawValue>,
}

impl Roster {
    fn new(user: &str) -> Self {
        Roster { user: user.to_owned(), meta: None }
    }
}

impl Channel for Roster {
    type Info = ();

    async fn join(&mut self, payload: Payload, _: &Context<()>) -> Result<Payload, JoinError> {
        let payload: Value = payload.json().map_or(Ok(Value::Null), |json| json.parse())?;
        self.meta = payload.get("track").map(Meta::of).transpose()?;
        Ok(Payload::empty())
    }

    async fn after_join(&mut self, context: &Context<()>) -> Result<Flow, BoxError> {
        if let Some(meta) = self.meta.take() {
            context.presence().track(self.user.as_str(), meta).await?;
            context.presence().push_state().await;
        }
        Ok(Flow::Continue(()))
    }

    async fn handle_in(&mut self, message: Incoming, context: &Context<()>) -> Result<Outcome, BoxError> {
        let asked: Asked<'_> = message.parse()?;
        let presence = context.presence_of(asked.topic.as_deref().unwrap_or(context.topic()));
        let meta = asked.meta.map(|meta| Meta::parse(meta.get().as_bytes())).transpose()?;
        let done = |tracked: Result<_, String>| match tracked {
            Ok(phx_ref) => Reply::ok(json!({"phx_ref": phx_ref})),
            Err(reason) => Reply::error(json!({"reason": reason})),
        };
        let reply = match (message.event.as_str(), meta) {
            ("track", Some(meta)) => done(match presence.track(asked.key, meta).await {
                Err(TrackError::AlreadyTracked(_)) => Err("already tracked".into()),
                tracked => tracked.map_err(|error| error.to_string()),
            }),
            ("update", Some(meta)) => done(match presence.update(asked.key, meta).await {
                Err(UpdateError::NotTracked(_)) => Err("not tracked".into()),
                updated => updated.map_err(|error| error.to_string()),
            }),
            ("mark", None) => {
                let mut seen = Vec::new();
                let updated = presence.update_with(asked.key, |mut meta| {
                    seen.push(Value::Object(meta.clone()));
                    meta.insert("marked".into(), true.into());
                    meta
                });
                updated.await?;
                Reply::ok(json!({"seen": seen}))
            }
            ("untrack", None) => {
                presence.untrack(asked.key).await;
                Reply::done()
            }
            ("keep", None) => {
                let kept = context.clone();
                tokio::spawn(async move {
                    let _kept = kept;
                    std::future::pending::<()>().await;
                });
                Reply::done()
            }
            ("list", None) => Reply::ok(json!(presence.list().await)),
            ("list_json", None) => Reply::ok(presence.list_json().await),
            ("get_by_key", None) => Reply::ok(json!(presence.get_by_key(&asked.key).await)),
            (event, _) => return Err(format!("unknown event {event:?}").into()),
        };
        Ok(Outcome::Reply(reply))
    }
}
