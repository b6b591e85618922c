//! Secrets: the one in the configuration, and the keys derived from it.
//!
//! Owns how long a secret must be and how a key is derived. Both are wiped from memory when dropped, and
//! neither prints.
//! Contract: `Plug.Crypto.KeyGenerator` with the defaults of `Phoenix.Token`.

use std::fmt;

use pbkdf2::pbkdf2_hmac;
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

/// Phoenix's `secret_key_base`: the text from which all keys of an application are derived.
#[derive(Clone)]
pub struct SecretKeyBase(Zeroizing<String>);

impl SecretKeyBase {
    /// A secret of at least 20 bytes. Its bytes are taken as they are; Phoenix does not decode them either.
    ///
    /// # Errors
    /// [`SecretTooShort`] for fewer.
    pub fn new(text: impl Into<String>) -> Result<Self, SecretTooShort> {
        let text = Zeroizing::new(text.into());
        if text.len() < MIN_SECRET_BYTES { Err(SecretTooShort) } else { Ok(SecretKeyBase(text)) }
    }
}

impl fmt::Debug for SecretKeyBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKeyBase")
    }
}

/// The secret key base has fewer than 20 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a secret key base has at least {MIN_SECRET_BYTES} bytes")]
pub struct SecretTooShort;

/// The key for one secret and one salt.
pub(super) struct DerivedKey(Zeroizing<[u8; KEY_BYTES]>);

impl DerivedKey {
    pub(super) fn derive(secret: &SecretKeyBase, salt: &str) -> Self {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        pbkdf2_hmac::<Sha256>(secret.0.as_bytes(), salt.as_bytes(), ITERATIONS, key.as_mut_slice());
        DerivedKey(key)
    }

    pub(super) fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// A key derived in some other way.
    #[cfg(test)]
    pub(super) fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        DerivedKey(Zeroizing::new(bytes))
    }
}

const MIN_SECRET_BYTES: usize = 20;
const ITERATIONS: u32 = 1000;
const KEY_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_of_twenty_bytes_is_long_enough() {
        assert_eq!(SecretKeyBase::new("x".repeat(19)).err(), Some(SecretTooShort));
        assert!(SecretKeyBase::new("x".repeat(20)).is_ok());
    }

    #[test]
    fn a_secret_does_not_print() {
        let secret = SecretKeyBase::new("do not show this to anyone").expect("long enough");
        assert_eq!(format!("{secret:?}"), "SecretKeyBase");
    }

    #[test]
    fn a_key_depends_on_the_secret_and_on_the_salt() {
        let derive = |secret: &str, salt| {
            *DerivedKey::derive(&SecretKeyBase::new(secret.repeat(8)).expect("long enough"), salt).as_bytes()
        };
        // Seen from Phoenix 1.8.12.
        let known = "d3f12b5b79f2122342c5c52cb5d451bb588e5c5af0a7c73cf6a90cc45b397d80";
        assert_eq!(hex(&derive("abcdefgh", "user socket")), known);
        let known = "d65d1cb02615ca84932062335fdbcf3065ecc077494e62890a1f31732be59d3d";
        assert_eq!(hex(&derive("abcdefgh", "user secret")), known);
        assert_ne!(derive("abcdefgh", "user socket"), derive("abcdefgi", "user socket"));
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
