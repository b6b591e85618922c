//! Every knob: its flag, its environment twin, its unit and its default.
//!
//! A flag that cannot be read is clap's to report (exit code 2). A value that cannot be used, from a flag or the
//! environment, is reported here, all of them at once (exit code 78).

mod api;
mod gateway;
mod listen;
mod people;
mod secrets;
mod values;

use std::time::Duration;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

pub use self::api::ApiConfig;
pub use self::gateway::GatewayConfig;
use self::gateway::GatewayFlags;
use self::listen::listen_addresses;
use self::people::PeopleFlags;
pub use self::people::PeopleSource;
use self::secrets::{SECRET_KEY_BASE, user_keys};
use self::values::Values;
use crate::bench::BenchCommand;
use crate::lightning::token::Keys;
use crate::ops::logging::{self, Format};
use crate::server::{
    BadOrigin, ListenAddress, Options, OriginPattern, Origins, TrustedProxies, as_browsers_write,
};
use crate::token_command::TokenCommand;

/// The configuration of a `presenced` process.
pub struct Config {
    /// Where to listen; at least at one place.
    pub listen: Vec<ListenAddress>,
    /// What is served.
    pub serves: Serves,
    /// What the server is to do with its clients.
    pub server: Options,
    /// Where programs are served.
    pub api: ApiConfig,
    /// What is logged.
    pub log_filter: EnvFilter,
    /// In which form.
    pub log_format: Format,
    /// What whoever runs it should know, though it serves.
    pub warnings: Vec<String>,
}

/// What a process serves to its clients.
pub enum Serves {
    /// Canvas channels of its own.
    Canvases {
        /// Where people come from.
        people: PeopleSource,
        /// How often everybody who is connected is looked at again.
        review_interval: Duration,
    },
    /// The socket of another server.
    Upstream(GatewayConfig),
}

/// Values that cannot be used, one line each.
#[derive(Debug, Default)]
pub struct BadConfig(pub Vec<String>);

