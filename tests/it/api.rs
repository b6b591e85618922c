//! The HTTP API, over its own listener and beside the canvas clients.
//!
//! Owns [`Served`], a server whose people are those of [`crate::lightning`], with an API.
//! Source: `openapi.json` as it is served; RFC 9457; contract Lightning 2.13, `Lightning.Workflows.Presence`.

mod access;
mod connections;
mod events;
mod faults;
mod leases;
mod sessions;
mod workflows;

use std::net::SocketAddr;
use std::sync::Arc;

use presenced::api::{Api, ListenAddress, Listener};
use presenced::lightning::{Canvases, UserSocket, router};
use presenced::server::{Options, Server};
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::lightning::Office;
use crate::support::http::{Answer, request};
use crate::support::{EventStream, Running};

/// A server with an API on a listener of its own. Both stop when this is dropped.
struct Served {
    server: Running,
    api: SocketAddr,
    _until: DropGuard,
}

impl Served {
    async fn start(options: Options) -> Self {
        let canvases = Canvases::new(Arc::new(Office));
        let server = Server::new(UserSocket::new(canvases.clone()), router(canvases.clone()), options);
        let api = Api::new(server.handle(), canvases, None);
        let address = "127.0.0.1:0".parse().expect("an address");
        let listener = Listener::bind(&address).await.expect("the loopback has a free port");
        let ListenAddress::Tcp(address) = *listener.address() else { unreachable!("it was asked for TCP") };
        let until = CancellationToken::new();
        let stopped = until.clone();
        tokio::spawn(async move { api.serve(listener, stopped).await });
        Served { server: Running::serve(server).await, api: address, _until: until.drop_guard() }
    }

    async fn get(&self, path: &str) -> Answer {
        request(self.api, "GET", &under_base(path), &[], "").await
    }

    async fn delete(&self, path: &str) -> Answer {
        request(self.api, "DELETE", &under_base(path), &[], "").await
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Answer {
        request(self.api, method, &under_base(path), &[JSON], body.to_string()).await
    }

    async fn events(&self, workflow: &str) -> EventStream {
        EventStream::open(self.api, &under_base(&format!("workflows/{workflow}/events")), &[]).await
    }
}

async fn serve() -> Served {
    Served::start(Options::default()).await
}

fn under_base(path: &str) -> String {
    format!("/api/v1/{path}")
}

const JSON: (&str, &str) = ("content-type", "application/json");
