//! Why the store does not do what it is asked to.

use std::path::PathBuf;

use thiserror::Error;

/// Why the store could not be opened, read or written.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The data directory or the database file cannot be used.
    #[error(
        "cannot use {path}: {source}; check that it exists and belongs to this user, \
         or name another directory with --data"
    )]
    Unusable {
        /// The directory or file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Another process has the data directory open.
    #[error(
        "another Patchbay uses {path}; stop it, or give this one a directory of its own with --data"
    )]
    InUse {
        /// The data directory.
        path: PathBuf,
    },
    /// The file is no database, or a damaged one.
    #[error(
        "{path} is damaged or not a database ({detail}); move it away together with its -wal and \
         -shm files, then restore a backup, or start without one and apply centre.toml again \
         (agents' phones register again by themselves)"
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// The database was written by a newer version.
    #[error(
        "{path} was written by a newer Patchbay (schema {found}, this one knows {known}); \
         run that version, or restore the backup from before the upgrade"
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema that this version knows.
        known: i64,
    },
    /// The schema was changed by something else.
    #[error(
        "the schema of {path} is not the one of Patchbay ({detail}); restore a backup, or move the \
         file away and apply centre.toml again"
    )]
    Altered {
        /// The database file.
        path: PathBuf,
        /// What differs.
        detail: String,
    },
    /// A value could not be written as JSON, or the stored declaration cannot be read.
    #[error("cannot {doing}: {source}")]
    Json {
        /// What was being done.
        doing: &'static str,
        /// What serde says.
        source: serde_json::Error,
    },
    /// SQLite refused: disk full, file system read-only, …
    #[error("cannot {doing}: {source}")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// What SQLite says.
        source: sqlx::Error,
    },
}

/// Says what was being done when the database refused.
pub(super) fn while_doing(doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| StoreError::Database { doing, source }
}

/// Says what was being done when JSON could not be written or read.
pub(super) fn json_while(doing: &'static str) -> impl FnOnce(serde_json::Error) -> StoreError {
    move |source| StoreError::Json { doing, source }
}
