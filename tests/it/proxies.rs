//! Which address the application is told of, with proxies before the server and with clients that only say so.
//!
//! Not here: every shape of the header (beside the code).

use std::net::IpAddr;

use presenced::channel::{Connect, ConnectInfo, Connected, Refusal};
use presenced::server::{ListenAddress, Listeners, Options, Server, TrustedProxies};
use tokio::sync::mpsc;

use crate::support::http::{request, request_unix};
use crate::support::{Running, lobbies, within};

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_client_says_it_speaks_for_does_not_count() {
    for trusted in ["", "10.0.0.0/8,2001:db8::1", "unix"] {
        let (server, mut seen) = start(trusted).await;
        for path in TRANSPORTS {
            request(server.address(), "GET", path, &[FORWARDED], "").await;
            assert_eq!(next(&mut seen).await, Some("127.0.0.1".into()), "{trusted:?} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_trusted_proxy_speaks_for_is_the_client() {
    let (server, mut seen) = start("127.0.0.0/8, 198.51.100.1").await;
    // The client wrote the first entry, a proxy further out the second, and the one that is connected here the third.
    let chain = [("x-forwarded-for", "203.0.113.1, 203.0.113.9"), ("x-forwarded-for", "198.51.100.1")];
    for path in TRANSPORTS {
        request(server.address(), "GET", path, &chain, "").await;
        assert_eq!(next(&mut seen).await, Some("203.0.113.9".into()), "{path}");
    }
    request(server.address(), "GET", TRANSPORTS[0], &[], "").await;
    assert_eq!(next(&mut seen).await, Some("127.0.0.1".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn through_a_unix_socket_a_proxy_is_trusted_where_the_list_says_so() {
    let socket = std::env::temp_dir().join(format!("presenced-{}-proxies.sock", std::process::id()));
    let forwarded = Some("203.0.113.9");
    for (trusted, expected) in
        [("", None), ("127.0.0.1", None), ("unix", forwarded), ("10.0.0.1,unix", forwarded)]
    {
        let (server, mut seen) = server(trusted);
        let listeners = Listeners::bind(&[ListenAddress::Unix(socket.clone())]).await;
        let listeners = listeners.expect("nobody else listens there");
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(server.run(listeners, async {
            // Dropped: it is to stop.
            let _ = stopped.await;
        }));
        request_unix(&socket, "GET", TRANSPORTS[0], &[FORWARDED], "").await;
        assert_eq!(next(&mut seen).await.as_deref(), expected, "{trusted:?}");
        drop(stop);
        within("the server to stop", running).await.expect("the server does not panic");
    }
}

async fn start(trusted: &str) -> (Running, mpsc::UnboundedReceiver<Option<IpAddr>>) {
    let (server, seen) = server(trusted);
    (Running::serve(server).await, seen)
}

/// A server that lets nobody in, and reports the addresses of all who tried.
fn server(trusted: &str) -> (Server, mpsc::UnboundedReceiver<Option<IpAddr>>) {
    let (report, seen) = mpsc::unbounded_channel();
    let trusted_proxies = TrustedProxies::parse(trusted).expect("a list");
    (Server::new(Doorman(report), lobbies(), Options { trusted_proxies, ..Options::default() }), seen)
}

async fn next(seen: &mut mpsc::UnboundedReceiver<Option<IpAddr>>) -> Option<String> {
    let address = within("a client", seen.recv()).await.expect("the server runs");
    address.map(|address| address.to_string())
}

struct Doorman(mpsc::UnboundedSender<Option<IpAddr>>);

impl Connect for Doorman {
    type Identity = String;

    async fn connect(&self, info: &ConnectInfo) -> Result<Connected<String>, Refusal> {
        self.0.send(info.peer).expect("the test listens");
        Err(Refusal::FORBIDDEN)
    }
}

const TRANSPORTS: [&str; 2] = ["/socket/websocket?vsn=2.0.0", "/socket/longpoll?vsn=2.0.0"];
const FORWARDED: (&str, &str) = ("x-forwarded-for", "203.0.113.9");
