//! Where the API is served, and to whom.

use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use presenced::wire::Vsn;
use serde_json::json;
use tokio::net::UnixStream;

use super::{JSON, under_base};
use crate::support::Client;
use crate::support::http::{request, request_over, request_unix};
use crate::support::process::{Process, run};

#[tokio::test(flavor = "multi_thread")]
async fn without_listener_and_token_there_is_no_api() {
    let process = Process::start(&[]).await;
    for path in [COUNTS, "/api/v1/openapi.json"] {
        assert_eq!(request(process.address(), "GET", path, &[], "").await.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_own_listener_on_this_machine_needs_no_token_and_serves_the_api_alone() {
    let mut process = Process::start(&["--api-listen-address", "127.0.0.1:0"]).await;
    let api = api_address(&process.line().await);
    assert_eq!(request(api, "GET", COUNTS, &[], "").await.status, 200);
    assert_eq!(request(api, "GET", "/", &[], "").await.status, 404, "the demo is not there");
    assert_eq!(request(process.address(), "GET", COUNTS, &[], "").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_either_listener_asks_for_it() {
    let mut own =
        Process::start_with(&["--api-listen-address", "127.0.0.1:0"], &[("API_TOKEN", TOKEN)]).await;
    let api = api_address(&own.line().await);
    let process = Process::start_with(&[], &[("API_TOKEN", TOKEN)]).await;
    let path = "/api/v1/openapi.json";
    assert_eq!(
        request(own.address(), "GET", path, &[], "").await.status,
        404,
        "it has a listener of its own"
    );
    let wrong = format!("Bearer {}x", &TOKEN[1..]);
    for server in [api, process.address()] {
        for headers in [&[][..], &[("authorization", wrong.as_str())][..], &[("authorization", TOKEN)][..]] {
            for path in [COUNTS, "/api/v1/openapi.json", "/api/v1/nowhere"] {
                let answer = request(server, "GET", path, headers, "").await;
                assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer"), "{path}");
                assert_eq!(answer.header("content-type"), "application/problem+json");
                assert_eq!(answer.json()["title"], "Unauthorized");
            }
        }
        let good = format!("Bearer {TOKEN}");
        let good = [("authorization", good.as_str())];
        assert_eq!(request(server, "GET", COUNTS, &good, "").await.status, 200);
        assert_eq!(request(server, "GET", "/api/v1/nowhere", &good, "").await.status, 404);
        let document = request(server, "GET", "/api/v1/openapi.json", &good, "").await.json();
        assert_eq!(document["security"], json!([{"bearer": []}]));
    }
    assert_eq!(request(process.address(), "GET", "/", &[], "").await.status, 200, "the demo asks for none");
}

/// A page that somebody has open on this machine reaches the loopback too; and a name of its own may lead there.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_web_pages_are_refused() {
    let path = socket_path("pages");
    let unix = format!("unix:{}", path.0.display());
    let mut over_tcp = Process::start(&["--api-listen-address", "127.0.0.1:0"]).await;
    let _over_unix = Process::start(&["--api-listen-address", &unix]).await;
    let tcp = api_address(&over_tcp.line().await);
    let table = [
        ("origin", "http://evil.example", 403, 403),
        ("origin", "null", 403, 403),
        ("host", "evil.example:4001", 403, 200),
        ("host", "127.0.0.1:4001", 200, 200),
        ("host", "[::1]", 200, 200),
    ];
    for (name, value, status_tcp, status_unix) in table {
        for page in [COUNTS, "/metrics"] {
            let answer = request(tcp, "GET", page, &[(name, value)], "").await;
            assert_eq!(answer.status, status_tcp, "{page} {name}: {value}");
            if status_tcp == 403 {
                assert_eq!(answer.json()["title"], "Forbidden");
            }
            let answer = request_unix(&path.0, "GET", page, &[(name, value)], "").await;
            assert_eq!(answer.status, status_unix, "{page} {name}: {value} over a Unix socket");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_ask_for_the_token_and_health_does_not() {
    let mut process =
        Process::start_with(&["--api-listen-address", "127.0.0.1:0"], &[("API_TOKEN", TOKEN)]).await;
    let api = api_address(&process.line().await);
    for (path, status) in [("/metrics", 401), ("/health", 200), ("/ready", 200)] {
        assert_eq!(request(api, "GET", path, &[], "").await.status, status, "{path}");
    }
    let bearer = format!("Bearer {TOKEN}");
    let headers =
        [("authorization", bearer.as_str()), ("host", "api.example"), ("origin", "https://a.example")];
    let page = request(api, "GET", "/metrics", &headers, "").await;
    assert_eq!((page.status, page.text().ends_with("# EOF\n")), (200, true));
    let head = request(api, "HEAD", "/metrics", &headers, "").await;
    assert_eq!((head.status, head.text()), (200, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_alone_serves_the_api_beside_the_canvas_clients() {
    let process = Process::start_with(&[], &[("API_TOKEN", TOKEN)]).await;
    let bearer = format!("Bearer {TOKEN}");
    let headers = [JSON, ("authorization", bearer.as_str())];
    let mut client = Client::connect(process.address(), Vsn::V2, "user_id=1").await;
    client.enter("workflow:presence:w").await;
    client.expect("workflow:presence:w", "presence_state").await;
    let body = json!({"user": {"id": "ada"}, "lease_seconds": 60}).to_string();
    let path = under_base("workflows/w/sessions/s");
    assert_eq!(request(process.address(), "PUT", &path, &headers, body).await.status, 201);
    while client.expect("workflow:presence:w", "presence_diff").await.payload["joins"]["ada"].is_null() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_serves_it_and_is_taken_away_at_the_end() {
    let path = socket_path("own");
    // Left behind by a process that was killed.
    drop(UnixListener::bind(&path.0).expect("the temporary folder takes sockets"));
    assert!(path.0.exists());
    let address = format!("unix:{}", path.0.display());
    let mut process = Process::start(&["--api-listen-address", &address]).await;
    assert_eq!(process.line().await, format!("API listening on {address}"));
    let stream = UnixStream::connect(&path.0).await.expect("it listens");
    let answer = request_over(stream, "GET", COUNTS, &[], "").await;
    assert_eq!((answer.status, &answer.json()["users"]), (200, &json!(0)));

    let taken = run(&["--port", "0", "--api-listen-address", &address], &[]).await;
    assert_eq!(taken.code, Some(1), "somebody listens there");
    assert!(
        taken.stderr.starts_with(&format!("presenced: cannot listen on {address}: ")),
        "{}",
        taken.stderr
    );

    let stream = UnixStream::connect(&path.0).await.expect("it still listens");
    assert_eq!(request_over(stream, "GET", COUNTS, &[], "").await.status, 200);
    process.signal("TERM").await;
    assert_eq!(process.ended().await.code, Some(0));
    assert!(!path.0.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_a_socket_is_replaced_by_one() {
    let path = socket_path("file");
    std::fs::write(&path.0, "precious").expect("the temporary folder takes files");
    let ended =
        run(&["--port", "0", "--api-listen-address", &format!("unix:{}", path.0.display())], &[]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_eq!(std::fs::read_to_string(&path.0).expect("it is still there"), "precious");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_for_other_machines_needs_a_token() {
    let ended = run(&["--api-listen-address", "0.0.0.0:0"], &[]).await;
    assert_eq!(ended.code, Some(78));
    assert_eq!(
        ended.stderr,
        "presenced: --api-listen-address: 0.0.0.0:0 can be reached from other machines, and needs API_TOKEN\n"
    );
    let ended = run(&[], &[("API_LISTEN_ADDRESS", "[::]:0")]).await;
    assert!(
        ended.stderr.starts_with("presenced: API_LISTEN_ADDRESS: [::]:0 can be reached"),
        "{}",
        ended.stderr
    );
    let flags = ["--api-listen-address", "0.0.0.0:0"];
    let mut process = Process::start_with(&flags, &[("API_TOKEN", TOKEN)]).await;
    let port = api_address(&process.line().await).port();
    assert_eq!(request(SocketAddr::from(([127, 0, 0, 1], port)), "GET", COUNTS, &[], "").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_of_no_use_is_bad_configuration_and_is_not_printed() {
    let space = format!("{TOKEN} {TOKEN}");
    for (token, why) in
        [(&TOKEN[1..], "must have at least 32 bytes"), (&space, "must consist of visible ASCII characters")]
    {
        let ended = run(&["--api-listen-address", "0.0.0.0:0"], &[("API_TOKEN", token)]).await;
        assert_eq!((ended.code, ended.stderr), (Some(78), format!("presenced: API_TOKEN: {why}\n")));
    }
    let ended = run(&["--api-listen-address", "4001"], &[]).await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("expected IP:PORT or unix:/path"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_the_token_nor_what_is_said_with_it_is_logged() {
    let flags = ["--log", "trace", "--api-listen-address", "127.0.0.1:0"];
    let mut process = Process::start_with(&flags, &[("API_TOKEN", TOKEN)]).await;
    let api = api_address(&process.line().await);
    let bearer = format!("Bearer {TOKEN}");
    let wrong = format!("Bearer {SECRET}{TOKEN}");
    for server in [api, process.address()] {
        for authorization in [&bearer, &wrong] {
            let headers = [JSON, ("authorization", authorization.as_str())];
            let path = under_base("workflows/w/sessions/s");
            let user = json!({"id": "ada", "first_name": SECRET, "last_name": SECRET, "email": SECRET});
            let put = json!({"user": user, "lease_seconds": 60}).to_string();
            request(server, "PUT", &path, &headers, put).await;
            request(server, "PATCH", &path, &headers, json!({SECRET: SECRET}).to_string()).await;
            request(server, "POST", &under_base("workflows/presences"), &headers, format!("{{{SECRET}"))
                .await;
            request(server, "GET", &under_base(&format!("{SECRET}?{SECRET}={SECRET}")), &headers, "").await;
        }
    }
    process.signal("TERM").await;
    let ended = process.ended().await;
    assert!(ended.stderr.contains("an API request was answered"), "the log is on: {}", ended.stderr);
    for said in [TOKEN, SECRET] {
        let found: Vec<&str> = ended.stderr.lines().filter(|line| line.contains(said)).collect();
        assert!(found.is_empty(), "{found:#?}");
    }
}

fn api_address(line: &str) -> SocketAddr {
    let address = line.strip_prefix("API listening on ").unwrap_or_else(|| panic!("it printed {line:?}"));
    address.parse().expect("an address")
}

/// The path of a socket of one test, gone with it.
struct SocketPath(PathBuf);

fn socket_path(name: &str) -> SocketPath {
    SocketPath(std::env::temp_dir().join(format!("presenced-{}-{name}.sock", std::process::id())))
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        // The program may have taken it away.
        let _ = std::fs::remove_file(&self.0);
    }
}

const COUNTS: &str = "/api/v1/workflows/w/counts";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const SECRET: &str = "s3cr3t-m4rk3r";
