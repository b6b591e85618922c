//! Who is on workflows: lists, edit priority, counts.

use std::collections::HashMap;
use std::sync::Arc;

use http::Response;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;

use super::fields::{Field, Fields, Id, MOST_IDS, Viewer};
use super::problem::{Fault, PROBLEM_JSON, Problem, ProblemDocument};
use super::{Api, json};
use crate::lightning::clock::now_us;
use crate::lightning::{PresencesSummary, SummaryParams, User, UserPresence, build_presences_summary};

/// Who is on one workflow.
#[derive(Serialize, ToSchema)]
pub(super) struct WorkflowPresences {
    workflow_id: String,
    /// One entry a user, by user id.
    presences: Vec<ListedPresence>,
}

/// A user on a workflow, whatever the number of sessions.
#[derive(Serialize, ToSchema)]
pub(super) struct ListedPresence {
    #[serde(flatten)]
    presence: UserPresence,
    /// How many of the sessions count where it is decided who may edit: who only looks, or looks at an earlier version, has
    /// none.
    ranked_sessions: usize,
    /// Since when the oldest of those is there, in microseconds of Unix time; null where there is none.
    ranked_since: Option<i64>,
}

/// How many are on one workflow.
#[derive(Serialize, ToSchema)]
pub(super) struct WorkflowCounts {
    workflow_id: String,
    /// Whether anyone at all is there: who may only look, or looks at a snapshot, counts too.
    has_any_presence: bool,
    /// How many users.
    users: usize,
    /// How many sessions they have together.
    sessions: usize,
}

/// Which workflows are asked about.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ManyPresencesRequest {
    /// Answered in this order.
    #[schema(max_items = 1000)]
    workflow_ids: Vec<Id>,
    /// Whether the lists are left out.
    counts_only: Option<bool>,
}

/// Who is on several workflows.
#[derive(Serialize, ToSchema)]
pub(super) struct ManyPresences {
    #[schema(value_type = Vec<WorkflowOfMany>)]
    workflows: Vec<Arc<RawValue>>,
}

/// Who, or only how many, are on one of several workflows.
#[derive(Serialize, ToSchema)]
pub(super) struct WorkflowOfMany {
    #[serde(flatten)]
    counts: WorkflowCounts,
    /// Absent where only counts were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    presences: Option<Vec<ListedPresence>>,
}

/// Lists a workflow (`list_presences_for/1`).
#[utoipa::path(
    get,
    path = "/api/v1/workflows/{workflow_id}/presences",
    operation_id = "listPresences",
    tag = "workflows",
    params(("workflow_id" = Id, Path, description = "The workflow")),
    responses((status = 200, description = "Who is there", body = WorkflowPresences)),
)]
pub(super) async fn presences(api: &Api, workflow: Id) -> Response<String> {
    let presences = listed(api, &workflow.0).await;
    json(&WorkflowPresences { workflow_id: workflow.0, presences })
}

/// Everyone, with how far each counts.
async fn listed(api: &Api, workflow: &str) -> Vec<ListedPresence> {
    let presences = api.presence().list_presences_for(workflow).await;
    let mut ranked = api.presence().ranked_presences_for(workflow).into_iter().peekable();
    // Both are by user id.
    let of = |presence: UserPresence| {
        while ranked.next_if(|ranked| ranked.user.id < presence.user.id).is_some() {}
        let own = ranked.next_if(|ranked| ranked.user.id == presence.user.id);
        let ranked_sessions = own.as_ref().map_or(0, |own| own.active_sessions);
        ListedPresence { presence, ranked_sessions, ranked_since: own.map(|own| own.joined_at) }
    };
    presences.into_iter().map(of).collect()
}

/// Counts a workflow (`has_any_presence?/1`).
#[utoipa::path(
    get,
    path = "/api/v1/workflows/{workflow_id}/counts",
    operation_id = "countPresences",
    tag = "workflows",
    params(("workflow_id" = Id, Path, description = "The workflow")),
    responses((status = 200, description = "How many are there", body = WorkflowCounts)),
)]
pub(super) fn counts(api: &Api, workflow: &Id) -> Response<String> {
    json(&WorkflowCounts::of(api, &workflow.0))
}

/// Lists or counts many workflows at once. Where the lists are too much for one answer, it is 422.
#[utoipa::path(
    post,
    path = "/api/v1/workflows/presences",
    operation_id = "listManyPresences",
    tag = "workflows",
    request_body = ManyPresencesRequest,
    responses((status = 200, description = "Who is where", body = ManyPresences)),
)]
pub(super) async fn many(api: &Api, request: ManyPresencesRequest) -> Result<Response<String>, Problem> {
    let counts_only = request.counts_only.unwrap_or_default();
    let mut answered: HashMap<&str, Arc<RawValue>> = HashMap::new();
    let mut workflows = Vec::with_capacity(request.workflow_ids.len());
    let mut bytes = 0;
    for Id(workflow) in &request.workflow_ids {
        let answer = match answered.get(workflow.as_str()) {
            Some(answer) => answer.clone(),
            None => {
                let answer = Arc::from(one_of_many(api, workflow, counts_only).await);
                answered.entry(workflow).or_insert(answer).clone()
            }
        };
        bytes += answer.get().len();
        if bytes > MOST_ANSWER_BYTES {
            return Err(too_much());
        }
        workflows.push(answer);
    }
    Ok(json(&ManyPresences { workflows }))
}

