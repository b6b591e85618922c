//! How many connections there may be at once.
//!
//! Each takes file descriptors and memory, of which a process has only so many. Whoever comes when all places are taken is
//! told so and can come again: that is for the accept loop (`server/requests`), and for long poll, whose sessions have
//! places as well.
//! Not here: limits by address or user.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tracing::{info, warn};

/// The places of a process, or of a server.
#[derive(Debug)]
pub(crate) struct Capacity {
    most: usize,
    taken: AtomicUsize,
    /// Somebody was refused, and since then it was never noticeably emptier.
    is_full: AtomicBool,
    refused: AtomicUsize,
}

/// A connection's place, for as long as it is held.
#[derive(Debug)]
pub(crate) struct Place(Arc<Capacity>);

impl Capacity {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Capacity {
            most,
            taken: AtomicUsize::new(0),
            is_full: AtomicBool::new(false),
            refused: AtomicUsize::new(0),
        })
    }

    /// A place, if one is free.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Place> {
        let before = self.taken.fetch_add(1, Ordering::Relaxed);
        let place = Place(self.clone());
        // Dropped, it is given back.
        (before < self.most).then_some(place)
    }

    /// A place for a connection in whose favour another is being closed.
    pub(crate) fn take_anothers(self: &Arc<Self>) -> Place {
        self.taken.fetch_add(1, Ordering::Relaxed);
        Place(self.clone())
    }

    /// Somebody was refused, because all places are taken.
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        if !self.is_full.swap(true, Ordering::Relaxed) {
            warn!(
                connections = self.most,
                "as many connections are open as there may be; new ones are answered with 503"
            );
        }
    }

    fn give_back(&self) {
        let taken = self.taken.fetch_sub(1, Ordering::Relaxed) - 1;
        // Not with each place that becomes free for a moment.
        let is_emptier = taken + (self.most / 20).max(1) <= self.most;
        if is_emptier && self.is_full.load(Ordering::Relaxed) && self.is_full.swap(false, Ordering::Relaxed) {
            let refused = self.refused.swap(0, Ordering::Relaxed);
            info!(refused, connections = taken, "new connections are accepted again");
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

/// As many connections as this process can hold: by the descriptors that it may have, of which `others` are needed
/// elsewhere and `each` by a connection, and by the memory that its control group grants it.
pub fn most_connections(each: usize, others: usize) -> usize {
    let descriptors = rlimit::Resource::NOFILE.get_soft().unwrap_or(1024);
    let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
    let by_descriptors = descriptors.saturating_sub(SPARE_DESCRIPTORS + others) / each.max(1);
    let by_memory = memory_limit().map_or(usize::MAX, |bytes| bytes / BYTES_A_CONNECTION);
    by_descriptors.min(by_memory).max(1)
}

/// The memory that this process's control group grants it, in bytes; `None` where there is no limit.
fn memory_limit() -> Option<usize> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = groups.lines().filter_map(|line| {
        // Version 2 has one line, `0::/path`; version 1 one for each set of controllers.
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            set if set.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        // In a container the path is that of the host, and the root is the group's own.
        [format!("{root}{path}/{file}"), format!("{root}/{file}")].iter().find_map(read_limit)
    });
    limits.min()
}

fn read_limit(file: &String) -> Option<usize> {
    let limit = fs::read_to_string(file).ok()?.trim().parse::<usize>().ok()?;
    // What version 1 says where there is none.
    (limit < NO_LIMIT).then_some(limit)
}

/// Descriptors for the runtime, listeners, files and whoever is told that there is no place.
const SPARE_DESCRIPTORS: usize = 64;
/// What a connection may take: three or four times what it does at rest, with the kernel's part.
const BYTES_A_CONNECTION: usize = 16 * 1024;
const NO_LIMIT: usize = 1 << 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_once_it_is_dropped() {
        let capacity = Capacity::new(2);
        let (first, second) = (capacity.take(), capacity.take());
        assert!(first.is_some() && second.is_some());
        assert!(capacity.take().is_none());
        drop(first);
        let third = capacity.take();
        assert!(third.is_some() && capacity.take().is_none());
        drop((second, third));
        assert_eq!(capacity.taken.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn as_many_connections_are_possible_as_there_are_descriptors_for() {
        let (all, halves) = (most_connections(1, 0), most_connections(2, 0));
        assert!(all >= 1 && halves <= all);
        assert_eq!(most_connections(1, usize::MAX / 2), 1);
    }
}
