//! The canvas's topics: which workflow, and which view of it.

use thiserror::Error;

/// One channel topic of a workflow. All rooms of a workflow share one presence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// The workflow's id.
    pub workflow: String,
    /// What of it is looked at.
    pub view: View,
}

/// What a room shows of its workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// `workflow:collaborate:<id>`: the latest version, edited together.
    Latest,
    /// `workflow:collaborate:<id>:v<N>`: a snapshot; the text behind the `v`, not yet read as a number.
    Snapshot(String),
    /// `workflow:collaborate:<id>:release<N>`: a published version; the text behind the word.
    Release(String),
    /// `workflow:collaborate:<id>:run:<run id>`: the version that a run was of.
    Run(String),
    /// A room of a kind that is not known, with its suffix.
    Unknown(String),
    /// `workflow:presence:<id>`: nothing but who is there.
    Presence,
}

/// A topic that is no room; the join crashes, as Lightning's does where no clause matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the topic names no room of a workflow")]
pub struct NoRoom;

impl Room {
    /// Reads a topic. A suffix begins at the first `:` behind the id (contract/canvas.md A.4).
    ///
    /// # Errors
    /// [`NoRoom`] for any other topic, and for an empty id.
    pub fn parse(topic: &str) -> Result<Self, NoRoom> {
        let (workflow, view) = if let Some(rest) = topic.strip_prefix("workflow:collaborate:") {
            match rest.split_once(':') {
                Some((workflow, suffix)) => (workflow, View::of_suffix(suffix)),
                None => (rest, View::Latest),
            }
        } else {
            (topic.strip_prefix("workflow:presence:").ok_or(NoRoom)?, View::Presence)
        };
        if workflow.is_empty() {
            return Err(NoRoom);
        }
        Ok(Room { workflow: workflow.to_owned(), view })
    }
}

impl View {
    fn of_suffix(suffix: &str) -> Self {
        if let Some(run) = suffix.strip_prefix("run:") {
            View::Run(run.to_owned())
        } else if let Some(number) = suffix.strip_prefix("release") {
            View::Release(number.to_owned())
        } else if let Some(version) = suffix.strip_prefix('v') {
            View::Snapshot(version.to_owned())
        } else {
            View::Unknown(suffix.to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_names_a_workflow_and_a_view_of_it() {
        let table = [
            ("workflow:collaborate:w1", Some(("w1", View::Latest))),
            ("workflow:collaborate:w1:v22", Some(("w1", View::Snapshot("22".into())))),
            ("workflow:collaborate:w1:vx:v2", Some(("w1", View::Snapshot("x:v2".into())))),
            ("workflow:collaborate:w1:release4", Some(("w1", View::Release("4".into())))),
            ("workflow:collaborate:w1:run:r1", Some(("w1", View::Run("r1".into())))),
            ("workflow:collaborate:w1:x:v2", Some(("w1", View::Unknown("x:v2".into())))),
            ("workflow:collaborate:w1:", Some(("w1", View::Unknown("".into())))),
            ("workflow:presence:w1", Some(("w1", View::Presence))),
            ("workflow:presence:w1:v2", Some(("w1:v2", View::Presence))),
            ("workflow:collaborate:", None),
            ("workflow:presence:", None),
            ("workflow:other:w1", None),
            ("room:w1", None),
        ];
        for (topic, expected) in table {
            let expected = expected.map(|(workflow, view)| Room { workflow: workflow.to_owned(), view });
            assert_eq!(Room::parse(topic).ok(), expected, "{topic}");
        }
    }
}
