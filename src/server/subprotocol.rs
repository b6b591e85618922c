//! The `authToken` of phoenix.js 1.8: a token among the WebSocket subprotocols, where no URL shows it.
//!
//! Rules: Phoenix 1.8.12, `auth_token` of its WebSocket. Despite its name the entry is written in the standard base64 alphabet; both
//! alphabets are read, with padding and without.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, header};

/// What a client's offer of subprotocols comes to.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Subprotocol {
    /// The token it brought.
    pub(super) auth_token: Option<String>,
    /// What is answered.
    pub(super) answer: Option<&'static str>,
}

impl Subprotocol {
    /// Reads an offer; `None` refuses the client, because it offers nothing that is spoken here, or a token that is
    /// no base64 of a text.
    pub(super) fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let lines = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
        let lines: Vec<&str> = lines.map(|line| line.to_str().ok()).collect::<Option<_>>()?;
        let offered = lines.iter().flat_map(|line| line.split(',')).map(str::trim);
        let offered: Vec<&str> = offered.filter(|offer| !offer.is_empty()).collect();
        let tokens: Vec<&str> = offered.iter().filter_map(|offer| offer.strip_prefix(PREFIX)).collect();
        // Two tokens are as good as none.
        let auth_token = match tokens[..] {
            [token] => Some(decode(token)?),
            _ => None,
        };
        let nothing_else = offered.len() == tokens.len() && tokens.len() <= 1;
        if !nothing_else && !offered.contains(&SPOKEN) {
            return None;
        }
        Some(Subprotocol { auth_token, answer: (!nothing_else).then_some(SPOKEN) })
    }
}

fn decode(token: &str) -> Option<String> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoded = [alphabet::STANDARD, alphabet::URL_SAFE]
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(token).ok())?;
    String::from_utf8(decoded).ok()
}

const PREFIX: &str = "base64url.bearer.phx.";
const SPOKEN: &str = "phoenix";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_read_as_phoenix_reads_it() {
        let with = |token: &str| Some((Some(token.to_owned()), Some(SPOKEN)));
        let table = [
            (None, Some((None, None))),
            (Some("phoenix"), Some((None, Some(SPOKEN)))),
            (Some("phoenix, base64url.bearer.phx.YWJj"), with("abc")),
            (Some("base64url.bearer.phx.YWJj,phoenix"), with("abc")),
            (Some("phoenix, base64url.bearer.phx.YQ=="), with("a")),
            (Some("phoenix, base64url.bearer.phx.YQ"), with("a")),
            (Some("phoenix, base64url.bearer.phx.fn5+fn4/"), with("~~~~~?")),
            (Some("phoenix, base64url.bearer.phx.fn5-fn4_"), with("~~~~~?")),
            (Some("base64url.bearer.phx.YWJj"), Some((Some("abc".to_owned()), None))),
            (Some("phoenix, base64url.bearer.phx.YQ, base64url.bearer.phx.Yg"), Some((None, Some(SPOKEN)))),
            (Some("base64url.bearer.phx.YQ, base64url.bearer.phx.Yg"), None),
            (Some("mqtt"), None),
            (Some("mqtt, base64url.bearer.phx.YWJj"), None),
            (Some("phoenix, base64url.bearer.phx.*"), None),
            (Some("phoenix, base64url.bearer.phx./w"), None),
        ];
        for (offer, expected) in table {
            let mut headers = HeaderMap::new();
            if let Some(offer) = offer {
                headers.insert(header::SEC_WEBSOCKET_PROTOCOL, offer.parse().expect("a header value"));
            }
            let expected = expected.map(|(auth_token, answer)| Subprotocol { auth_token, answer });
            assert!(Subprotocol::negotiate(&headers) == expected, "{offer:?}");
        }
    }
}
