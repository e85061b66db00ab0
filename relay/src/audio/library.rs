//! Clips by their names: those compiled in, and those of an operator's folder.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::say::MAX_NUMBER;
use super::{Clip, MAX_WAV_BYTES, WavError, music, prompts, read_wav};

/// The most WAV files of a folder.
pub const MAX_CLIPS: usize = 4_096;
/// The most memory that the clips of a folder take, in bytes: nine hours of sound.
pub const MAX_LIBRARY_BYTES: usize = 256 << 20;
/// How deep folders may stand in each other; a link that leads in a circle ends here.
pub const MAX_FOLDER_DEPTH: usize = 4;
/// The most files and folders of any kind that are looked at: what has more is not a folder of sounds.
pub const MAX_FOLDER_ENTRIES: usize = 16_384;

/// Why a folder of sounds is not taken, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// The folder or one of its files cannot be read.
    #[error("{}: {error}; the relay's user must be able to read it", path.display())]
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// A file is not a clip.
    #[error("{}: {error}", path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        error: WavError,
    },
    /// Something with the name of a WAV file is no file.
    #[error("{}: is not a file: remove it", .0.display())]
    NotAFile(PathBuf),
    /// A name that cannot be written in a configuration.
    #[error("{}: its name is not UTF-8 text: rename it", .0.display())]
    NotText(PathBuf),
    /// Two files differ in the case of `.wav` only.
    #[error("{}: there is another file for this clip: remove one", .0.display())]
    Twice(PathBuf),
    /// Deeper than [`MAX_FOLDER_DEPTH`].
    #[error("{}: deeper than {MAX_FOLDER_DEPTH} folders: does a link lead in a circle?", .0.display())]
    TooDeep(PathBuf),
    /// More than [`MAX_CLIPS`] or [`MAX_FOLDER_ENTRIES`].
    #[error("{}: the folder has more than {most} {what}: is it the right folder?", path.display())]
    TooMany {
        /// Where the count went over.
        path: PathBuf,
        /// The limit.
        most: usize,
        /// Of what.
        what: &'static str,
    },
    /// More than [`MAX_LIBRARY_BYTES`].
    #[error("{}: with it the sounds take more than {MAX_LIBRARY_BYTES} bytes: remove some", .0.display())]
    TooLarge(PathBuf),
}

/// Clips by their names, which are paths below the folder without `.wav`: `music`, `de/position`.
#[derive(Debug, Clone)]
pub struct Library {
    clips: BTreeMap<String, Arc<Clip>>,
    languages: BTreeSet<String>,
}

impl Library {
    /// The clips that are compiled in: `music`, `chime`, `pause`, and the prompts of English and German.
    #[must_use]
    pub fn builtin() -> Self {
        let made = [
            ("music", music::music()),
            ("chime", music::chime()),
            ("pause", music::pause()),
        ];
        // That each of them is a clip is what a test shows.
        let spoken = prompts::spoken().filter_map(|(name, wav)| Some((name, read_wav(wav).ok()?)));
        let clips = made.into_iter().chain(spoken);
        Self::of(
            clips
                .map(|(name, clip)| (name.to_owned(), Arc::new(clip)))
                .collect(),
        )
    }

    /// The builtin clips, and every `*.wav` below a folder, which takes the place of the builtin one of its name.
    /// What begins with a dot is passed over, and files of other kinds are. It reads files, and so belongs
    /// where a thread may wait.
    ///
    /// # Errors
    ///
    /// A [`LibraryError`] that names the first folder or file that cannot be read, is not a clip, or goes
    /// beyond a limit.
    pub fn load(dir: &Path) -> Result<Self, LibraryError> {
        let mut folder = Folder::default();
        folder.read(dir, "", 1)?;
        let mut clips = Self::builtin().clips;
        clips.append(&mut folder.clips);
        Ok(Self::of(clips))
    }

    fn of(clips: BTreeMap<String, Arc<Clip>>) -> Self {
        let mut library = Self {
            clips,
            languages: BTreeSet::new(),
        };
        let folders: BTreeSet<String> = library
            .names()
            .filter_map(|name| Some(name.split_once('/')?.0.to_owned()))
            .collect();
        library.languages = folders
            .into_iter()
            .filter(|folder| library.missing(folder).is_empty())
            .collect();
        library
    }

