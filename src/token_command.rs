//! `presenced token`: makes user tokens and reads them, with the secrets of the environment.

use std::fmt;

use clap::Subcommand;
use thiserror::Error;
use uuid::Uuid;

use crate::lightning::Login;
use crate::lightning::clock::now_ms;
use crate::lightning::token::{Data, Keys, TokenError};

/// What to do with a token. It does not print the token it holds.
#[derive(Clone, Subcommand)]
pub enum TokenCommand {
    /// Make a token for a user id, good for two weeks
    Make {
        /// The user's id
        user_id: String,
        /// Encrypt it, instead of signing it
        #[arg(long)]
        encrypted: bool,
    },
    /// Say whose a token is, and whether it is good
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
    /// [`BadToken`], for a token that is read.
    pub fn run(self, keys: &Keys) -> Result<String, BadToken> {
        let now = now_ms();
        match self {
            TokenCommand::Make { user_id, encrypted: true } => {
                Ok(keys.encrypt(&Data::text(user_id), now, Login::MAX_AGE, nonce()))
            }
            TokenCommand::Make { user_id, encrypted: false } => {
                Ok(keys.sign(&Data::text(user_id), now, Login::MAX_AGE))
            }
            TokenCommand::Read { token } => {
                let data = Login::open(keys, &token, now)?;
                data.as_str().map(str::to_owned).ok_or(BadToken::NoUserId)
            }
        }
    }
}

/// 24 bytes that never come twice: the random bytes of two uuids are more than enough.
fn nonce() -> [u8; 24] {
    let mut nonce = [0; 24];
    nonce[..16].copy_from_slice(Uuid::new_v4().as_bytes());
    nonce[16..].copy_from_slice(&Uuid::new_v4().as_bytes()[8..]);
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_to_be_read_does_not_print() {
        assert_eq!(format!("{:?}", TokenCommand::Read { token: "s3cr3t".to_owned() }), "Read");
    }
}
