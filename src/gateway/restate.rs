//! An awareness state as it is sent to others: the client's, with the user made here.
//!
//! Owns: that nothing of the client's `user` passes but a plain color, and how long a state may be.
//!
//! Not here: whether the state is JSON, which the codec of awareness has made sure of; when it is sent.
//!
//! Contract: contract/canvas.md, F.4.

use super::User;
use super::text::{NotAnObject, for_each_member, string};

/// Why a state is not sent to others. The participant's state before stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unshown {
    /// It is no object, and so no page shows anything of it.
    #[error("the state is not an object")]
    NotAnObject,
    /// It is longer than 4 KiB as it would be sent.
    #[error("the state is longer than 4 KiB")]
    TooLarge,
}

/// Puts a user into a state in place of whatever the client has there. `state` must be JSON, as `JSON.parse` reads it.
///
/// Every member `user` is left out, however its key is written, and one is put behind the others: id, name and email of
/// `user`, and the color of the last one left out if that is `#rrggbb`, or else the page's own of that id. Everything
/// else stays byte for byte.
///
/// # Errors
/// [`Unshown::NotAnObject`], [`Unshown::TooLarge`].
pub fn restate(state: &str, user: &User) -> Result<String, Unshown> {
    let mut sent = String::with_capacity(state.len().min(MAX_LEN) + USER_ROOM);
    let mut claim = None;
    sent.push('{');
    for_each_member(state, |member| {
        if member.is("user") {
            claim = Some(member.value);
        } else if sent.len() <= MAX_LEN {
            sent.push_str(member.whole);
            sent.push(',');
        }
    })?;
    user.write_member(claim.and_then(color).as_deref(), &mut sent);
    sent.push('}');
    if sent.len() > MAX_LEN { Err(Unshown::TooLarge) } else { Ok(sent) }
}

/// Whether a state is an object without members, which a client has before it knows its user.
pub fn is_empty_state(state: &str) -> bool {
    let mut empty = true;
    for_each_member(state, |_| empty = false).is_ok() && empty
}

/// The last color in a client's `user`.
fn color(user: &str) -> Option<String> {
    let mut color = None;
    for_each_member(user, |member| {
        if member.is("color") {
            color = string(member.value);
        }
    })
    .ok()?;
    color
}

impl From<NotAnObject> for Unshown {
    fn from(NotAnObject: NotAnObject) -> Self {
        Unshown::NotAnObject
    }
}

