//! The log: lines on standard error, for people or for machines.
//!
//! Logging never waits and never fails: a thread writes the lines ([`BackgroundWriter`]), and those that it cannot
//! write are dropped and counted. When it can again, a line says how many they were. Owns the panic hook as well, because
//! the standard library's writes to standard error itself.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use std::panic::{self, PanicHookInfo};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use tracing::{Metadata, error, field, warn};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;

use super::background_writer::BackgroundWriter;

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// The log of a process at work. Dropping it waits until all lines are written, but no longer than a second.
#[must_use = "the last lines are lost where nobody waits for them"]
pub struct Started(());

/// Checks a filter, such as `info` or `presenced=debug`.
///
/// # Errors
/// Names the directive that is none.
pub fn parse_filter(directives: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(directives)
}

/// Starts the log of this process, and puts panics there. Called once; a second call changes nothing.
///
/// # Errors
/// If the system has no descriptor left, or no thread.
pub fn start(filter: EnvFilter, format: Format) -> io::Result<Started> {
    let log = Log { lines: BackgroundWriter::to(io::stderr(), notice)?, notice: Mutex::default() };
    if LOG.set(log).is_ok()
        && let Some(log) = LOG.get()
    {
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Lines(log));
        let log = log.with_ansi(io::stderr().is_terminal());
        // An error says that the process has a log of another kind.
        let _ = match format {
            Format::Human => log.try_init(),
            Format::Json => log.json().flatten_event(true).with_span_list(false).try_init(),
        };
        panic::set_hook(Box::new(log_panic));
    }
    Ok(Started(()))
}

/// How many lines of this process's log were dropped, because standard error did not take them.
pub fn dropped_lines() -> u64 {
    LOG.get().map_or(0, |log| log.lines.dropped())
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(log) = LOG.get() {
            log.lines.flush(FLUSH_LIMIT);
        }
    }
}

struct Log {
    lines: BackgroundWriter,
    /// The line about dropped ones, on its way to the thread that writes. It has its place, and no other can keep it out.
    notice: Mutex<Vec<u8>>,
}

/// Takes the lines of a subscriber.
struct Lines(&'static Log);

/// Where a line goes.
enum Line<'a> {
    Queued(&'a BackgroundWriter),
    Notice(&'a Mutex<Vec<u8>>),
}

impl MakeWriter<'_> for Lines {
    type Writer = Line<'static>;

    fn make_writer(&self) -> Line<'static> {
        Line::Queued(&self.0.lines)
    }

    fn make_writer_for(&self, line: &Metadata<'_>) -> Line<'static> {
        if line.target() == NOTICE { Line::Notice(&self.0.notice) } else { self.make_writer() }
    }
}

impl Write for Line<'_> {
    /// Takes whole lines, as a subscriber writes them.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        match self {
            Line::Queued(writer) => writer.write(lines),
            Line::Notice(notice) => notice.lock().extend_from_slice(lines),
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The line about dropped ones, in the log's form; none where its filter keeps warnings out.
fn notice(lines: u64) -> Vec<u8> {
    warn!(target: NOTICE, lines, "log lines were dropped: standard error did not take them");
    LOG.get().map(|log| std::mem::take(&mut *log.notice.lock())).unwrap_or_default()
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let reason = panic.payload_as_str().unwrap_or_default();
    let reason = &reason[..reason.floor_char_boundary(PANIC_BYTES)];
    let location = panic.location().map(field::display);
    // Where the process's environment asks for one.
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| field::display(backtrace));
    error!(thread = thread.name(), location, reason, backtrace, "a thread panicked");
}

static LOG: OnceLock<Log> = OnceLock::new();
/// The target of the line about dropped ones, and of no other.
const NOTICE: &str = concat!(module_path!(), "::dropped");
/// How long the end of a process waits for its last lines.
const FLUSH_LIMIT: Duration = Duration::from_millis(500);
/// How much of a panic's reason is logged.
const PANIC_BYTES: usize = 400;

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::sync::Arc;

    use tracing::info_span;

    use super::*;

    #[test]
    fn a_panic_is_one_line_of_the_log_with_the_span_it_happened_in() {
        let (reader, writer) = io::pipe().expect("there are descriptors");
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(Arc::new(writer)).finish();
        // Panics of other tests, which run beside this one, are none of its business.
        let (others, this) = (panic::take_hook(), thread::current().id());
        panic::set_hook(Box::new(move |panic| {
            if thread::current().id() == this { log_panic(panic) } else { others(panic) }
        }));
        tracing::subscriber::with_default(subscriber, || {
            let span = info_span!("client", connection = 7);
            let panicked =
                span.in_scope(|| panic::catch_unwind(|| panic!("no such\nkey: {}", "é".repeat(PANIC_BYTES))));
            assert!(panicked.is_err());
        });
        let mut line = String::new();
        BufReader::new(reader).read_line(&mut line).expect("it is text");
        // Where the environment asks for one, a backtrace follows.
        let line = line.split(" backtrace=").next().unwrap_or_default();
        for part in ["ERROR client{connection=7}", "a thread panicked", r#"reason="no such\nkey: é"#, file!()]
        {
            assert!(line.contains(part), "{part} is not in {line}");
        }
        assert!(line.len() < 2 * PANIC_BYTES, "{} bytes: {line}", line.len());
    }
}