    /// The clip of a name, none if there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Clip>> {
        self.clips.get(name).cloned()
    }

    /// The names of all clips, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.clips.keys().map(String::as_str)
    }

    /// The languages whose prompts are complete, sorted: the folders that have every sentence and the words for
    /// 1 to 99.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.languages.iter().map(String::as_str)
    }

    /// What a language lacks to be complete: names of clips, without its own.
    #[must_use]
    pub fn missing(&self, language: &str) -> Vec<String> {
        let sentences = prompts::SENTENCES.iter().map(|&name| name.to_owned());
        let sentences =
            sentences.filter(|name| !self.clips.contains_key(&format!("{language}/{name}")));
        let numbers = (1..=MAX_NUMBER)
            .filter(|&number| self.number(language, number).is_none())
            .map(|number| number.to_string());
        sentences.chain(numbers).collect()
    }
}

/// What was read of a folder so far.
#[derive(Default)]
struct Folder {
    clips: BTreeMap<String, Arc<Clip>>,
    bytes: usize,
    entries: usize,
}

impl Folder {
    /// Reads a folder whose clips' names begin with `prefix`.
    fn read(&mut self, path: &Path, prefix: &str, depth: usize) -> Result<(), LibraryError> {
        if depth > MAX_FOLDER_DEPTH {
            return Err(LibraryError::TooDeep(path.to_owned()));
        }
        for path in self.sorted(path)? {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                return Err(LibraryError::NotText(path));
            };
            if name.starts_with('.') {
                continue;
            }
            let kind = std::fs::metadata(&path).map_err(|error| unreadable(&path, error))?;
            if kind.is_dir() {
                self.read(&path, &format!("{prefix}{name}/"), depth + 1)?;
            } else if let Some(name) = clip_name(name) {
                if !kind.is_file() {
                    return Err(LibraryError::NotAFile(path));
                }
                self.add(format!("{prefix}{name}"), &path)?;
            }
        }
        Ok(())
    }

    /// What is in a folder, in an order that does not depend on the file system: the first error is the same.
    fn sorted(&mut self, path: &Path) -> Result<Vec<PathBuf>, LibraryError> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(path).map_err(|error| unreadable(path, error))? {
            self.entries += 1;
            if self.entries > MAX_FOLDER_ENTRIES {
                return Err(LibraryError::TooMany {
                    path: path.to_owned(),
                    most: MAX_FOLDER_ENTRIES,
                    what: "files",
                });
            }
            found.push(entry.map_err(|error| unreadable(path, error))?.path());
        }
        found.sort();
        Ok(found)
    }

    fn add(&mut self, name: String, path: &Path) -> Result<(), LibraryError> {
        if self.clips.len() == MAX_CLIPS {
            return Err(LibraryError::TooMany {
                path: path.to_owned(),
                most: MAX_CLIPS,
                what: "WAV files",
            });
        }
        let clip = read_wav(&content(path)?).map_err(|error| LibraryError::Bad {
            path: path.to_owned(),
            error,
        })?;
        self.bytes += clip.samples().len();
        if self.bytes > MAX_LIBRARY_BYTES {
            return Err(LibraryError::TooLarge(path.to_owned()));
        }
        match self.clips.insert(name, Arc::new(clip)) {
            Some(_) => Err(LibraryError::Twice(path.to_owned())),
            None => Ok(()),
        }
    }
}

/// The file's bytes; of one that is too large just so many that [`read_wav`] says so.
fn content(path: &Path) -> Result<Vec<u8>, LibraryError> {
    let read = || {
        let file = std::fs::File::open(path)?;
        let mut bytes = Vec::new();
        file.take(MAX_WAV_BYTES as u64 + 1)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error| unreadable(path, error))
}

/// A file's name without `.wav`, none for other files.
fn clip_name(file: &str) -> Option<&str> {
    let (name, ending) = file.rsplit_once('.')?;
    ending.eq_ignore_ascii_case("wav").then_some(name)
}

fn unreadable(path: &Path, error: std::io::Error) -> LibraryError {
    LibraryError::Unreadable {
        path: path.to_owned(),
        error,
    }
}
