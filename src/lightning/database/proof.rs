//! What a user token proves, by the two generations of Lightning's tokens.
//!
//! Rules: `LightningWeb.UserSocket.connect/3` and `Phoenix.Token`. Each generation has its own kind:
//! an encrypted token holds a login session, a signed one a user's id, and neither may hold what is the other's.

use std::error::Error;
use std::fmt;

use bytes::BytesMut;
use sha2::{Digest, Sha256};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::super::login::Login;
use super::super::token::{Keys, TokenError};

/// What a good token holds.
#[derive(Debug)]
pub(super) enum Proof {
    /// The newer generation: the token of a login session, as `users_tokens` has it.
    Session(SessionToken),
    /// The older one: a user's id.
    User(Uuid),
}

impl Proof {
    /// What a token proves at `now_ms` (Unix time in milliseconds); `None` where that is nothing.
    pub(super) fn open(keys: &Keys, token: &str, now_ms: i64) -> Option<Self> {
        match keys.decrypt(token, Some(Login::MAX_AGE), now_ms) {
            Ok(data) => data.as_bytes().and_then(SessionToken::read).map(Proof::Session),
            Err(TokenError::Invalid) => {
                let data = keys.verify(token, Some(Login::MAX_AGE), now_ms).ok()?;
                data.as_str().and_then(row_id).map(Proof::User)
            }
            Err(TokenError::Missing | TokenError::Expired) => None,
        }
    }
}

/// The 32 bytes of a login session. Whoever has them is logged in: they do not print, and are wiped when dropped.
pub(super) struct SessionToken(Zeroizing<[u8; 32]>);

impl SessionToken {
    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| SessionToken(Zeroizing::new(bytes)))
    }

    /// What stands for it where answers are remembered.
    pub(super) fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_slice()).into()
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken")
    }
}

/// As a parameter of its own type: the driver logs parameters by their `Debug`.
impl ToSql for SessionToken {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.as_slice().to_sql(of, out)
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::BYTEA
    }

    to_sql_checked!();
}

/// The id of a row as Lightning writes it: a uuid in lower case, with hyphens. In any other spelling it would be the
/// same row under another name, so it is none.
pub(super) fn row_id(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    (*id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == *text).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::super::super::token::{Data, MaxAge, SecretKeyBase};
    use super::*;

    const USER: &str = "0b8ed7c6-7f57-4ac4-9a19-0a1fbd1b4d6a";

    #[test]
    fn each_kind_of_token_proves_what_its_generation_holds_and_nothing_else() {
        let secret = SecretKeyBase::new("a".repeat(64)).expect("long enough");
        let keys = Keys::new(&secret, &[], Login::SALT);
        let session = Data::Binary(vec![0xfe; 32].into());
        let short = Data::Binary(vec![0xfe; 31].into());
        let encrypted = |data: &Data| keys.encrypt(data, 0, MaxAge::DEFAULT, [7; 24]);
        let signed = |data: &Data| keys.sign(data, 0, MaxAge::DEFAULT);
        let open = |token: &str, now| Proof::open(&keys, token, now);

        let Some(Proof::Session(token)) = open(&encrypted(&session), 0) else { panic!("a session") };
        assert_eq!(token.0.as_slice(), [0xfe; 32]);
        assert_eq!(format!("{token:?}"), "SessionToken");
        let Some(Proof::User(user)) = open(&signed(&Data::text(USER)), 0) else { panic!("a user") };
        assert_eq!(user.to_string(), USER);

        let nothing = [
            encrypted(&Data::text(USER)),
            encrypted(&short),
            encrypted(&Data::Integer(1)),
            signed(&session),
            signed(&Data::text("17")),
            signed(&Data::text(USER.to_uppercase())),
            String::new(),
        ];
        for token in nothing {
            assert!(open(&token, 0).is_none(), "{token}");
        }
        let too_late = 1_209_600_001;
        assert!(open(&encrypted(&session), too_late).is_none());
        assert!(open(&signed(&Data::text(USER)), too_late).is_none());
    }

    #[test]
    fn a_row_has_one_spelling() {
        assert!(row_id(USER).is_some());
        for other in ["", "w1", &USER.replace('-', ""), &format!("{{{USER}}}"), &USER.to_uppercase()] {
            assert_eq!(row_id(other), None, "{other}");
        }
    }
}
