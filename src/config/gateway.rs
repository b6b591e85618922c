//! The knobs of a gateway: the upstream, and how people's awareness is treated in front of it.
//!
//! Owns which settings mean nothing beside an upstream.

use std::time::Duration;

use clap::Args;

use super::values::Values;
use crate::server::{GatewayOptions, UpstreamAddress};

/// A gateway's part of the configuration.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// The server in front of which the gateway stands.
    pub upstream: UpstreamAddress,
    /// What is set of the gateway.
    pub options: GatewayOptions,
    /// The settings that were given and mean nothing here, by the names they were given by.
    pub ignored: Vec<String>,
}

/// The flags of a gateway.
#[derive(Debug, Args)]
pub(super) struct GatewayFlags {
    /// Be a gateway in front of this server's socket: ws://host:port/socket, wss://host/socket, or
    /// unix:/path/of.sock:/socket. Everything passes through to it, but for heartbeats and awareness
    #[arg(long, value_name = "URL", env = "UPSTREAM", help_heading = HEADING)]
    upstream: Option<String>,
    /// How often the members of a room are sent each other's cursors, at the most, in milliseconds
    #[arg(
        long,
        value_name = "MS",
        env = "AWARENESS_INTERVAL",
        default_value = "50",
        help_heading = HEADING
    )]
    awareness_interval: String,
    /// Pass on names, e-mail addresses and ids as pages claim them, instead of those that the upstream names: `true`,
    /// `yes`, `false` or `no`
    #[arg(
        long,
        value_name = "BOOL",
        env = "TRUST_AWARENESS_IDENTITY",
        default_value = "false",
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true,
        help_heading = HEADING
    )]
    trust_awareness_identity: String,
    /// How many bytes may wait in all connections together, before each of them is read more slowly
    #[arg(
        long,
        value_name = "BYTES",
        env = "GATEWAY_BYTES",
        default_value = "268435456",
        help_heading = HEADING
    )]
    gateway_bytes: String,
}

impl GatewayConfig {
    /// The gateway that is asked for. `Some(None)` where none is; `None` where something was noted.
    ///
    /// # Errors
    /// clap's, for a flag that is not of its type.
    pub(super) fn read(
        flags: &GatewayFlags,
        values: &mut Values<'_>,
    ) -> Result<Option<Option<Self>>, clap::Error> {
        let upstream = flags.upstream.as_deref().filter(|text| !text.is_empty());
        let upstream = match upstream {
            Some(text) => values.read_with("upstream", text, str::parse::<UpstreamAddress>)?.map(Some),
            None => Some(None),
        };
        let interval = values.read::<u16>("awareness_interval", &flags.awareness_interval)?;
        let trusts = values.boolean("trust_awareness_identity", &flags.trust_awareness_identity)?;
        let waiting_bytes = values.read::<usize>("gateway_bytes", &flags.gateway_bytes)?;
        values.require("awareness_interval", interval.is_none_or(|ms| (10..=1000).contains(&ms)), || {
            "must be between 10 and 1000 milliseconds".into()
        });
        values.require("gateway_bytes", waiting_bytes.is_none_or(|bytes| bytes >= LEAST_BYTES), || {
            format!("must be at least {LEAST_BYTES} bytes")
        });
        Ok((|| {
            let options = GatewayOptions {
                waiting_bytes: waiting_bytes?,
                awareness_interval: Duration::from_millis(interval?.into()),
                trust_awareness_identity: trusts?,
            };
            let upstream = upstream?;
            Some(upstream.map(|upstream| GatewayConfig {
                upstream,
                options,
                ignored: values.given(MEANINGLESS),
            }))
        })())
    }
}

/// Flags and secrets that mean nothing beside an upstream, which serves the channels and knows the people.
const MEANINGLESS: &[&str] = &[
    "people",
    "database_pool_size",
    "database_timeout",
    "disable_db_ssl",
    "disable_db_ssl_cert_verify",
    "require_email_verification",
    "signed_tokens",
    "origins",
    "url_host",
    "review_interval",
    "websocket_idle_timeout",
    "max_channels",
    "max_message_bytes",
    "outbox_bytes",
    "flush_window",
    "longpoll_window",
];

const HEADING: &str = "In front of another server";
/// Less would hold up a single long message.
const LEAST_BYTES: usize = 1024 * 1024;
