//! The writing half of a WebSocket: what is next to be written, and how far that has come.
//!
//! Not here: what waits behind it, and who may write when (`outbox`).

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::iter;
use std::sync::Arc;

use bytes::Bytes;

use super::counters::Counters;
use super::stream::Stream;
use crate::wire::Frame;

/// A stream, and the frames that are next to be written to it.
pub(super) struct Writer {
    stream: Arc<Stream>,
    frames: VecDeque<Frame>,
    /// How much of the first frame is written.
    written: usize,
}

impl Writer {
    pub(super) fn new(stream: Arc<Stream>) -> Self {
        Writer { stream, frames: VecDeque::new(), written: 0 }
    }

    /// Whether all of its frames are written.
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// The frames that are next to be written.
    pub(super) fn frames(&self) -> impl Iterator<Item = &Frame> {
        self.frames.iter()
    }

    /// Takes over what has waited, or as much of it as one call writes. Tells whether something is left.
    ///
    /// The two lines change places where they can: then no frame is moved.
    pub(super) fn refill(&mut self, waiting: &mut VecDeque<Frame>) -> bool {
        debug_assert!(self.is_empty(), "the rest of a frame must follow its beginning");
        if waiting.len() <= FRAMES_A_WRITE {
            std::mem::swap(&mut self.frames, waiting);
            false
        } else {
            self.frames.extend(waiting.drain(..FRAMES_A_WRITE));
            true
        }
    }

    /// Writes all of its frames.
    ///
    /// # Errors
    /// `WouldBlock` when the other end does not take them; any other when the stream is lost.
    pub(super) fn write(&mut self, counters: &Counters) -> io::Result<()> {
        let most = self.frames.len();
        while !self.frames.is_empty() {
            let count = self.try_write()?;
            self.advance(count, counters);
        }
        if most <= QUIET {
            self.frames.shrink_to(KEPT_FRAMES);
        }
        Ok(())
    }

    /// What is left: the rest of a frame that was begun, and, unless only this is wanted, all behind it.
    pub(super) fn into_rest(self, begun_alone: bool) -> Vec<Bytes> {
        let begun = usize::from(self.written > 0);
        let frames = self.frames.iter().take(if begun_alone { begun } else { usize::MAX });
        let mut written = self.written;
        let unwritten = |piece: &Bytes| {
            let gone = written.min(piece.len());
            written -= gone;
            piece.slice(gone..)
        };
        frames.flat_map(Frame::pieces).map(unwritten).filter(|piece| !piece.is_empty()).collect()
    }

    /// One call for what is there. A single piece, the usual case, spares the kernel the reading of a list.
    fn try_write(&self) -> io::Result<usize> {
        match self.frames.len() {
            0 => Ok(0),
            1..=8 => self.try_write_vectored::<{ 2 * 8 }>(),
            _ => self.try_write_vectored::<{ 2 * FRAMES_A_WRITE }>(),
        }
    }

    fn try_write_vectored<const MOST: usize>(&self) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); MOST];
        let mut count = 0;
        for (slice, piece) in iter::zip(&mut slices, self.frames.iter().flat_map(Frame::pieces)) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        let mut slices = &mut slices[..count];
        IoSlice::advance_slices(&mut slices, self.written);
        match slices {
            [piece] => self.stream.try_write(piece),
            pieces => self.stream.try_write_vectored(pieces),
        }
    }

    fn advance(&mut self, count: usize, counters: &Counters) {
        self.written += count;
        let (mut frames, mut bytes) = (0, 0);
        while let Some(first) = self.frames.front()
            && self.written >= first.len()
        {
            self.written -= first.len();
            (frames, bytes) = (frames + 1, bytes + first.body_len());
            self.frames.pop_front();
        }
        counters.wrote(frames, bytes);
    }
}

/// So few frames at once are no sign that the room for many is needed again soon.
const QUIET: usize = 4;
/// How many places an empty line of frames keeps: enough that a quiet topic's next frame allocates nothing.
const KEPT_FRAMES: usize = 2;
/// The most frames that one call writes.
const FRAMES_A_WRITE: usize = 64;
