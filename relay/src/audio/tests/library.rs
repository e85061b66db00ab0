//! The builtin clips, and folders of an operator: names, replaced clips, languages, and what is wrong with one.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::audio::{Library, LibraryError, MAX_FOLDER_ENTRIES, WavError};

/// A folder that goes when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("patchbay-sounds-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, file: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    fn load(&self) -> Result<Library, LibraryError> {
        Library::load(&self.0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A file of so many milliseconds, by which it is known again.
fn sound(milliseconds: usize) -> Vec<u8> {
    wav(7, 1, 8_000, 8, &vec![0x90; milliseconds * 8])
}

fn length(library: &Library, name: &str) -> Option<Duration> {
    library.get(name).map(|clip| clip.duration())
}

#[test]
fn the_builtin_clips_are_there_and_two_languages_are_complete() {
    let library = Library::builtin();
    assert_eq!(library.languages().collect::<Vec<_>>(), ["de", "en"]);
    for name in ["music", "chime", "pause", "en/goodbye", "de/1-and"] {
        assert!(library.get(name).is_some(), "{name}");
    }
    assert!(library.get("ringback").is_none());
    assert!(library.names().is_sorted());
}

#[test]
fn every_file_in_the_repository_is_compiled_in_and_they_are_not_too_many() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("audio");
    let library = Library::builtin();
    let mut bytes = 0;
    let mut files = Vec::new();
    for language in ["de", "en"] {
        let prompts = std::fs::read_to_string(folder.join(language).join("prompts.txt")).unwrap();
        let lines = prompts.lines().filter(|line| !line.starts_with('#'));
        let mut told: Vec<_> = lines
            .filter_map(|line| line.split_whitespace().next())
            .map(|name| format!("{language}/{name}"))
            .collect();
        told.sort();
        for entry in std::fs::read_dir(folder.join(language)).unwrap() {
            let path = entry.unwrap().path();
            bytes += path.metadata().unwrap().len();
            if path.extension().is_some_and(|ending| ending == "wav") {
                let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
                files.push(format!("{language}/{name}"));
            }
        }
        let mut made: Vec<_> = files
            .iter()
            .filter(|name| name.starts_with(language))
            .cloned()
            .collect();
        made.sort();
        assert_eq!(made, told, "scripts/make-prompts makes these");
    }
    files.sort();
    let known: Vec<_> = library.names().filter(|name| name.contains('/')).collect();
    assert_eq!(known, files);
    assert!(bytes < 700_000, "{bytes} bytes");
}

#[test]
fn files_are_named_by_their_paths_and_replace_builtin_clips() {
    let folder = Folder::new("names");
    folder.write("music.wav", &sound(50));
    folder.write("de/position.wav", &sound(60));
    folder.write("shop/sale/today.WAV", &sound(70));
    folder.write("notes.txt", b"not a sound");
    folder.write(".hidden/broken.wav", b"not a sound");
    let library = folder.load().unwrap();
    for (name, milliseconds) in [("music", 50), ("de/position", 60), ("shop/sale/today", 70)] {
        let expected = Some(Duration::from_millis(milliseconds));
        assert_eq!(length(&library, name), expected, "{name}");
    }
    let builtin = Library::builtin();
    assert_eq!(length(&library, "en/next"), length(&builtin, "en/next"));
    assert_eq!(library.names().count(), builtin.names().count() + 1);
    assert_eq!(library.languages().collect::<Vec<_>>(), ["de", "en"]);
}

#[test]
fn a_link_to_a_file_is_the_file() {
    let folder = Folder::new("link");
    let target = folder.write("..data/greeting", &sound(40));
    symlink(target, folder.0.join("greeting.wav")).unwrap();
    let library = folder.load().unwrap();
    let expected = Some(Duration::from_millis(40));
    assert_eq!(length(&library, "greeting"), expected);
}

