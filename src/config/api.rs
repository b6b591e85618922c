//! The API's knobs: where it listens by itself, and the token it asks for.

use super::listen::unix_address;
use super::secrets::secret;
use super::values::Values;
use crate::api::ApiToken;
use crate::server::ListenAddress;

/// Where the API is served. With neither part it does not exist; with a token it is served on the main listener too.
pub struct ApiConfig {
    /// A listener of its own.
    pub listen_address: Option<ListenAddress>,
    /// What every request has to bring.
    pub token: Option<ApiToken>,
}

impl ApiConfig {
    /// Reads both; `None` where something of it was noted.
    ///
    /// # Errors
    /// clap's, for a flag that is no address.
    pub(super) fn read(
        values: &mut Values<'_>,
        listen_address: Option<&str>,
    ) -> Result<Option<Self>, clap::Error> {
        let listen_address = listen_address.filter(|address| !address.is_empty());
        let listen_address = match listen_address {
            Some(address) => values.read_with(LISTEN_ADDRESS, address, own_address)?.map(Some),
            None => Some(None),
        };
        let token = match secret(API_TOKEN).and_then(|token| token.as_deref().map(token_of).transpose()) {
            Ok(token) => Some(token),
            Err(line) => {
                values.note_line(line);
                None
            }
        };
        // A token that is of no use was given all the same.
        let has_token = !matches!(token, Some(None));
        if let Some(Some(address)) = &listen_address {
            values.require(LISTEN_ADDRESS, has_token || address.is_of_this_machine(), || {
                format!("{address} can be reached from other machines, and needs {API_TOKEN}")
            });
        }
        Ok(listen_address.zip(token).map(|(listen_address, token)| ApiConfig { listen_address, token }))
    }
}

/// `IP:PORT` or `unix:/path`.
fn own_address(text: &str) -> Result<ListenAddress, &'static str> {
    match text.parse() {
        Ok(address) => Ok(ListenAddress::Tcp(address)),
        Err(_) => unix_address(text).ok_or("expected IP:PORT or unix:/path"),
    }
}

fn token_of(text: &str) -> Result<ApiToken, String> {
    text.parse().map_err(|error| format!("{API_TOKEN}: {error}"))
}

const LISTEN_ADDRESS: &str = "api_listen_address";
/// It has no flag, because flags are for everybody on the machine to read.
const API_TOKEN: &str = "API_TOKEN";
