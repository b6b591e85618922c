//! Frames that are next to be written to a stream, and how far that has come.
//!
//! Not here: the stream, and who may write when (`writer`, `relay`).

use std::collections::VecDeque;
use std::io::IoSlice;
use std::iter;

use bytes::Bytes;

use crate::wire::Frame;

/// Frames in order, of which the first may be written in part.
#[derive(Default)]
pub(super) struct Unwritten {
    frames: VecDeque<Frame>,
    /// How much of the first frame is written.
    written: usize,
}

impl Unwritten {
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    pub(super) fn frames(&self) -> impl Iterator<Item = &Frame> {
        self.frames.iter()
    }

    pub(super) fn push(&mut self, frame: Frame) {
        self.frames.push_back(frame);
    }

    /// Changes places with another line; this one must be empty, or the rest of its first frame would be lost.
    pub(super) fn swap(&mut self, frames: &mut VecDeque<Frame>) {
        debug_assert!(self.is_empty(), "the rest of a frame must follow its beginning");
        std::mem::swap(&mut self.frames, frames);
    }

    /// Gives back room beyond that for so many frames.
    pub(super) fn shrink_to(&mut self, frames: usize) {
        self.frames.shrink_to(frames);
    }

    /// Lets `write` have what one call may write: a list of pieces, never empty while there is a frame.
    pub(super) fn with_slices<R>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> R) -> R {
        match self.frames.len() {
            0..=8 => self.slices::<{ 2 * 8 }, R>(write),
            _ => self.slices::<{ 2 * FRAMES_A_WRITE }, R>(write),
        }
    }

    fn slices<const MOST: usize, R>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> R) -> R {
        let mut slices = [IoSlice::new(&[]); MOST];
        let mut count = 0;
        for (slice, piece) in iter::zip(&mut slices, self.frames.iter().flat_map(Frame::pieces)) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        let mut slices = &mut slices[..count];
        IoSlice::advance_slices(&mut slices, self.written);
        write(slices)
    }

    /// Takes note that so many bytes were written; tells how many frames they completed, the bytes of their bodies, and
    /// their bytes in all.
    pub(super) fn advance(&mut self, count: usize) -> Completed {
        self.written += count;
        let mut completed = Completed::default();
        while let Some(first) = self.frames.front()
            && self.written >= first.len()
        {
            self.written -= first.len();
            completed.frames += 1;
            completed.body_bytes += first.body_len();
            completed.bytes += first.len();
            self.frames.pop_front();
        }
        completed
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
}

/// What a write has completed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Completed {
    pub(super) frames: usize,
    pub(super) body_bytes: usize,
    pub(super) bytes: usize,
}

/// The most frames that one call writes.
pub(super) const FRAMES_A_WRITE: usize = 64;
