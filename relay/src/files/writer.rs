//! The journal's thread: lines from the queue to the file.

use std::ffi::OsString;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::Duration;

use tokio_uring::fs::{File, remove_file, rename};

use super::journal::{JournalError, Shared};

/// Bytes that are written at once at most, unless one line is longer.
const BATCH_BYTES: usize = 256 * 1024;

/// Niceness above that of signalling (`sched(7)`): lines may be late, a call's messages not.
const NICER: i32 = 5;

/// Runs until the journal is shut down; tells over `ready` whether the file could be opened.
pub(super) fn run(shared: &Shared, ready: &Sender<Result<(), JournalError>>) {
    give_way();
    let runtime = match tokio_uring::Runtime::new(&tokio_uring::builder()) {
        Ok(runtime) => runtime,
        Err(cause) => {
            let _ = ready.send(Err(JournalError::Thread { cause }));
            return;
        }
    };
    runtime.block_on(async {
        let opened = Writer::open(shared);
        match opened {
            Ok((mut writer, bell)) => {
                let _ = ready.send(Ok(()));
                writer.serve(bell).await;
            }
            Err(e) => {
                let _ = ready.send(Err(e));
            }
        }
    });
}

/// Lowers the priority of the calling thread; where the kernel refuses, it stays as it is.
fn give_way() {
    if let Err(error) = rustix::process::nice(NICER) {
        tracing::debug!(%error, "the journal runs at the priority of signalling");
    }
}

/// How long the first line of a batch waits for others: each batch is a write to the disk.
const GATHER: Duration = Duration::from_millis(100);

struct Writer<'a> {
    shared: &'a Shared,
    file: File,
    /// Where the next line goes: bytes written so far.
    offset: u64,
    batch: Vec<u8>,
    /// Lines in the batch.
    lines: u64,
    /// The last write failed; said once.
    failing: bool,
}

impl<'a> Writer<'a> {
    fn open(shared: &'a Shared) -> Result<(Writer<'a>, File), JournalError> {
        let bell = shared
            .bell()
            .try_clone_to_owned()
            .map_err(|cause| JournalError::Thread { cause })?;
        let (file, offset, torn) = open_file(&shared.path).map_err(|cause| JournalError::File {
            path: shared.path.clone(),
            cause,
        })?;
        // A line cut off by a crash is ended, so that the next one begins on its own.
        let batch = if torn {
            vec![b'\n']
        } else {
            Vec::with_capacity(BATCH_BYTES)
        };
        let file = File::from_std(file);
        let writer = Writer {
            shared,
            file,
            offset,
            batch,
            lines: 0,
            failing: false,
        };
        Ok((writer, File::from_std(bell.into())))
    }

    async fn serve(&mut self, bell: File) {
        let mut count = vec![0; 8];
        loop {
            let stopping = self.shared.is_stopping();
            self.empty_queue().await;
            if stopping {
                break;
            }
            let (outcome, buffer) = bell.read_at(count, 0).await;
            count = buffer;
            if let Err(e) = outcome
                && e.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(error = %e, "the journal's wake-up failed, it is closed");
                break;
            }
            if !self.shared.is_stopping() {
                tokio::time::sleep(GATHER).await;
            }
        }
        self.empty_queue().await;
    }

    /// Writes all that waits, in batches.
    async fn empty_queue(&mut self) {
        let limits = self.shared.limits;
        while let Some(line) = self.shared.lines.pop() {
            let needed = line.len() + 1;
            let filled = self.offset + self.batch.len() as u64;
            if filled > 0 && filled + needed as u64 > limits.file_bytes {
                self.write_batch().await;
                self.rotate().await;
            } else if !self.batch.is_empty() && self.batch.len() + needed > BATCH_BYTES {
                self.write_batch().await;
            }
            self.batch.extend_from_slice(&line);
            self.batch.push(b'\n');
            self.lines += 1;
        }
        self.write_batch().await;
    }

    async fn write_batch(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let len = self.batch.len() as u64;
        let batch = std::mem::take(&mut self.batch);
        let (mut outcome, batch) = self.file.write_all_at(batch, self.offset).await;
        self.batch = batch;
        self.batch.clear();
        if outcome.is_ok() {
            outcome = self.file.sync_data().await;
        }
        let lines = std::mem::take(&mut self.lines);
        match outcome {
            Ok(()) => {
                self.offset += len;
                self.shared.written.fetch_add(lines, Ordering::Release);
            }
            // What was written of it goes, so that the next batch does not follow half a line.
            Err(_) => {
                cut(&self.shared.path, self.offset);
                self.shared.lost.fetch_add(lines, Ordering::Relaxed);
            }
        }
        self.tell(outcome);
    }

    /// Puts the file aside and begins a new one. If that fails, the old one grows on.
    async fn rotate(&mut self) {
        let outcome = self.put_aside().await;
        if outcome.is_ok() {
            self.shared.rotations.fetch_add(1, Ordering::Relaxed);
        }
        self.tell(outcome);
    }

    async fn put_aside(&mut self) -> io::Result<()> {
        let path = &self.shared.path;
        let kept = self.shared.limits.kept_files.max(1);
        ignore_missing(remove_file(numbered(path, kept)).await)?;
        for n in (1..kept).rev() {
            ignore_missing(rename(numbered(path, n), numbered(path, n + 1)).await)?;
        }
        rename(path, numbered(path, 1)).await?;
        let (file, offset, _) = open_file(path)?;
        let old = std::mem::replace(&mut self.file, File::from_std(file));
        self.offset = offset;
        old.close().await
    }

    /// Logs a failure once, and its end.
    fn tell(&mut self, outcome: io::Result<()>) {
        match outcome {
            Err(error) if !self.failing => {
                self.failing = true;
                tracing::error!(path = %self.shared.path.display(), %error, "the journal cannot be written");
            }
            Ok(()) if self.failing => {
                self.failing = false;
                tracing::info!(path = %self.shared.path.display(), "the journal is written again");
            }
            _ => {}
        }
    }
}

/// Opens or creates a file, and tells its length and whether its last line lacks its end.
fn open_file(path: &Path) -> io::Result<(std::fs::File, u64, bool)> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        // Who called whom is for the operator alone.
        .mode(0o600)
        .open(path)?;
    let length = file.metadata()?.len();
    let mut last = [b'\n'];
    if length > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    Ok((file, length, last != [b'\n']))
}

/// Cuts a file to a length. If that fails too, the next batch goes over what is there.
fn cut(path: &Path, length: u64) {
    let file = std::fs::OpenOptions::new().write(true).open(path);
    let _ = file.and_then(|file| file.set_len(length));
}

fn numbered(path: &Path, n: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{n}"));
    PathBuf::from(name)
}

fn ignore_missing(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
