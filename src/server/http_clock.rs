//! The limits in time of one HTTP connection: for the head of a request, and between two requests.
//!
//! Owns what the connection is at, as its stream and its requests tell, and who is idle: whoever has waited longest makes
//! room where all places are taken. Not here: how long an answer may take (`patience`), and bodies (`request`).
//! hyper's own limit for a head runs between two requests as well, which closes connections that a proxy keeps.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::requests::{Body, BoxError};
use crate::pages::STANDSTILL;

/// What one connection is at.
pub(super) struct HttpClock {
    at: Mutex<At>,
    limits: HttpLimits,
    /// `None` where the connection has no place that another could have.
    idlers: Option<Arc<Idlers>>,
    id: u64,
    /// Another connection needs the place.
    yields: Arc<Notify>,
}

/// How long what may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct HttpLimits {
    /// From the first byte of a head to its last.
    pub(super) head: Duration,
    /// From an answer to the next request.
    pub(super) idle: Duration,
}

#[derive(Clone, Copy, Debug)]
enum At {
    /// The head of a request.
    Head(Instant),
    /// A request that is being answered.
    Request,
    /// Waiting for the next one.
    Idle(Instant),
}

/// The idle connections of a server, the one that has waited longest first.
#[derive(Default)]
pub(super) struct Idlers {
    next: AtomicU64,
    waiting: Mutex<BTreeMap<u64, Arc<Notify>>>,
}

impl Idlers {
    /// Closes the connection that has been idle for longest. Tells whether there was one.
    pub(super) fn close_oldest(&self) -> bool {
        let oldest = self.waiting.lock().pop_first();
        oldest.map(|(_, yields)| yields.notify_one()).is_some()
    }
}

impl HttpClock {
    /// A connection that was just accepted: its first head is awaited.
    pub(super) fn new(limits: HttpLimits, idlers: Option<Arc<Idlers>>) -> Arc<Self> {
        let at = Mutex::new(At::Head(Instant::now()));
        let yields = Arc::new(Notify::new());
        let id = idlers.as_ref().map_or(0, |idlers| idlers.next.fetch_add(1, Ordering::Relaxed));
        Arc::new(HttpClock { at, limits, id, idlers, yields })
    }

    /// Something was read.
    pub(super) fn heard(&self) {
        let mut at = self.at.lock();
        if let At::Idle(_) = *at {
            *at = At::Head(Instant::now());
            self.is_busy();
        }
    }

    /// A head is there.
    pub(super) fn begin(self: &Arc<Self>) -> Answering {
        *self.at.lock() = At::Request;
        self.is_busy();
        Answering(self.clone())
    }

    /// When the client will have had its time; `None` while it waits for an answer.
    pub(super) fn expires(&self) -> Option<Instant> {
        match *self.at.lock() {
            At::Head(since) => Some(since + self.limits.head),
            At::Request => None,
            At::Idle(since) => Some(since + self.limits.idle),
        }
    }

    /// Whether it has had it. After a standstill it begins anew.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let Some(expires) = self.expires().filter(|expires| *expires <= now) else { return false };
        if expires + STANDSTILL < now {
            match &mut *self.at.lock() {
                At::Head(since) | At::Idle(since) => *since = now,
                At::Request => {}
            }
            return false;
        }
        true
    }

    /// Resolves when another connection needs the place.
    pub(super) async fn must_yield(&self) {
        self.yields.notified().await;
    }
}

impl HttpClock {
    fn is_busy(&self) {
        if let Some(idlers) = &self.idlers {
            idlers.waiting.lock().remove(&self.id);
        }
    }
}

impl Drop for HttpClock {
    fn drop(&mut self) {
        self.is_busy();
    }
}

/// A request under way: dropped, the connection is idle.
pub(super) struct Answering(Arc<HttpClock>);

impl Drop for Answering {
    fn drop(&mut self) {
        let clock = &self.0;
        *clock.at.lock() = At::Idle(Instant::now());
        if let Some(idlers) = &clock.idlers {
            idlers.waiting.lock().insert(clock.id, clock.yields.clone());
        }
    }
}

impl Answering {
    /// The body of the answer, with whose end the request is over.
    pub(super) fn until_the_end_of(self, body: Body) -> Timed {
        Timed { body, _answering: self }
    }
}

/// The body of an answer under way.
pub(super) struct Timed {
    body: Body,
    _answering: Answering,
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HttpLimits = HttpLimits { head: Duration::from_secs(15), idle: Duration::from_secs(75) };

    fn left(clock: &HttpClock) -> Option<u64> {
        // The clock was read a moment ago.
        clock.expires().map(|expires| (expires - Instant::now()).as_secs_f64().round() as u64)
    }

    #[test]
    fn a_head_has_its_time_from_its_first_byte_and_between_requests_there_is_more() {
        let idlers = Arc::new(Idlers::default());
        let clock = HttpClock::new(LIMITS, Some(idlers.clone()));
        assert_eq!(left(&clock), Some(15));
        let request = clock.begin();
        assert_eq!(left(&clock), None, "an answer takes as long as it takes");
        clock.heard();
        assert_eq!(left(&clock), None, "what comes meanwhile is the next request's");
        drop(request);
        assert_eq!(left(&clock), Some(75));
        clock.heard();
        assert_eq!(left(&clock), Some(15));
    }

    #[test]
    fn after_a_standstill_nobody_is_judged() {
        let clock = HttpClock::new(LIMITS, None);
        let awake = Instant::now() + Duration::from_secs(70);
        assert!(!clock.is_over(awake));
        assert!(clock.is_over(awake + LIMITS.head));
    }

    #[tokio::test]
    async fn the_one_that_has_waited_longest_makes_room() {
        let idlers = Arc::new(Idlers::default());
        assert!(!idlers.close_oldest());
        let clocks = [1, 2, 3].map(|_| HttpClock::new(LIMITS, Some(idlers.clone())));
        for clock in &clocks {
            drop(clock.begin());
        }
        // It is at a request again.
        clocks[0].heard();
        assert!(idlers.close_oldest());
        clocks[1].must_yield().await;
        drop(clocks);
        assert!(!idlers.close_oldest());
    }
}
