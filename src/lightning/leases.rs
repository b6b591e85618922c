//! Sessions that are tracked from outside, each for as long as somebody keeps its lease alive.
//!
//! Owns who is there by lease, and the ends of leases. A session has a place of its own among the presences of its
//! workflow, exactly as a tab has: an [`Owner`], which ends with the lease.
//! Not here: how sessions are asked for (`api`). Nothing is kept beyond the process: whoever holds a lease finds it
//! gone after a restart, and begins it anew.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parking_lot::Mutex;
use smol_str::SmolStr;
use thiserror::Error;
use tokio_util::task::AbortOnDropHandle;
use tokio_util::time::DelayQueue;
use tokio_util::time::delay_queue;
use tracing::debug;

use super::clock::now_us;
use super::presence::WorkflowPresence;
use super::user::User;
use crate::channel::{Handle, Owner};
use crate::pages::STANDSTILL;
use crate::presence::Attributes;

/// The leased sessions of a server. Cheap to clone; with the last clone all of them end.
#[derive(Clone)]
pub struct Leases {
    handle: Handle,
    ledger: Arc<Ledger>,
    _expiry: Arc<AbortOnDropHandle<()>>,
}

/// A session's name: unique in its workflow, chosen by whoever puts it there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionName {
    /// The workflow that the session is on.
    pub workflow_id: SmolStr,
    /// Its name there.
    pub session_id: SmolStr,
}

/// What came of putting a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is there from now on.
    Begun,
    /// It was there for the same user, and stays as it was, with a new lease.
    Renewed,
}

/// A session that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    /// Whose it is.
    pub user_id: String,
    /// Since when, in microseconds of Unix time: as it is listed.
    pub joined_at: i64,
}

/// Why a session was not put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PutError {
    /// It is there already, and is somebody else's.
    #[error("the session is another user's")]
    OtherUser,
    /// There are as many as there may be.
    #[error("there are too many leased sessions")]
    TooMany,
}

/// Who is there by lease. A session is in both parts or in none: the lock is held over every change of them.
struct Ledger {
    entries: Mutex<Entries>,
    most: usize,
}

#[derive(Default)]
struct Entries {
    leases: HashMap<SessionName, Lease>,
    ends: DelayQueue<SessionName>,
}

struct Lease {
    user: User,
    joined_at: i64,
    /// How long it lasts since it was put or renewed.
    lasts: Duration,
    /// Where its end stands.
    end: delay_queue::Key,
    owner: Arc<Owner>,
}

impl Leases {
    /// No sessions yet, and room for `most`.
    ///
    /// # Panics
    /// If called outside a tokio runtime, which runs the task that ends sessions.
    pub fn start(handle: Handle, most: usize) -> Self {
        let ledger = Arc::new(Ledger { entries: Mutex::default(), most });
        let ending = ledger.clone();
        let expiry = tokio::spawn(async move {
            loop {
                let (name, lease) = poll_fn(|cx| ending.poll_expired(cx)).await;
                debug!(workflow = %name.workflow_id, user = %lease.user.id, "a lease ran out");
            }
        });
        Leases { handle, ledger, _expiry: Arc::new(AbortOnDropHandle::new(expiry)) }
    }

    /// Puts a user's session on a workflow, since `joined_at` (µs of Unix time; `None`, and what is yet to come, is now),
    /// until `lease` is over. `ranked` says whether it counts where it is decided who may edit. Where it is there already
    /// only its lease begins anew. Who begins a session finds it listed afterwards.
    ///
    /// # Errors
    /// [`PutError`]; then nothing is changed.
    pub async fn put(
        &self,
        name: SessionName,
        user: &User,
        joined_at: Option<i64>,
        ranked: bool,
        lease: Duration,
    ) -> Result<(Put, Leased), PutError> {
        let workflow_id = name.workflow_id.clone();
        let now = now_us();
        let joined_at = joined_at.map_or(now, |joined_at| joined_at.min(now));
        let (owner, leased) = self.ledger.put(name, user, joined_at, lease, || self.handle.owner())?;
        let Some(owner) = owner else { return Ok((Put::Renewed, leased)) };
        let attributes = Attributes { page: None, ranked };
        self.presence().track_session(user, &workflow_id, &owner, joined_at, attributes).await;
        Ok((Put::Begun, leased))
    }

