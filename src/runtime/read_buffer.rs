//! The buffer that all sockets of a thread are read through. What is read stays there only while it is decoded.

use std::cell::RefCell;

/// Lends the thread's buffer. It must not be asked for again inside.
pub(super) fn with<R>(read: impl FnOnce(&mut [u8]) -> R) -> R {
    READ_BUFFER.with_borrow_mut(|buffer| read(buffer))
}

thread_local! {
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; 64 * 1024].into_boxed_slice());
}
