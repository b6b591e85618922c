//! The `presenced` process: configuration, log, bind, run, signal, drain, exit code.

use std::io::Write;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use presenced::api::{Access, Api, ApiToken};
use presenced::check_command::check;
use presenced::config::{Config, GatewayConfig, Invocation, PeopleSource, Serves};
use presenced::lightning::{self, Canvases, Database, Development, People, UserSocket, demo};
use presenced::ops::background_writer::BackgroundWriter;
use presenced::ops::logging;
use presenced::server::{self, GatewayServer, ListenAddress, Listeners, Server, Stopped};
use presenced::token_command::BadToken;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

fn main() -> ExitCode {
    let config = match Invocation::from_process() {
        Ok(Invocation::Serve(config)) => *config,
        Ok(Invocation::Check(config)) => return report(&config),
        Ok(Invocation::Token(command, keys)) => return print(command.run(&keys)),
        Ok(Invocation::Bench(command)) => return command.run(),
        Err(bad) => {
            complain(&bad.0);
            return ExitCode::from(EX_CONFIG);
        }
    };
    let started = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .event_interval(server::EVENT_INTERVAL)
        .build()
        .context("cannot start the runtime");
    let served = started.and_then(|runtime| {
        let served = runtime.block_on(serve(config));
        // Whoever blocks a thread, on a file that does not come say, does not hold up the end.
        runtime.shutdown_background();
        served
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&[format!("{error:#}")]);
            ExitCode::FAILURE
        }
    }
}

/// Says on standard error why the process ends.
fn complain(lines: &[String]) {
    say(std::io::stderr(), lines.iter().map(|line| format!("presenced: {line}")));
}

/// Prints lines to whoever runs the process. Where nobody reads them, it waits no longer than a moment.
fn say(stream: impl AsFd, lines: impl Iterator<Item = String>) {
    // Without a thread there is nobody to write them.
    let Ok(stream) = BackgroundWriter::to(stream, |_| Vec::new()) else { return };
    lines.for_each(|line| stream.write(format!("{line}\n").as_bytes()));
    stream.flush(SAY_LIMIT);
}

/// A line for standard output, or why there is none.
fn print(line: Result<String, BadToken>) -> ExitCode {
    match line.map(|line| writeln!(std::io::stdout(), "{line}")) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(_)) => ExitCode::FAILURE,
        Err(error) => {
            complain(&[error.to_string()]);
            ExitCode::FAILURE
        }
    }
}

