//! The secret that relay and control share: it signs transfers and opens the relay's private API.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use patchbay_control::store::secret::{self, SecretError};

/// Name of the file in the data directory unless `[link] secret_file` says otherwise.
pub const SECRET_FILE: &str = "link-secret";

/// Reads the link secret of a host that runs both halves; the first start creates it.
///
/// # Errors
/// If the file cannot be read or created, or others may read it.
pub fn read_or_create(file: &Path) -> Result<String> {
    Ok(secret::read_or_create(file)?)
}

/// Reads the link secret of a host that runs one half: it must have been put there.
///
/// # Errors
/// As above; a missing file is explained.
pub fn read(file: &Path) -> Result<String> {
    secret::read(file).or_else(|error| match error {
        SecretError::Missing(path) => {
            Err(SecretError::Missing(path.clone())).context(missing(path))
        }
        other => Err(other.into()),
    })
}

fn missing(file: PathBuf) -> String {
    let file = file.display();
    format!(
        "relay and control need the same link secret, and {file} does not exist.\n\
         Create it once:\n    \
         (umask 077; head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \\n' > {file})\n\
         then copy it to the same place on the other hosts, mode 0600, owned by the user of the service; \
         or name another file as [link] secret_file"
    )
}
