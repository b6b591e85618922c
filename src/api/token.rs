//! The token that the API may ask for.

use std::str::FromStr;

use http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

/// A secret that requests bring as `Authorization: Bearer <token>`. What is kept is a hash of it, and the comparison
/// takes as long for any wrong one.
#[derive(Clone)]
pub struct ApiToken([u8; 32]);

/// A token that is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadToken {
    /// It could be guessed.
    #[error("must have at least {MIN_BYTES} bytes")]
    TooShort,
    /// A header could not carry it.
    #[error("must consist of visible ASCII characters")]
    NotAscii,
}

impl FromStr for ApiToken {
    type Err = BadToken;

    fn from_str(token: &str) -> Result<Self, BadToken> {
        if token.len() < MIN_BYTES {
            return Err(BadToken::TooShort);
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadToken::NotAscii);
        }
        Ok(ApiToken(Sha256::digest(token).into()))
    }
}

impl ApiToken {
    /// Whether a request brings it.
    pub(super) fn is_in(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(header::AUTHORIZATION) else { return false };
        let Some((scheme, token)) = value.as_bytes().split_at_checked(SCHEME.len()) else { return false };
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return false;
        }
        let hash: [u8; 32] = Sha256::digest(token.trim_ascii()).into();
        hash.ct_eq(&self.0).into()
    }
}

const SCHEME: &[u8] = b"bearer ";
/// As much as SHA-256 can hold of it.
const MIN_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn only_the_very_token_is_taken() {
        let token: ApiToken = TOKEN.parse().expect("a token");
        let table = [
            (format!("Bearer {TOKEN}"), true),
            (format!("bearer  {TOKEN}"), true),
            (format!("Bearer {TOKEN}0"), false),
            (format!("Bearer {}", &TOKEN[1..]), false),
            (format!("Basic {TOKEN}"), false),
            (TOKEN.to_owned(), false),
            ("Bearer ".to_owned(), false),
            ("Bea".to_owned(), false),
        ];
        for (value, taken) in table {
            let mut headers = HeaderMap::new();
            assert!(!token.is_in(&headers), "there is none");
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&value).expect("header text"));
            assert_eq!(token.is_in(&headers), taken, "{value}");
        }
    }

    #[test]
    fn a_token_that_could_be_guessed_or_not_be_sent_is_none() {
        assert_eq!(TOKEN[1..].parse::<ApiToken>().err(), Some(BadToken::TooShort));
        assert_eq!(format!("{TOKEN}\n").parse::<ApiToken>().err(), Some(BadToken::NotAscii));
    }
}
