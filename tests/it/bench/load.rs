//! Servers to measure.

use std::time::Duration;

use presenced::channel::{
    Channel, Connect, ConnectInfo, Connected, Context, Incoming, JoinError, Outcome, Refusal, Router,
};
use presenced::server::Options;
use presenced::wire::Payload;

use crate::support::{Running, lobbies};

/// `lobby:*`, where `shout` is broadcast, and `present:*`, where each user is present under its name.
pub async fn lobby() -> Running {
    Running::start(lobbies(), Options::default()).await
}

/// The same, where every change of presence is told at once, however short a visit is.
pub async fn prompt_lobby() -> Running {
    Running::start(lobbies(), Options { flush_window: Duration::ZERO, ..Options::default() }).await
}

/// The same for users who bring the parameter `token` that belongs to their number: `secret-<user>`.
pub async fn guarded() -> Running {
    Running::start_with(Guarded, lobbies(), Options::default()).await
}

/// `stall:*`, whose first join takes this long, for everybody.
pub async fn stalled(first: Duration) -> Running {
    let router = Router::new().channel("stall:*", move |_: &String| Stalled(first));
    Running::start(router, Options::default()).await
}

struct Guarded;

impl Connect for Guarded {
    type Identity = String;

    async fn connect(&self, info: &ConnectInfo) -> Result<Connected<String>, Refusal> {
        let user = info.params.get("user").unwrap_or_default().to_owned();
        if info.params.get("token") != Some(&format!("secret-{user}")) {
            return Err(Refusal::FORBIDDEN);
        }
        Ok(Connected { identity: user, socket_id: None })
    }
}

struct Stalled(Duration);

impl Channel for Stalled {
    type Info = ();

    /// The clients join one topic each, again and again; a topic's name is known only to its first join.
    async fn join(&mut self, params: Payload, _: &Context<()>) -> Result<Payload, JoinError> {
        static STALLED: std::sync::Once = std::sync::Once::new();
        let mut is_first = false;
        STALLED.call_once(|| is_first = true);
        if is_first {
            // The server stands still: that is what is measured.
            tokio::time::sleep(self.0).await;
        }
        Ok(params)
    }

    async fn handle_in(
        &mut self,
        _: Incoming,
        _: &Context<()>,
    ) -> Result<Outcome, presenced::channel::BoxError> {
        Ok(Outcome::NoReply)
    }
}
