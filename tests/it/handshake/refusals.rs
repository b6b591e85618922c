//! How whoever is not let in is told so, on both transports.
//!
//! What Phoenix answers with 500, because a clause does not match or a decoder raises, is a refusal like any other here.
//! Source: Phoenix 1.8.12, `Phoenix.Transports`; Lightning 2.13, `LightningWeb.UserSocket`.

use std::sync::Arc;

use http::StatusCode;
use presenced::channel::{Connect, ConnectInfo, Connected, Refusal};
use presenced::lightning::token::{Keys, SecretKeyBase};
use presenced::lightning::{Canvases, Login, PeopleFile, UserSocket, router};
use presenced::server::{Options, Server};
use serde_json::json;

use crate::people_file::TestFile;
use crate::support::http::request;
use crate::support::{Running, lobbies};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_missing_or_cannot_be_read_is_a_refusal_and_no_failure() {
    let file = TestFile::new("refusals.toml", "[[users]]\nid = \"ada\"\n");
    let server = lightning(&file).await;
    let unreadable = [
        "",
        "token=",
        "token=x",
        "token[]=x",
        "token[a]=x",
        "token=SFMyNTY.x.x",
        "token=XCP.x",
        "user_id=ada",
    ];
    for query in unreadable {
        refused(&server, query, &[]).await;
    }
    let offers =
        ["base64url.bearer.phx.*", "phoenix, base64url.bearer.phx.*", "phoenix, base64url.bearer.phx./w"];
    for offer in offers {
        let path = "/socket/websocket?vsn=2.0.0";
        let answer = request(server.address(), "GET", path, &[("sec-websocket-protocol", offer)], "").await;
        assert_eq!((answer.status, answer.text()), (403, ""), "{offer}");
    }
    for token in ["x", "", "\u{e4}"] {
        refused(&server, "", &[("x-phoenix-authtoken", token)]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_of_another_shape_is_a_refusal_and_no_failure() {
    let server = Running::start(lobbies(), Options::default()).await;
    for vsn in ["vsn=", "vsn=two", "vsn=3.0.0", "vsn[]=2.0.0", "vsn[a]=2.0.0"] {
        let answer = request(server.address(), "GET", &format!("/socket/websocket?{vsn}"), &[], "").await;
        assert_eq!((answer.status, answer.text()), (403, ""), "{vsn}");
        let answer = request(server.address(), "GET", &format!("/socket/longpoll?{vsn}"), &[], "").await;
        assert_eq!((answer.status, answer.json()), (200, json!({"status": 403})), "{vsn}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_the_servers_own_is_its_status_on_both_transports() {
    let server = Running::start_with(Moody, lobbies(), Options::default()).await;
    for status in [500, 503] {
        for transport in ["websocket", "longpoll"] {
            let path = format!("/socket/{transport}?vsn=2.0.0&refuse={status}");
            let answer = request(server.address(), "GET", &path, &[], "").await;
            assert_eq!((answer.status, answer.text()), (status, ""), "{transport}");
        }
    }
    for status in [401, 403, 429] {
        let path = format!("/socket/longpoll?vsn=2.0.0&refuse={status}");
        let answer = request(server.address(), "GET", &path, &[], "").await;
        assert_eq!((answer.status, answer.json()), (200, json!({"status": 403})), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connect_handler_that_panics_is_a_failure_of_the_servers_own() {
    let server = Running::start_with(Moody, lobbies(), Options::default()).await;
    for transport in ["websocket", "longpoll"] {
        let path = format!("/socket/{transport}?vsn=2.0.0&refuse=panic");
        let answer = request(server.address(), "GET", &path, &[], "").await;
        assert_eq!((answer.status, answer.text()), (500, ""), "{transport}");
    }
    let answer = request(server.address(), "GET", "/socket/longpoll?vsn=2.0.0", &[], "").await;
    assert_eq!(answer.json()["status"], 410, "others are let in");
}

/// Whoever says this is refused on both transports, and without a word.
async fn refused(server: &Running, query: &str, headers: &[(&str, &str)]) {
    let path = format!("/socket/websocket?vsn=2.0.0&{query}");
    let answer = request(server.address(), "GET", &path, headers, "").await;
    assert_eq!(
        (answer.status, answer.text(), answer.header("content-type")),
        (403, "", ""),
        "{query} {headers:?}"
    );
    let path = format!("/socket/longpoll?vsn=2.0.0&{query}");
    let answer = request(server.address(), "GET", &path, headers, "").await;
    assert_eq!((answer.status, answer.json()), (200, json!({"status": 403})), "{query} {headers:?}");
}

/// Lightning's socket, which asks for a token.
async fn lightning(file: &TestFile) -> Running {
    let secret = SecretKeyBase::new("a".repeat(64)).expect("long enough");
    let login = Login::Token(Keys::new(&secret, &[], Login::SALT));
    let people = Arc::new(PeopleFile::open(file.path(), login).expect("the file is in order"));
    let canvases = Canvases::new(people);
    let options = Options { auth_token: true, ..Options::default() };
    Running::serve(Server::new(UserSocket::new(canvases.clone()), router(canvases), options)).await
}

/// Refuses with the status in the parameter `refuse`, or panics where it says so.
struct Moody;

impl Connect for Moody {
    type Identity = String;

    async fn connect(&self, info: &ConnectInfo) -> Result<Connected<String>, Refusal> {
        match info.params.get("refuse") {
            None => Ok(Connected { identity: "anybody".into(), socket_id: None }),
            Some("panic") => panic!("asked to"),
            Some(status) => Err(Refusal::with_status(status.parse::<StatusCode>().expect("a status"))),
        }
    }
}
