//! `presenced check`: what a server of this configuration would serve with, and what is wrong.
//!
//! Not here: values that cannot be used, which end the process before ([`config`](crate::config)). Nothing that is
//! printed is secret: of keys the number, of the database's URL everything but the password, of the API's token that there
//! is one.

mod upstream;

use crate::config::{Config, GatewayConfig, PeopleSource, Serves};
use crate::lightning::token::Keys;
use crate::lightning::{Database, DatabaseOptions, Login, Tls, Unavailable};
use crate::server::{Listeners, Options, Origins};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The lines to print.
    pub lines: Vec<String>,
    /// Whether the server would start, and people could connect.
    pub is_well: bool,
}

/// Looks at everything that the configuration names, and listens for a moment where the server would.
pub async fn check(config: &Config) -> Report {
    let mut lines = listen(config);
    let mut wrong = cannot_listen(config).await;
    match &config.serves {
        Serves::Canvases { people: source, review_interval } => {
            lines.push(api(config));
            lines.extend(people(source));
            lines.extend(clients(&config.server));
            lines.push(format!("review interval: {} s", review_interval.as_secs()));
            if let PeopleSource::Database(database) = source {
                wrong.extend(look_at(database, &mut lines).await);
            }
        }
        Serves::Upstream(gateway_config) => {
            lines.push(monitoring(config));
            lines.extend(gateway(gateway_config, &config.server));
            match upstream::try_upstream(&gateway_config.upstream).await {
                Ok(()) => {
                    lines.push("upstream answers: 403 to an invalid token, as Lightning does".to_owned())
                }
                Err(fault) => wrong.push(fault.to_string()),
            }
        }
    }
    let is_well = wrong.is_empty();
    lines.extend(config.warnings.iter().map(|what| format!("warning: {what}")));
    lines.extend(wrong.iter().map(|what| format!("error: {what}")));
    lines.push(match wrong.len() {
        0 => "configuration OK".to_owned(),
        1 => "1 error".to_owned(),
        errors => format!("{errors} errors"),
    });
    Report { lines, is_well }
}

fn listen(config: &Config) -> Vec<String> {
    config.listen.iter().map(|address| format!("listen address: {address}")).collect()
}

fn api(config: &Config) -> String {
    let token = token(config);
    match &config.api.listen_address {
        Some(address) => format!("HTTP API: {address}, {token}"),
        None if config.api.token.is_some() => format!("HTTP API: on the main listener, {token}"),
        None => "HTTP API: disabled".to_owned(),
    }
}

/// A gateway has no API. Where the API would listen, programs find what it counts.
fn monitoring(config: &Config) -> String {
    match &config.api.listen_address {
        Some(address) => format!("metrics: {address}, {}", token(config)),
        None => "metrics: disabled".to_owned(),
    }
}

fn token(config: &Config) -> &'static str {
    if config.api.token.is_some() { "asks for its token" } else { "asks for no token" }
}

/// What the gateway stands in front of, and how.
fn gateway(gateway: &GatewayConfig, options: &Options) -> Vec<String> {
    let mut lines = vec![
        format!("upstream: {}", gateway.upstream),
        format!("grace period: {} s", options.grace.as_secs()),
        format!("awareness interval: {} ms", gateway.options.awareness_interval.as_millis()),
        format!("bytes that wait in all connections: {}", gateway.options.waiting_bytes),
        format!("trusted proxies: {}", options.trusted_proxies),
        format!("HTTP idle timeout: {} s", options.keep_alive.as_secs()),
        connections(options),
        format!("bytes of unfinished requests: {}", options.input_bytes),
        format!("shutdown timeout: {} s", options.shutdown_timeout.as_secs()),
    ];
    if gateway.options.trust_awareness_identity {
        lines.push("names of people: as pages claim them".to_owned());
    }
    if !gateway.ignored.is_empty() {
        lines.push(format!("without effect beside an upstream: {}", gateway.ignored.join(", ")));
    }
    lines
}

