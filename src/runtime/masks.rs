//! The masks of the frames that a relay sends to its upstream: nobody may be able to foretell one.
//!
//! Contract: RFC 6455, 5.3 and 10.3.

use std::cell::RefCell;

/// A mask for one frame.
pub(super) fn next() -> [u8; 4] {
    POOL.with_borrow_mut(|pool| {
        if pool.used + 4 > pool.bytes.len() {
            getrandom::fill(&mut pool.bytes).expect("the system has randomness");
            pool.used = 0;
        }
        let mask = pool.bytes[pool.used..].first_chunk().copied().expect("four are left");
        pool.used += 4;
        mask
    })
}

struct Pool {
    bytes: [u8; 1024],
    used: usize,
}

thread_local! {
    /// Randomness is asked of the system for many frames at once.
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; 1024], used: 1024 }) };
}
