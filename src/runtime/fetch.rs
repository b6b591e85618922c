//! The fetch hook at work: it runs beside everything else, and nothing depends on its success.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::maybe_done;
use smol_str::SmolStr;
use tokio::sync::watch;
use tracing::warn;

use crate::presence::Presences;
use crate::wire::Excerpt;

type Hook = Arc<dyn crate::channel::Fetch>;

/// The application's fetch hook, and a count of how many of its runs are under way.
#[derive(Clone)]
pub(crate) struct Fetcher {
    hook: Hook,
    running: Arc<watch::Sender<usize>>,
}

impl Fetcher {
    pub(crate) fn new(hook: Hook) -> Self {
        Fetcher { hook, running: Arc::new(watch::Sender::new(0)) }
    }

    /// Decorates each of the parts. A part whose fetch fails, panics or takes longer than a second comes back as it
    /// was. The runs count as under way from this call on, until the future is done or dropped.
    pub(crate) fn decorate<const N: usize>(
        &self,
        topic: SmolStr,
        parts: [Presences; N],
    ) -> impl Future<Output = [Presences; N]> + Send + use<N> {
        let run = Run::start(self.running.clone());
        let hook = self.hook.clone();
        async move {
            let mut fetches = parts.map(|part| maybe_done(fetch(&hook, topic.clone(), part).boxed()));
            futures::future::join_all(&mut fetches).await;
            drop(run);
            fetches.map(|mut done| Pin::new(&mut done).take_output().expect("all of them are done"))
        }
    }

    /// Resolves once nothing is under way.
    pub(crate) fn done(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut running = self.running.subscribe();
        async move {
            // An error says that the sender is gone, and every run with it.
            let _ = running.wait_for(|count| *count == 0).await;
        }
    }
}

async fn fetch(hook: &Hook, topic: SmolStr, part: Presences) -> Presences {
    let undecorated = part.clone();
    let run = AssertUnwindSafe(async { hook(topic.clone(), part).await }).catch_unwind();
    match tokio::time::timeout(TIME_LIMIT, run).await {
        Ok(Ok(Ok(decorated))) => return decorated,
        Ok(Ok(Err(error))) => {
            warn!(topic = %Excerpt(&topic), error = %Excerpt(error), "the fetch hook failed; its entries go out undecorated")
        }
        Ok(Err(_)) => {
            warn!(topic = %Excerpt(&topic), "the fetch hook panicked; its entries go out undecorated")
        }
        Err(_) => {
            warn!(topic = %Excerpt(&topic), "the fetch hook took too long; its entries go out undecorated")
        }
    }
    undecorated
}

/// One run under way.
struct Run(Arc<watch::Sender<usize>>);

impl Run {
    fn start(running: Arc<watch::Sender<usize>>) -> Self {
        running.send_modify(|count| *count += 1);
        Run(running)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// How long diffs wait behind a fetch.
const TIME_LIMIT: Duration = Duration::from_secs(1);
