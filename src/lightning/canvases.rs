//! What all canvases share: the people source, the workflows on which somebody wants to know who may edit, and who is
//! in, so that everybody can be looked at again.
//!
//! Owns the rounds of review: a login session that has ended closes its connection, a lost role ends its channels,
//! and so does the deletion of their workflow.
//! A source that cannot answer changes nothing.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;
use tracing::{info, warn};

use super::canvas::Reviewed;
use super::open_workflow::{OpenWorkflow, OpenWorkflows};
use super::people::{Access, Account, People, Unavailable, Workflow};
use super::roster::{Place, Roster};
use crate::channel::{Closer, Context};

/// What the canvases of a server share.
pub struct Canvases {
    people: Arc<dyn People>,
    connections: Roster<(Account, Closer)>,
    seats: Roster<Seat>,
    workflows: OpenWorkflows,
}

/// A joined canvas, as far as its right to be there goes.
struct Seat {
    user: SmolStr,
    project: SmolStr,
    workflow: SmolStr,
    /// Whether it was deleted when the canvas was joined; `None` where it was not saved yet.
    deleted: Option<bool>,
    canvas: Context<Reviewed>,
}

/// What the people source says of workflows now; `None` where there is none.
pub(super) type FoundWorkflows = HashMap<SmolStr, Option<Workflow>>;

/// A connection's entry among those that are reviewed, for as long as it is held.
pub(super) struct ConnectionPlace(#[expect(dead_code, reason = "held")] Place<(Account, Closer)>);

/// The same for a joined canvas.
pub(super) struct SeatPlace(#[expect(dead_code, reason = "held")] Place<Seat>);

impl Canvases {
    /// Canvases for the people of this source, with nobody on them.
    pub fn new(people: Arc<dyn People>) -> Arc<Self> {
        Arc::new(Canvases {
            people,
            connections: Roster::default(),
            seats: Roster::default(),
            workflows: OpenWorkflows::default(),
        })
    }

    /// Where people come from.
    pub fn people(&self) -> &dyn People {
        &*self.people
    }

    /// `None` where nobody is reviewed.
    pub(super) fn connected(&self, account: &Account, closer: Closer) -> Option<ConnectionPlace> {
        self.people.changes().then(|| ConnectionPlace(self.connections.enter((account.clone(), closer))))
    }

    /// `None` where nobody is reviewed.
    pub(super) fn seated(
        &self,
        user: &str,
        project: &str,
        workflow: &SmolStr,
        found: Option<Workflow>,
        canvas: &Context<Reviewed>,
    ) -> Option<SeatPlace> {
        let seat = || Seat {
            user: user.into(),
            project: project.into(),
            workflow: workflow.clone(),
            deleted: found.map(|workflow| workflow.deleted),
            canvas: canvas.clone(),
        };
        self.people.changes().then(|| SeatPlace(self.seats.enter(seat())))
    }

    /// Opens a workflow for somebody who wants to know who may edit it.
    pub(super) async fn open(
        &self,
        workflow: &str,
        project: &str,
        deleted: bool,
    ) -> Result<Arc<OpenWorkflow>, Unavailable> {
        let viewers = self.people.viewers(project).await?;
        Ok(self.workflows.open(workflow, project, viewers, deleted))
    }

    /// Looks at everybody again and again, for ever.
    pub async fn review_every(&self, interval: Duration) {
        let mut ticks = tokio::time::interval(interval);
        // The first tick is now, when nobody has been in for long enough.
        ticks.tick().await;
        loop {
            ticks.tick().await;
            if let Err(error) = self.review().await {
                warn!(%error, "who is connected could not be looked at again; all stay");
            }
        }
    }

    /// Looks at everybody once: closes the connections whose account could not connect any more, and tells every
    /// canvas what its user may do now, with the viewers of its project and its workflow's deletion as they are now.
    ///
    /// # Errors
    /// [`Unavailable`], where the people source could not answer for all of them.
    pub async fn review(&self) -> Result<(), Unavailable> {
        for chunk in self.connections.entries().chunks(AT_ONCE) {
            let accounts: Vec<Account> = chunk.iter().map(|entry| entry.0.clone()).collect();
            let still_in = self.people.still_in(&accounts).await?;
            for (entry, _) in chunk.iter().zip(still_in).filter(|(_, still_in)| !still_in) {
                let (account, closer) = &**entry;
                info!(user = %account.user.id, "a user may not be connected any more");
                closer.close();
            }
        }
        let mut stay = Vec::new();
        for chunk in self.seats.entries().chunks(AT_ONCE) {
            let pairs: Vec<_> = chunk.iter().map(|seat| (seat.user.clone(), seat.project.clone())).collect();
            let access = self.people.access(&pairs).await?;
            for (seat, access) in chunk.iter().zip(access) {
                if access == Access::None {
                    info!(user = %seat.user, topic = seat.canvas.topic(), "a user may not be on a canvas any more");
                    seat.canvas.send(Reviewed { access });
                } else {
                    stay.push((seat.clone(), access));
                }
            }
        }
        // What those who stay are told goes by their workflow too, as far as it could be looked at.
        let found = self.look_at_workflows(stay.iter().map(|(seat, _)| &seat.workflow)).await;
        let known = match &found {
            Ok(found) => self.workflows.review(self.people(), found).await,
            Err(_) => Ok(()),
        };
        for (seat, access) in stay {
            let is_lost = found
                .as_ref()
                .is_ok_and(|found| found.get(&seat.workflow).is_some_and(|now| !seat.holds(now.as_ref())));
            if is_lost {
                info!(user = %seat.user, topic = seat.canvas.topic(), "a workflow was deleted, or is another project's");
            }
            seat.canvas.send(Reviewed { access: if is_lost { Access::None } else { access } });
        }
        found.map(drop).and(known)
    }

    async fn look_at_workflows(
        &self,
        workflows: impl Iterator<Item = &SmolStr>,
    ) -> Result<FoundWorkflows, Unavailable> {
        let ids: Vec<SmolStr> = workflows.cloned().collect::<BTreeSet<_>>().into_iter().collect();
        let mut found = FoundWorkflows::new();
        for ids in ids.chunks(AT_ONCE) {
            let workflows = self.people.workflows(ids).await?;
            found.extend(ids.iter().cloned().zip(workflows));
        }
        Ok(found)
    }
}

impl Seat {
    /// Whether what the join has checked of the workflow holds still. Its deletion is an event: who joins it later stays.
    fn holds(&self, now: Option<&Workflow>) -> bool {
        match (now, self.deleted) {
            (Some(workflow), was_deleted) => {
                workflow.project_id == self.project.as_str()
                    && (!workflow.deleted || was_deleted == Some(true))
            }
            (None, was_deleted) => was_deleted.is_none(),
        }
    }
}

/// How many one question to the people source is about.
const AT_ONCE: usize = 1000;
