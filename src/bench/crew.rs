//! Clients at work, a task each, who can be stopped wherever they are and keep what they have counted.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures::future::{AbortHandle, Abortable};
use tokio::task::JoinSet;

use super::run::Bench;
use super::trouble::Trouble;

/// What a client does in a run.
pub(super) trait Role: Send + 'static {
    /// Does it, until it is done or for ever. It may be stopped at any await, and nothing it has counted may be lost.
    fn work(&mut self) -> impl Future<Output = Result<(), Trouble>> + Send;
}

/// Clients of one role. They stop when this is dropped.
pub(super) struct Crew<R> {
    tasks: JoinSet<R>,
    handles: Vec<AbortHandle>,
    at_work: Arc<AtomicU64>,
}

impl<R> Default for Crew<R> {
    fn default() -> Self {
        Crew { tasks: JoinSet::new(), handles: Vec::new(), at_work: Arc::default() }
    }
}

impl<R: Role> Crew<R> {
    /// Lets each do its work.
    pub(super) fn start(bench: &Arc<Bench>, members: impl IntoIterator<Item = R>) -> Self {
        let mut crew = Crew::default();
        members.into_iter().for_each(|member| crew.add(bench, member));
        crew
    }

    /// Lets one more do its work. The trouble that ends it is noted.
    pub(super) fn add(&mut self, bench: &Arc<Bench>, mut member: R) {
        let (handle, registration) = AbortHandle::new_pair();
        self.handles.push(handle);
        self.at_work.fetch_add(1, Relaxed);
        let (bench, at_work) = (bench.clone(), self.at_work.clone());
        self.tasks.spawn(async move {
            let worked = Abortable::new(member.work(), registration).await;
            if let Ok(Err(trouble)) = worked {
                bench.trouble(&trouble);
            }
            at_work.fetch_sub(1, Relaxed);
            member
        });
    }

    /// How many there are, at work or not.
    pub(super) fn len(&self) -> usize {
        self.handles.len()
    }

    /// Whether nobody is at work any more.
    pub(super) fn is_done(&self) -> bool {
        self.at_work.load(Relaxed) == 0
    }

    /// Waits until nobody is at work any more, but no longer than this, and returns all.
    pub(super) async fn finish(self, limit: Duration) -> Vec<R> {
        let end = Instant::now() + limit;
        while !self.is_done() && Instant::now() < end {
            tokio::time::sleep(LOOK).await;
        }
        self.stop().await
    }

    /// Stops those who are still at work, and returns all.
    pub(super) async fn stop(mut self) -> Vec<R> {
        self.handles.iter().for_each(AbortHandle::abort);
        let mut members = Vec::with_capacity(self.handles.len());
        while let Some(member) = self.tasks.join_next().await {
            members.push(member.expect("no role panics, and no task of it is aborted"));
        }
        members
    }
}

/// How often it is looked whether all are done.
const LOOK: Duration = Duration::from_millis(2);
