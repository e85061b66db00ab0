//! Secrets in files: read, or made at the first start. Never readable for others.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Random bytes of a secret that is made here; it is written as twice as many hexadecimal digits.
const SECRET_BYTES: usize = 32;
/// Shortest secret accepted, in characters.
pub const MIN_SECRET_CHARS: usize = 16;
/// Longest secret accepted, in characters.
pub const MAX_SECRET_CHARS: usize = 1_024;

/// Why there is no secret.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The file does not exist.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// The file cannot be read or made.
    #[error("cannot use {}: {source}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Others than its owner may read or write it.
    #[error("{path} has mode {mode:04o}: others can read this secret; run: chmod 600 {path}", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Its content is no secret.
    #[error(
        "{} does not hold a secret: it needs {MIN_SECRET_CHARS} to {MAX_SECRET_CHARS} visible \
         ASCII characters on one line; remove the file to have a new one made",
        .0.display()
    )]
    Malformed(PathBuf),
    /// The kernel gave no random bytes.
    #[error("the kernel gave no random bytes: {0}")]
    Random(getrandom::Error),
}

/// Reads a secret.
///
/// # Errors
/// [`SecretError`], [`SecretError::Missing`] if there is no file.
pub fn read(path: &Path) -> Result<String, SecretError> {
    let unusable = |source| SecretError::Unusable {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => SecretError::Missing(path.to_owned()),
        _ => unusable(error),
    })?;
    let mode = file.metadata().map_err(unusable)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SecretError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = String::new();
    let longest = MAX_SECRET_CHARS as u64 + 2;
    file.take(longest)
        .read_to_string(&mut text)
        .map_err(unusable)?;
    let secret = text.trim();
    let lengths = MIN_SECRET_CHARS..=MAX_SECRET_CHARS;
    match lengths.contains(&secret.len()) && secret.bytes().all(|b| b.is_ascii_graphic()) {
        true => Ok(secret.to_owned()),
        false => Err(SecretError::Malformed(path.to_owned())),
    }
}

/// Reads a secret, or makes one of 256 random bits and keeps it with mode 0600.
///
/// # Errors
/// [`SecretError`].
pub fn read_or_create(path: &Path) -> Result<String, SecretError> {
    match read(path) {
        Err(SecretError::Missing(_)) => create(path)?,
        other => return other,
    }
    read(path)
}

/// The file appears whole or not at all, and the one who comes second uses the first one's.
fn create(path: &Path) -> Result<(), SecretError> {
    let mut random = [0_u8; SECRET_BYTES];
    getrandom::fill(&mut random).map_err(SecretError::Random)?;
    let secret: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let write = || {
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
        }
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(format!(".{}", std::process::id()));
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&unfinished)?;
        writeln!(file, "{secret}")?;
        file.sync_all()?;
        let linked = std::fs::hard_link(&unfinished, path);
        std::fs::remove_file(&unfinished)?;
        match linked {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    };
    write().map_err(|source| SecretError::Unusable {
        path: path.to_owned(),
        source,
    })
}
