//! Presences, decoded: what applications read and hooks decorate.
//!
//! Owns the shape only. Not here: the entries they are made of (`entry`), nor the texts sent to clients when
//! no hook decorates them (`listing`).
//! Contract: Phoenix 1.8.12, `Phoenix.Presence`, the values of `list/1` and of the `fetch/2` callback.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who is there, by key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Presences(pub BTreeMap<String, Presence>);

/// What is known under one key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Presence {
    /// One meta for each tracked entry, each with its `phx_ref`, by time of tracking.
    pub metas: Vec<Map<String, Value>>,
    /// What a fetch hook adds beside `metas`. It must not have a `metas` of its own.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_hook_adds_stands_beside_the_metas() {
        let json = json!({"7": {"metas": [{"phx_ref": "A"}], "user": {"name": "Ada"}}, "": {"metas": []}});
        let presences: Presences = serde_json::from_value(json.clone()).expect("has the shape");
        assert_eq!(presences.0["7"].metas[0]["phx_ref"], "A");
        assert_eq!(presences.0["7"].extra["user"]["name"], "Ada");
        assert_eq!(serde_json::to_value(&presences).expect("serialises"), json);
    }
}
