//! The rules of the tree, held against the sources in `src/`.
//!
//! Owns: which folder is pure, which may know which, who may know warp and the clock, how long a file may be; and
//! proof that the checks notice.
//! Not here: how Rust is read ([`source`]).
//! Source: "Five rules of the tree" in the architecture.

mod source;

use std::fs;
use std::path::Path;

use self::source::{Code, leads_through};

#[test]
fn pure_folders_name_nothing_that_acts() {
    assert_eq!(violations(impure), Vec::<String>::new());
}

#[test]
fn arrows_between_folders_point_one_way() {
    assert_eq!(violations(astray), Vec::<String>::new());
}

#[test]
fn only_those_with_a_reason_name_what_others_are_kept_from() {
    assert_eq!(violations(indiscreet), Vec::<String>::new());
}

#[test]
fn no_file_is_over_six_hundred_lines() {
    assert_eq!(violations(too_long), Vec::<String>::new());
}

#[test]
fn everything_the_rules_name_is_there() {
    let files = sources();
    let is_there = |place: &str| files.iter().any(|file| file.is_in(place));
    let places = PURE.iter().copied().chain(EDGES.iter().map(|(from, _)| *from));
    let places = places.chain(RESERVED.iter().flat_map(|(_, places)| *places).map(|(place, _)| *place));
    let missing: Vec<&str> = places.chain(["channel"]).filter(|place| !is_there(place)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn what_acts_is_noticed_in_a_pure_folder() {
    let acting = [
        ("async fn f() {}", "async"),
        ("fn f() { g().await; }", "await"),
        ("use tokio::sync::mpsc;", "tokio"),
        ("fn f() { tokio::spawn(g()); }", "tokio"),
        ("use std::time::Instant; fn f() { Instant::now(); }", "Instant::now"),
        ("fn f() { std::time::SystemTime::now(); }", "SystemTime::now"),
        ("use std::{collections::HashMap, sync::{Arc, Mutex}};", "Mutex"),
        ("use std::{fmt, env};", "std::env"),
        ("fn f(stream: std::net::TcpStream) {}", "std::net"),
        ("use uuid::Uuid;", "uuid"),
    ];
    for (text, word) in acting {
        assert_eq!(impure(&made_up("presence/x.rs", text)), [format!("presence/x.rs names {word}")]);
        assert!(impure(&made_up("runtime/x.rs", text)).is_empty(), "{text}");
    }
}

#[test]
fn what_only_looks_like_acting_is_let_pass() {
    let harmless = [
        "// tokio is not for this folder\n/* async */",
        "//! Not here: async, tokio.",
        "const WORDS: &str = \"async tokio Mutex\";",
        "use std::time::{Duration, Instant}; fn f(now: Instant) {}",
        "#[cfg(test)] mod tests { fn f() { Instant::now(); } }",
        "struct Environment; fn environ() {}",
    ];
    for text in harmless {
        assert_eq!(impure(&made_up("wire/x.rs", text)), Vec::<String>::new());
    }
    assert!(impure(&made_up("session/tests.rs", "fn f() { Instant::now(); }")).is_empty());
}

#[test]
fn a_channel_may_be_async_but_runs_no_task_and_reads_no_clock() {
    assert!(impure(&made_up("channel/x.rs", "async fn f() { g().await }")).is_empty());
    for text in ["use tokio::task;", "fn f() { Instant::now(); }", "use std::fs;"] {
        assert_eq!(impure(&made_up("channel/x.rs", text)).len(), 1, "{text}");
    }
}

#[test]
fn an_arrow_that_points_back_is_noticed() {
    let back = [
        ("wire/x.rs", "use crate::session::Session;", "session"),
        ("presence/x.rs", "use crate::wire::Json;", "wire"),
        ("presence/x.rs", "fn f() -> crate::channel::Handle {}", "channel"),
        ("session/x.rs", "use crate::{wire::Vsn, runtime::hub};", "runtime"),
        ("channel/x.rs", "use super::super::runtime::hub;", "runtime"),
        ("channel/mod.rs", "use super::runtime::hub;", "runtime"),
        ("runtime/longpoll/x.rs", "use super::super::super::lightning::User;", "lightning"),
        ("lightning/x.rs", "use crate::server::Server;", "server"),
        ("ops/x.rs", "use crate::wire::Vsn;", "wire"),
        ("api/x.rs", "use crate::server::Server;", "server"),
        ("runtime/x.rs", "use crate::ops::metrics::Metrics;", "ops"),
    ];
    for (path, text, to) in back {
        let from = path.split('/').next().unwrap_or(path);
        assert_eq!(astray(&made_up(path, text)), [format!("{path}: no arrow leads from {from} to {to}")]);
    }
}

#[test]
fn an_arrow_that_points_forward_is_let_pass() {
    let forward = [
        ("session/x.rs", "use crate::wire::Vsn;"),
        ("runtime/longpoll/x.rs", "use super::super::connection::Connection;"),
        ("wire/websocket/x.rs", "use super::super::frame::Opcode;"),
        ("wire/x.rs", "use crate::wire::Json;"),
        ("server.rs", "use crate::{lightning::User, runtime::hub};"),
        ("wire/x.rs", "// crate::runtime"),
    ];
    for (path, text) in forward {
        assert_eq!(astray(&made_up(path, text)), Vec::<String>::new());
    }
}

#[test]
fn a_reserved_name_is_noticed_where_it_has_no_reason() {
    let warp = made_up("runtime/x.rs", "use warp::Filter;");
    assert_eq!(indiscreet(&warp), ["runtime/x.rs names warp"]);
    assert!(indiscreet(&made_up("server.rs", "use warp::Filter;")).is_empty());
    let clock = made_up("lightning/x.rs", "fn f() { std::time::Instant::now(); }");
    assert_eq!(indiscreet(&clock), ["lightning/x.rs names Instant::now"]);
    assert!(indiscreet(&made_up("runtime/socket.rs", "fn f() { Instant::now(); }")).is_empty());
}

#[test]
fn a_long_file_is_noticed() {
    assert!(too_long(&made_up("wire/x.rs", &"\n".repeat(MOST_LINES))).is_empty());
    assert_eq!(too_long(&made_up("wire/x.rs", &"\n".repeat(MOST_LINES + 1))), ["wire/x.rs has 601 lines"]);
}

/// A file of `src/`.
struct Source {
    /// From `src/` on, such as `wire/json.rs`.
    path: String,
    text: String,
}

impl Source {
    /// Whether it is this file, or in this folder or the file beside the folder that has its name.
    fn is_in(&self, place: &str) -> bool {
        self.path.strip_prefix(place).is_some_and(|rest| ["", ".rs"].contains(&rest) || rest.starts_with('/'))
    }

    fn is_tests(&self) -> bool {
        self.path.ends_with("/tests.rs")
    }

    /// The module's path below the crate: `wire/json.rs` is `wire`, `json`.
    fn module(&self) -> Vec<&str> {
        let path = self.path.trim_end_matches(".rs");
        path.split('/').filter(|segment| !["mod", "lib", "main"].contains(segment)).collect()
    }

    /// The folder, or file, directly below `src/` that a path leads to; `None` for a path to elsewhere.
    fn target<'a>(&self, path: &'a [String]) -> Option<&'a str> {
        let supers = path.iter().take_while(|segment| *segment == "super").count();
        let to_root = supers > 0 && supers == self.module().len();
        match path.first()?.as_str() {
            "crate" => path.get(1).map(String::as_str),
            "super" if to_root => path.get(supers).map(String::as_str),
            _ => None,
        }
    }
}

