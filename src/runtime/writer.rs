//! The writing half of a WebSocket: the stream, and what is next to be written to it.
//!
//! Not here: what waits behind it, and who may write when (`outbox`).

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::counters::Counters;
use super::stream::Stream;
use super::unwritten::{FRAMES_A_WRITE, Unwritten};
use crate::wire::Frame;

/// A stream, and the frames that are next to be written to it.
pub(super) struct Writer {
    stream: Arc<Stream>,
    frames: Unwritten,
    /// How many bytes were written in all.
    written: u64,
}

impl Writer {
    pub(super) fn new(stream: Arc<Stream>) -> Self {
        Writer { stream, frames: Unwritten::default(), written: 0 }
    }

    /// Whether all of its frames are written.
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// The frames that are next to be written.
    pub(super) fn frames(&self) -> impl Iterator<Item = &Frame> {
        self.frames.frames()
    }

    /// How many bytes were written in all: while it grows, the other end takes what it is sent.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Takes over all that has waited, without moving a frame.
    pub(super) fn take_all(&mut self, waiting: &mut VecDeque<Frame>) {
        self.frames.swap(waiting);
    }

    /// Takes over one more frame. Tells whether there is room for another.
    pub(super) fn take(&mut self, frame: Frame) -> bool {
        self.frames.push(frame);
        self.frames.len() < FRAMES_A_WRITE
    }

    /// Writes all of its frames.
    ///
    /// # Errors
    /// `WouldBlock` when the other end does not take them; any other when the stream is lost.
    pub(super) fn write(&mut self, counters: &Counters) -> io::Result<()> {
        let most = self.frames.len();
        while !self.frames.is_empty() {
            let count = self.try_write()?;
            self.written += count as u64;
            let completed = self.frames.advance(count);
            counters.wrote(completed.frames, completed.body_bytes);
        }
        if most <= QUIET {
            self.frames.shrink_to(KEPT_FRAMES);
        }
        Ok(())
    }

    /// What is left: the rest of a frame that was begun, and, unless only this is wanted, all behind it.
    pub(super) fn into_rest(self, begun_alone: bool) -> Vec<Bytes> {
        self.frames.into_rest(begun_alone)
    }

    /// One call for what is there. A single piece, the usual case, spares the kernel the reading of a list.
    fn try_write(&self) -> io::Result<usize> {
        self.frames.with_slices(|slices| match slices {
            [] => Ok(0),
            [piece] => self.stream.try_write(piece),
            pieces => self.stream.try_write_vectored(pieces),
        })
    }
}

/// So few frames at once are no sign that the room for many is needed again soon.
const QUIET: usize = 4;
/// How many places an empty line of frames keeps: enough that a quiet topic's next frame allocates nothing.
const KEPT_FRAMES: usize = 2;