/// The longest state that is sent, in bytes.
const MAX_LEN: usize = 4096;
/// About what a user takes.
const USER_ROOM: usize = 160;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn ada() -> User {
        User::new("ada", "Ada L", "ada@openfn.org")
    }

    /// The member that is written for Ada with a color.
    fn member(color: &str) -> String {
        format!(r#""user":{{"id":"ada","name":"Ada L","email":"ada@openfn.org","color":"{color}"}}"#)
    }

    const OWN: &str = "#FF8B94";

    #[test]
    fn a_client_chooses_its_color_and_nothing_else() {
        let state = r##"{"user":{"id":"eve","name":"Eve","color":"#0aF123","x":1},"cursor":{"x":1.50}}"##;
        let sent = format!(r##"{{"cursor":{{"x":1.50}},{}}}"##, member("#0aF123"));
        assert_eq!(restate(state, &ada()), Ok(sent));
    }

    #[test]
    fn a_color_that_is_more_than_a_color_becomes_the_pages_own() {
        let users = [
            r#"{"color":"red;}</style><script>"}"#,
            r##"{"color":"#12345"}"##,
            r##"{"color":["#123456"]}"##,
            r##"{"color":"#123456","color":"x"}"##,
            r##"{"colour":"#123456"}"##,
            "{}",
            "null",
            r##""#123456""##,
        ];
        for user in users {
            let sent = format!("{{{}}}", member(OWN));
            assert_eq!(restate(&format!(r#"{{"user":{user}}}"#), &ada()), Ok(sent), "{user}");
        }
        assert_eq!(restate(r#"{"a":1}"#, &ada()), Ok(format!(r#"{{"a":1,{}}}"#, member(OWN))));
    }

    #[test]
    fn a_color_counts_as_javascript_reads_it() {
        let state = r##"{"user":{"color":"#111111"},"us\u0065r":{"color":"x","c\u006flor":"\u0023222222"}}"##;
        assert_eq!(restate(state, &ada()), Ok(format!("{{{}}}", member("#222222"))));
    }

    #[test]
    fn every_user_of_the_client_is_left_out() {
        let state = r#" { "a" : 1 , "user" : 1 , "\u0075ser" : [ "}" ] , "u\u0073er":"\"", "User":2 , "b":{"user":3} } "#;
        let sent = format!(r#"{{"a" : 1,"User":2,"b":{{"user":3}},{}}}"#, member(OWN));
        assert_eq!(restate(state, &ada()), Ok(sent));
    }

    #[test]
    fn the_rest_stays_as_it_was_written() {
        let deep = format!("{}{}", "[".repeat(800), "]".repeat(800));
        let kept = [
            r#""a":1,"a":2"#,
            r#""a":"\ud800","\udfff":0"#,
            r#""a":1e21,"b":-0,"c":0.10,"d":9007199254740993"#,
            r#""__proto__":{"x":1}"#,
            r#""t":"Zoë 🦀 \/ \u0000""#,
            &format!(r#""deep":{deep}"#),
        ];
        for members in kept {
            let sent = format!("{{{members},{}}}", member(OWN));
            assert_eq!(restate(&format!("{{{members}}}"), &ada()), Ok(sent), "{members}");
        }
    }

    #[test]
    fn four_kibibytes_are_sent_and_a_byte_more_is_not() {
        let bare = restate(r#"{"t":""}"#, &ada()).expect("short").len();
        let state = |len: usize| format!(r#"{{"t":"{}"}}"#, "x".repeat(len - bare));
        assert_eq!(restate(&state(4096), &ada()).map(|sent| sent.len()), Ok(4096));
        assert_eq!(restate(&state(4097), &ada()), Err(Unshown::TooLarge));
        assert_eq!(restate(&state(100_000), &ada()), Err(Unshown::TooLarge));
        // What the client says of itself does not count.
        let long = format!(r#"{{"user":"{}"}}"#, "x".repeat(5000));
        assert_eq!(restate(&long, &ada()).map(|sent| sent.len()), Ok(member(OWN).len() + 2));
    }

    #[test]
    fn what_is_no_object_is_not_sent() {
        for state in ["\"text\"", "[1,2]", "false", "0", "null", ""] {
            assert_eq!(restate(state, &ada()), Err(Unshown::NotAnObject), "{state}");
        }
    }

    #[test]
    fn only_an_object_without_members_is_empty() {
        assert!(is_empty_state("{}") && is_empty_state(" {\n} "));
        for state in ["{\"a\":1}", "[]", "null", "{", ""] {
            assert!(!is_empty_state(state), "{state}");
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::hash_map("user|color|.{0,3}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// A key, some of its characters as escapes.
    fn written(key: &str, escaped: u8) -> String {
        let plain = Value::from(key).to_string();
        let character = |(index, character): (usize, char)| match character.is_ascii_alphabetic() {
            true if escaped & 1 << (index % 8) != 0 => format!("\\u{:04x}", u32::from(character)),
            _ => character.to_string(),
        };
        if plain.contains('\\') { plain } else { plain.chars().enumerate().map(character).collect() }
    }

    proptest! {
        #[test]
        fn a_restated_state_has_the_one_user_and_all_that_the_client_had_beside_it(
            members in proptest::collection::vec(("user|cursor|.{0,4}", any::<u8>(), json()), 0..6),
        ) {
            let text: Vec<String> =
                members.iter().map(|(key, escaped, value)| format!("{} : {value}", written(key, *escaped))).collect();
            let sent = restate(&format!("{{{}}}", text.join(" , ")), &ada()).expect("a short object");
            let sent: serde_json::Map<String, Value> = serde_json::from_str(&sent).expect("JSON");
            let mut expected: serde_json::Map<String, Value> = members
                .iter()
                .filter(|(key, ..)| key != "user")
                .map(|(key, _, value)| (key.clone(), value.clone()))
                .collect();
            let mut user = sent["user"].clone();
            user["color"] = Value::Null;
            prop_assert_eq!(user, json!({"id": "ada", "name": "Ada L", "email": "ada@openfn.org", "color": null}));
            expected.insert("user".to_owned(), sent["user"].clone());
            prop_assert_eq!(sent, expected);
        }

        #[test]
        fn any_text_is_restated_or_refused(state in "[\\[\\]{}\",:\\\\u0 user\u{e9}]{0,40}") {
            let _ = restate(&state, &ada());
            let _ = User::claimed(&state);
            is_empty_state(&state);
        }
    }
}