/// What is answered for one of several workflows. Each lets others have their turn first.
async fn one_of_many(api: &Api, workflow: &str, counts_only: bool) -> Box<RawValue> {
    tokio::task::yield_now().await;
    let counts = WorkflowCounts::of(api, workflow);
    let presences = match counts_only {
        true => None,
        false => Some(listed(api, workflow).await),
    };
    to_raw_value(&WorkflowOfMany { counts, presences }).expect("texts and numbers are JSON")
}

fn too_much() -> Problem {
    let message = format!(
        "name lists of more than {MOST_ANSWER_BYTES} bytes together; ask about fewer, or with counts_only"
    );
    Problem::Invalid(vec![Fault::new("workflow_ids", message)])
}

/// Tells who may edit (`build_presences_summary/2`), as one user sees it. A user who is not listed stands in as id
/// alone, joined now, with one session.
#[utoipa::path(
    get,
    path = "/api/v1/workflows/{workflow_id}/summary",
    operation_id = "summarizePresences",
    tag = "workflows",
    params(
        ("workflow_id" = Id, Path, description = "The workflow"),
        ("user_id" = Id, Query, description = "Whose view it is"),
        ("view_only" = Option<Vec<Viewer>>, Query, style = Form, explode = true,
            description = "The ids of those who may only look; empty for nobody. Without it, the viewers of the \
                workflow's project"),
    ),
    responses(
        (status = 200, description = "Who may edit", body = PresencesSummary),
        (status = 503, description = "The viewers cannot be looked up now",
            body = ProblemDocument, content_type = PROBLEM_JSON),
    ),
)]
pub(super) async fn summary(api: &Api, workflow: Id, query: &str) -> Result<Response<String>, Problem> {
    let SummaryQuery { user_id, view_only } = SummaryQuery::read(query)?;
    let mut presences = api.presence().ranked_presences_for(&workflow.0);
    let view_only = match view_only {
        Some(ids) => ids.into(),
        None => {
            // Those of leased sessions; of canvases only those are ranked who may edit.
            let viewers = api.viewers(&workflow.0).await?;
            presences.retain(|presence| !viewers.contains(&presence.user.id));
            viewers
        }
    };
    let user = User { id: user_id.0, first_name: None, last_name: None, email: None };
    let stand_in = UserPresence::new(user.clone(), now_us(), 1);
    let params = SummaryParams {
        current_user_presence: &stand_in,
        current_user: &user,
        view_only_users_ids: &view_only,
    };
    Ok(json(&build_presences_summary(presences, &params)))
}

/// What a summary is asked for with.
struct SummaryQuery {
    user_id: Id,
    view_only: Option<Vec<String>>,
}

impl SummaryQuery {
    fn read(query: &str) -> Result<Self, Problem> {
        let mut user_ids = Vec::new();
        let mut view_only: Option<Vec<String>> = None;
        for (name, value) in query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))) {
            // A space is written `+` in a query.
            let value = value.replace('+', "%20");
            match name {
                "user_id" => user_ids.push(value),
                "view_only" => {
                    let viewers = view_only.get_or_insert_default();
                    if !value.is_empty() {
                        viewers.push(Id::of_segment(name, &value)?.0);
                    }
                }
                _ => {}
            }
        }
        let [user_id] = &user_ids[..] else {
            let message = if user_ids.is_empty() { "is required" } else { "must be given once" };
            return Err(Problem::Invalid(vec![Fault::new("user_id", message)]));
        };
        Ok(SummaryQuery { user_id: Id::of_segment("user_id", user_id)?, view_only })
    }
}

impl WorkflowCounts {
    fn of(api: &Api, workflow_id: &str) -> Self {
        let count = api.presence().count(workflow_id);
        WorkflowCounts {
            workflow_id: workflow_id.to_owned(),
            has_any_presence: count.keys > 0,
            users: count.keys,
            sessions: count.metas,
        }
    }
}

impl Field for ManyPresencesRequest {
    fn read(value: Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        let mut fields = Fields::of(value, at, faults)?;
        let workflow_ids = fields.required("workflow_ids");
        let counts_only = fields.optional("counts_only");
        fields.no_others();
        Some(ManyPresencesRequest { workflow_ids: workflow_ids?, counts_only: counts_only? })
    }
}

/// Of the lists of one answer, which is kept whole until it is sent.
const MOST_ANSWER_BYTES: usize = 32 * 1024 * 1024;

const _: () = assert!(MOST_IDS == 1000, "the schema of workflow_ids says so");

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use super::*;
    use crate::channel::{Handle, Hooks};
    use crate::lightning::{Canvases, Development};
    use crate::runtime::node::Node;

    /// A long request leaves the thread to others before each workflow, and does nothing twice.
    #[tokio::test]
    async fn each_workflow_of_many_takes_a_turn_of_its_own_and_no_second_one() {
        let handle = Handle::new(Node::start(&Hooks::new(), Duration::ZERO, Duration::ZERO));
        let api = Api::new(handle, Canvases::new(Arc::new(Development::default())), None);
        for counts_only in [Some(true), None] {
            let ids = |id: &dyn Fn(usize) -> usize| (0..1000).map(|nth| Id(id(nth).to_string())).collect();
            let different = ManyPresencesRequest { workflow_ids: ids(&|nth| nth), counts_only };
            assert_eq!(turns(many(&api, different)), 1000);
            let repeated = ManyPresencesRequest { workflow_ids: ids(&|nth| nth % 3), counts_only };
            assert_eq!(turns(many(&api, repeated)), 3);
        }
    }

    /// How often it lets go of the thread.
    fn turns<T>(future: impl Future<Output = T>) -> usize {
        let mut future = pin!(future);
        let polled = || future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        std::iter::repeat_with(polled).take_while(Poll::is_pending).count()
    }
}
