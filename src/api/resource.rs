//! What the paths below the base path name, and the methods of each.

use http::Method;

/// Something that can be asked for. The ids are segments of the path, as they came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Resource<'p> {
    /// `openapi.json`
    Document,
    /// `workflows/presences`
    ManyPresences,
    /// `workflows/{workflow_id}/presences`
    Presences(&'p str),
    /// `workflows/{workflow_id}/summary`
    Summary(&'p str),
    /// `workflows/{workflow_id}/counts`
    Counts(&'p str),
    /// `workflows/{workflow_id}/events`
    Events(&'p str),
    /// `workflows/{workflow_id}/sessions/{session_id}`
    Session(&'p str, &'p str),
    /// `users/{user_id}/connections`
    Connections(&'p str),
}

impl<'p> Resource<'p> {
    /// What a path names, the base path and its slash taken off.
    pub(super) fn find(path: &'p str) -> Option<Self> {
        let segments: Vec<&str> = path.split('/').collect();
        Some(match segments[..] {
            ["openapi.json"] => Resource::Document,
            ["workflows", "presences"] => Resource::ManyPresences,
            ["workflows", id, "presences"] => Resource::Presences(id),
            ["workflows", id, "summary"] => Resource::Summary(id),
            ["workflows", id, "counts"] => Resource::Counts(id),
            ["workflows", id, "events"] => Resource::Events(id),
            ["workflows", id, "sessions", session_id] => Resource::Session(id, session_id),
            ["users", id, "connections"] => Resource::Connections(id),
            _ => return None,
        })
    }

    /// The methods it may be asked for with.
    pub(super) fn methods(&self) -> &'static [Method] {
        match self {
            Resource::ManyPresences => &[Method::POST],
            Resource::Session(..) => &[Method::PUT, Method::PATCH, Method::DELETE],
            Resource::Connections(_) => &[Method::DELETE],
            Resource::Document
            | Resource::Presences(_)
            | Resource::Summary(_)
            | Resource::Counts(_)
            | Resource::Events(_) => &[Method::GET],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_resource_or_nothing() {
        let table = [
            ("openapi.json", Some(Resource::Document)),
            ("workflows/presences", Some(Resource::ManyPresences)),
            ("workflows/w/presences", Some(Resource::Presences("w"))),
            ("workflows//presences", Some(Resource::Presences(""))),
            ("workflows/a%2Fb/counts", Some(Resource::Counts("a%2Fb"))),
            ("workflows/w/sessions/s", Some(Resource::Session("w", "s"))),
            ("users/u/connections", Some(Resource::Connections("u"))),
            ("", None),
            ("workflows", None),
            ("workflows/w/presences/", None),
            ("workflows/w/sessions", None),
        ];
        for (path, resource) in table {
            assert_eq!(Resource::find(path), resource, "{path}");
        }
    }
}
