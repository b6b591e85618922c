//! The demo canvas: a page that shows presence at work, with a small client of its own.

/// One file of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Where the page expects it.
    pub path: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// Its text.
    pub text: &'static str,
}

macro_rules! assets {
    ($($path:literal $content_type:ident $file:literal),* $(,)?) => {
        [$(Asset { path: $path, content_type: $content_type, text: include_str!(concat!("demo/", $file)) }),*]
    };
}

/// All files of the page; the first is the page itself.
pub const ASSETS: [Asset; 12] = assets![
    "/" HTML "index.html",
    "/demo/demo.css" CSS "demo.css",
    "/demo/canvas.css" CSS "canvas.css",
    "/demo/demo.js" SCRIPT "demo.js",
    "/demo/activity.js" SCRIPT "activity.js",
    "/demo/canvas.js" SCRIPT "canvas.js",
    "/demo/identity.js" SCRIPT "identity.js",
    "/demo/people.js" SCRIPT "people.js",
    "/demo/presences.js" SCRIPT "presences.js",
    "/demo/priority.js" SCRIPT "priority.js",
    "/demo/socket.js" SCRIPT "socket.js",
    "/demo/workflow.js" SCRIPT "workflow.js",
];

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
