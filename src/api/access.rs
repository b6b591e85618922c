//! Who may use what is for programs: whoever brings the token; where there is none, everybody but web pages.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use warp::filters::BoxedFilter;
use warp::{Filter, Reply};

use super::browser::refuse_pages;
use super::guesses::Guesses;
use super::problem::Problem;
use super::token::ApiToken;

/// What requests of programs have to bring. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    token: Option<ApiToken>,
    guesses: Arc<Guesses>,
}

impl Access {
    /// With this token, or for everybody who is no web page.
    pub fn new(token: Option<ApiToken>) -> Self {
        Access { token, guesses: Arc::default() }
    }

    /// Whether requests have to bring a token.
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// A page for whoever has access; everybody else is answered with a problem.
    pub fn guard(
        &self,
        page: BoxedFilter<(warp::reply::Response,)>,
    ) -> BoxedFilter<(warp::reply::Response,)> {
        let access = self.clone();
        let admit = warp::header::headers_cloned().and(warp::ext::optional());
        let guarded = page.and(admit).then(move |page, headers: HeaderMap, peer| {
            let access = access.clone();
            async move {
                match access.admit(&headers, peer).await {
                    Ok(()) => page,
                    Err(problem) => problem.into_response().into_response(),
                }
            }
        });
        guarded.boxed()
    }

    /// Lets a request pass.
    ///
    /// # Errors
    /// The problem to answer it with.
    pub(super) async fn admit(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<(), Problem> {
        match &self.token {
            Some(token) if token.is_in(headers) => Ok(()),
            Some(_) => {
                tokio::time::sleep(self.guesses.wrong(peer)).await;
                Err(Problem::Unauthorized)
            }
            None => refuse_pages(headers, peer),
        }
    }
}