/// A presence server that speaks the Phoenix channels protocol.
///
/// Without arguments it serves on 127.0.0.1:4000, with people taken from the connection's own parameters: for
/// development, and refused on any address that is neither loopback nor a Unix socket.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP)]
struct Flags {
    #[command(subcommand)]
    command: Option<Command>,
    /// The addresses to listen on, separated by commas: IPv4, IPv6, or `unix:/path` for a Unix socket, whose file's
    /// mode is as the umask leaves it
    #[arg(long, value_name = "ADDRESSES", env = "LISTEN_ADDRESS", default_value = "127.0.0.1")]
    listen_address: String,
    /// The port to listen on, at every address that has ports; 0 takes any that is free
    #[arg(long, value_name = "PORT", env = "PORT", default_value = "4000")]
    port: String,
    #[command(flatten)]
    gateway: GatewayFlags,
    #[command(flatten)]
    people: PeopleFlags,
    /// The pages that may connect, separated by commas: `https://example.org`, `//example.org` for any scheme,
    /// `//*.example.org` with all sub-domains [default: pages of the URL host]
    #[arg(long, value_name = "ORIGINS", env = "ORIGINS")]
    origins: Option<String>,
    /// The host under which pages reach the server [default: the host that each request names]
    #[arg(long, value_name = "HOST", env = "URL_HOST")]
    url_host: Option<String>,
    /// The proxies whose X-Forwarded-For is believed, as addresses and networks, separated by commas; among
    /// them `unix` is whoever speaks through a Unix socket [default: none]
    #[arg(long, value_name = "PROXIES", env = "TRUSTED_PROXIES")]
    trusted_proxies: Option<String>,
    /// Where the HTTP API listens by itself: IP:PORT, or unix:/path [default: nowhere; with API_TOKEN it is then
    /// served beside the canvas clients]
    #[arg(long, value_name = "ADDRESS", env = "API_LISTEN_ADDRESS")]
    api_listen_address: Option<String>,
    /// How often everybody who is connected is looked at again, in seconds: who has logged out, was disabled or has
    /// lost a role is shown out
    #[arg(long, value_name = "SECONDS", env = "REVIEW_INTERVAL", default_value = "60")]
    review_interval: String,
    /// How long somebody whose connection was lost is still shown, in seconds: who comes back meanwhile was never away. 0
    /// shows nobody longer, and pings nobody
    #[arg(long, value_name = "SECONDS", env = "GRACE", default_value = "5")]
    grace: String,
    /// How long a WebSocket may be silent, in seconds. Quiet ones are pinged after 15 s, and answers count
    #[arg(long, value_name = "SECONDS", env = "WEBSOCKET_IDLE_TIMEOUT", default_value = "60")]
    websocket_idle_timeout: String,
    /// How long an HTTP connection is kept that is idle between two requests, in seconds. A proxy in front must close
    /// its own earlier
    #[arg(long, value_name = "SECONDS", env = "IDLE_TIMEOUT", default_value = "75")]
    idle_timeout: String,
    /// How many connections there may be, polling sessions included; more are answered with 503 [default: as many as file
    /// descriptors and memory allow]
    #[arg(long, value_name = "COUNT", env = "MAX_CONNECTIONS")]
    max_connections: Option<String>,
    /// How many channels one connection may join
    #[arg(long, value_name = "COUNT", env = "MAX_CHANNELS", default_value = "100")]
    max_channels: String,
    /// How many bytes a message may have, or the body of a long poll's request
    #[arg(long, value_name = "BYTES", env = "MAX_MESSAGE_BYTES", default_value = "1048576")]
    max_message_bytes: String,
    /// How many bytes of unfinished messages and requests may be held in all; over it the oldest of whoever holds most
    /// are closed
    #[arg(long, value_name = "BYTES", env = "INPUT_BYTES", default_value = "67108864")]
    input_bytes: String,
    /// How many bytes may wait for a client that reads slowly, before it is disconnected
    #[arg(long, value_name = "BYTES", env = "OUTBOX_BYTES", default_value = "8388608")]
    outbox_bytes: String,
    /// For how long the presence changes of a busy topic gather into one message, in milliseconds; the first change
    /// of a quiet topic is sent at once
    #[arg(long, value_name = "MS", env = "FLUSH_WINDOW", default_value = "5")]
    flush_window: String,
    /// How long a long poll waits for messages, in milliseconds
    #[arg(long, value_name = "MS", env = "LONGPOLL_WINDOW", default_value = "10000")]
    longpoll_window: String,
    /// How long connections have to close when the server stops, in seconds
    #[arg(long, value_name = "SECONDS", env = "SHUTDOWN_TIMEOUT", default_value = "10")]
    shutdown_timeout: String,
    /// What to log: a level, or levels by module such as `info,presenced=debug`
    #[arg(long, value_name = "FILTER", env = "LOG", default_value = "info")]
    log: String,
    /// The form of log lines: `human` or `json`
    #[arg(long, value_name = "FORMAT", env = "LOG_FORMAT", default_value = "human")]
    log_format: String,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
enum Command {
    /// Make and read user tokens, with the secrets in SECRET_KEY_BASE and SECRET_KEY_BASE_PREVIOUS
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Read the configuration, try to listen, look at the database or the upstream, and say what was found
    Check,
    Bench(Box<BenchCommand>),
}

/// What a process is asked to do.
pub enum Invocation {
    /// To serve.
    Serve(Box<Config>),
    /// To make or read a token, with these keys.
    Token(TokenCommand, Keys),
    /// To say what it would serve with.
    Check(Box<Config>),
    /// To measure a server.
    Bench(Box<BenchCommand>),
}

impl Invocation {
    /// Reads the command line and the environment. Ends the process with clap's message and code where the command
    /// line cannot be read, and after `--help` and `--version`.
    ///
    /// # Errors
    /// [`BadConfig`] has a line for every value that cannot be used.
    pub fn from_process() -> Result<Self, BadConfig> {
        let mut command = Flags::command();
        if std::env::args_os().nth(1).is_none_or(|first| first != "bench") {
            // So a flag counts on either side of the word that says what to do. Measuring takes none of them.
            command = command.mut_args(|flag| flag.global(true));
        }
        let matches = command.get_matches();
        let mut flags = Flags::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        match flags.command.take() {
            Some(Command::Token { command }) => token_keys().map(|keys| Invocation::Token(command, keys)),
            Some(Command::Bench(command)) => Ok(Invocation::Bench(command)),
            command => {
                let config = Config::from_flags(flags, &matches).unwrap_or_else(|error| error.exit());
                let config = Box::new(config?);
                Ok(if command.is_some() { Invocation::Check(config) } else { Invocation::Serve(config) })
            }
        }
    }
}

/// The keys that `presenced token` works with.
fn token_keys() -> Result<Keys, BadConfig> {
    user_keys()
        .map_err(BadConfig)?
        .ok_or_else(|| BadConfig(vec![format!("{SECRET_KEY_BASE}: must be set to make or read tokens")]))
}

impl Config {
    /// The outer error is clap's: a flag of the command line that is not of its type.
    fn from_flags(flags: Flags, matches: &ArgMatches) -> Result<Result<Self, BadConfig>, clap::Error> {
        let mut values = Values::new(matches);
        let port = values.read::<u16>("port", &flags.port)?;
        let listen = values.read_with("listen_address", &flags.listen_address, |text| {
            listen_addresses(text, port.unwrap_or_default())
        })?;
        let url_host = flags.url_host.as_deref().unwrap_or_default();
        values.require("url_host", !url_host.contains(['/', ':']), || {
            "must be a host alone, without scheme and port".into()
        });
        let origins = values.read_with("origins", flags.origins.as_deref().unwrap_or_default(), |text| {
            origins(text, url_host)
        })?;
        let trusted_proxies = flags.trusted_proxies.as_deref().unwrap_or_default();
        let trusted_proxies = values.read_with("trusted_proxies", trusted_proxies, TrustedProxies::parse)?;
        let review_interval = values.seconds("review_interval", &flags.review_interval)?;
        let grace = values.seconds("grace", &flags.grace)?;
        let websocket_idle_timeout =
            values.seconds("websocket_idle_timeout", &flags.websocket_idle_timeout)?;
        let idle_timeout = values.seconds("idle_timeout", leading_digits(&flags.idle_timeout))?;
        let max_connections = match flags.max_connections.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => values.read::<usize>("max_connections", text)?.map(Some),
            None => Some(None),
        };
        values.require("max_connections", max_connections != Some(Some(0)), || "must be at least 1".into());
        let max_channels = values.read::<usize>("max_channels", &flags.max_channels)?;
        let max_message_bytes = values.read::<usize>("max_message_bytes", &flags.max_message_bytes)?;
        let input_bytes = values.read::<usize>("input_bytes", &flags.input_bytes)?;
        let outbox_bytes = values.read::<usize>("outbox_bytes", &flags.outbox_bytes)?;
        let flush_window = values.read::<u16>("flush_window", &flags.flush_window)?;
        let longpoll_window = values.read::<u32>("longpoll_window", &flags.longpoll_window)?;
        let shutdown_timeout = values.seconds("shutdown_timeout", &flags.shutdown_timeout)?;
        let api = ApiConfig::read(&mut values, flags.api_listen_address.as_deref())?;
        let log_filter = values.read_with("log", &flags.log, logging::parse_filter)?;
        let log_format = values.read_with("log_format", &flags.log_format, format)?;