#[test]
fn a_language_is_added_by_a_complete_folder() {
    let folder = Folder::new("language");
    let sentences = "position in-queue next more-than-99 wait minute minutes less-than-minute \
        more-than-hour thanks-for-waiting press-1-callback";
    let sentences = sentences.split_whitespace().map(str::to_owned);
    let numbers = (1..=20).chain((30..=90).step_by(10));
    for name in sentences.chain(numbers.map(|number: u32| number.to_string())) {
        folder.write(&format!("fr/{name}.wav"), &sound(10));
    }
    let library = folder.load().unwrap();
    assert_eq!(library.languages().collect::<Vec<_>>(), ["de", "en"]);
    assert_eq!(library.missing("fr"), ["goodbye"]);
    folder.write("fr/goodbye.wav", &sound(10));
    let library = folder.load().unwrap();
    assert_eq!(library.languages().collect::<Vec<_>>(), ["de", "en", "fr"]);
    // Without a word of its tens a number cannot be said.
    std::fs::remove_file(folder.0.join("fr/30.wav")).unwrap();
    let library = folder.load().unwrap();
    assert_eq!(library.missing("fr").len(), 10);
    assert!(!library.languages().any(|language| language == "fr"));
}

#[test]
fn a_bad_file_is_named_with_what_to_do() {
    let folder = Folder::new("bad");
    folder.write("good.wav", &sound(10));
    let bad = folder.write("de/bad.wav", &wav(0x55, 1, 8_000, 16, &[0; 64]));
    let error = folder.load().unwrap_err();
    let expected = format!(
        "{}: MP3 inside WAV: convert it with `ffmpeg -i in -ar 8000 -ac 1 out.wav`",
        bad.display()
    );
    assert_eq!(error.to_string(), expected);
    assert!(matches!(
        error,
        LibraryError::Bad {
            error: WavError::Codec(_),
            ..
        }
    ));
}

#[test]
fn folders_that_are_none_are_refused() {
    let folder = Folder::new("odd");
    let absent = Library::load(&folder.0.join("absent")).unwrap_err();
    assert!(matches!(absent, LibraryError::Unreadable { .. }));
    let text = absent.to_string();
    assert!(text.contains("absent") && text.contains("must be able to read it"));

    folder.write("one.wav", &sound(10));
    folder.write("one.WAV", &sound(10));
    assert!(matches!(folder.load(), Err(LibraryError::Twice(_))));
    std::fs::remove_file(folder.0.join("one.WAV")).unwrap();

    symlink("/dev/zero", folder.0.join("zero.wav")).unwrap();
    assert!(matches!(folder.load(), Err(LibraryError::NotAFile(_))));
    std::fs::remove_file(folder.0.join("zero.wav")).unwrap();

    symlink(&folder.0, folder.0.join("loop")).unwrap();
    assert!(matches!(folder.load(), Err(LibraryError::TooDeep(_))));
}

#[test]
fn a_name_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let folder = Folder::new("text");
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.wav");
    std::fs::write(folder.0.join(name), sound(10)).unwrap();
    assert!(matches!(folder.load(), Err(LibraryError::NotText(_))));
}

#[test]
fn folders_are_bounded() {
    let folder = Folder::new("many");
    for index in 0..4_097 {
        folder.write(&format!("{index}.wav"), &sound(1));
    }
    let error = folder.load().unwrap_err().to_string();
    assert!(error.contains("more than 4096 WAV files"), "{error}");
    for index in 0..MAX_FOLDER_ENTRIES {
        folder.write(&format!("{index}.txt"), b"");
    }
    let error = folder.load().unwrap_err().to_string();
    assert!(error.contains("more than 16384 files"), "{error}");
}

#[test]
fn the_memory_of_a_folder_is_bounded() {
    let folder = Folder::new("large");
    let longest = folder.write("0.wav", &sound(600_000));
    for index in 1..56 {
        symlink(&longest, folder.0.join(format!("{index}.wav"))).unwrap();
    }
    let error = folder.load().unwrap_err();
    assert!(matches!(error, LibraryError::TooLarge(_)), "{error}");
}
