//! Who somebody is, as others see it.
//!
//! Owns: what a name may hold, and the form of the `user` member of an awareness state.
//!
//! Not here: where Lightning says it (`context`), how long it is remembered (`identities`).
//!
//! Contract: contract/canvas.md, F.4. The page writes names and colors into a `<style>` element, unescaped.

use std::fmt::Write;
use std::sync::Arc;

use smol_str::SmolStr;

use super::color;
use super::text::{for_each_member, string};

/// A person. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    id: SmolStr,
    name: SmolStr,
    email: SmolStr,
    color: &'static str,
    /// The member as far as it is the same in every state: all of it before the color.
    written: Arc<str>,
}

impl User {
    /// A person of this id. Control characters and `" \ < > { }` are left out of the name.
    pub fn new(id: &str, name: &str, email: &str) -> User {
        let breaks_out = |character: char| character.is_control() || BREAKS_OUT.contains(&character);
        let name: SmolStr = name.chars().filter(|character| !breaks_out(*character)).collect();
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let written = format!(
            r#""user":{{"id":{},"name":{},"email":{},"color":"#,
            quoted(id),
            quoted(&name),
            quoted(email)
        );
        User { id: id.into(), name, email: email.into(), color: color::of_user(id), written: written.into() }
    }

    /// The person that a state itself claims to be of, which only who trusts the clients may ask: the last `user` of
    /// the state, with an id and a name that are strings and not empty. Of an email that is no string nothing is left.
    ///
    /// `state` must be JSON. `None` where it claims nothing of the kind.
    pub fn claimed(state: &str) -> Option<User> {
        let mut claim = None;
        for_each_member(state, |member| {
            if member.is("user") {
                claim = Some(member.value);
            }
        })
        .ok()?;
        let (mut id, mut name, mut email) = (None, None, None);
        for_each_member(claim?, |member| {
            for (key, slot) in [("id", &mut id), ("name", &mut name), ("email", &mut email)] {
                if member.is(key) {
                    *slot = string(member.value);
                }
            }
        })
        .ok()?;
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        Some(User::new(&given(id)?, &given(name)?, &email.unwrap_or_default()))
    }

    /// Lightning's id of the user.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// First and last name, without what could end a string of a style sheet.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The email address.
    pub fn email(&self) -> &str {
        &self.email
    }

    /// Appends the `user` member of a state, with this color if it is `#rrggbb`, or else the page's own.
    pub(super) fn write_member(&self, color: Option<&str>, out: &mut String) {
        let color = color.filter(|color| color::is_plain(color)).unwrap_or(self.color);
        write!(out, r#"{}"{color}"}}"#, self.written).expect("a string takes whatever is written");
    }
}

/// What ends a string, an element or a block where names are written; control characters end strings as well.
const BREAKS_OUT: [char; 6] = ['"', '\\', '<', '>', '{', '}'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_end_what_it_is_written_into() {
        let user = User::new("u", "A\"};</style>\\\n\u{7f}\u{85}{b} Zoë 🦀", "a@b");
        assert_eq!(user.name(), "A;/styleb Zoë 🦀");
    }

    #[test]
    fn a_member_is_json_whatever_was_claimed() {
        let user = User::new("\"\\\u{0}", "Ada L", "\n\"@x");
        let mut member = String::new();
        user.write_member(Some("#0aF123"), &mut member);
        let member: serde_json::Value = serde_json::from_str(&format!("{{{member}}}")).expect("JSON");
        let expected =
            serde_json::json!({"id": "\"\\\u{0}", "name": "Ada L", "email": "\n\"@x", "color": "#0aF123"});
        assert_eq!(member["user"], expected);
    }

    #[test]
    fn a_claim_counts_as_javascript_reads_it() {
        let state = r#"{"user":{"id":"x","name":"y"},"\u0075ser":{"id":"a","id":"b","n\u0061me":"Bo {b}","email":1}}"#;
        let user = User::claimed(state).expect("an id and a name");
        assert_eq!((user.id(), user.name(), user.email()), ("b", "Bo b", ""));
    }

    #[test]
    fn a_claim_without_an_id_or_a_name_is_none() {
        let none = [
            "{}",
            "1",
            r#"{"user":null}"#,
            r#"{"user":"x"}"#,
            r#"{"user":{"id":"a"}}"#,
            r#"{"user":{"id":"","name":"y"}}"#,
            r#"{"user":{"id":"a","name":""}}"#,
            r#"{"user":{"id":1,"name":"y"}}"#,
            r#"{"user":{"id":"a","name":"y"},"user":null}"#,
            r#"{"a":{"user":{"id":"a","name":"y"}}}"#,
        ];
        for state in none {
            assert_eq!(User::claimed(state), None, "{state}");
        }
    }
}
