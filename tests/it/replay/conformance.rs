//! The conformance server as a process of its own.
//!
//! Owns: finding the built example `conformance`, starting it on a free port, its output and its end.
//! Not here: what it serves; see `js-client-fixtures/README.md`, "The server they were recorded against".

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A running conformance server; it is killed when this is dropped.
#[derive(Debug)]
pub struct Conformance {
    address: SocketAddr,
    output: Output,
    _process: Child,
}

/// Everything the process has printed, for the report of a failure.
#[derive(Debug, Clone, Default)]
struct Output(Arc<Mutex<String>>);

impl Conformance {
    /// Starts the server on a free port and waits until it listens.
    ///
    /// # Errors
    /// The example is not built (`cargo test` builds it; `cargo test --test it` alone does not), or the process
    /// ended, or stayed silent, instead of announcing its port; the error holds what it printed.
    pub async fn start() -> io::Result<Self> {
        let program = example("conformance")?;
        let mut process = Command::new(&program)
            .args(["--port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", program.display())))?;
        let output = Output::default();
        let stderr = process.stderr.take().expect("stderr was asked to be piped");
        let mut stdout = BufReader::new(process.stdout.take().expect("stdout was asked to be piped"));
        let errors = tokio::spawn(output.clone().keep(BufReader::new(stderr)));
        let address = match timeout(START, output.address(&mut stdout)).await {
            Ok(Some(address)) => address,
            Ok(None) => {
                errors.await?;
                return Err(output.failure("it announced no port and closed its output"));
            }
            Err(_) => return Err(output.failure("it does not listen")),
        };
        tokio::spawn(output.clone().keep(stdout));
        Ok(Self { address, output, _process: process })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything it has printed so far.
    pub fn output(&self) -> String {
        self.output.text()
    }
}

impl Output {
    /// Reads on until the line that announces the port; `None` if the output ends before.
    async fn address(&self, stdout: &mut BufReader<impl AsyncRead + Unpin>) -> Option<SocketAddr> {
        let mut line = String::new();
        while stdout.read_line(&mut line).await.ok()? > 0 {
            self.append(&line);
            if let Some(address) = line.trim_end().strip_prefix(ANNOUNCEMENT) {
                return address.parse().ok();
            }
            line.clear();
        }
        None
    }

    /// Keeps reading, for a process whose pipe is full stands still.
    async fn keep(self, pipe: BufReader<impl AsyncRead + Unpin>) {
        let mut lines = pipe.lines();
        while let Ok(Some(line)) = lines.next_line().await {
            self.append(&format!("{line}\n"));
        }
    }

    fn failure(&self, what: &str) -> io::Error {
        io::Error::other(format!("the conformance server failed, {what}. It printed:\n{}", self.text()))
    }

    fn append(&self, text: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
    }

    fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The built example of this name: `target/<profile>/examples/<name>` beside `target/<profile>/deps/<this test>`.
fn example(name: &str) -> io::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let profile = test.parent().and_then(|deps| deps.parent());
    let profile = profile.ok_or_else(|| io::Error::other("this test does not run from a target folder"))?;
    let program = profile.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    if program.is_file() {
        return Ok(program);
    }
    let advice = format!("{} is missing; `cargo build --example {name}` builds it", program.display());
    Err(io::Error::new(io::ErrorKind::NotFound, advice))
}

const ANNOUNCEMENT: &str = "listening on ";

/// Long enough for a loaded machine, short enough not to hang a run.
const START: Duration = Duration::from_secs(20);