/// What was found, and whether it is enough.
fn report(config: &Config) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&[format!("cannot start the runtime: {error}")]);
            return ExitCode::FAILURE;
        }
    };
    let report = runtime.block_on(check(config));
    match writeln!(std::io::stdout(), "{}", report.lines.join("\n")) {
        Ok(()) if report.is_well => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// A people source at work.
struct Source {
    people: Arc<dyn People>,
    /// What is served because of it: path, media type, text.
    pages: Vec<(&'static str, &'static str, &'static str)>,
    /// What it depends on.
    database: Option<Arc<Database>>,
}

/// Starts what a people source does by itself, and says what it is.
fn start(source: PeopleSource, addresses: &[ListenAddress]) -> Source {
    match source {
        PeopleSource::Development => {
            let page = addresses.iter().find(|address| matches!(address, ListenAddress::Tcp(_)));
            let page = page.map(|address| format!("; open http://{address}/")).unwrap_or_default();
            info!("for development: people are who they say they are{page}");
            let pages = demo::ASSETS.iter().map(|asset| (asset.path, asset.content_type, asset.text));
            Source { people: Arc::new(Development::default()), pages: pages.collect(), database: None }
        }
        PeopleSource::File(file) => {
            let watched = file.clone();
            tokio::spawn(async move { watched.watch().await });
            if file.believes_everybody() {
                warn!(
                    "for development: people are who they say they are; set SECRET_KEY_BASE to ask for tokens"
                );
            }
            Source { people: file, pages: Vec::new(), database: None }
        }
        PeopleSource::Database(database) => {
            let watched = database.clone();
            tokio::spawn(async move { watched.watch().await });
            info!(database = %database.options().url, "people come from Lightning's database");
            Source { people: database.clone(), pages: Vec::new(), database: Some(database) }
        }
    }
}

/// Waits for the signal to stop.
struct StopSignal {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignal {
    fn listen() -> anyhow::Result<Self> {
        let terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
        Ok(StopSignal { terminate, interrupt })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Binds, serves until a signal comes, and drains.
async fn serve(config: Config) -> anyhow::Result<()> {
    let descriptors = raise_descriptor_limit();
    let listeners = Listeners::bind(&config.listen).await?;
    let api_listeners = match config.api.listen_address {
        Some(address) => Some(Listeners::bind(&[address]).await?),
        None => None,
    };
    let mut stop = StopSignal::listen()?;
    let _log = logging::start(config.log_filter, config.log_format).context("cannot start the log")?;
    if let Some((before, now)) = descriptors {
        info!(from = before, to = now, "the limit of open files was raised");
    }
    config.warnings.iter().for_each(|warning| warn!("{warning}"));
    let api = Monitoring { listeners: api_listeners, token: config.api.token };
    let stopped = match config.serves {
        Serves::Upstream(gateway) => {
            serve_upstream(gateway, config.server, listeners, api, &mut stop).await?
        }
        Serves::Canvases { people, review_interval } => {
            serve_canvases(people, review_interval, config.server, listeners, api, &mut stop).await?
        }
    };
    match stopped {
        Stopped::Drained => info!("stopped"),
        Stopped::TimedOut(connections) => warn!(connections, "stopped before every connection was closed"),
    }
    Ok(())
}

/// Lets the process have as many open files as the system allows it; tells the limit before and now, where it was raised.
fn raise_descriptor_limit() -> Option<(u64, u64)> {
    let before = rlimit::Resource::NOFILE.get_soft().ok()?;
    // Where the system refuses, the limit stays.
    let now = rlimit::increase_nofile_limit(u64::MAX).ok()?;
    (now > before).then_some((before, now))
}

/// Where programs are served, and what they have to bring.
struct Monitoring {
    listeners: Option<Listeners>,
    token: Option<ApiToken>,
}

/// Stands in front of another server.
async fn serve_upstream(
    config: GatewayConfig,
    mut options: server::Options,
    listeners: Listeners,
    monitoring: Monitoring,
    stop: &mut StopSignal,
) -> anyhow::Result<Stopped> {
    info!(upstream = %config.upstream, "gateway: every client is passed on to the upstream");
    if !config.ignored.is_empty() {
        warn!(settings = config.ignored.join(", "), "these settings have no effect with an upstream");
    }
    options.max_connections.get_or_insert_with(|| server::most_connections(2, 0));
    let mut server = GatewayServer::new(config.upstream, config.options, options)
        .context("cannot set up TLS to the upstream")?;
    say_where(&listeners, "listening on")?;
    if let Some(api) = monitoring.listeners {
        say_where(&api, "API listening on")?;
        server = server.monitoring_on(api, Access::new(monitoring.token));
    }
    Ok(server.run(listeners, stop.received()).await)
}

/// Tells whoever started the process where it can be reached.
fn say_where(listeners: &Listeners, what: &str) -> anyhow::Result<()> {
    let addresses = listeners.addresses().context("a listener has no address")?;
    say(std::io::stdout(), addresses.iter().map(|address| format!("{what} {address}")));
    Ok(())
}

/// Serves canvas channels of its own.
async fn serve_canvases(
    source: PeopleSource,
    review_interval: Duration,
    mut options: server::Options,
    listeners: Listeners,
    monitoring: Monitoring,
    stop: &mut StopSignal,
) -> anyhow::Result<Stopped> {
    let addresses = listeners.addresses().context("a listener has no address")?;
    let Source { people, pages, database } = start(source, &addresses);
    let pool = database.as_ref().map_or(0, |database| database.options().pool_size);
    options.max_connections.get_or_insert_with(|| server::most_connections(1, pool));
    let canvases = Canvases::new(people);
    let reviewed = canvases.clone();
    tokio::spawn(async move { reviewed.review_every(review_interval).await });
    let router = lightning::router(canvases.clone());
    let mut server =
        Server::new(UserSocket::new(canvases.clone()), router, options).pages(server::pages(pages));
    if let Some(database) = database {
        server = server.ready(move || {
            database.is_ready().then_some(()).ok_or_else(|| "the database cannot be reached".to_owned())
        });
    }
    let api = Api::new(server.handle(), canvases, monitoring.token);
    // Where it has a listener of its own, whoever runs it wants it nowhere else.
    if api.has_token() && monitoring.listeners.is_none() {
        server = server.api(api.routes());
    }

    say_where(&listeners, "listening on")?;
    if let Some(listeners) = monitoring.listeners {
        say_where(&listeners, "API listening on")?;
        server = server.api_on(listeners, &api);
    }
    let stopped = server.run(listeners, async {
        stop.received().await;
        api.stop();
    });
    Ok(stopped.await)
}

/// `EX_CONFIG` of sysexits.h.
const EX_CONFIG: u8 = 78;
/// How long a line may take to be printed.
const SAY_LIMIT: Duration = Duration::from_secs(1);