        let gateway = GatewayConfig::read(&flags.gateway, &mut values)?;
        let serves = match gateway {
            Some(Some(gateway)) => Some(Serves::Upstream(gateway)),
            Some(None) => {
                let people = people::people(flags.people, listen.as_deref(), &mut values)?;
                people
                    .zip(review_interval)
                    .map(|(people, review_interval)| Serves::Canvases { people, review_interval })
            }
            None => None,
        };
        values.require("review_interval", review_interval != Some(Duration::ZERO), || {
            "must be at least 1 second".into()
        });
        values.require("grace", grace.is_none_or(|grace| grace <= LONGEST_GRACE), || {
            format!("must be at most {} seconds", LONGEST_GRACE.as_secs())
        });
        values.require("websocket_idle_timeout", websocket_idle_timeout != Some(Duration::ZERO), || {
            "must be at least 1 second".into()
        });
        values.require("idle_timeout", idle_timeout != Some(Duration::ZERO), || {
            "must be at least 1 second".into()
        });
        values.require("max_channels", max_channels != Some(0), || "must be at least 1".into());
        values.require(
            "max_message_bytes",
            max_message_bytes.is_none_or(|bytes| (MIN_MESSAGE_BYTES..=MAX_MESSAGE_BYTES).contains(&bytes)),
            || format!("must be between {MIN_MESSAGE_BYTES} and {MAX_MESSAGE_BYTES} bytes"),
        );
        values.require("input_bytes", input_bytes.is_none_or(|bytes| bytes >= MIN_INPUT_BYTES), || {
            format!("must be at least {MIN_INPUT_BYTES} bytes")
        });
        values.require("outbox_bytes", outbox_bytes.is_none_or(|bytes| bytes >= MIN_OUTBOX_BYTES), || {
            format!("must be at least {MIN_OUTBOX_BYTES} bytes")
        });
        values.require("longpoll_window", longpoll_window.is_none_or(|ms| ms >= 100), || {
            "must be at least 100 milliseconds".into()
        });

