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

/// The keys of user tokens, where there is a secret for them.
pub(super) fn user_keys() -> Result<Option<Keys>, String> {
    let current = secret(SECRET_KEY_BASE)?;
    let previous = secret(SECRET_KEY_BASE_PREVIOUS)?.unwrap_or_default();
    let keys = current.map(|current| keys(&current, &previous)).transpose();
    keys.map_err(|error| format!("{SECRET_KEY_BASE}: {error}"))
}

/// The keys of user tokens: the present secret makes them, the previous ones are still good to verify.
fn keys(current: &str, previous: &str) -> Result<Keys, SecretTooShort> {
    let previous = previous.split_whitespace().map(SecretKeyBase::new);
    Ok(Keys::new(&SecretKeyBase::new(current)?, &previous.collect::<Result<Vec<_>, _>>()?, Login::SALT))
}

/// Lightning's name for it.
pub(super) const SECRET_KEY_BASE: &str = "SECRET_KEY_BASE";
const SECRET_KEY_BASE_PREVIOUS: &str = "SECRET_KEY_BASE_PREVIOUS";
/// Lightning's name for it. It holds a password.
pub(super) const DATABASE_URL: &str = "DATABASE_URL";
