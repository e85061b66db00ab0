//! The file by which a relay process leaves its calls to the next one.

use crate::session::{HAND_OVER_VERSION, HandOver};
use serde::Deserialize;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Largest file that is read, in bytes: a call takes about 3 KB.
pub const MAX_HAND_OVER_BYTES: u64 = 256 * 1024 * 1024;
/// Ends the name of a file that is being written.
const UNFINISHED: &str = ".new";
/// Ends the name of a file that could not be read.
const BAD: &str = ".bad";

/// Calls cannot be left, or cannot be taken over.
#[derive(Debug, Error)]
pub enum HandOverError {
    /// The file cannot be written, read or removed.
    #[error("{path}: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// It is longer than [`MAX_HAND_OVER_BYTES`].
    #[error("{path} is longer than {MAX_HAND_OVER_BYTES} bytes")]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// Another version wrote it, in a form that this one does not know.
    #[error("{path} has version {found}, and this relay takes over version {HAND_OVER_VERSION}")]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: u32,
    },
    /// It makes no sense.
    #[error("{path}: {cause}")]
    Content {
        /// The file.
        path: PathBuf,
        /// Where and why.
        cause: serde_json::Error,
    },
}

/// Writes the file: whole and on disk, or not at all. Nobody but its owner may read it.
///
/// # Errors
/// [`HandOverError::File`] or, if it cannot be put into words, [`HandOverError::Content`].
pub fn write(path: &Path, state: &HandOver) -> Result<(), HandOverError> {
    let bytes = serde_json::to_vec(state).map_err(|cause| HandOverError::Content {
        path: path.to_owned(),
        cause,
    })?;
    let unfinished = with_end(path, UNFINISHED);
    let written = || -> io::Result<()> {
        // What a process left that died over it, perhaps with other permissions.
        remove_if_there(&unfinished)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        sync_folder(path)
    };
    written().map_err(failed(path))
}

/// Reads the file and removes it, so that no call is ever taken over twice; none if there is none.
/// One that cannot be read is put aside, with `.bad` at the end of its name.
///
/// # Errors
/// [`HandOverError`]; nothing may be taken over then.
pub fn take(path: &Path) -> Result<Option<HandOver>, HandOverError> {
    match read(path) {
        Ok(None) => Ok(None),
        Ok(Some(state)) => {
            fs::remove_file(path)
                .and_then(|()| sync_folder(path))
                .map_err(failed(path))?;
            Ok(Some(state))
        }
        Err(error) => {
            fs::rename(path, with_end(path, BAD)).map_err(failed(path))?;
            Err(error)
        }
    }
}

fn read(path: &Path) -> Result<Option<HandOver>, HandOverError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path)(error)),
    };
    let mut bytes = Vec::new();
    let mut limited = file.take(MAX_HAND_OVER_BYTES + 1);
    limited.read_to_end(&mut bytes).map_err(failed(path))?;
    if bytes.len() as u64 > MAX_HAND_OVER_BYTES {
        let path = path.to_owned();
        return Err(HandOverError::TooLong { path });
    }
    parse(path, &bytes).map(Some)
}

/// What every version says.
#[derive(Deserialize)]
struct Head {
    version: u32,
}

fn parse(path: &Path, bytes: &[u8]) -> Result<HandOver, HandOverError> {
    let bad = |cause| HandOverError::Content {
        path: path.to_owned(),
        cause,
    };
    let head: Head = serde_json::from_slice(bytes).map_err(bad)?;
    if head.version != HAND_OVER_VERSION {
        return Err(HandOverError::Version {
            path: path.to_owned(),
            found: head.version,
        });
    }
    serde_json::from_slice(bytes).map_err(bad)
}

fn failed(path: &Path) -> impl Fn(io::Error) -> HandOverError {
    let path = path.to_owned();
    move |cause| HandOverError::File {
        path: path.clone(),
        cause,
    }
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A name is on disk once its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if folder != Path::new("") => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A file name in a folder of its own, which goes away at the end.
    struct Place(PathBuf);

    impl Place {
        fn new() -> Place {
            static NUMBER: AtomicU32 = AtomicU32::new(0);
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!("patchbay-hand-over-{}-{number}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            fs::create_dir(&folder).unwrap();
            Place(folder)
        }

        fn file(&self) -> PathBuf {
            self.0.join("hand-over.json")
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name());
            names.map(|name| name.into_string().unwrap()).collect()
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn state() -> HandOver {
        HandOver {
            version: HAND_OVER_VERSION,
            written_unix_ms: 17,
            sessions: Vec::new(),
            transfers: Vec::new(),
        }
    }

    #[test]
    fn it_is_private_and_taken_once() {
        let place = Place::new();
        let file = place.file();
        assert!(take(&file).unwrap().is_none());
        fs::write(with_end(&file, UNFINISHED), "half").unwrap();
        write(&file, &state()).unwrap();
        write(&file, &state()).unwrap();
        assert_eq!(place.names(), ["hand-over.json"]);
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(take(&file).unwrap().unwrap().written_unix_ms, 17);
        assert!(place.names().is_empty());
        assert!(take(&file).unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_read_is_put_aside() {
        let place = Place::new();
        let file = place.file();
        for text in ["", "{}", "[1]", "{\"version\":1}", "{\"version\":-1}"] {
            fs::write(&file, text).unwrap();
            assert!(matches!(take(&file), Err(HandOverError::Content { .. })));
            assert_eq!(place.names(), ["hand-over.json.bad"], "{text}");
        }
        fs::write(&file, "{\"version\":2,\"calls\":[]}").unwrap();
        let refused = take(&file);
        assert!(matches!(
            refused,
            Err(HandOverError::Version { found: 2, .. })
        ));
        assert!(take(&file).unwrap().is_none());
    }

    #[test]
    fn what_is_too_long_is_not_read() {
        let place = Place::new();
        let file = place.file();
        File::create(&file)
            .unwrap()
            .set_len(MAX_HAND_OVER_BYTES + 1)
            .unwrap();
        assert!(matches!(take(&file), Err(HandOverError::TooLong { .. })));
        assert_eq!(place.names(), ["hand-over.json.bad"]);
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let file = Path::new("/nowhere/at/all/hand-over.json");
        assert!(matches!(
            write(file, &state()),
            Err(HandOverError::File { .. })
        ));
    }
}
