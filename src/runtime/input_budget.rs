//! How many bytes of unfinished input a server holds: messages whose end has not come, and bodies of requests.
//!
//! Each is bounded by itself, and has to go on; but many clients could hold that much at once. Over the limit of all
//! together somebody has to go: of the address that holds most the user that holds most, and of that one's the oldest.
//! What is under 4 KiB is not counted: it is less than a connection takes anyway. Not here: heads of requests, which are
//! bounded one by one (`server/requests`).

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use smol_str::SmolStr;
use tracing::warn;

/// The unfinished input of a server.
pub(crate) struct InputBudget {
    most: usize,
    input: Mutex<Input>,
}

#[derive(Default)]
struct Input {
    bytes: usize,
    /// By the order in which they came.
    holders: HashMap<u64, Holder>,
    next: u64,
    /// Somebody had to go, and since then half of it was never free.
    is_scarce: bool,
}

struct Holder {
    by: HeldBy,
    bytes: usize,
    whole: Weak<dyn Evict>,
}

/// Whose unfinished input it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeldBy {
    pub(crate) address: Option<IpAddr>,
    pub(crate) user: Option<SmolStr>,
}

/// Something that can be told to let go of its input.
pub(crate) trait Evict: Send + Sync {
    fn evict(&self);
}

/// One message or body that is not all there. Dropped, it is counted no more.
pub(crate) struct Unfinished {
    budget: Arc<InputBudget>,
    id: u64,
}

impl InputBudget {
    /// For so many bytes in all.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(InputBudget { most, input: Mutex::default() })
    }

    /// Whether so much input is worth to be counted.
    pub(crate) fn counts(bytes: usize) -> bool {
        bytes >= LEAST
    }

    /// Begins to count an input.
    pub(crate) fn hold(self: &Arc<Self>, by: HeldBy, whole: Weak<dyn Evict>) -> Unfinished {
        let mut input = self.input.lock();
        let id = input.next;
        input.next += 1;
        input.holders.insert(id, Holder { by, bytes: 0, whole });
        Unfinished { budget: self.clone(), id }
    }

    fn set(&self, id: u64, bytes: usize) {
        let mut evicted = Vec::new();
        let mut input = self.input.lock();
        // Whoever was told to go counts no more.
        let Some(holder) = input.holders.get_mut(&id) else { return };
        let before = std::mem::replace(&mut holder.bytes, bytes);
        input.bytes = input.bytes - before + bytes;
        while input.bytes > self.most
            && let Some(holder) = input.take_worst()
        {
            if !std::mem::replace(&mut input.is_scarce, true) {
                warn!(
                    bytes = self.most,
                    "unfinished messages and requests hold as much as they may; the oldest of whoever holds most are closed"
                );
            }
            evicted.push(holder.whole);
        }
        drop(input);
        for whole in evicted.iter().filter_map(Weak::upgrade) {
            whole.evict();
        }
    }

    fn forget(&self, id: u64) {
        let mut input = self.input.lock();
        let Some(holder) = input.holders.remove(&id) else { return };
        input.bytes -= holder.bytes;
        input.is_scarce &= input.bytes > self.most / 2;
    }
}

impl Input {
    fn take_worst(&mut self) -> Option<Holder> {
        let address = most(self.holders.values().map(|holder| (holder.by.address, holder.bytes)))?;
        let of_address = || self.holders.iter().filter(|(_, holder)| holder.by.address == address);
        let user = most(of_address().map(|(_, holder)| (holder.by.user.clone(), holder.bytes)))?;
        let of_user = of_address().filter(|(_, holder)| holder.by.user == user);
        let oldest = of_user.map(|(id, _)| *id).min()?;
        let holder = self.holders.remove(&oldest)?;
        self.bytes -= holder.bytes;
        Some(holder)
    }
}

/// The key with the largest sum.
fn most<K: Eq + Hash>(held: impl Iterator<Item = (K, usize)>) -> Option<K> {
    let mut sums = HashMap::<K, usize>::new();
    for (key, bytes) in held {
        *sums.entry(key).or_default() += bytes;
    }
    sums.into_iter().max_by_key(|(_, bytes)| *bytes).map(|(key, _)| key)
}

impl Unfinished {
    /// So much of it is there by now.
    pub(crate) fn has(&self, bytes: usize) {
        self.budget.set(self.id, bytes);
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.budget.forget(self.id);
    }
}

const LEAST: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[derive(Default)]
    struct Connection(AtomicBool);

    impl Evict for Connection {
        fn evict(&self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    struct Client {
        connection: Arc<Connection>,
        input: Unfinished,
    }

    impl Client {
        fn new(budget: &Arc<InputBudget>, address: u8, user: &str, bytes: usize) -> Self {
            let connection = Arc::new(Connection::default());
            let address = Some(Ipv4Addr::new(10, 0, 0, address).into());
            let whole: Weak<Connection> = Arc::downgrade(&connection);
            let input = budget.hold(HeldBy { address, user: Some(user.into()) }, whole);
            input.has(bytes);
            Client { connection, input }
        }

        fn is_evicted(&self) -> bool {
            self.connection.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn over_the_limit_the_oldest_of_whoever_holds_most_goes() {
        let budget = InputBudget::new(100);
        let bystander = Client::new(&budget, 1, "ada", 45);
        let [first, second, of_another] =
            [("eve", 20), ("eve", 15), ("bob", 19)].map(|(user, bytes)| Client::new(&budget, 2, user, bytes));
        assert!(![&bystander, &first, &second, &of_another].iter().any(|client| client.is_evicted()));
        second.input.has(20);
        assert!(first.is_evicted(), "the oldest of the user who holds most at the address that does");
        assert!(![&bystander, &second, &of_another].iter().any(|client| client.is_evicted()));
        first.input.has(1000);
        assert_eq!(budget.input.lock().bytes, 84, "it counts no more");
        drop((bystander, first, second, of_another));
        let input = budget.input.lock();
        assert_eq!((input.bytes, input.holders.len()), (0, 0));
    }

    #[test]
    fn one_that_is_over_the_limit_by_itself_goes_itself() {
        let budget = InputBudget::new(100);
        let small = Client::new(&budget, 1, "ada", 10);
        let large = Client::new(&budget, 2, "eve", 101);
        assert!(large.is_evicted() && !small.is_evicted());
    }
}
