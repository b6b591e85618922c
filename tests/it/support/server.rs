//! A server in the test's own process.
//!
//! Owns: the port, the task and the end of it.
//! Not here: what it serves; every test says that itself.

use std::net::{Ipv4Addr, SocketAddr};

use presenced::channel::{Connect, ConnectInfo, Connected, Handle, Refusal, Router};
use presenced::server::{Options, Server, Stopped};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::within;

/// A server that listens on a free port of the loopback. It stops when this is dropped.
pub struct Running {
    address: SocketAddr,
    handle: Handle,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Stopped>,
}

/// Lets everybody in under the name in the parameter `user`, with the socket id `user:<name>`.
pub struct Named;

impl Running {
    /// Serves these channels to whoever [`Named`] lets in.
    pub async fn start(router: Router<String>, options: Options) -> Self {
        Running::start_with(Named, router, options).await
    }

    /// The same with another connect handler.
    pub async fn start_with<C: Connect>(connect: C, router: Router<C::Identity>, options: Options) -> Self {
        Running::serve(Server::new(connect, router, options)).await
    }

    /// Lets a server that was made elsewhere listen.
    pub async fn serve(server: Server) -> Self {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("the loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let handle = server.handle();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(listener, async {
            // Dropped or sent: either way it is to stop.
            let _ = stopped.await;
        }));
        Running { address, handle, stop, task }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The program's own way in.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Stops it as a signal would, and waits until it has.
    pub async fn stop(self) -> Stopped {
        // It may have ended already.
        let _ = self.stop.send(());
        within("the server to stop", self.task).await.expect("the server does not panic")
    }
}

impl Connect for Named {
    type Identity = String;

    async fn connect(&self, info: &ConnectInfo) -> Result<Connected<String>, Refusal> {
        let name = info.params.get("user").unwrap_or("somebody").to_owned();
        let socket_id = Some(format!("user:{name}"));
        Ok(Connected { identity: name, socket_id })
    }
}