/// Who people are, and by which tokens.
fn people(source: &PeopleSource) -> Vec<String> {
    match source {
        PeopleSource::Development => {
            vec!["people: who they say they are, for development".to_owned(), keys(None)]
        }
        PeopleSource::File(file) => {
            let people = format!("people: the file {}", file.path().display());
            match file.login() {
                Login::Claimed => vec![people, keys(None)],
                Login::Token(token_keys) => vec![
                    people,
                    keys(Some(token_keys)),
                    "tokens: of a user's id, signed or encrypted".to_owned(),
                ],
            }
        }
        PeopleSource::Database(database) => {
            let DatabaseOptions { url, keys: token_keys, signed_tokens, email_verification, .. } =
                database.options();
            let signed = if *signed_tokens { "always" } else { "with an older Lightning" };
            vec![
                format!("people: Lightning's database {url}, {}", tls(database)),
                keys(Some(token_keys)),
                format!("tokens: of a login session, encrypted; of a user's id, signed, {signed}"),
                format!(
                    "email verification: {}",
                    if *email_verification { "required" } else { "not required" }
                ),
            ]
        }
    }
}

fn connections(options: &Options) -> String {
    match options.max_connections {
        Some(most) => format!("connections: {most}"),
        None => "connections: as many as file descriptors and memory allow".to_owned(),
    }
}

/// Whom the server lets in, and what each may take.
fn clients(options: &Options) -> Vec<String> {
    vec![
        format!("origins: {}", origins(&options.origins)),
        format!("trusted proxies: {}", options.trusted_proxies),
        format!("grace period: {} s", options.grace.as_secs()),
        format!("WebSocket idle timeout: {} s", options.idle_timeout.as_secs()),
        format!("HTTP idle timeout: {} s", options.keep_alive.as_secs()),
        connections(options),
        format!("channels of a connection: {}", options.max_channels),
        format!(
            "bytes of a message: {}",
            options.max_message_bytes.map_or("any".to_owned(), |most| most.to_string())
        ),
        format!("bytes of unfinished messages and requests: {}", options.input_bytes),
        format!("bytes that wait for a slow reader: {}", options.outbox_bytes),
        format!("flush window: {} ms", options.flush_window.as_millis()),
        format!("long-poll window: {} ms", options.longpoll_window.as_millis()),
        format!("shutdown timeout: {} s", options.shutdown_timeout.as_secs()),
    ]
}

/// Which listeners the server would not get. It holds the first while it tries the second, as the server does.
async fn cannot_listen(config: &Config) -> Vec<String> {
    let api = config.api.listen_address.as_slice();
    let (clients, programs) = (Listeners::bind(&config.listen).await, Listeners::bind(api).await);
    let refused = [clients.err(), programs.err()].into_iter().flatten();
    refused.map(|refused| format!("{refused}: {}", refused.error)).collect()
}

/// What is wrong with the database, with lines about what it is.
async fn look_at(database: &Database, lines: &mut Vec<String>) -> Option<String> {
    match database.look().await {
        Ok(found) => {
            lines.push(format!("database: PostgreSQL {}", found.server_version));
            lines.push(format!("Lightning's schema: {}", found.schema));
            let signed = database.takes_signed_tokens(found.schema);
            let taken = if signed { "encrypted and signed ones" } else { "encrypted ones alone" };
            lines.push(format!("user tokens: {taken}"));
            let missing = found.missing.join(", ");
            (!missing.is_empty()).then(|| format!("the database lacks {missing}"))
        }
        Err(Unavailable(why)) => Some(why),
    }
}

fn tls(database: &Database) -> &'static str {
    match database.options().tls {
        Tls::Off => "without TLS",
        Tls::Unchecked => "by TLS with any certificate",
        Tls::Checked => "by TLS",
    }
}

fn keys(keys: Option<&Keys>) -> String {
    match keys.map(Keys::earlier) {
        None => "token keys: 0; no token is required".to_owned(),
        Some(0) => "token keys: 1".to_owned(),
        Some(earlier) => format!("token keys: 1, and {earlier} of earlier secrets"),
    }
}

fn origins(origins: &Origins) -> String {
    match origins {
        Origins::Any => "any".to_owned(),
        Origins::RequestHost => "the host that each request names".to_owned(),
        Origins::Host(host) => format!("the host {host}"),
        Origins::List(patterns) => patterns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}
