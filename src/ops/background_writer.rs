//! Lines for standard output or standard error, written by a thread of their own.
//!
//! Whoever has a line never waits for the stream, and never fails because of it: a pipe that nobody reads holds up that
//! one thread, and a stream that cannot be written loses lines. Owns the queue between the two, which is bounded in
//! bytes, and the count of what was dropped. Not here: what a line looks like, and what is said of dropped ones
//! ([`logging`](super::logging)).

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// A stream that takes lines at once and writes them later. When it is dropped its thread ends, behind the last line.
pub struct BackgroundWriter(Arc<Shared>);

impl BackgroundWriter {
    /// Writes to this stream, such as [`io::stderr`]. `notice` makes the line that says how many were dropped; it is
    /// asked when a line could be written again.
    ///
    /// # Errors
    /// If the system has no descriptor left, or no thread.
    pub fn to(
        stream: impl AsFd,
        notice: impl FnMut(u64) -> Vec<u8> + Send + 'static,
    ) -> io::Result<BackgroundWriter> {
        // A descriptor of its own: the standard library holds a lock while it writes, and the thread may never return.
        let file = File::from(stream.as_fd().try_clone_to_owned()?);
        BackgroundWriter::start(file, notice)
    }

    /// Queues one line, or several, each with the newline at its end. It is dropped whole where the queue is full.
    pub fn write(&self, lines: &[u8]) {
        let mut queue = self.0.queue.lock();
        if lines.len() > QUEUE_BYTES.saturating_sub(queue.lines.len()) {
            queue.dropped = queue.dropped.saturating_add(count(lines));
            return;
        }
        queue.lines.extend_from_slice(lines);
        drop(queue);
        self.0.filled.notify_one();
    }

    /// How many lines were dropped, because the queue was full or the stream failed.
    pub fn dropped(&self) -> u64 {
        self.0.queue.lock().dropped
    }

    /// Waits until everything is written, but no longer than this.
    pub fn flush(&self, limit: Duration) {
        let mut queue = self.0.queue.lock();
        self.0.written.wait_while_for(&mut queue, |queue| queue.is_busy(), limit);
    }

    fn start(
        output: impl Write + Send + 'static,
        notice: impl FnMut(u64) -> Vec<u8> + Send + 'static,
    ) -> io::Result<BackgroundWriter> {
        let shared = Arc::new(Shared::default());
        let mut worker = Worker { shared: shared.clone(), output, notice, told: 0, is_in_line: false };
        thread::Builder::new().name("writer".to_owned()).spawn(move || worker.run())?;
        Ok(BackgroundWriter(shared))
    }
}

impl Drop for BackgroundWriter {
    fn drop(&mut self) {
        self.0.queue.lock().is_closed = true;
        self.0.filled.notify_one();
    }
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// There are lines, or there will be none.
    filled: Condvar,
    /// Whatever was taken off the queue is written, or lost.
    written: Condvar,
}

#[derive(Default)]
struct Queue {
    lines: Vec<u8>,
    /// Since the start.
    dropped: u64,
    is_writing: bool,
    is_closed: bool,
}

impl Queue {
    fn is_busy(&self) -> bool {
        self.is_writing || !self.lines.is_empty()
    }
}

/// What the thread has.
struct Worker<W, N> {
    shared: Arc<Shared>,
    output: W,
    notice: N,
    /// How many of the dropped lines a notice has told of.
    told: u64,
    /// The last write ended within a line.
    is_in_line: bool,
}

impl<W: Write, N: FnMut(u64) -> Vec<u8>> Worker<W, N> {
    fn run(&mut self) {
        let mut lines = Vec::new();
        while let Some(dropped) = self.take(&mut lines) {
            match self.write(&lines) {
                // What was dropped until then was behind these lines.
                Ok(()) => self.tell(dropped),
                Err(Lost(lost)) => {
                    let mut queue = self.shared.queue.lock();
                    queue.dropped = queue.dropped.saturating_add(lost);
                }
            }
            lines.clear();
            lines.shrink_to(KEPT_BYTES);
        }
    }

