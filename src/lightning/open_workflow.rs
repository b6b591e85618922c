//! Workflows on which somebody wants to know who may edit, and what all who want to know share: who may only look,
//! whether the workflow is deleted, and everyone on it by rank, made and encoded once for all of them.
//!
//! Not here: what one client is told, and when (`canvas/priority`); the rule (`summary`).

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use smol_str::SmolStr;

use super::canvases::FoundWorkflows;
use super::people::{People, Unavailable};
use super::presence::user_presences;
use super::summary::{Ranking, Standing};
use super::user::UserPresence;
use crate::channel::{Json, Payload};
use crate::presence::Snapshot;

/// The workflows that somebody holds.
#[derive(Default)]
pub(super) struct OpenWorkflows(Arc<Mutex<ByName>>);

type ByName = HashMap<Name, Weak<OpenWorkflow>>;

/// A workflow, in the project through which it was joined: one that is not saved yet is in no project by itself.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Name {
    workflow: SmolStr,
    project: SmolStr,
}

/// One workflow, for as long as somebody holds it.
pub(super) struct OpenWorkflow {
    name: Name,
    facts: Mutex<Facts>,
    /// What was ranked last, and out of what.
    last: Mutex<Option<Last>>,
    all: Weak<Mutex<ByName>>,
}

/// What the people source says of a workflow.
struct Facts {
    /// The ids of those who may only look.
    viewers: Arc<[String]>,
    deleted: bool,
}

struct Last {
    present: Snapshot,
    viewers: Arc<[String]>,
    ranked: Arc<Ranked>,
}

/// Everyone on a workflow by rank, ready to be told to anybody.
pub(super) struct Ranked {
    ranking: Ranking,
    presences: Box<RawValue>,
}

impl OpenWorkflows {
    /// Opens a workflow with what is known of it now, which everybody who holds it learns as well.
    pub(super) fn open(
        &self,
        workflow: &str,
        project: &str,
        viewers: Arc<[String]>,
        deleted: bool,
    ) -> Arc<OpenWorkflow> {
        let name = Name { workflow: workflow.into(), project: project.into() };
        let facts = Facts { viewers, deleted };
        let mut all = self.0.lock();
        if let Some(open) = all.get(&name).and_then(Weak::upgrade) {
            drop(all);
            open.learn(facts);
            return open;
        }
        let open = Arc::new(OpenWorkflow {
            name: name.clone(),
            facts: Mutex::new(facts),
            last: Mutex::new(None),
            all: Arc::downgrade(&self.0),
        });
        all.insert(name, Arc::downgrade(&open));
        open
    }

    /// Takes in what was found of all workflows again, and asks about the projects that they are in, each once.
    ///
    /// # Errors
    /// [`Unavailable`], where the source could not answer for all of them; what was known of those stays.
    pub(super) async fn review(
        &self,
        people: &dyn People,
        found: &FoundWorkflows,
    ) -> Result<(), Unavailable> {
        let open: Vec<_> = self.0.lock().values().filter_map(Weak::upgrade).collect();
        for open in open.chunks(AT_ONCE) {
            let projects: BTreeSet<_> = open.iter().map(|open| open.name.project.clone()).collect();
            let projects: Vec<_> = projects.into_iter().collect();
            let viewers = people.viewers_of(&projects).await?;
            let viewers_of: HashMap<_, _> = projects.iter().zip(viewers).collect();
            for open in open {
                let viewers = viewers_of.get(&open.name.project).cloned().unwrap_or_default();
                // Whoever came meanwhile has just looked. One that the source does not know is not saved yet.
                let deleted = match found.get(&open.name.workflow) {
                    Some(workflow) => workflow.as_ref().is_some_and(|workflow| workflow.deleted),
                    None => open.is_deleted(),
                };
                open.learn(Facts { viewers, deleted });
            }
        }
        Ok(())
    }
}

impl OpenWorkflow {
    pub(super) fn is_deleted(&self) -> bool {
        self.facts.lock().deleted
    }

    /// Ranks those who are present and may edit there. Whoever asks for the list that was ranked last shares the answer,
    /// and a list that says nothing new shares that of the one before.
    pub(super) fn rank(&self, present: &Snapshot) -> Arc<Ranked> {
        let viewers = self.facts.lock().viewers.clone();
        // Held meanwhile, so that all who come with a new list at once wait for one ranking.
        let mut last = self.last.lock();
        if let Some(last) = &*last
            && last.present.is_clone_of(present)
            && Arc::ptr_eq(&last.viewers, &viewers)
        {
            return last.ranked.clone();
        }
        // Of canvases only those are ranked whose user may edit; the viewers are those of leased sessions.
        let mut presences = user_presences(present.ranked().presences());
        presences.retain(|presence| !viewers.contains(&presence.user.id));
        let ranking = Ranking::of(presences, &viewers);
        let ranked = match &*last {
            Some(last) if last.ranked.ranking == ranking => last.ranked.clone(),
            _ => Arc::new(Ranked::new(ranking)),
        };
        *last = Some(Last { present: present.clone(), viewers, ranked: ranked.clone() });
        ranked
    }

    /// Viewers who are the same stay the same list, so that nothing is ranked again for them.
    fn learn(&self, Facts { viewers, deleted }: Facts) {
        let mut facts = self.facts.lock();
        facts.deleted = deleted;
        if facts.viewers != viewers {
            facts.viewers = viewers;
        }
    }
}

