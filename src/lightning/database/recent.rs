//! Answers of the last moments: what many ask for together is looked up once.
//!
//! Not here: what is true now and may not be from memory, which the review asks for.

use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use super::super::people::Unavailable;

/// Answers by question. That there is nothing is an answer too; that nobody could answer is none.
#[derive(Clone)]
pub(super) struct Recent<K, V>(Cache<K, V>);

impl<K, V> Recent<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// The answer that is remembered, or of the look-up that is under way, or of this one.
    ///
    /// A look-up runs to its end in a task of its own: where whoever asked first hangs up, all others still have it.
    pub(super) async fn answer(
        &self,
        question: K,
        look_up: impl Future<Output = Result<V, Unavailable>> + Send + 'static,
    ) -> Result<V, Unavailable> {
        if let Some(known) = self.0.get(&question).await {
            return Ok(known);
        }
        let cache = self.0.clone();
        let looked_up = tokio::spawn(async move { cache.try_get_with(question, look_up).await });
        match looked_up.await {
            Ok(answer) => answer.map_err(Arc::unwrap_or_clone),
            Err(_) => Err(Unavailable("the look-up ended without an answer".to_owned())),
        }
    }

    /// Forgets everything: somebody was found out.
    pub(super) fn forget(&self) {
        self.0.invalidate_all();
    }
}

impl<K, V> Default for Recent<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn default() -> Self {
        Recent(Cache::builder().max_capacity(MOST).time_to_live(REMEMBERED_FOR).build())
    }
}

/// As long as a herd of reconnecting tabs takes, and shorter than anybody waits for a change of a role.
const REMEMBERED_FOR: Duration = Duration::from_secs(3);
/// Of each kind of question.
const MOST: u64 = 10_000;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    struct Source {
        asked: AtomicUsize,
        reached: Notify,
        go_on: Notify,
    }

    async fn slowly(source: Arc<Source>) -> Result<Option<u8>, Unavailable> {
        source.asked.fetch_add(1, Ordering::Relaxed);
        source.reached.notify_one();
        source.go_on.notified().await;
        Ok(None)
    }

    fn source() -> Arc<Source> {
        Arc::new(Source { asked: AtomicUsize::new(0), reached: Notify::new(), go_on: Notify::new() })
    }

    #[tokio::test]
    async fn a_look_up_goes_on_where_whoever_asked_first_hangs_up() {
        let (source, recent) = (source(), Recent::<u8, Option<u8>>::default());
        let first = recent.clone();
        let look_up = slowly(source.clone());
        let first = tokio::spawn(async move { first.answer(1, look_up).await });
        source.reached.notified().await;
        first.abort();
        assert!(first.await.is_err(), "it hung up");
        let second = recent.answer(1, slowly(source.clone()));
        let (second, ()) = futures::join!(second, async { source.go_on.notify_one() });
        assert_eq!(second.expect("an answer"), None);
        assert_eq!(recent.answer(1, slowly(source.clone())).await.expect("an answer"), None);
        assert_eq!(source.asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn nothing_is_an_answer_and_a_failure_is_none() {
        let recent = Recent::<u8, Option<u8>>::default();
        let failing = async { Err(Unavailable("away".to_owned())) };
        assert!(recent.answer(1, failing).await.is_err());
        assert_eq!(recent.answer(1, async { Ok(None) }).await.expect("an answer"), None);
        assert_eq!(recent.answer(1, async { Ok(Some(1)) }).await.expect("an answer"), None);
        recent.forget();
        assert_eq!(recent.answer(1, async { Ok(Some(1)) }).await.expect("an answer"), Some(1));
    }
}