    /// Lets a session's lease begin anew; `None` where it is not there (any more).
    pub fn renew(&self, name: &SessionName, lease: Duration) -> Option<Leased> {
        self.ledger.renew(name, lease)
    }

    /// Takes a session off its workflow; nothing happens where it is not there. It is not listed afterwards.
    pub async fn end(&self, name: &SessionName) {
        if let Some(lease) = self.ledger.take(name) {
            self.presence().untrack_user_presence(&lease.user, &name.workflow_id, &lease.owner).await;
        }
    }

    /// Takes all sessions of a user off their workflows, all at once. They are not listed afterwards.
    pub async fn end_all_of(&self, user_id: &str) {
        for (name, lease) in self.ledger.take_all_of(user_id) {
            self.presence().untrack_user_presence(&lease.user, &name.workflow_id, &lease.owner).await;
        }
    }

    fn presence(&self) -> WorkflowPresence {
        WorkflowPresence::start(self.handle.clone())
    }
}

impl Ledger {
    /// The owner of a session that begins, `None` for one that was there; and the session.
    fn put(
        &self,
        name: SessionName,
        user: &User,
        joined_at: i64,
        lease: Duration,
        owner: impl FnOnce() -> Owner,
    ) -> Result<(Option<Arc<Owner>>, Leased), PutError> {
        let mut entries = self.entries.lock();
        let Entries { leases, ends } = &mut *entries;
        if let Some(there) = leases.get_mut(&name) {
            if there.user.id != user.id {
                return Err(PutError::OtherUser);
            }
            there.lasts = lease;
            ends.reset(&there.end, lease);
            return Ok((None, there.leased()));
        }
        if leases.len() >= self.most {
            return Err(PutError::TooMany);
        }
        let owner = Arc::new(owner());
        let end = ends.insert(name.clone(), lease);
        let lease = Lease { user: user.clone(), joined_at, lasts: lease, end, owner: owner.clone() };
        let leased = lease.leased();
        leases.insert(name, lease);
        Ok((Some(owner), leased))
    }

    fn renew(&self, name: &SessionName, lease: Duration) -> Option<Leased> {
        let mut entries = self.entries.lock();
        let Entries { leases, ends } = &mut *entries;
        let there = leases.get_mut(name)?;
        there.lasts = lease;
        ends.reset(&there.end, lease);
        Some(there.leased())
    }

    fn take(&self, name: &SessionName) -> Option<Lease> {
        let mut entries = self.entries.lock();
        let lease = entries.leases.remove(name)?;
        entries.ends.remove(&lease.end);
        Some(lease)
    }

    fn take_all_of(&self, user_id: &str) -> Vec<(SessionName, Lease)> {
        let mut entries = self.entries.lock();
        let Entries { leases, ends } = &mut *entries;
        let taken: Vec<_> = leases.extract_if(|_, lease| lease.user.id == user_id).collect();
        for (_, lease) in &taken {
            ends.remove(&lease.end);
        }
        taken
    }

    /// A session whose lease has run out; it is no longer there.
    fn poll_expired(&self, cx: &mut Context<'_>) -> Poll<(SessionName, Lease)> {
        let mut entries = self.entries.lock();
        let Entries { leases, ends } = &mut *entries;
        loop {
            // Without sessions the queue wakes the task when there is one.
            let Some(expired) = ready!(ends.poll_expired(cx)) else { return Poll::Pending };
            let is_late = expired.deadline().elapsed() > STANDSTILL;
            let name = expired.into_inner();
            if !is_late {
                let lease = leases.remove(&name).expect("a session is in both parts or in none");
                return Poll::Ready((name, lease));
            }
            // The process stood still: nobody could renew it. It begins anew.
            if let Some(lease) = leases.get_mut(&name) {
                lease.end = ends.insert(name, lease.lasts);
            }
        }
    }
}

impl Lease {
    fn leased(&self) -> Leased {
        Leased { user_id: self.user.id.clone(), joined_at: self.joined_at }
    }
}

/// Far more than all of a large Lightning's editors, and small beside what a connection takes.
pub const MOST_LEASES: usize = 100_000;
