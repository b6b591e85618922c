//! The rule of edit priority, against the results that Lightning's own code gives.
//!
//! Source: `js-client-fixtures/lightning/presence-summary.json`, recorded under Elixir.

use presenced::lightning::{SummaryParams, User, UserPresence, build_presences_summary};
use serde::Deserialize;

#[test]
fn every_recorded_summary_is_given() {
    let recorded: Recorded = serde_json::from_str(RECORDED).expect("the file has the shape of its cases");
    let names = RECORDED.matches("\"name\":").count();
    assert!(names > 0 && recorded.cases.len() == names, "{} of {names} cases are read", recorded.cases.len());
    for case in recorded.cases {
        let params = SummaryParams {
            current_user_presence: &case.current_user_presence,
            current_user: &case.current_user,
            view_only_users_ids: &case.view_only_users_ids,
        };
        let given = build_presences_summary(case.presences, &params);
        let Summary { presences, prior_user_presence, current_user_presence, has_presence_edit_priority } =
            case.summary;
        assert_eq!(given.presences, presences, "{}", case.name);
        assert_eq!(given.prior_user_presence, prior_user_presence, "{}", case.name);
        assert_eq!(given.current_user_presence, current_user_presence, "{}", case.name);
        assert_eq!(given.has_presence_edit_priority, has_presence_edit_priority, "{}", case.name);
    }
}

#[derive(Deserialize)]
struct Recorded {
    cases: Vec<Case>,
}

/// What the rule is given, and what comes out of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    presences: Vec<UserPresence>,
    current_user: User,
    current_user_presence: UserPresence,
    view_only_users_ids: Vec<String>,
    summary: Summary,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Summary {
    presences: Vec<UserPresence>,
    prior_user_presence: UserPresence,
    current_user_presence: UserPresence,
    has_presence_edit_priority: bool,
}

const RECORDED: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/js-client-fixtures/lightning/presence-summary.json"));