/// What a pure folder names although it acts: runs, waits, or looks at the world.
fn impure(file: &Source) -> Vec<String> {
    let is_pure = PURE.iter().any(|place| file.is_in(place));
    let words: Vec<&str> = match file.is_in("channel") {
        true => ACTING.to_vec(),
        false if is_pure => [WAITING, ACTING].concat(),
        false => return Vec::new(),
    };
    names(file, |path| words.iter().copied().find(|word| leads_through(path, word)))
}

/// The folders that a file uses although no arrow leads there.
fn astray(file: &Source) -> Vec<String> {
    let module = file.module();
    let Some(from) = module.first().copied() else { return Vec::new() };
    let allowed = EDGES.iter().find(|(folder, _)| *folder == from).map(|(_, to)| *to);
    let targets = Code::of(&file.text).paths();
    let mut astray: Vec<&str> = targets.iter().filter_map(|path| file.target(path)).collect();
    astray.retain(|to| *to != from && allowed.is_some_and(|allowed| !allowed.contains(to)));
    astray.sort_unstable();
    astray.dedup();
    astray.iter().map(|to| format!("{}: no arrow leads from {from} to {to}", file.path)).collect()
}

/// What a file names although it is reserved for others.
fn indiscreet(file: &Source) -> Vec<String> {
    let reserved = RESERVED.iter().filter(|(_, places)| !places.iter().any(|(place, _)| file.is_in(place)));
    let words: Vec<&str> = reserved.map(|(word, _)| *word).collect();
    names(file, |path| words.iter().copied().find(|word| leads_through(path, word)))
}

fn too_long(file: &Source) -> Vec<String> {
    let lines = file.text.lines().count();
    if lines > MOST_LINES { vec![format!("{} has {lines} lines", file.path)] } else { Vec::new() }
}

