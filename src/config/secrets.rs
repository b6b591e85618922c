//! Secrets. They have no flags, because flags are for everybody on the machine to read.

use std::env::VarError;

use crate::lightning::Login;
use crate::lightning::token::{Keys, SecretKeyBase, SecretTooShort};

/// A secret of the environment; an empty one is as good as none. One that is no text is an error: taken for none, it
/// would let everybody in.
pub(super) fn secret(name: &str) -> Result<Option<String>, String> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(format!("{name}: is not UTF-8")),
    }
}

/// The keys of user tokens, where there is a secret for them: the present secret makes them, the previous ones are still
/// good to verify.
///
/// # Errors
/// A line for each of the two variables that is of no use.
pub(super) fn user_keys() -> Result<Option<Keys>, Vec<String>> {
    let current = read(SECRET_KEY_BASE, SecretKeyBase::new);
    let previous = read(SECRET_KEY_BASE_PREVIOUS, |text: String| {
        text.split_whitespace().map(SecretKeyBase::new).collect::<Result<Vec<_>, _>>()
    });
    match (current, previous) {
        (Ok(Some(current)), Ok(previous)) => {
            Ok(Some(Keys::new(&current, &previous.unwrap_or_default(), Login::SALT)))
        }
        (Ok(None), Ok(Some(_))) => {
            Err(vec![format!("{SECRET_KEY_BASE_PREVIOUS}: is of no use without {SECRET_KEY_BASE}")])
        }
        (Ok(None), Ok(None)) => Ok(None),
        (current, previous) => Err(current.err().into_iter().chain(previous.err()).collect()),
    }
}

/// A secret of the environment, read; what is wrong with it, under its name.
fn read<T>(name: &str, read: impl FnOnce(String) -> Result<T, SecretTooShort>) -> Result<Option<T>, String> {
    let read = |text| read(text).map_err(|error| format!("{name}: {error}"));
    secret(name)?.map(read).transpose()
}

/// Lightning's name for it.
pub(super) const SECRET_KEY_BASE: &str = "SECRET_KEY_BASE";
const SECRET_KEY_BASE_PREVIOUS: &str = "SECRET_KEY_BASE_PREVIOUS";
/// Lightning's name for it. It holds a password.
pub(super) const DATABASE_URL: &str = "DATABASE_URL";
/// All that are about people.
pub(super) const SECRETS: [&str; 3] = [SECRET_KEY_BASE, SECRET_KEY_BASE_PREVIOUS, DATABASE_URL];
