//! Signed tokens: `<header>.<payload>.<mac>`, each part in URL-safe base64.
//!
//! Owns the layout and the check of the MAC. Not here: what the payload holds (`payload`).
//! Contract: `Plug.Crypto.MessageVerifier`. The header names the hash; padding is not written, but read.

use base64::Engine;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::{Sha256, Sha384, Sha512};

use super::BASE64;
use super::secret::DerivedKey;

/// The payload, if the token is a signed one and this key signed it.
pub(super) fn open(token: &str, key: &DerivedKey) -> Option<Vec<u8>> {
    let (text, mac) = token.rsplit_once('.')?;
    let (header, payload) = text.split_once('.')?;
    let is_mac = match header {
        HS256 => is_mac::<Hmac<Sha256>>,
        HS384 => is_mac::<Hmac<Sha384>>,
        HS512 => is_mac::<Hmac<Sha512>>,
        _ => return None,
    };
    let mac = BASE64.decode(mac).ok()?;
    if is_mac(key, text, &mac) { BASE64.decode(payload).ok() } else { None }
}

/// A token of this payload, signed with HMAC-SHA256.
pub(super) fn seal(payload: &[u8], key: &DerivedKey) -> String {
    let text = format!("{HS256}.{}", BASE64.encode(payload));
    let mac = mac::<Hmac<Sha256>>(key, &text).finalize().into_bytes();
    format!("{text}.{}", BASE64.encode(mac))
}

/// Takes the same time whatever the given MAC has in common with the right one.
fn is_mac<M: Mac + KeyInit>(key: &DerivedKey, text: &str, given: &[u8]) -> bool {
    mac::<M>(key, text).verify_slice(given).is_ok()
}

fn mac<M: Mac + KeyInit>(key: &DerivedKey, text: &str) -> M {
    let mac = <M as KeyInit>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    mac.chain_update(text)
}

/// `HS256`, `HS384` and `HS512` in base64.
const HS256: &str = "SFMyNTY";
const HS384: &str = "SFMzODQ";
const HS512: &str = "SFM1MTI";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_is_over_the_text_as_written() {
        let key = DerivedKey::from_bytes([7; 32]);
        let sign = |text: &str| {
            format!("{text}.{}", BASE64.encode(mac::<Hmac<Sha256>>(&key, text).finalize().into_bytes()))
        };
        // A padded payload is another text than the same payload without padding.
        let padded = sign("SFMyNTY.aGVsbG8=");
        assert_eq!(open(&padded, &key).as_deref(), Some(b"hello".as_slice()));
        assert_eq!(open(&padded.replace('=', ""), &key), None);
    }

    #[test]
    fn a_good_mac_does_not_make_an_unknown_header_good() {
        let key = DerivedKey::from_bytes([7; 32]);
        for text in ["SFMxMjg.aGVsbG8", ".aGVsbG8", "SFMyNTY.aGVsbG8.aGVsbG8", "SFMyNTY.a"] {
            let mac = mac::<Hmac<Sha256>>(&key, text).finalize().into_bytes();
            assert_eq!(open(&format!("{text}.{}", BASE64.encode(mac)), &key), None, "{text}");
        }
    }

    #[test]
    fn a_shorter_mac_is_not_enough() {
        let key = DerivedKey::from_bytes([7; 32]);
        let token = seal(b"hello", &key);
        let text = token.rsplit_once('.').expect("three parts").0;
        assert!(open(&token, &key).is_some());
        assert_eq!(open(&format!("{text}."), &key), None);
        assert_eq!(open(&format!("{text}.AAAA"), &key), None);
    }
}
