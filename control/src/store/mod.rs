//! What outlives the process: the declaration, the agents' bindings and the events.
//!
//! One SQLite file in WAL mode, `patchbay.db` in the data directory. A write is committed when its
//! future is ready, so that `kill -9` at any instant loses nothing that was answered. The
//! declaration and the bindings are also on the disk by then (`synchronous=FULL`): they were
//! promised to somebody. Events and what is carried outside are written with `synchronous=NORMAL`, which is as safe against a
//! crash of the process but may lose the last moments when the *host* loses its power; in return
//! the path of a call never waits for a disk. What SQLite has is never damaged by either.
//!
//! Names of the SQL are those of `migrations/`.

mod answers;
mod audit;
mod bindings;
mod call_backs;
mod callers;
mod carried;
mod centre;
mod error;
mod events;
mod history;
mod open;
mod priority;
mod range;
mod rows;
pub mod secret;
mod tokens;

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::SqlitePool;

pub use answers::{KeptAnswer, Repeatable};
pub use audit::{
    AuditEntry, AuditFilter, AuditRow, DEFAULT_AUDIT_KEPT, MAX_AUDIT_READ, MAX_AUDIT_TEXT_BYTES,
};
pub use centre::{MAX_COMMENT_BYTES, VERSIONS_KEPT, Version};
pub use error::StoreError;
pub use events::{MAX_EVENTS_READ, contact_of};
pub use history::{
    ContactStory, MAX_PAGE, MAX_STORY, MAX_WRAP_UP_SEARCH, Outcome, Page, PastContact,
};
pub use open::DATABASE_FILE;
pub use range::MAX_LOOKBACK;
pub use tokens::StoredGrant;

use crate::node::StoredEvent;
use rows::Stories;

/// Events kept unless said otherwise: some hundred megabytes, a few hundred thousand calls' worth.
pub const DEFAULT_EVENTS_KEPT: u64 = 1_000_000;

/// The open store. Copies are cheap and share it.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// The declaration and bindings: each commit is on the disk.
    durable: SqlitePool,
    /// Events: each commit is with the kernel.
    swift: SqlitePool,
    readers: SqlitePool,
    /// SQLite has one writer at a time. Waiting here is in order and wakes at once; waiting in
    /// SQLite's busy handler is a sleep.
    writing: tokio::sync::Mutex<Writer>,
    events_kept: u64,
    unreadable: AtomicU64,
    /// Held as long as the store is open, so that no second process uses the same directory.
    _lock: Option<File>,
}

#[derive(Debug)]
struct Writer {
    /// The cursor of the last event committed.
    last_cursor: u64,
    /// Events up to this cursor were removed.
    pruned_to: u64,
    stories: Stories,
}

impl Store {
    /// Stored rows that this version could not read and left out of its answers.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.inner.unreadable.load(Ordering::Relaxed)
    }

    /// Closes the database after what is under way, and folds the write-ahead log into it.
    pub async fn close(&self) {
        for pool in [&self.inner.readers, &self.inner.swift, &self.inner.durable] {
            pool.close().await;
        }
    }

    fn count_unreadable(&self, table: &'static str, row: &str, error: &serde_json::Error) {
        self.inner.unreadable.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(table, row, %error, "a stored row cannot be read and is left out");
    }
}

/// Unix time in milliseconds, for what only the store dates.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// SQL integers are signed; cursors and times stay far below the limit.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
