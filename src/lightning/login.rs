//! How a connection says whose it is.
//!
//! Rules: Lightning 2.13, `LightningWeb.UserSocket.connect/3`.

use super::clock::now_ms;
use super::token::{Data, Keys, MaxAge, TokenError};
use crate::channel::ConnectInfo;

/// What counts as a proof of who one is.
#[derive(Debug)]
pub enum Login {
    /// The parameter `user_id`, as it stands: for development.
    Claimed,
    /// A Phoenix.Token with the user's id, signed or encrypted, in the parameter `token` or as `authToken`.
    Token(Keys),
}

impl Login {
    /// The salt of Lightning's user tokens.
    pub const SALT: &'static str = "user socket";
    /// For how long Lightning takes a user token: two weeks.
    pub const MAX_AGE: MaxAge = MaxAge::seconds(1_209_600);

    /// Opens a user token of either kind at `now_ms` (Unix time in milliseconds).
    ///
    /// # Errors
    /// [`TokenError`]; an encrypted token that has expired says so.
    pub fn open(keys: &Keys, token: &str, now_ms: i64) -> Result<Data, TokenError> {
        match keys.decrypt(token, Some(Login::MAX_AGE), now_ms) {
            Err(TokenError::Invalid) => keys.verify(token, Some(Login::MAX_AGE), now_ms),
            opened => opened,
        }
    }

    /// The id of the user that a connection proves to be of.
    pub fn user_id(&self, info: &ConnectInfo) -> Option<String> {
        match self {
            Login::Claimed => info.params.get("user_id").map(str::to_owned),
            Login::Token(keys) => {
                let token = info.auth_token.as_deref().or_else(|| info.params.get("token"));
                let data = Login::open(keys, token?, now_ms()).ok()?;
                data.as_str().map(str::to_owned)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::super::token::SecretKeyBase;
    use super::*;
    use crate::channel::{Params, Transport};

    fn keys(secret: &str) -> Keys {
        Keys::new(&SecretKeyBase::new(secret).expect("long enough"), &[], Login::SALT)
    }

    fn info(query: &str, auth_token: Option<String>) -> ConnectInfo {
        let params = Params::decode(query).expect("a query");
        ConnectInfo {
            params,
            headers: HeaderMap::new(),
            auth_token,
            peer: None,
            transport: Transport::WebSocket,
        }
    }

    #[test]
    fn a_token_of_either_kind_says_who_one_is_and_a_parameter_does_not() {
        let (ours, theirs) = (keys(&"a".repeat(64)), keys(&"b".repeat(64)));
        let ada = Data::text("ada");
        let signed = ours.sign(&ada, now_ms(), MaxAge::DEFAULT);
        let encrypted = ours.encrypt(&ada, now_ms(), MaxAge::DEFAULT, [7; 24]);
        let forged = theirs.sign(&ada, now_ms(), MaxAge::DEFAULT);
        let old = ours.sign(&ada, now_ms() - 1_209_601_000, MaxAge::DEFAULT);
        let login = Login::Token(ours);
        let table = [
            (info(&format!("token={signed}"), None), Some("ada")),
            (info(&format!("token={encrypted}"), None), Some("ada")),
            (info("", Some(signed)), Some("ada")),
            (info(&format!("token={forged}"), None), None),
            (info(&format!("token={old}"), None), None),
            (info("user_id=ada", None), None),
            (info("token=", None), None),
        ];
        for (info, expected) in table {
            assert_eq!(login.user_id(&info).as_deref(), expected, "{:?}", info.params);
        }
    }
}
