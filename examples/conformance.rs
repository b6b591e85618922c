//! The server that the recordings in `js-client-fixtures` were made against, on the public channel API and on the
//! canvas channel. `js-client-fixtures/README.md` says what it has to do.
//!
//! `cargo run --example conformance -- --port 4100` listens on 127.0.0.1 and says so in one line.

#[path = "conformance/people.rs"]
mod people;
#[path = "conformance/room.rs"]
mod room;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use http::{Response, StatusCode};
use presenced::channel::{Connect, ConnectInfo, Connected, Handle, Params, Refusal, Router};
use presenced::lightning::clock::now_ms;
use presenced::lightning::token::{Keys, SecretKeyBase};
use presenced::lightning::{Canvas, Canvases, Login, User};
use presenced::server::{Options, OriginPattern, Origins, Server};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use warp::Filter;
use warp::filters::BoxedFilter;

use self::people::Recorded;
use self::room::Room;

/// The conformance server.
#[derive(Parser)]
struct Flags {
    /// The port to listen on; 0 takes any that is free
    #[arg(long, default_value_t = 4100)]
    port: u16,
}

/// Lets everybody in but those who ask to be refused, or bring a token that is not good. A token says who they are.
struct UserSocket {
    keys: Keys,
}

impl Connect for UserSocket {
    type Identity = Arc<User>;

    async fn connect(&self, info: &ConnectInfo) -> Result<Connected<Arc<User>>, Refusal> {
        match info.params.get("reject") {
            Some("true") => return Err(Refusal::FORBIDDEN),
            Some("503") => return Err(Refusal::with_status(StatusCode::SERVICE_UNAVAILABLE)),
            _ => {}
        }
        let user = match info.params.value("token") {
            Some(_) => people::user(&self.bearer(&info.params).ok_or(Refusal::FORBIDDEN)?),
            None => people::user(info.params.get("user_id").unwrap_or("anon")),
        };
        let socket_id = Some(format!("user_socket:{}", user.id));
        Ok(Connected { identity: Arc::new(user), socket_id })
    }
}

impl UserSocket {
    /// The user id in an encrypted token.
    fn bearer(&self, params: &Params) -> Option<String> {
        let data = self.keys.decrypt(params.get("token"), Some(Login::MAX_AGE), now_ms()).ok()?;
        data.as_str().map(str::to_owned)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let listener = TcpListener::bind(("127.0.0.1", flags.port)).await.context("cannot listen")?;
    let origins = ["//localhost", "//127.0.0.1", "//allowed.example"].map(OriginPattern::parse);
    let options = Options {
        origins: Origins::List(origins.into_iter().collect::<Result<_, _>>()?),
        longpoll_window: Duration::from_secs(2),
        ..Options::default()
    };
    let canvases = Canvases::new(Arc::new(Recorded));
    let router = Router::new()
        .channel("room:*", |user: &Arc<User>| Room::new(user.id.clone()))
        .channel("workflow:*", move |user: &Arc<User>| Canvas::new(user.clone(), canvases.clone()));
    let keys = Keys::new(&SecretKeyBase::new(SECRET_KEY_BASE)?, &[], Login::SALT);
    let server = Server::new(UserSocket { keys }, router, options);
    let disconnect = disconnect(server.handle());
    let mut terminate = signal(SignalKind::terminate())?;
    println!("listening on {}", listener.local_addr()?);
    server.pages(disconnect).run(listener, async { terminate.recv().await.unwrap_or_default() }).await;
    Ok(())
}

/// Of the tokens in `js-client-fixtures/lightning/tokens.json`.
const SECRET_KEY_BASE: &str = "presenced-fixture-secret-key-base-0123456789abcdef0123456789abcdef";

/// `GET /disconnect/<user_id>` closes the user's connections.
fn disconnect(handle: Handle) -> BoxedFilter<(Response<String>,)> {
    let route = warp::get().and(warp::path!("disconnect" / String));
    let answer = route.then(move |user: String| {
        let handle = handle.clone();
        async move {
            handle.disconnect(&format!("user_socket:{user}")).await;
            Response::new("ok".to_owned())
        }
    });
    answer.boxed()
}