impl Drop for OpenWorkflow {
    fn drop(&mut self) {
        let Some(all) = self.all.upgrade() else { return };
        let mut all = all.lock();
        // Somebody may have opened it anew meanwhile.
        if all.get(&self.name).is_some_and(|open| open.strong_count() == 0) {
            all.remove(&self.name);
        }
    }
}

impl Ranked {
    fn new(ranking: Ranking) -> Self {
        let presences = to_raw_value(ranking.presences()).expect("people and numbers are JSON");
        Ranked { ranking, presences }
    }

    pub(super) fn ranking(&self) -> &Ranking {
        &self.ranking
    }

    pub(super) fn says_the_same_as(&self, other: &Arc<Self>) -> bool {
        std::ptr::eq(self, &**other) || self.ranking == other.ranking
    }

    /// The payload of `presence_summary`: a [`PresencesSummary`](super::PresencesSummary) whose presences are encoded
    /// already.
    pub(super) fn summary(&self, standing: &Standing<'_>) -> Payload {
        #[derive(Serialize)]
        struct Summary<'a> {
            presences: &'a RawValue,
            prior_user_presence: &'a UserPresence,
            current_user_presence: &'a UserPresence,
            has_presence_edit_priority: bool,
        }
        let summary = Summary {
            presences: &self.presences,
            prior_user_presence: standing.prior_user_presence,
            current_user_presence: standing.current_user_presence,
            has_presence_edit_priority: standing.has_presence_edit_priority,
        };
        Payload::Json(Json::of(&summary).expect("people, numbers and JSON are JSON"))
    }
}

/// How many one question to the people source is about.
const AT_ONCE: usize = 1000;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::presence::WorkflowPresence;
    use super::super::summary::{PresencesSummary, SummaryParams, build_presences_summary};
    use super::super::user::User;
    use super::*;
    use crate::presence::{Attributes, Meta, OwnerId, PhxRefs, ReplicaId, Tracker};

    /// Lists of users who came in the order of their names' places, each in one tab.
    fn lists(of: &[&[&str]]) -> Vec<Snapshot> {
        let topic = WorkflowPresence::topic("w1");
        let mut refs = PhxRefs::new(1);
        let list = |users: &&[&str]| {
            let ranked = Attributes { ranked: true, ..Attributes::default() };
            let mut tracker = Tracker::new(ReplicaId { node: "test".into(), incarnation: 1 });
            for (at, id) in users.iter().enumerate() {
                let meta = json!({"user": user(id), "joined_at": at});
                let meta = Meta::of(&meta).expect("an object");
                let tracked =
                    tracker.track(&topic, OwnerId(at as u64), (*id).into(), &meta, ranked, refs.next(1));
                tracked.expect("nobody is tracked twice");
            }
            tracker.snapshot(&topic)
        };
        of.iter().map(list).collect()
    }

    fn user(id: &str) -> User {
        User { id: id.to_owned(), first_name: None, last_name: Some("L".to_owned()), email: None }
    }

    fn open(workflows: &OpenWorkflows, viewers: &[&str]) -> Arc<OpenWorkflow> {
        workflows.open("w1", "p1", viewers.iter().map(|id| (*id).to_owned()).collect(), false)
    }

    #[test]
    fn a_list_is_ranked_once_for_all_and_anew_when_it_or_the_viewers_change() {
        let workflows = OpenWorkflows::default();
        let (one, two) = (open(&workflows, &["vic"]), open(&workflows, &["vic"]));
        let lists = lists(&[&["ada"], &["ada"], &["ada", "bob"]]);
        let first = one.rank(&lists[0]);
        assert!(Arc::ptr_eq(&first, &two.rank(&lists[0])), "whoever asks");
        assert!(Arc::ptr_eq(&first, &two.rank(&lists[1])), "another list that says the same");
        let second = two.rank(&lists[2]);
        assert!(!first.says_the_same_as(&second));
        open(&workflows, &["ada"]);
        assert!(!second.says_the_same_as(&one.rank(&lists[2])), "ada may only look now");
    }

    #[test]
    fn what_is_told_is_the_summary_that_the_rule_gives() {
        let workflows = OpenWorkflows::default();
        let viewers = ["ada".to_owned()];
        let list = lists(&[&["ada", "bob", "cyd"]]).remove(0);
        let ranked = open(&workflows, &["ada"]).rank(&list);
        for id in ["ada", "bob", "cyd", "not listed"] {
            let stand_in = UserPresence::new(user(id), 7, 1);
            let params = SummaryParams {
                current_user_presence: &stand_in,
                current_user: &stand_in.user,
                view_only_users_ids: &viewers,
            };
            let mut presences = user_presences(list.presences());
            presences.retain(|presence| presence.user.id != "ada");
            let expected: PresencesSummary = build_presences_summary(presences, &params);
            let told = ranked.summary(&ranked.ranking().standing_of(id, &stand_in));
            let told: Value = told.json().expect("it is text").parse().expect("it is JSON");
            assert_eq!(told, json!(expected), "{id}");
        }
    }

    #[test]
    fn a_workflow_is_kept_while_somebody_holds_it() {
        let workflows = OpenWorkflows::default();
        let (one, two) = (open(&workflows, &[]), open(&workflows, &[]));
        assert!(Arc::ptr_eq(&one, &two));
        drop(one);
        assert_eq!(workflows.0.lock().len(), 1);
        drop(two);
        assert!(workflows.0.lock().is_empty());
    }
}
