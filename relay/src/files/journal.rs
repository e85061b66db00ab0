//! The journal of ended sessions: one JSON object a line, appended, rotated by size.
//!
//! The current file has the name that was asked for; older ones end in `.1` (the youngest) to
//! `.N`. A line is on disk (`fdatasync`) soon after it was appended: lines that come while the
//! disk is busy are written together.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use crossbeam::queue::ArrayQueue;
use rustix::event::EventfdFlags;
use thiserror::Error;

use super::writer;

/// Limits of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalLimits {
    /// Lines that may wait for the disk. 500 calls a second fill the default in 8 seconds.
    pub queued_lines: usize,
    /// Longest line, in bytes, without its line feed.
    pub line_bytes: usize,
    /// Size in bytes at which a file is put aside and a new one begun.
    pub file_bytes: u64,
    /// Files put aside that are kept; the oldest is deleted. At least 1.
    pub kept_files: u32,
}

impl Default for JournalLimits {
    fn default() -> JournalLimits {
        JournalLimits {
            queued_lines: 4096,
            line_bytes: 64 * 1024,
            file_bytes: 64 * 1024 * 1024,
            kept_files: 8,
        }
    }
}

/// A journal cannot be opened.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The file cannot be opened or made whole.
    #[error("journal {path}: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The thread or its io_uring cannot be started.
    #[error("journal thread: {cause}")]
    Thread {
        /// What the system said.
        cause: io::Error,
    },
}

/// A line was not taken. It is counted as lost.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum JournalFull {
    /// As many lines wait for the disk as may.
    #[error("the journal's queue is full")]
    Queue,
    /// The line is longer than may be, or is more than one line.
    #[error("not one line, or too long for the journal")]
    Line,
    /// The journal has been shut down.
    #[error("the journal is closed")]
    Closed,
}

/// What became of the lines so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalCounts {
    /// Lines that are on disk.
    pub written: u64,
    /// Lines not taken, for any reason of [`JournalFull`].
    pub refused: u64,
    /// Lines taken that could not be written.
    pub lost: u64,
    /// Files put aside.
    pub rotations: u64,
}

/// An open journal. Cheap to clone; it is flushed and closed when the last clone goes.
#[derive(Clone, Debug)]
pub struct Journal {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the journal and its thread share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) lines: ArrayQueue<Vec<u8>>,
    pub(super) limits: JournalLimits,
    pub(super) path: PathBuf,
    pub(super) written: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) rotations: AtomicU64,
    refused: AtomicU64,
    stop: AtomicBool,
    bell: OwnedFd,
}

impl Journal {
    /// Opens or creates a journal with the usual limits.
    ///
    /// # Errors
    /// [`JournalError`] names the file.
    pub fn open(path: impl AsRef<Path>) -> Result<Journal, JournalError> {
        Journal::open_with(path, JournalLimits::default())
    }

    /// Opens or creates a journal.
    ///
    /// # Errors
    /// [`JournalError`] names the file.
    pub fn open_with(
        path: impl AsRef<Path>,
        limits: JournalLimits,
    ) -> Result<Journal, JournalError> {
        let failed = |cause| JournalError::Thread { cause };
        let bell =
            rustix::event::eventfd(0, EventfdFlags::CLOEXEC).map_err(|e| failed(e.into()))?;
        let shared = Arc::new(Shared {
            lines: ArrayQueue::new(limits.queued_lines.max(1)),
            limits,
            path: path.as_ref().to_owned(),
            written: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            rotations: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            bell,
        });
        let (ready, opened) = mpsc::channel();
        let theirs = shared.clone();
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer::run(&theirs, &ready))
            .map_err(failed)?;
        let thread = Mutex::new(Some(thread));
        match opened.recv() {
            Ok(Ok(())) => Ok(Journal {
                inner: Arc::new(Inner { shared, thread }),
            }),
            Ok(Err(e)) => Err(e),
            Err(_) => Err(failed(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// Appends a line, given without its line feed. Does not wait for the disk.
    ///
    /// # Errors
    /// [`JournalFull`]: the line is not taken.
    pub fn append(&self, line: Vec<u8>) -> Result<(), JournalFull> {
        let shared = &self.inner.shared;
        let outcome = if shared.is_stopping() {
            Err(JournalFull::Closed)
        } else if line.len() > shared.limits.line_bytes || line.contains(&b'\n') {
            Err(JournalFull::Line)
        } else {
            shared.lines.push(line).map_err(|_| JournalFull::Queue)
        };
        match outcome {
            Ok(()) => shared.ring_bell(),
            Err(_) => {
                shared.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
        outcome
    }

    /// What became of the lines so far.
    #[must_use]
    pub fn counts(&self) -> JournalCounts {
        let shared = &self.inner.shared;
        JournalCounts {
            written: shared.written.load(Ordering::Acquire),
            refused: shared.refused.load(Ordering::Relaxed),
            lost: shared.lost.load(Ordering::Relaxed),
            rotations: shared.rotations.load(Ordering::Relaxed),
        }
    }

    /// Writes what waits and closes the file; returns when that is done. Later lines are refused.
    pub fn shutdown(&self) {
        self.inner.shutdown();
    }
}

impl Inner {
    fn shutdown(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.ring_bell();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
        // Appended in the instant of the end.
        while self.shared.lines.pop().is_some() {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl Shared {
    pub(super) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    fn ring_bell(&self) {
        // It could only wait when the count is at its end, after 2^64 - 2 lines unread.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests;
