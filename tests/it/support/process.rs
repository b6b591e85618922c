//! The `presenced` program as a process.
//!
//! Owns: its environment, which is empty but for what a test sets, its output, signals, and its end.
//! Not here: the server inside the test's own process ([`super::Running`]).

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::process::{Output, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::task::JoinHandle;

use super::http::request;
use super::within;

/// A `presenced` that listens. It is killed when this is dropped.
pub struct Process {
    child: Child,
    /// Where it listens, in its own words.
    listening: Vec<String>,
    stdout: Lines<BufReader<ChildStdout>>,
    /// Collected all the time; empty where it is no pipe to here.
    stderr: JoinHandle<String>,
}

/// How a process ended, and what it had printed.
#[derive(Debug)]
pub struct Ended {
    /// `None` if a signal killed it.
    pub code: Option<i32>,
    /// What came behind the lines that name its addresses.
    pub stdout: String,
    pub stderr: String,
}

impl Process {
    /// Starts it on a free port with these further flags, and waits until it listens.
    pub async fn start(flags: &[&str]) -> Self {
        Process::start_with(flags, &[]).await
    }

    /// The same with these variables.
    pub async fn start_with(flags: &[&str], variables: &[(&str, &str)]) -> Self {
        Process::start_listening(1, flags, variables).await
    }

    /// The same, at this many addresses.
    pub async fn start_listening(count: usize, flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = command(flags, variables);
        Process::spawn(command.args(["--port", "0"]), count).await
    }

    /// Starts it on a free port with these flags and this standard error, which nobody collects.
    pub async fn start_logging_to(stderr: impl Into<Stdio>, flags: &[&str]) -> Self {
        let mut command = command(flags, &[]);
        Process::spawn(command.args(["--port", "0"]).stderr(stderr), 1).await
    }

    /// Starts it on a free port with these flags, where the system lets it have so many files and streams open.
    pub async fn start_with_descriptors(most: usize, flags: &[&str]) -> Self {
        let limited = format!("ulimit -n {most} && exec \"$0\" \"$@\"");
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &limited, env!("CARGO_BIN_EXE_presenced")]);
        Process::spawn(prepare(&mut shell, flags, &[]).args(["--port", "0"]), 1).await
    }

    async fn spawn(command: &mut Command, count: usize) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let stdout = child.stdout.take().expect("stdout was asked to be piped");
        let mut stdout = BufReader::new(stdout).lines();
        let stderr = tokio::spawn(collect(child.stderr.take()));
        let mut listening = Vec::new();
        for _ in 0..count {
            let line = within("the next line", stdout.next_line()).await.expect("the line is text");
            let address = line.as_deref().and_then(|line| line.strip_prefix("listening on "));
            listening.push(address.unwrap_or_else(|| panic!("it printed {line:?}")).to_owned());
        }
        Process { child, listening, stdout, stderr }
    }

    /// Where it listens first, which is an address with a port.
    pub fn address(&self) -> SocketAddr {
        self.listening[0].parse().expect("an address")
    }

    /// Where it listens, in its own words.
    pub fn listening(&self) -> &[String] {
        &self.listening
    }

    /// The next line that it prints.
    pub async fn line(&mut self) -> String {
        let line = within("a line", self.stdout.next_line()).await.expect("the line is text");
        line.expect("it has not ended")
    }

    /// How many files and streams it has open.
    pub fn open_files(&self) -> usize {
        let id = self.child.id().expect("it has not ended");
        std::fs::read_dir(format!("/proc/{id}/fd")).expect("it is this user's process").count()
    }

    /// The most memory that it has had, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it has not ended");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak.and_then(|kilobytes| kilobytes.parse::<u64>().ok()).expect("Linux tells it in kB") * 1024
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it has not ended")
    }

    /// Waits until it takes connections, having been full.
    pub async fn has_a_place(&self) {
        within("a place", async {
            while request(self.address(), "GET", "/", &[], "").await.status == 503 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Sends it a signal, such as `TERM`.
    pub async fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await.expect("there is a kill");
        assert!(sent.success());
    }

    /// Whether it has ended by now.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is this process's child").is_some()
    }

    /// Waits until it has ended.
    pub async fn ended(mut self) -> Ended {
        let status =
            within("the process to end", self.child.wait()).await.expect("it is this process's child");
        let mut stdout = String::new();
        while let Some(line) = self.stdout.next_line().await.expect("the line is text") {
            stdout.push_str(&line);
            stdout.push('\n');
        }
        let stderr = self.stderr.await.expect("it is read to its end");
        Ended { code: status.code(), stdout, stderr }
    }
}

/// Runs it with these flags and variables until it ends by itself.
pub async fn run(flags: &[&str], variables: &[(&str, &str)]) -> Ended {
    let output = within("the process to end", command(flags, variables).output());
    ended(output.await.expect("the program starts"))
}

/// The same with one variable that need not be text.
pub async fn run_with_bytes(flags: &[&str], name: &str, value: &OsStr) -> Ended {
    let mut command = command(flags, &[]);
    let output = within("the process to end", command.env(name, value).output());
    ended(output.await.expect("the program starts"))
}

/// Runs it with this text on its standard input.
pub async fn run_with_input(flags: &[&str], variables: &[(&str, &str)], input: &str) -> Ended {
    let mut child = command(flags, variables).stdin(Stdio::piped()).spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    // A program that does not read its input has closed it.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    ended(within("the process to end", child.wait_with_output()).await.expect("it is this process's child"))
}

fn ended(Output { status, stdout, stderr }: Output) -> Ended {
    let text = |bytes| String::from_utf8(bytes).expect("what it prints is text");
    Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

fn command(flags: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_presenced"));
    prepare(&mut command, flags, variables);
    command
}

fn prepare<'a>(command: &'a mut Command, flags: &[&str], variables: &[(&str, &str)]) -> &'a mut Command {
    command.env_clear().envs(variables.iter().copied()).args(flags);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true)
}

async fn collect(stderr: Option<ChildStderr>) -> String {
    let mut text = String::new();
    if let Some(mut stderr) = stderr {
        stderr.read_to_string(&mut text).await.expect("what it prints is text");
    }
    text
}