/// A line for each forbidden word that a file names; what tests do is their own affair.
fn names<'a>(file: &Source, forbidden: impl Fn(&[String]) -> Option<&'a str>) -> Vec<String> {
    if file.is_tests() {
        return Vec::new();
    }
    let mut words: Vec<&str> =
        Code::of(&file.text).paths().iter().filter_map(|path| forbidden(path)).collect();
    words.sort_unstable();
    words.dedup();
    words.iter().map(|word| format!("{} names {word}", file.path)).collect()
}

/// What a check says of all files of `src/`.
fn violations(check: fn(&Source) -> Vec<String>) -> Vec<String> {
    let files = sources();
    assert!(files.len() > 50, "the sources are not where they are looked for");
    files.iter().flat_map(check).collect()
}

fn made_up(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    read_folder(&root, &root, &mut files);
    files
}

fn read_folder(root: &Path, folder: &Path, files: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read on").path();
        if path.is_dir() {
            read_folder(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).expect("it was found below the root").display().to_string();
            files.push(Source { path: name, text: fs::read_to_string(&path).expect("a source is text") });
        }
    }
}

/// Folders and files that take time, ids and bytes as arguments and return results.
const PURE: &[&str] = &[
    "wire",
    "session",
    "presence",
    "pages",
    "awareness",
    "gateway",
    "lightning/room.rs",
    "lightning/summary.rs",
    "lightning/token",
    "lightning/token.rs",
    "lightning/user.rs",
];

/// What runs, or looks at the world.
const ACTING: &[&str] = &[
    "tokio",
    "warp",
    "hyper",
    "Instant::now",
    "SystemTime::now",
    "rand",
    "getrandom",
    "uuid",
    "std::env",
    "std::fs",
    "std::process",
    "std::thread",
];

/// What waits or is shared. A channel may.
const WAITING: &[&str] =
    &["async", "await", "parking_lot", "Mutex", "RwLock", "Condvar", "OnceLock", "LazyLock", "std::net"];

/// What each folder may know of the others. `main.rs` may know all of them.
const EDGES: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("session", &["wire", "pages"]),
    ("presence", &["pages"]),
    ("gateway", &["wire"]),
    ("channel", &["wire", "presence", "pages"]),
    ("pages", &[]),
    ("awareness", &["pages"]),
    ("runtime", &["wire", "session", "channel", "presence", "pages", "awareness", "gateway"]),
    ("lightning", &["channel", "presence", "pages"]),
    ("api", &["channel", "lightning"]),
    ("ops", &["runtime"]),
    ("bench", &["wire"]),
];

/// Names that are kept to few places, with the reason that each has.
const RESERVED: &[(&str, &[(&str, &str)])] = &[
    (
        "warp",
        &[
            ("server.rs", "the routes are its filters"),
            ("server/health.rs", "two more routes"),
            ("server/pages.rs", "pages are one more route"),
            ("server/request.rs", "takes out of a request what the transports look at"),
            ("server/requests.rs", "hands each request to the filters"),
            ("server/gateway.rs", "health beside the paths that pass"),
            ("api/access.rs", "guards a route"),
            ("api.rs", "its routes are one filter"),
            ("api/request.rs", "takes out of a request what the endpoints look at"),
            ("api/events.rs", "its server-sent events"),
        ],
    ),
    (
        "hyper",
        &[
            ("server/requests.rs", "serves each stream"),
            ("server/request.rs", "the upgrade comes with the request"),
            ("server/http_clock.rs", "the end of an answer is that of its body"),
            ("server/guarded_body.rs", "is a body of a request"),
            ("server/websocket.rs", "takes the stream over"),
            ("server/gateway.rs", "takes both streams over"),
            ("server/gateway/exchange.rs", "is a client to the upstream"),
            ("check_command/upstream.rs", "is one for a moment"),
        ],
    ),
    ("tokio_postgres", &[("lightning/database", "what is asked of Lightning's tables stays in one place")]),
    (
        "rustls",
        &[
            ("lightning/database/tls.rs", "the way to the database"),
            ("runtime/upstream.rs", "the way to the upstream"),
            ("runtime/upstream/tls.rs", "whom of upstreams to believe"),
        ],
    ),
    ("anyhow", &[("main.rs", "errors end the process")]),
    (
        "Instant::now",
        &[
            ("runtime", "the server's only clock"),
            ("bench", "measures time"),
            ("server/http_clock.rs", "how long a client may take for a request"),
            ("server/requests.rs", "the same"),
            ("server/admission.rs", "how often the log tells of a refused origin"),
            ("api/guesses.rs", "how often the log tells of a wrong token"),
            ("server/guarded_body.rs", "and for its body"),
            ("lightning/database/link.rs", "a connection that was just refused is not tried again at once"),
        ],
    ),
    (
        "SystemTime::now",
        &[("runtime", "the only clock"), ("lightning/clock.rs", "sessions and tokens are dated")],
    ),
];

/// More is a reason to split a file.
const MOST_LINES: usize = 600;
