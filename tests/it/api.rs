//! The HTTP API, over its own listener and beside the canvas clients.
//!
//! Owns [`Served`], a server whose people are those of [`crate::lightning`], with an API.
//! Source: `openapi.json` as it is served; RFC 9457; Lightning 2.13, `Lightning.Workflows.Presence`.

mod access;
mod connections;
mod events;
mod faults;
mod leases;
mod sessions;
mod workflows;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use presenced::api::Api;
use presenced::lightning::{Canvases, UserSocket, router};
use presenced::server::{Options, Server};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::lightning::Office;
use crate::support::http::{Answer, request};
use crate::support::{EventStream, Running};

/// A server with an API on a listener of its own. Both stop when this is dropped.
struct Served {
    server: Running,
    api: SocketAddr,
}

impl Served {
    async fn start(options: Options) -> Self {
        let canvases = Canvases::new(Arc::new(Office));
        let server = Server::new(UserSocket::new(canvases.clone()), router(canvases.clone()), options);
        let api = Api::new(server.handle(), canvases, None);
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("the loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let server = server.api_on(listener.into(), &api);
        Served { server: Running::serve(server).await, api: address }
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
