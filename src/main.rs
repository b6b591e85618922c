//! The `presenced` process: configuration, log, bind, run, signal, drain, exit code.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use presenced::api::{Api, Listener};
use presenced::check_command::check;
use presenced::config::{Config, Invocation, PeopleSource};
use presenced::lightning::{self, Canvases, Development, People, UserSocket, demo};
use presenced::ops::logging;
use presenced::server::{self, ListenAddress, Listeners, Server, Stopped};
use presenced::token_command::BadToken;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

fn main() -> ExitCode {
    let config = match Invocation::from_process() {
        Ok(Invocation::Serve(config)) => *config,
        Ok(Invocation::Check(config)) => return report(&config),
        Ok(Invocation::Token(command, keys)) => return print(command.run(&keys)),
        Err(bad) => {
            bad.0.iter().for_each(|line| eprintln!("presenced: {line}"));
            return ExitCode::from(EX_CONFIG);
        }
    };
    let started = tokio::runtime::Runtime::new().context("cannot start the runtime");
    let served = started.and_then(|runtime| {
        let served = runtime.block_on(serve(config));
        // Whoever blocks a thread, on a file that does not come say, does not hold up the end.
        runtime.shutdown_background();
        served
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("presenced: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A line for standard output, or why there is none.
fn print(line: Result<String, BadToken>) -> ExitCode {
    match line.map(|line| writeln!(std::io::stdout(), "{line}")) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(_)) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("presenced: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What was found, and whether it is enough.
fn report(config: &Config) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("presenced: cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let report = runtime.block_on(check(config));
    match writeln!(std::io::stdout(), "{}", report.lines.join("\n")) {
        Ok(()) if report.is_well => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let listeners = Listeners::bind(&config.listen).await?;
    let addresses = listeners.addresses().context("a listener has no address")?;
    let api_listener = match &config.api.listen_address {
        Some(address) => {
            let listener = Listener::bind(address).await;
            Some(listener.with_context(|| format!("the API cannot listen on {address}"))?)
        }
        None => None,
    };
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    logging::start(config.log_filter, config.log_format);

    let mut pages = Vec::new();
    let people: Arc<dyn People> = match config.people {
        PeopleSource::Development => {
            pages.extend(demo::ASSETS.iter().map(|asset| (asset.path, asset.content_type, asset.text)));
            let page = addresses.iter().find(|address| matches!(address, ListenAddress::Tcp(_)));
            let page = page.map(|address| format!("; open http://{address}/")).unwrap_or_default();
            info!("for development: people are who they say they are{page}");
            Arc::new(Development::default())
        }
        PeopleSource::File(file) => {
            let watched = file.clone();
            tokio::spawn(async move { watched.watch().await });
            if file.believes_everybody() {
                warn!(
                    "for development: people are who they say they are; set SECRET_KEY_BASE to ask for tokens"
                );
            }
            file
        }
        PeopleSource::Database(database) => {
            info!(database = %database.options().url, "people come from Lightning's database");
            let watched = database.clone();
            tokio::spawn(async move { watched.watch().await });
            database
        }
    };
    let canvases = Canvases::new(people);
    let reviewed = canvases.clone();
    tokio::spawn(async move { reviewed.review_every(config.review_interval).await });
    let router = lightning::router(canvases.clone());
    let mut server =
        Server::new(UserSocket::new(canvases.clone()), router, config.server).pages(server::pages(pages));
    let has_token = config.api.token.is_some();
    let api =
        (has_token || api_listener.is_some()).then(|| Api::new(server.handle(), canvases, config.api.token));
    if let Some(api) = api.as_ref().filter(|_| has_token) {
        server = server.api(api.routes());
    }

    for address in addresses {
        // Nobody may be listening to what is said here.
        let _ = writeln!(std::io::stdout(), "listening on {address}");
    }
    let drained = CancellationToken::new();
    let serving_api = api.clone().zip(api_listener).map(|(api, listener)| {
        let _ = writeln!(std::io::stdout(), "API listening on {}", listener.address());
        let until = drained.clone();
        tokio::spawn(async move { api.serve(listener, until).await })
    });
    let stopped = server
        .run(listeners, async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if let Some(api) = &api {
                api.stop();
            }
        })
        .await;
    drained.cancel();
    if let Some(serving_api) = serving_api {
        serving_api.await.context("the API failed")?;
    }
    match stopped {
        Stopped::Drained => info!("stopped"),
        Stopped::TimedOut(connections) => warn!(connections, "stopped before every connection was closed"),
    }
    Ok(())
}

/// The API's own listener, where it is to have one.
async fn bind_api(address: Option<&ListenAddress>) -> anyhow::Result<Option<Listener>> {
    let Some(address) = address else { return Ok(None) };
    let listener = Listener::bind(address).await;
    listener.map(Some).with_context(|| format!("the API cannot listen on {address}"))
}

/// `EX_CONFIG` of sysexits.h.
const EX_CONFIG: u8 = 78;