    /// Waits for lines, and takes them all. Returns how many were dropped so far; `None` when there will be no more.
    fn take(&mut self, lines: &mut Vec<u8>) -> Option<u64> {
        let mut queue = self.shared.queue.lock();
        queue.is_writing = false;
        self.shared.written.notify_all();
        self.shared.filled.wait_while(&mut queue, |queue| queue.lines.is_empty() && !queue.is_closed);
        std::mem::swap(&mut queue.lines, lines);
        queue.is_writing = !lines.is_empty();
        queue.is_writing.then_some(queue.dropped)
    }

    fn tell(&mut self, dropped: u64) {
        if dropped > self.told {
            let notice = (self.notice)(dropped - self.told);
            // One that is lost is told again.
            if self.write(&notice).is_ok() {
                self.told = dropped;
            }
        }
    }

    fn write(&mut self, mut lines: &[u8]) -> Result<(), Lost> {
        if self.is_in_line {
            self.write_on(&mut &b"\n"[..]).map_err(|_| Lost(count(lines)))?;
        }
        self.write_on(&mut lines).map_err(|_| Lost(count(lines)))
    }

    /// Writes all of it, or leaves what could not be written.
    fn write_on(&mut self, bytes: &mut &[u8]) -> io::Result<()> {
        while let Some(last) = bytes.len().checked_sub(1) {
            match self.output.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.is_in_line = bytes[written.min(last + 1) - 1] != b'\n';
                    *bytes = &bytes[written.min(last + 1)..];
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Somebody who shares the stream has made it so that it does not block.
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// So many lines could not be written.
struct Lost(u64);

fn count(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}

/// How much waits at most, beside as much that is being written: some thousand lines.
const QUEUE_BYTES: usize = 1024 * 1024;
/// How much memory is kept for the next lines.
const KEPT_BYTES: usize = 16 * 1024;
/// When a stream that would block is tried again.
const RETRY: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    #[test]
    fn lines_are_written_in_order_and_a_flush_waits_for_them() {
        let (stream, writer) = Stream::start();
        writer.write(b"one\n");
        writer.write(b"two\nthree\n");
        stream.takes([Ok(usize::MAX), Ok(2), Ok(usize::MAX), Ok(usize::MAX)]);
        writer.flush(LONG);
        assert_eq!((stream.text().as_str(), writer.dropped()), ("one\ntwo\nthree\n", 0));
    }

    #[test]
    fn a_stream_that_takes_nothing_holds_up_nobody_and_memory_is_bounded() {
        let (stream, writer) = Stream::start();
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        writer.write(b"first\n");
        stream.is_asked();
        for _ in 0..QUEUE_BYTES / 1024 + 10 {
            writer.write(&line);
        }
        assert_eq!(writer.dropped(), 10);
        assert_eq!(writer.0.queue.lock().lines.capacity(), QUEUE_BYTES);
        writer.flush(Duration::ZERO);
    }

    #[test]
    fn the_line_about_dropped_ones_stands_where_they_are_missing() {
        let (stream, writer) = Stream::start();
        writer.write(b"first\n");
        stream.is_asked();
        writer.write(&[b"x".repeat(QUEUE_BYTES - 1), b"\n".to_vec()].concat());
        writer.write(b"lost\n");
        writer.write(b"lost as well\n");
        // The first, and what waited behind it; then the notice is written.
        stream.takes([Ok(usize::MAX), Ok(usize::MAX)]);
        stream.is_asked();
        stream.is_asked();
        writer.write(b"behind\n");
        stream.takes([Ok(usize::MAX), Ok(usize::MAX)]);
        writer.flush(LONG);
        assert!(stream.text().ends_with("x\n2 dropped\nbehind\n"));
    }

    #[test]
    fn a_stream_that_fails_loses_what_it_did_not_take_and_says_so_when_it_works_again() {
        let (stream, writer) = Stream::start();
        for (lines, taken) in [
            ("one\ntwo\nthree\n", [Ok(6), Err(ErrorKind::StorageFull)].as_slice()),
            ("four\n", &[Err(ErrorKind::StorageFull)]),
            // What is left of the line that broke off is ended first.
            ("five\n", &[Ok(1), Ok(usize::MAX), Err(ErrorKind::StorageFull)]),
            ("six\n", &[Ok(usize::MAX), Ok(usize::MAX)]),
            ("seven\n", &[Ok(usize::MAX)]),
        ] {
            writer.write(lines.as_bytes());
            stream.takes(taken.iter().copied());
            writer.flush(LONG);
        }
        assert_eq!(stream.text(), "one\ntw\nfive\nsix\n3 dropped\nseven\n");
        assert_eq!(writer.dropped(), 3);
    }

    #[test]
    fn a_stream_that_would_block_loses_nothing() {
        let (stream, writer) = Stream::start();
        writer.write(b"one\n");
        let later = [Err(ErrorKind::WouldBlock), Err(ErrorKind::Interrupted)];
        stream.takes(later.into_iter().chain([Ok(1), Err(ErrorKind::WouldBlock), Ok(usize::MAX)]));
        writer.flush(LONG);
        assert_eq!((stream.text().as_str(), writer.dropped()), ("one\n", 0));
    }

    #[test]
    fn the_thread_ends_with_the_writer_behind_the_last_line() {
        let (stream, writer) = Stream::start();
        writer.write(b"last\n");
        drop(writer);
        stream.takes([Ok(usize::MAX)]);
        stream.ended();
        assert_eq!(stream.text(), "last\n");
    }

    /// A stream that does with each write what the test says, and blocks until it does.
    struct Stream {
        answers: Sender<Result<usize, ErrorKind>>,
        asked: Receiver<()>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    /// The writer's end.
    struct Output {
        answers: Receiver<Result<usize, ErrorKind>>,
        taken: Arc<Mutex<Vec<u8>>>,
        /// Dropped last: whoever hears of it knows that the rest is gone.
        asked: Sender<()>,
    }

    impl Stream {
        fn start() -> (Stream, BackgroundWriter) {
            let ((answers, output_answers), (output_asked, asked)) = (channel(), channel());
            let taken = Arc::<Mutex<Vec<u8>>>::default();
            let output = Output { answers: output_answers, asked: output_asked, taken: taken.clone() };
            let notice = |dropped| format!("{dropped} dropped\n").into_bytes();
            let writer = BackgroundWriter::start(output, notice).expect("there are threads");
            (Stream { answers, asked, taken }, writer)
        }

        /// What becomes of the next writes: so many bytes are taken, or it fails.
        fn takes(&self, answers: impl IntoIterator<Item = Result<usize, ErrorKind>>) {
            for answer in answers {
                self.answers.send(answer).expect("the thread lives");
            }
        }

        /// Waits for a write.
        fn is_asked(&self) {
            self.asked.recv_timeout(LONG).expect("it is written to");
        }

        /// Waits until the thread has ended.
        fn ended(&self) {
            while self.asked.recv_timeout(LONG).is_ok() {}
            assert_eq!(Arc::strong_count(&self.taken), 1);
        }

        fn text(&self) -> String {
            String::from_utf8(self.taken.lock().clone()).expect("it was text")
        }
    }

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // A test that has ended does not look.
            let _ = self.asked.send(());
            let answer = self.answers.recv().map_err(|_| ErrorKind::BrokenPipe)?;
            let count = answer.map_err(io::Error::from)?.min(bytes.len());
            self.taken.lock().extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const LONG: Duration = Duration::from_secs(10);
}
