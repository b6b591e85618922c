//! `Phoenix.Token`: data that only a holder of the secret key base can have written, and how old it may be.
//!
//! Owns both kinds of token, signed and encrypted, the keys derived for them, and the rules of age.
//! Not here: the clock and randomness, which are arguments; who a token's data names.
//! Contract: Phoenix 1.8.12 and plug_crypto 2.1.1, `Phoenix.Token` and `Plug.Crypto`. Beyond it, a date far ahead is
//! invalid, and so is a genuine token that holds no payload, where Phoenix raises.

mod data;
mod encrypted;
mod etf;
mod payload;
mod secret;
mod signed;
#[cfg(test)]
mod tests;

use std::fmt;

use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
pub use data::{Data, Term};
pub use payload::MaxAge;
use payload::Payload;
use secret::DerivedKey;
pub use secret::{SecretKeyBase, SecretTooShort};
use thiserror::Error;

/// The keys of one purpose, which its salt names: `"user socket"` for Lightning's connections.
///
/// Deriving a key is slow on purpose, so make this once and keep it. Signed and encrypted tokens are two
/// kinds: where one is asked for, the other is invalid.
pub struct Keys {
    current: DerivedKey,
    earlier: Box<[DerivedKey]>,
}

impl Keys {
    /// The keys for `salt`. New tokens are made with the current secret; those made with an earlier one are
    /// still taken, so that a secret can be replaced while its tokens are about.
    pub fn new(current: &SecretKeyBase, earlier: &[SecretKeyBase], salt: &str) -> Self {
        let derive = |secret| DerivedKey::derive(secret, salt);
        Keys { current: derive(current), earlier: earlier.iter().map(derive).collect() }
    }

    /// The data of a signed token at `now_ms` (unix time in milliseconds), as `Phoenix.Token.verify/4`.
    ///
    /// `max_age` replaces the age that the token itself allows.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify<'t>(
        &self,
        token: impl Into<Option<&'t str>>,
        max_age: Option<MaxAge>,
        now_ms: i64,
    ) -> Result<Data, TokenError> {
        self.open(signed::open, token.into())?.into_data(max_age, now_ms)
    }

    /// The data of an encrypted token at `now_ms` (unix time in milliseconds), as `Phoenix.Token.decrypt/4`.
    ///
    /// `max_age` replaces the age that the token itself allows.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn decrypt<'t>(
        &self,
        token: impl Into<Option<&'t str>>,
        max_age: Option<MaxAge>,
        now_ms: i64,
    ) -> Result<Data, TokenError> {
        self.open(encrypted::open, token.into())?.into_data(max_age, now_ms)
    }

    /// Until when an encrypted token is good, in milliseconds of Unix time, whether or not that is past; `None` where it
    /// always is.
    ///
    /// # Errors
    /// [`TokenError::Missing`] and [`TokenError::Invalid`].
    pub fn good_until_ms(&self, token: &str, max_age: Option<MaxAge>) -> Result<Option<i64>, TokenError> {
        Ok(self.open(encrypted::open, Some(token))?.good_until_ms(max_age))
    }

    /// A signed token: everybody can read its data, nobody else can make it. As `Phoenix.Token.sign/4`, dated
    /// `signed_at_ms` (unix time in milliseconds).
    ///
    /// A token of more than 4 KiB is not taken back, which leaves some 3000 bytes for the data.
    pub fn sign(&self, data: &Data, signed_at_ms: i64, max_age: MaxAge) -> String {
        signed::seal(&payload::encode(data, signed_at_ms, max_age), &self.current)
    }

    /// An encrypted token, as `Phoenix.Token.encrypt/4`, dated `signed_at_ms` (unix time in milliseconds).
    ///
    /// The nonce is 24 random bytes: two tokens of the same nonce give each other's data away. The size of
    /// the data is limited as in [`Keys::sign`].
    pub fn encrypt(&self, data: &Data, signed_at_ms: i64, max_age: MaxAge, nonce: [u8; 24]) -> String {
        encrypted::seal(payload::encode(data, signed_at_ms, max_age), &self.current, nonce)
    }

    /// How many earlier secrets are still taken.
    pub fn earlier(&self) -> usize {
        self.earlier.len()
    }

    fn open(
        &self,
        open: fn(&str, &DerivedKey) -> Option<Vec<u8>>,
        token: Option<&str>,
    ) -> Result<Payload, TokenError> {
        let token = token.ok_or(TokenError::Missing)?;
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Invalid);
        }
        std::iter::once(&self.current)
            .chain(&self.earlier)
            .find_map(|key| open(token, key))
            .and_then(Payload::decode)
            .ok_or(TokenError::Invalid)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// Why a token is not taken. It says nothing of the token, so it can be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// There is none.
    #[error("there is no token")]
    Missing,
    /// It is no token or one of the other kind, was made for another purpose or with another secret, was
    /// changed on the way, is longer than 4 KiB, is dated more than a minute ahead, or holds what no
    /// `Phoenix.Token` holds.
    #[error("the token is not valid")]
    Invalid,
    /// It is genuine, but too old.
    #[error("the token has expired")]
    Expired,
}

/// Looked at before any work with a key. Lightning's tokens have less than 200 bytes.
const MAX_TOKEN_BYTES: usize = 4096;

/// The base64 of tokens: no padding is written, and it makes no difference when read.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
