//! Who connects, by token, and what the pages are told of them.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Who a token names: `good:<name>`, and whatever stands behind another colon makes it another session's.
#[derive(Clone, Debug)]
pub struct Person {
    /// `ada`: of the token, and what tests know people by.
    pub name: String,
    /// A version-4 UUID, made of the name.
    pub id: String,
}

impl Person {
    /// Whose token this is; `None` for one that is not good.
    pub fn of(token: &str) -> Option<Person> {
        let name = token.strip_prefix("good:")?.split(':').next()?;
        (!name.is_empty()).then(|| Person { name: name.to_owned(), id: uuid(name) })
    }

    /// Names that begin with `viewer` are those of people who may only look.
    pub fn may_edit(&self) -> bool {
        !self.name.starts_with("viewer")
    }

    /// What happens to the request for the context, by name: `nobody` is no user, `refused-…` gets an error, `silent-…` no
    /// answer, `slow-<ms>-…` a late one.
    pub fn answer(&self) -> Answer {
        let mut parts = self.name.split('-');
        match (parts.next(), parts.next()) {
            (Some("refused"), _) => Answer::Error,
            (Some("silent"), _) => Answer::Never,
            (Some("slow"), Some(ms)) => ms.parse().map_or(Answer::AtOnce, Answer::After),
            _ => Answer::AtOnce,
        }
    }

    /// The reply to `get_context`, with every key that any Lightning's page asks for.
    pub fn context(&self, workflow: &str, lock_version: i64) -> Value {
        json!({
            "user": self.user(),
            "project": {"id": uuid("project"), "name": "Project", "env": null, "concurrency": null, "is_sandbox": false},
            "config": {
                "require_email_verification": false, "kafka_triggers_enabled": false, "max_dataclip_size_bytes": 10_000_000,
            },
            "permissions": {
                "can_edit_workflow": self.may_edit(), "can_run_workflow": self.may_edit(),
                "can_write_webhook_auth_method": self.may_edit(),
            },
            "latest_snapshot_lock_version": lock_version,
            "project_repo_connection": null,
            "webhook_auth_methods": [],
            "workflow_template": null,
            "has_read_ai_disclaimer": true,
            "content_locked": false,
            "experimental_features_enabled": false,
            "limits": {"runs": {"allowed": true, "message": null}},
            "workflow": {"id": workflow},
        })
    }

    fn user(&self) -> Value {
        if self.name == "nobody" {
            return Value::Null;
        }
        json!({
            "id": self.id, "first_name": self.first_name(), "last_name": "Tester",
            "email": format!("{}@example.org", self.name), "email_confirmed": true, "support_user": false,
            "inserted_at": "2024-01-01T00:00:00Z",
        })
    }

    /// `mallory`'s would break out of a style sheet that trusts it.
    fn first_name(&self) -> String {
        if self.name == "mallory" {
            return "Mal\";}\n</style><script>{\\".to_owned();
        }
        let mut letters = self.name.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
    }
}

/// What happens to a request for the context.
pub enum Answer {
    AtOnce,
    After(u64),
    Error,
    Never,
}

/// The version-4 UUID that stands for a text.
pub fn uuid(text: &str) -> String {
    let mut bytes: [u8; 16] = Sha256::digest(text)[..16].try_into().expect("a digest has 32 bytes");
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    uuid::Uuid::from_bytes(bytes).to_string()
}
