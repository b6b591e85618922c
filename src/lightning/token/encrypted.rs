//! Encrypted tokens: today's `XCP.<all in one>`, and the older `<header>.<key>.<nonce>.<text>.<tag>`.
//!
//! Owns both layouts and their ciphers. Not here: what the payload holds (`payload`).
//! Contract: `Plug.Crypto.MessageEncryptor`. plug_crypto 2 writes the first with XChaCha20-Poly1305 and reads
//! both; 1.x wrote the second, AES-GCM under a key that is itself wrapped with AES-GCM.

use aes_gcm::aead::consts::U12;
use aes_gcm::aead::generic_array::GenericArray;
use aes_gcm::aead::generic_array::typenum::Unsigned;
use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::aes::Aes192;
use aes_gcm::{Aes128Gcm, Aes256Gcm, AesGcm};
use base64::Engine;
use chacha20poly1305::XChaCha20Poly1305;

use super::BASE64;
use super::secret::DerivedKey;

/// The payload, if the token is an encrypted one and this key encrypted it.
pub(super) fn open(token: &str, key: &DerivedKey) -> Option<Vec<u8>> {
    match token.split_once('.')? {
        ("XCP", sealed) => open_xchacha(sealed, key),
        ("QTEyOEdDTQ", parts) => open_aes_gcm(parts, key),
        _ => None,
    }
}

/// A token of this payload, in today's layout.
pub(super) fn seal(mut payload: Vec<u8>, key: &DerivedKey, nonce: [u8; 24]) -> String {
    let tag = XChaCha20Poly1305::new(key.as_bytes().into())
        .encrypt_in_place_detached(&nonce.into(), CONTEXT, &mut payload)
        .expect("a payload is far below the cipher's limit of 256 GiB");
    format!("XCP.{}", BASE64.encode([nonce.as_slice(), &tag, &payload].concat()))
}

fn open_xchacha(sealed: &str, key: &DerivedKey) -> Option<Vec<u8>> {
    let sealed = BASE64.decode(sealed).ok()?;
    let (nonce, sealed) = sealed.split_first_chunk::<24>()?;
    let (tag, text) = sealed.split_first_chunk::<16>()?;
    decrypt::<XChaCha20Poly1305>(key.as_bytes(), nonce, CONTEXT, text, tag)
}

fn open_aes_gcm(parts: &str, key: &DerivedKey) -> Option<Vec<u8>> {
    let parts: Vec<Vec<u8>> = parts.split('.').map(|part| BASE64.decode(part).ok()).collect::<Option<_>>()?;
    let [wrapped, nonce, text, tag] = parts.as_slice() else { return None };

    let (rest, wrapping_nonce) = wrapped.split_last_chunk::<12>()?;
    let (content_key, wrapping_tag) = rest.split_last_chunk::<16>()?;
    let content_key = decrypt::<Aes256Gcm>(key.as_bytes(), wrapping_nonce, b"", content_key, wrapping_tag)?;
    let decrypt = match content_key.len() {
        16 => decrypt::<Aes128Gcm>,
        24 => decrypt::<AesGcm<Aes192, U12>>,
        32 => decrypt::<Aes256Gcm>,
        _ => return None,
    };
    decrypt(&content_key, nonce, CONTEXT, text, tag)
}

/// The plain text, if all sizes fit the cipher and the tag is right.
fn decrypt<C: AeadInPlace + KeyInit>(
    key: &[u8],
    nonce: &[u8],
    context: &[u8],
    text: &[u8],
    tag: &[u8],
) -> Option<Vec<u8>> {
    if nonce.len() != C::NonceSize::USIZE || tag.len() != C::TagSize::USIZE {
        return None;
    }
    let (nonce, tag) = (GenericArray::from_slice(nonce), GenericArray::from_slice(tag));
    let mut text = text.to_vec();
    let cipher = C::new_from_slice(key).ok()?;
    cipher.decrypt_in_place_detached(nonce, context, &mut text, tag).ok().map(|()| text)
}

/// What both layouts authenticate besides the text. It names the older cipher in both.
const CONTEXT: &[u8] = b"A128GCM";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_token_may_have_a_content_key_of_any_aes_size() {
        let key = DerivedKey::from_bytes([7; 32]);
        for token in [
            older::<Aes128Gcm>(&key, &[1; 16]),
            older::<AesGcm<Aes192, U12>>(&key, &[1; 24]),
            older::<Aes256Gcm>(&key, &[1; 32]),
        ] {
            assert_eq!(open(&token, &key).as_deref(), Some(b"hello".as_slice()), "{token}");
        }
    }

    #[test]
    fn parts_of_the_wrong_size_are_no_token() {
        let key = DerivedKey::from_bytes([7; 32]);
        let good = older::<Aes128Gcm>(&key, &[1; 16]);
        for part in 1..5 {
            for instead in
                ["", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]
            {
                let mut parts: Vec<&str> = good.split('.').collect();
                parts[part] = instead;
                assert_eq!(open(&parts.join("."), &key), None, "part {part} as {instead}");
            }
        }
        assert_eq!(open(&format!("{good}.AAAA"), &key), None);
        assert_eq!(open("XCP.", &key), None);
        assert_eq!(open("XCP.AAAA", &key), None);
    }

    /// "hello" in the layout of plug_crypto 1.x.
    fn older<C: AeadInPlace + KeyInit>(key: &DerivedKey, content_key: &[u8]) -> String {
        let (wrapped, wrapping_tag) = encrypt::<Aes256Gcm>(key.as_bytes(), [2; 12], b"", content_key);
        let (text, tag) = encrypt::<C>(content_key, [3; 12], CONTEXT, b"hello");
        let wrapped = [wrapped, wrapping_tag, vec![2; 12]].concat();
        let parts = [CONTEXT, &wrapped, &[3; 12], &text, &tag];
        parts.map(|part| BASE64.encode(part)).join(".")
    }

    fn encrypt<C: AeadInPlace + KeyInit>(
        key: &[u8],
        nonce: [u8; 12],
        context: &[u8],
        text: &[u8],
    ) -> (Vec<u8>, Vec<u8>) {
        let mut text = text.to_vec();
        let cipher = C::new_from_slice(key).expect("a key of the cipher's size");
        let nonce = GenericArray::from_slice(&nonce);
        let tag = cipher.encrypt_in_place_detached(nonce, context, &mut text).expect("a short text");
        (text, tag.to_vec())
    }
}
