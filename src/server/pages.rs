//! Pages made of fixed texts.

use http::{HeaderValue, Response, StatusCode, header};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::path::FullPath;

/// Serves texts by exact path: `(path, media type, text)`. A page may load nothing from anywhere else.
pub fn pages(pages: Vec<(&'static str, &'static str, &'static str)>) -> BoxedFilter<(Response<String>,)> {
    let find = move |path: FullPath| {
        let page = pages.iter().find(|(at, ..)| *at == path.as_str()).copied();
        std::future::ready(page.ok_or_else(warp::reject::not_found))
    };
    let found = warp::get().or(warp::head()).unify().and(warp::path::full()).and_then(find);
    found
        .map(|(_, content_type, text): (_, &'static str, &'static str)| {
            let mut response = Response::new(text.to_owned());
            *response.status_mut() = StatusCode::OK;
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(SAME_ORIGIN));
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            response
        })
        .boxed()
}

const SAME_ORIGIN: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self' ws: wss:";
