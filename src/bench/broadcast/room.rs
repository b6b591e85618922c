//! When there is room for one more message under way.
//!
//! One waits, the speaker; all others settle. A message is settled for a member when it or a later one has come.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use tokio::sync::Notify;

/// How many deliveries are settled, and what the speaker waits for.
#[derive(Debug)]
pub(super) struct Room {
    members: u64,
    window: u64,
    settled: AtomicU64,
    /// How many have to be settled for the speaker to be woken; [`NOBODY`] where nobody waits.
    awaited: AtomicU64,
    woken: Notify,
}

impl Room {
    pub(super) fn new(members: u64, window: u64) -> Self {
        let awaited = AtomicU64::new(NOBODY);
        Room { members, window, settled: AtomicU64::new(0), awaited, woken: Notify::new() }
    }

    /// Waits until of `sent` messages no more than the window are unsettled.
    pub(super) async fn wait_for(&self, sent: u64) {
        let enough = sent.saturating_sub(self.window).saturating_mul(self.members);
        while self.settled.load(SeqCst) < enough {
            self.awaited.store(enough, SeqCst);
            // Whoever settled before the store did not see it; whoever settles behind it does.
            if self.settled.load(SeqCst) < enough {
                self.woken.notified().await;
            }
        }
    }

    /// How many deliveries are settled.
    pub(super) fn settled(&self) -> u64 {
        self.settled.load(SeqCst)
    }

    /// Settles deliveries.
    pub(super) fn settle(&self, count: u64) {
        let settled = self.settled.fetch_add(count, SeqCst) + count;
        if settled >= self.awaited.load(SeqCst) && self.awaited.swap(NOBODY, SeqCst) != NOBODY {
            self.woken.notify_one();
        }
    }
}

const NOBODY: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn so_many_messages_and_one_more_are_let_pass() {
        let room = Room::new(2, 3);
        for sent in 0..=3 {
            assert!(room.wait_for(sent).now_or_never().is_some(), "{sent}");
        }
        assert!(room.wait_for(4).now_or_never().is_none());
        room.settle(1);
        assert!(room.wait_for(4).now_or_never().is_none(), "one member has not got it");
        room.settle(1);
        assert!(room.wait_for(4).now_or_never().is_some());
    }

    #[tokio::test]
    async fn whoever_waits_is_woken_by_the_last_of_a_message() {
        let room = Room::new(2, 0);
        tokio::join!(room.wait_for(1), async {
            tokio::task::yield_now().await;
            room.settle(1);
            tokio::task::yield_now().await;
            room.settle(1);
        });
    }
}
