//! What a people file says: users, projects with members and roles, workflows.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Deserialize;
use thiserror::Error;

use crate::lightning::people::Access;
use crate::lightning::user::User;

/// Everybody and everything a people file names, checked.
#[derive(Debug, Default)]
pub struct Directory {
    users: HashMap<String, User>,
    projects: HashMap<String, HashMap<String, Role>>,
    workflows: HashMap<String, KnownWorkflow>,
}

/// Why a people file is of no use.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {reason}")]
pub struct BrokenFile {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: String,
}

/// The two ways to write one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// TOML.
    Toml,
    /// JSON.
    Json,
}

#[derive(Debug)]
struct KnownWorkflow {
    project: String,
    snapshots: Vec<i64>,
}

/// A member's role, as Lightning names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    Viewer,
    Editor,
    Admin,
    Owner,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    users: Vec<WrittenUser>,
    #[serde(default)]
    projects: Vec<WrittenProject>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenUser {
    id: String,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    #[serde(default)]
    disabled: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenProject {
    id: String,
    #[serde(default)]
    members: HashMap<String, Role>,
    #[serde(default)]
    workflows: Vec<WrittenWorkflow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenWorkflow {
    id: String,
    #[serde(default)]
    snapshots: Vec<i64>,
}

impl Directory {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`BrokenFile`] for the first thing that is wrong: its notation, an unknown name, an id that is used twice, a
    /// member who is no user.
    pub fn read(text: &str, notation: Notation) -> Result<Self, BrokenFile> {
        let written = parse(text, notation)?;
        let broken = |id: &str, reason: String| BrokenFile { line: line_of(text, id), reason };
        let mut directory = Directory::default();
        let mut seen = HashSet::new();
        for user in written.users {
            if !seen.insert(user.id.clone()) {
                return Err(broken(&user.id, format!("the user {:?} is there twice", user.id)));
            }
            if !user.disabled {
                let WrittenUser { id, first_name, last_name, email, .. } = user;
                directory.users.insert(id.clone(), User { id, first_name, last_name, email });
            }
        }
        for project in written.projects {
            if let Some(member) = project.members.keys().find(|member| !seen.contains(*member)) {
                let reason = format!("the project {:?} has a member {member:?} who is no user", project.id);
                return Err(broken(member, reason));
            }
            for workflow in project.workflows {
                let known = KnownWorkflow { project: project.id.clone(), snapshots: workflow.snapshots };
                if directory.workflows.insert(workflow.id.clone(), known).is_some() {
                    return Err(broken(
                        &workflow.id,
                        format!("the workflow {:?} is there twice", workflow.id),
                    ));
                }
            }
            if directory.projects.insert(project.id.clone(), project.members).is_some() {
                return Err(broken(&project.id, format!("the project {:?} is there twice", project.id)));
            }
        }
        Ok(directory)
    }

    /// A user who may connect; one who is disabled may not.
    pub(super) fn user(&self, id: &str) -> Option<&User> {
        self.users.get(id)
    }

    /// What a user may do in a project; `None` where there is no such project. A user who is disabled has no role.
    pub(super) fn access(&self, project: &str, user: &str) -> Option<Access> {
        Some(match self.projects.get(project)?.get(user) {
            _ if !self.users.contains_key(user) => Access::None,
            None => Access::None,
            Some(Role::Viewer) => Access::View,
            Some(Role::Editor | Role::Admin | Role::Owner) => Access::Edit,
        })
    }

    /// The ids of a project's viewers.
    pub(super) fn viewers(&self, project: &str) -> Arc<[String]> {
        let members = self.projects.get(project).into_iter().flatten();
        members.filter(|(_, role)| **role == Role::Viewer).map(|(member, _)| member.clone()).collect()
    }

    /// The project that holds a workflow.
    pub(super) fn project_of(&self, workflow: &str) -> Option<&str> {
        self.workflows.get(workflow).map(|known| known.project.as_str())
    }

    /// Whether a workflow has a snapshot of this version.
    pub(super) fn has_snapshot(&self, workflow: &str, version: i64) -> bool {
        self.workflows.get(workflow).is_some_and(|known| known.snapshots.contains(&version))
    }
}

fn parse(text: &str, notation: Notation) -> Result<Written, BrokenFile> {
    match notation {
        Notation::Toml => toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1;
            BrokenFile { line, reason: error.message().to_owned() }
        }),
        Notation::Json => serde_json::from_str(text)
            .map_err(|error| BrokenFile { line: error.line(), reason: error.to_string() }),
    }
}

/// Where an id stands for the last time, which is where it is one too many, or the only time.
fn line_of(text: &str, id: &str) -> usize {
    let at = text.rfind(&format!("{id:?}")).or_else(|| text.rfind(id)).unwrap_or(0);
    text[..at].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = r#"
[[users]]
id = "ada"
first_name = "Ada"

[[users]]
id = "eve"
disabled = true

[[users]]
id = "vic"

[[projects]]
id = "p1"
members = { ada = "owner", vic = "viewer", eve = "admin" }
workflows = [{ id = "w1", snapshots = [1, 2] }]

[[projects]]
id = "p2"
"#;

    #[test]
    fn a_file_says_who_may_do_what() {
        let directory = Directory::read(TOML, Notation::Toml).expect("it is in order");
        assert_eq!(directory.user("ada").and_then(|ada| ada.first_name.as_deref()), Some("Ada"));
        assert_eq!(directory.user("eve"), None);
        assert_eq!(directory.access("p1", "ada"), Some(Access::Edit));
        assert_eq!(directory.access("p1", "vic"), Some(Access::View));
        assert_eq!(directory.access("p2", "ada"), Some(Access::None));
        assert_eq!(directory.access("p3", "ada"), None);
        assert_eq!(directory.project_of("w1"), Some("p1"));
        assert!(directory.has_snapshot("w1", 2) && !directory.has_snapshot("w1", 3));
    }

    #[test]
    fn json_says_the_same() {
        let json = r#"{"users": [{"id": "ada"}], "projects": [{"id": "p1", "members": {"ada": "editor"}}]}"#;
        let directory = Directory::read(json, Notation::Json).expect("it is in order");
        assert_eq!(directory.access("p1", "ada"), Some(Access::Edit));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let table = [
            ("users = 1", Notation::Toml, 1, "invalid type"),
            ("[[users]]\nid = \"a\"\nname = \"A\"", Notation::Toml, 3, "unknown field `name`"),
            ("[[users]]\nid = \"a\"\n[[users]]\nid = \"a\"", Notation::Toml, 4, "is there twice"),
            ("[[projects]]\nid = \"p\"\nmembers = { x = \"owner\" }", Notation::Toml, 3, "who is no user"),
            (
                "[[users]]\nid = \"x\"\n[[projects]]\nid = \"p\"\nmembers = { x = \"boss\" }",
                Notation::Toml,
                5,
                "boss",
            ),
            ("{\n\"users\": [\n{\"id\": 1}]}", Notation::Json, 3, "invalid type"),
            ("{", Notation::Json, 1, "EOF"),
        ];
        for (text, notation, line, reason) in table {
            let broken = Directory::read(text, notation).expect_err(text);
            assert_eq!(broken.line, line, "{text}: {broken}");
            assert!(broken.reason.contains(reason), "{text}: {broken}");
        }
    }
}