        let mut warnings = Vec::new();
        if values.is_given("idle_timeout") && !values.is_given("websocket_idle_timeout") {
            warnings.push(IDLE_TIMEOUT_IS_OF_HTTP.to_owned());
        }
        let config = (|| {
            let server = Options {
                origins: origins?,
                trusted_proxies: trusted_proxies?,
                auth_token: true,
                grace: grace?,
                idle_timeout: websocket_idle_timeout?,
                keep_alive: idle_timeout?,
                max_connections: max_connections?,
                max_channels: max_channels?,
                max_message_bytes: Some(max_message_bytes?),
                input_bytes: input_bytes?,
                outbox_bytes: outbox_bytes?,
                flush_window: Duration::from_millis(flush_window?.into()),
                longpoll_window: Duration::from_millis(longpoll_window?.into()),
                shutdown_timeout: shutdown_timeout?,
                ..Options::default()
            };
            Some(Config {
                listen: listen?,
                serves: serves?,
                server,
                api: api?,
                log_filter: log_filter?,
                log_format: log_format?,
                warnings,
            })
        })();
        let bad = values.into_bad();
        Ok(config.filter(|_| bad.0.is_empty()).ok_or(bad))
    }
}

fn origins(text: &str, url_host: &str) -> Result<Origins, BadOrigin> {
    match (text, url_host) {
        ("", "") => return Ok(Origins::RequestHost),
        ("", host) => return Ok(Origins::Host(as_browsers_write(host))),
        _ => {}
    }
    text.split(',')
        .map(|origin| OriginPattern::parse(origin.trim()))
        .collect::<Result<_, _>>()
        .map(Origins::List)
}

/// As Lightning reads a number of seconds (`Integer.parse/1`): what follows the digits counts for nothing. A text without
/// any is left as it is, to be reported.
fn leading_digits(text: &str) -> &str {
    match text.find(|c: char| !c.is_ascii_digit()) {
        Some(end) if end > 0 => &text[..end],
        _ => text,
    }
}

fn format(text: &str) -> Result<Format, &'static str> {
    match text {
        "human" => Ok(Format::Human),
        "json" => Ok(Format::Json),
        _ => Err("expected 'human' or 'json'"),
    }
}

const IDLE_TIMEOUT_IS_OF_HTTP: &str = "IDLE_TIMEOUT (--idle-timeout) is how long an idle HTTP connection is kept, as in \
     Lightning; for WebSockets there is WEBSOCKET_IDLE_TIMEOUT (--websocket-idle-timeout)";
const LONGEST_GRACE: Duration = Duration::from_secs(300);
/// A page's join has some hundred bytes.
const MIN_MESSAGE_BYTES: usize = 4096;
/// More than anybody needs, and the memory of a machine.
const MAX_MESSAGE_BYTES: usize = 1 << 30;
const MIN_INPUT_BYTES: usize = 1 << 20;
/// Below this an ordinary burst would close connections.
const MIN_OUTBOX_BYTES: usize = 65_536;

const AFTER_HELP: &str = "\
A client connects to ws://<address>/socket, by WebSocket or long poll, and joins workflow:collaborate:<id> or \
workflow:presence:<id>.

With --upstream it is a gateway: everything at /socket passes to the other server, which admits clients and serves their channels; no secret and no database are needed, and what is said below of people does not apply.

Without SECRET_KEY_BASE in the environment it says who it is with the parameter user_id, and is believed. \
Without --people it may add first_name, last_name and email, or be a guest without user_id; the page at / shows \
it. With --people it must be somebody of the file. With SECRET_KEY_BASE it brings a Phoenix.Token of its user \
id, as the parameter token or as authToken, and --people says who that is. Tokens made with one of the secrets \
in SECRET_KEY_BASE_PREVIOUS, separated by white space, are still taken.

With DATABASE_URL in the environment, such as postgres://user:password@host/database, people come from \
Lightning's database instead, which is only read; SECRET_KEY_BASE is needed then. It brings the token that \
Lightning's pages carry.

Programs find the HTTP API at /api/v1, described by /api/v1/openapi.json, where --api-listen-address says; or, \
with API_TOKEN in the environment, of at least 32 bytes, beside the canvas clients. Where there is a token, \
every request brings it, as `Authorization: Bearer …`; without one web pages are refused. On its own listener \
are /metrics, which asks for the token too, and /health and /ready, which ask for nothing.

Exit codes: 0 stopped by a signal, 1 cannot listen, or `check` found something wrong, 2 unusable arguments, 78 \
unusable configuration.";
