//! What the upstream's answers say: whether a join was let in, and who the user is.
//!
//! Contract: Phoenix 1.8.12 for replies; contract/lightning.md, 4.8, and contract/canvas.md, A.9, for the context. The
//! page shows nobody whose id, names or email it does not find.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::User;

/// Whether a reply's payload, with what stands behind it in the message, says `ok`.
pub fn is_ok(payload: &[u8]) -> bool {
    reply(payload).is_some()
}

/// The user of a `get_context` reply: its payload, with what stands behind it in the message.
pub fn of_reply(payload: &[u8]) -> Option<User> {
    of_context(reply(payload)?.get().as_bytes())
}

/// The user of a context, such as `session_context_updated` pushes.
pub fn of_context(context: &[u8]) -> Option<User> {
    let user = first::<Context>(context)?.user?;
    let parts = [&user.id, &user.first_name, &user.last_name, &user.email];
    let complete = parts.iter().all(|part| !part.is_empty());
    complete.then(|| User::new(&user.id, &format!("{} {}", user.first_name, user.last_name), &user.email))
}

/// The response of a reply that says `ok`.
fn reply(payload: &[u8]) -> Option<&RawValue> {
    let reply: Reply<'_> = first(payload)?;
    (reply.status == "ok").then_some(reply.response)
}

/// The first JSON value of a text, whatever follows it.
fn first<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Option<T> {
    T::deserialize(&mut serde_json::Deserializer::from_slice(text)).ok()
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    response: &'a RawValue,
}

#[derive(Deserialize)]
struct Context {
    user: Option<Person>,
}

#[derive(Deserialize)]
struct Person {
    id: String,
    first_name: String,
    last_name: String,
    email: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: &str =
        r#"{"id":"ada","first_name":"Ada","last_name":"L","email":"a@b","email_confirmed":true}"#;

    #[test]
    fn the_user_of_a_context_has_first_and_last_name() {
        let payload =
            format!(r#"{{"response":{{"config":{{}},"user":{ADA},"project":null}},"status":"ok"}}]"#);
        assert!(is_ok(payload.as_bytes()));
        assert_eq!(of_reply(payload.as_bytes()), Some(User::new("ada", "Ada L", "a@b")));
        let context = format!(r#" {{"user":{ADA}}} ]"#);
        assert_eq!(of_context(context.as_bytes()), Some(User::new("ada", "Ada L", "a@b")));
    }

    #[test]
    fn an_error_names_nobody() {
        let payload = format!(r#"{{"status":"error","response":{{"user":{ADA}}}}}"#);
        assert!(!is_ok(payload.as_bytes()));
        assert_eq!(of_reply(payload.as_bytes()), None);
        for payload in
            ["", "{}", "null", "[\"ok\",{}]x", r#"{"status":"ok"}"#, r#"{"status":1,"response":{}}"#]
        {
            assert_eq!(of_reply(payload.as_bytes()), None, "{payload}");
        }
    }

    #[test]
    fn whom_no_page_would_show_is_nobody() {
        let nobody = [
            r#"{"user":null}"#.to_owned(),
            "{}".to_owned(),
            "{\"user\":\"ada\"}".to_owned(),
            format!("{{\"user\":{}}}", ADA.replace("\"L\"", "null")),
            format!("{{\"user\":{}}}", ADA.replace("\"L\"", "\"\"")),
            format!("{{\"user\":{}}}", ADA.replace("\"Ada\"", "\"\"")),
            format!("{{\"user\":{}}}", ADA.replace("\"ada\"", "7")),
            format!("{{\"user\":{}}}", ADA.replace("\"a@b\"", "\"\"")),
        ];
        for context in nobody {
            assert_eq!(of_context(context.as_bytes()), None, "{context}");
        }
    }
}
