//! The token that names a long-poll session: opaque to the client, and not to be forged.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use uuid::Uuid;

/// Names one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SessionId(Uuid);

/// Makes tokens and reads them: base64url of session id (16 bytes), number of the answer that it came with (8 bytes, big
/// endian), last valid second (8 bytes, big endian) and HMAC-SHA256 of all three (32 bytes), under a key that lives as
/// long as the process, as its sessions do.
pub(super) struct Tokens {
    key: Hmac<Sha256>,
}

impl SessionId {
    /// An id that cannot be guessed.
    pub(super) fn new() -> Self {
        SessionId(Uuid::new_v4())
    }
}

impl Tokens {
    /// A new random key of 244 bits.
    pub(super) fn new() -> Self {
        let key = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
        Tokens { key: Hmac::new_from_slice(&key).expect("HMAC takes a key of any length") }
    }

    /// A token that is good for two weeks from `now`, and says that whoever has it has read so many answers.
    pub(super) fn issue(&self, id: SessionId, answers: u64, now: SystemTime) -> String {
        let mut bytes = Vec::with_capacity(TOKEN_BYTES);
        bytes.extend(id.0.as_bytes());
        bytes.extend(answers.to_be_bytes());
        bytes.extend((seconds(now) + MAX_AGE.as_secs()).to_be_bytes());
        let mac = self.key.clone().chain_update(&bytes).finalize().into_bytes();
        bytes.extend(mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The session a token names, and how many answers its bearer has read; `None` for a token that was not issued here,
    /// or is too old.
    pub(super) fn verify(&self, token: &str, now: SystemTime) -> Option<(SessionId, u64)> {
        if token.len() > TOKEN_BYTES * 2 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (signed, mac) = bytes.split_at_checked(TOKEN_BYTES - MAC_BYTES)?;
        self.key.clone().chain_update(signed).verify_slice(mac).ok()?;
        let (id, numbers) = signed.split_at_checked(ID_BYTES)?;
        let (answers, expires) = numbers.split_at_checked(8)?;
        let answers = u64::from_be_bytes(answers.try_into().ok()?);
        let expires = u64::from_be_bytes(expires.try_into().ok()?);
        (seconds(now) <= expires).then_some(())?;
        Some((SessionId(Uuid::from_slice(id).ok()?), answers))
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Phoenix's default for the tokens of long poll.
const MAX_AGE: Duration = Duration::from_secs(1_209_600);
const ID_BYTES: usize = 16;
const MAC_BYTES: usize = 32;
const TOKEN_BYTES: usize = ID_BYTES + 8 + 8 + MAC_BYTES;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_session_for_two_weeks() {
        let (tokens, id, now) =
            (Tokens::new(), SessionId::new(), UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let token = tokens.issue(id, 7, now);
        assert_eq!(tokens.verify(&token, now + MAX_AGE), Some((id, 7)));
        assert_eq!(tokens.verify(&token, now + MAX_AGE + Duration::from_secs(1)), None);
    }

    #[test]
    fn a_token_that_was_changed_in_any_place_names_nothing() {
        let (tokens, now) = (Tokens::new(), UNIX_EPOCH);
        let bytes =
            URL_SAFE_NO_PAD.decode(tokens.issue(SessionId::new(), 7, now)).expect("it was just encoded");
        for at in 0..bytes.len() {
            let mut forged = bytes.clone();
            forged[at] ^= 1;
            assert_eq!(tokens.verify(&URL_SAFE_NO_PAD.encode(forged), now), None, "byte {at}");
        }
        for token in ["", "forged", "!", &URL_SAFE_NO_PAD.encode(&bytes[..55])] {
            assert_eq!(tokens.verify(token, now), None, "{token}");
        }
    }

    #[test]
    fn another_process_has_other_tokens() {
        let token = Tokens::new().issue(SessionId::new(), 0, UNIX_EPOCH);
        assert_eq!(Tokens::new().verify(&token, UNIX_EPOCH), None);
    }
}
