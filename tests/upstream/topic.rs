//! Which room a topic names, and who may join it.

use serde_json::Value;

/// `workflow:collaborate:<id>` with what may stand behind it.
#[derive(Debug, PartialEq)]
pub struct Topic<'a> {
    pub workflow: &'a str,
    /// Whether it is the latest, which alone can be edited.
    pub is_latest: bool,
}

/// Reads a topic and the parameters of its join.
///
/// # Errors
/// The reason that the client is given.
pub fn admit<'a>(topic: &'a str, params: &Value) -> Result<Topic<'a>, String> {
    let action = params["action"].as_str();
    let (Some(project), Some(action)) = (params["project_id"].as_str(), action) else {
        return Err("invalid parameters. project_id and action are required".into());
    };
    let Some(room) = topic.strip_prefix("workflow:collaborate:") else { return Err("unmatched topic".into()) };
    let (workflow, suffix) = match room.split_once(':') {
        Some((workflow, suffix)) => (workflow, Some(suffix)),
        None => (room, None),
    };
    match (action, suffix) {
        _ if project == "missing" => Err("project not found".into()),
        _ if project == "forbidden" => Err("unauthorized".into()),
        ("new", Some(_)) => Err("invalid parameters. a new workflow has no version to pin".into()),
        ("edit", Some(suffix)) if !is_version(suffix) => Err(format!("invalid room suffix '{suffix}'")),
        ("edit", _) if workflow == "missing" => Err("workflow not found".into()),
        ("new" | "edit", _) => Ok(Topic { workflow, is_latest: suffix.is_none() }),
        _ => Err(format!("invalid action '{action}', must be 'new' or 'edit'")),
    }
}

fn is_version(suffix: &str) -> bool {
    let number = suffix.strip_prefix("release").or_else(|| suffix.strip_prefix('v'));
    number.is_some_and(|number| number.parse::<u32>().is_ok()) || suffix.starts_with("run:")
}
