//! The body of a request, which has to go on and counts for as long as it is unfinished.
//!
//! The endpoints see a body that fails; why is told by what is answered in their place.

use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::task::AtomicWaker;
use http::StatusCode;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use super::requests::BoxError;
use crate::pages::STANDSTILL;
use crate::runtime::input_budget::{Evict, HeldBy, InputBudget, Unfinished};
use crate::session::progress::{INTERVAL, LEAST_BYTES};

/// A body under guard.
pub(super) struct GuardedBody {
    body: Incoming,
    fate: Arc<Fate>,
    by: HeldBy,
    budget: Arc<InputBudget>,
    input: Option<Unfinished>,
    bytes: usize,
    /// There once the body had to be waited for.
    progress: Option<Pin<Box<WaitsFor>>>,
}

struct WaitsFor {
    alarm: Pin<Box<Sleep>>,
    /// How much had come when it was set.
    bytes: usize,
}

/// What has become of a body.
#[derive(Default)]
pub(super) struct Fate {
    is: AtomicU8,
    reader: AtomicWaker,
}

impl Fate {
    /// What the request is answered with because of its body, whatever the endpoint made of it.
    pub(super) fn status(&self) -> Option<StatusCode> {
        match self.is.load(Ordering::Relaxed) {
            SLOW => Some(StatusCode::REQUEST_TIMEOUT),
            EVICTED => Some(StatusCode::SERVICE_UNAVAILABLE),
            _ => None,
        }
    }

    fn set(&self, fate: u8) {
        self.is.store(fate, Ordering::Relaxed);
        self.reader.wake();
    }
}

impl Evict for Fate {
    fn evict(&self) {
        self.set(EVICTED);
    }
}

impl GuardedBody {
    pub(super) fn new(body: Incoming, by: HeldBy, budget: Arc<InputBudget>) -> (Self, Arc<Fate>) {
        let fate = Arc::new(Fate::default());
        let guarded =
            GuardedBody { body, fate: fate.clone(), by, budget, input: None, bytes: 0, progress: None };
        (guarded, fate)
    }

    fn took(&mut self, bytes: usize) {
        self.bytes += bytes;
        if InputBudget::counts(self.bytes) {
            let input = self.input.get_or_insert_with(|| {
                let whole: Weak<Fate> = Arc::downgrade(&self.fate);
                self.budget.hold(self.by.clone(), whole)
            });
            input.has(self.bytes);
        }
    }

    /// `Ready` once too little has come in its time.
    fn poll_too_slow(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let bytes = self.bytes;
        let progress = self.progress.get_or_insert_with(|| {
            Box::pin(WaitsFor { alarm: Box::pin(tokio::time::sleep(INTERVAL)), bytes })
        });
        while progress.alarm.as_mut().poll(cx).is_ready() {
            // After a standstill it begins anew.
            let is_late = progress.alarm.deadline().elapsed() > STANDSTILL;
            if bytes < progress.bytes + LEAST_BYTES && !is_late {
                return Poll::Ready(());
            }
            progress.bytes = bytes;
            progress.alarm.as_mut().reset(Instant::now() + INTERVAL);
        }
        Poll::Pending
    }
}

impl HttpBody for GuardedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.fate.reader.register(cx.waker());
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            if let Some(Ok(frame)) = &frame
                && let Some(data) = frame.data_ref()
            {
                let bytes = data.len();
                self.took(bytes);
            }
            if self.fate.status().is_none() {
                return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
            }
        } else if self.fate.status().is_none() {
            if self.poll_too_slow(cx).is_pending() {
                return Poll::Pending;
            }
            self.fate.set(SLOW);
        }
        self.input = None;
        Poll::Ready(Some(Err("the body was given up".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

const SLOW: u8 = 1;
const EVICTED: u8 = 2;
