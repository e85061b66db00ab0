//! Opening the store: the directory, the lock, the file's mode, the schema.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::error::while_doing;
use super::priority;
use super::rows::Stories;
use super::{DEFAULT_EVENTS_KEPT, Inner, Store, StoreError, Writer, unsigned};

/// Name of the database in the data directory.
pub const DATABASE_FILE: &str = "patchbay.db";
const LOCK_FILE: &str = "lock";

/// Connections for reading; further readers wait for one.
const READERS: u32 = 4;
/// How long a statement waits for another process that has the database locked, such as a backup.
const BUSY: Duration = Duration::from_secs(5);

/// Pages of 4 KiB in the write-ahead log before they are written to the file: pages that change often
/// are written once for all their changes.
const CHECKPOINT_PAGES: &str = "4000";

/// SQLite's codes for a damaged file, primary ones (<https://sqlite.org/rescode.html>).
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_NOTADB: u32 = 26;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

impl Store {
    /// Opens the store in a data directory, which is created with mode 0700 if it is missing; the
    /// database gets mode 0600. Only one process can have it open.
    ///
    /// # Errors
    /// [`StoreError`], each with what to do.
    pub async fn open(data: &Path) -> Result<Store, StoreError> {
        Store::open_with(data, DEFAULT_EVENTS_KEPT).await
    }

    /// As [`Store::open`], keeping the last `events_kept` events.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_with(data: &Path, events_kept: u64) -> Result<Store, StoreError> {
        let lock = prepare(data)?;
        let path = data.join(DATABASE_FILE);
        create_private(&path)?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal)
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            .busy_timeout(BUSY);
        let durable = options.clone().synchronous(SqliteSynchronous::Full);
        let durable = pool(durable, 1, &path).await?;
        migrate(&durable, &path).await?;
        let swift = options.clone().synchronous(SqliteSynchronous::Normal);
        let swift = pool(swift, 1, &path).await?;
        let readers = pool(options.pragma("query_only", "ON"), READERS, &path).await?;
        finish([durable, swift, readers], events_kept, Some(lock)).await
    }

    /// A store that is gone with its last copy, for tests and for trying things out.
    ///
    /// # Errors
    /// [`StoreError::Database`] if SQLite has no memory.
    pub async fn in_memory() -> Result<Store, StoreError> {
        let path = PathBuf::from(":memory:");
        let options = SqliteConnectOptions::new().in_memory(true);
        // Every connection to `:memory:` is a database of its own, so there is one.
        let only = pool(options, 1, &path).await?;
        migrate(&only, &path).await?;
        let pools = [only.clone(), only.clone(), only];
        finish(pools, DEFAULT_EVENTS_KEPT, None).await
    }
}

async fn finish(
    [durable, swift, readers]: [SqlitePool; 3],
    events_kept: u64,
    lock: Option<File>,
) -> Result<Store, StoreError> {
    let (first, last): (Option<i64>, Option<i64>) =
        sqlx::query_as("SELECT MIN(cursor), MAX(cursor) FROM event")
            .fetch_one(&durable)
            .await
            .map_err(while_doing("find the last event"))?;
    let writer = Writer {
        last_cursor: last.map_or(0, unsigned),
        pruned_to: first.map_or(0, |first| unsigned(first - 1)),
        stories: Stories::default(),
    };
    Ok(Store {
        inner: Arc::new(Inner {
            durable,
            swift,
            readers,
            writing: tokio::sync::Mutex::new(writer),
            events_kept: events_kept.max(1),
            unreadable: AtomicU64::new(0),
            _lock: lock,
        }),
    })
}

/// Makes the directory and takes its lock. A directory that is already there keeps its mode: it may
/// be shared, and the files in it are private by themselves.
fn prepare(data: &Path) -> Result<File, StoreError> {
    let unusable = |path: &Path, source| StoreError::Unusable {
        path: path.to_owned(),
        source,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .map_err(|source| unusable(data, source))?;
    let path = data.join(LOCK_FILE);
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|source| unusable(&path, source))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
            path: data.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(unusable(&path, source)),
    }
}

/// The file is made before SQLite opens it, so that it is never readable for others; SQLite gives
/// its -wal and -shm files the same mode.
fn create_private(path: &Path) -> Result<(), StoreError> {
    let private = || {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(path)?;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
        Ok(())
    };
    private().map_err(|source| StoreError::Unusable {
        path: path.to_owned(),
        source,
    })
}

async fn pool(
    options: SqliteConnectOptions,
    connections: u32,
    path: &Path,
) -> Result<SqlitePool, StoreError> {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        // A connection that goes away takes a database in memory with it; one that is being tried when
        // its request is given up goes away too, and a file needs no trying.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(|_, _| {
            // Each connection has a thread of its own.
            priority::give_way();
            Box::pin(std::future::ready(Ok(())))
        })
        .connect_with(options.thread_name(priority::name))
        .await
        .map_err(|error| opening(path, error))
}

async fn migrate(pool: &SqlitePool, path: &Path) -> Result<(), StoreError> {
    let known = MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0);
    let path = || path.to_owned();
    MIGRATIONS.run(pool).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) if found > known => StoreError::Newer {
            path: path(),
            found,
            known,
        },
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            opening(&path(), error)
        }
        other => StoreError::Altered {
            path: path(),
            detail: other.to_string(),
        },
    })
}

/// An error of SQLite while opening, told apart by its code.
fn opening(path: &Path, error: sqlx::Error) -> StoreError {
    let code = match &error {
        sqlx::Error::Database(error) => error.code().and_then(|code| code.parse::<u32>().ok()),
        _ => None,
    };
    // Extended codes carry the primary one in their lowest byte.
    match code.map(|code| code & 0xff) {
        Some(SQLITE_CORRUPT | SQLITE_NOTADB) => StoreError::Damaged {
            path: path.to_owned(),
            detail: error.to_string(),
        },
        _ => StoreError::Database {
            doing: "open the database",
            source: error,
        },
    }
}
