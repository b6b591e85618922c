//! `presenced token`: makes user tokens and reads them, with the secrets of the environment.

use std::fmt;
use std::io::Read;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use clap::Subcommand;
use thiserror::Error;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::lightning::Login;
use crate::lightning::clock::now_ms;
use crate::lightning::token::{Data, Keys, TokenError};

/// What to do with a token. It does not print the token it holds.
#[derive(Clone, Subcommand)]
pub enum TokenCommand {
    /// Make a token that is good for two weeks: of a user's id, which a people file takes, signed or encrypted, and an
    /// older Lightning's database, signed; or of a login session, which a newer Lightning's database takes
    Make {
        /// The user's id
        #[arg(required_unless_present = "session")]
        user_id: Option<String>,
        /// Encrypt it, instead of signing it: for a people file
        #[arg(long)]
        encrypted: bool,
        /// Of a login session: the 32 bytes of its row in users_tokens, as hex digits on standard input
        #[arg(long, conflicts_with_all = ["user_id", "encrypted"])]
        session: bool,
    },
    /// Say whose a token is, and whether it is good; of a login session only until when
    Read {
        /// The token, signed or encrypted
        token: String,
    },
}

/// Why a token is not good. The token itself is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadToken {
    /// It does not pass.
    #[error(transparent)]
    Refused(#[from] TokenError),
    /// It is genuine, but of something else than a user id in text.
    #[error("the token is good, but names no user id")]
    NoUserId,
    /// What was to become a token of a login session is none.
    #[error("standard input has to hold a login session: 32 bytes, as 64 hex digits")]
    NoSession,
}

impl fmt::Debug for TokenCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TokenCommand::Make { .. } => "Make",
            TokenCommand::Read { .. } => "Read",
        })
    }
}

impl TokenCommand {
    /// The line to print.
    ///
    /// # Errors
    /// [`BadToken`], for a token that is read, and a session that is none.
    pub fn run(self, keys: &Keys) -> Result<String, BadToken> {
        let now = now_ms();
        match self {
            TokenCommand::Make { user_id: Some(user_id), encrypted: true, .. } => {
                Ok(keys.encrypt(&Data::text(user_id), now, Login::MAX_AGE, nonce()))
            }
            TokenCommand::Make { user_id: Some(user_id), encrypted: false, .. } => {
                Ok(keys.sign(&Data::text(user_id), now, Login::MAX_AGE))
            }
            TokenCommand::Make { user_id: None, .. } => {
                let session = read_session(std::io::stdin().lock())?;
                let session = Data::Binary(Bytes::copy_from_slice(session.as_slice()));
                Ok(keys.encrypt(&session, now, Login::MAX_AGE, nonce()))
            }
            TokenCommand::Read { token } => {
                let data = Login::open(keys, &token, now)?;
                // Whatever has the size of a session may be one, and is not shown.
                if data.as_bytes().is_some_and(|bytes| bytes.len() == SESSION_BYTES)
                    && let Ok(Some(until_ms)) = keys.good_until_ms(&token, Some(Login::MAX_AGE))
                {
                    return Ok(format!("a login session, good until {}", date(until_ms)));
                }
                data.as_str().map(str::to_owned).ok_or(BadToken::NoUserId)
            }
        }
    }
}

/// The bytes of a session, out of hex digits: `\x` may stand before them, as PostgreSQL writes bytes.
fn read_session(input: impl Read) -> Result<Zeroizing<[u8; SESSION_BYTES]>, BadToken> {
    let mut text = Zeroizing::new(String::with_capacity(MAX_INPUT_BYTES));
    let input = input.take(MAX_INPUT_BYTES as u64).read_to_string(&mut text);
    input.map_err(|_| BadToken::NoSession)?;
    let digits = text.trim();
    let digits = digits.strip_prefix("\\x").unwrap_or(digits).as_bytes();
    let mut session = Zeroizing::new([0; SESSION_BYTES]);
    if digits.len() != 2 * SESSION_BYTES {
        return Err(BadToken::NoSession);
    }
    for (byte, pair) in session.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
    }
    Ok(session)
}

fn hex_digit(digit: u8) -> Result<u8, BadToken> {
    let value = char::from(digit).to_digit(16).ok_or(BadToken::NoSession)?;
    u8::try_from(value).map_err(|_| BadToken::NoSession)
}

/// As HTTP writes it, to the second.
fn date(ms: i64) -> String {
    let since_1970 = Duration::from_millis(ms.try_into().unwrap_or_default());
    httpdate::fmt_http_date(UNIX_EPOCH + since_1970)
}

/// 24 bytes that never come twice: the random bytes of two uuids are more than enough.
fn nonce() -> [u8; 24] {
    let mut nonce = [0; 24];
    nonce[..16].copy_from_slice(Uuid::new_v4().as_bytes());
    nonce[16..].copy_from_slice(&Uuid::new_v4().as_bytes()[8..]);
    nonce
}

/// Of the token of a login session (`Lightning.Accounts.UserToken`).
const SESSION_BYTES: usize = 32;
/// Far more than a session takes, so that a wrong file is not read to its end.
const MAX_INPUT_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_to_be_read_does_not_print() {
        assert_eq!(format!("{:?}", TokenCommand::Read { token: "s3cr3t".to_owned() }), "Read");
    }
}
