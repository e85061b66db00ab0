//! Where a configuration comes from: its text, its name, and what the process was started with.
//!
//! Reading a configuration asks nothing of the process it runs in, so the same text gives the same
//! answer in a test and on a host.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// One configuration text and the name to use for it in messages.
#[derive(Debug, Clone)]
pub struct Source {
    name: String,
    text: String,
}

/// A place in a text, as people count: from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, the first is 1.
    pub line: usize,
    /// Column in characters, the first is 1.
    pub column: usize,
}

impl Source {
    /// A text that is called `name` in messages; `name` is also what relative paths start from.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Source {
        Source {
            name: name.into(),
            text: text.into(),
        }
    }

    /// A configuration without a file: every value is its default.
    pub fn empty() -> Source {
        Source::new("defaults", "")
    }

    /// The name used in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text itself.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte offset; an offset behind the end counts as the end.
    pub fn position(&self, offset: usize) -> Position {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or("").chars().count();
        Position {
            line: before.matches('\n').count() + 1,
            column: column + 1,
        }
    }

    /// The line that holds a byte offset, without its end, and how many characters of `span` are on it.
    pub fn line_at(&self, span: &Range<usize>) -> (&str, usize) {
        let number = self.position(span.start).line;
        let line = self.text.lines().nth(number - 1).unwrap_or("");
        let marked = self.text.get(span.clone()).unwrap_or("");
        let width = marked.lines().next().unwrap_or("").chars().count();
        (line, width.max(1))
    }

    /// `path` as the file means it: a relative one starts at the folder of the file.
    pub fn resolve(&self, path: &str) -> PathBuf {
        let folder = Path::new(&self.name).parent().unwrap_or(Path::new(""));
        folder.join(path)
    }
}

/// What the environment says about where state is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// `$STATE_DIRECTORY`, which systemd sets for a unit with `StateDirectory=`.
    pub state_directory: Option<String>,
    /// `$XDG_STATE_HOME`.
    pub xdg_state_home: Option<String>,
    /// `$HOME`.
    pub home: Option<String>,
    /// Whether the process runs as root.
    pub root: bool,
}

/// Where a system service keeps its state when nothing else is said.
pub const SYSTEM_DATA: &str = "/var/lib/patchbay";

/// What is used when there is neither a home nor any other hint.
const LAST_RESORT_DATA: &str = "patchbay-data";

impl Environment {
    /// What this process was started with.
    pub fn of_process() -> Environment {
        let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Environment {
            state_directory: read("STATE_DIRECTORY"),
            xdg_state_home: read("XDG_STATE_HOME"),
            home: read("HOME"),
            root: is_root(),
        }
    }

    /// The data directory when neither `--data` nor the file names one: systemd's state directory,
    /// `/var/lib/patchbay` for root, else the user's state directory.
    pub fn default_data(&self) -> PathBuf {
        if let Some(first) = self
            .state_directory
            .as_deref()
            .and_then(|list| list.split(':').next())
            .filter(|first| !first.is_empty())
        {
            return PathBuf::from(first);
        }
        if self.root {
            return PathBuf::from(SYSTEM_DATA);
        }
        // The XDG specification says that a relative path is to be ignored.
        if let Some(state) = self.xdg_state_home.as_deref().map(Path::new)
            && state.is_absolute()
        {
            return state.join("patchbay");
        }
        match &self.home {
            Some(home) => Path::new(home).join(".local/state/patchbay"),
            None => PathBuf::from(LAST_RESORT_DATA),
        }
    }
}

/// The owner of `/proc/self` is the user whom the process runs as.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|entry| entry.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_counted_in_characters_from_one() {
        let source = Source::new("a", "über = 1\nzwei = ü2\n");
        let at = source.text().find("2").unwrap_or(0);
        assert_eq!(source.position(0), Position { line: 1, column: 1 });
        assert_eq!(source.position(at), Position { line: 2, column: 9 });
        assert_eq!(source.position(9_999).line, 3);
        assert_eq!(source.line_at(&(at..at + 1)), ("zwei = ü2", 1));
    }

    #[test]
    fn the_data_directory_follows_systemd_then_root_then_the_user() {
        let mut environment = Environment {
            state_directory: Some("/var/lib/a:/var/lib/b".into()),
            xdg_state_home: Some("/s".into()),
            home: Some("/home/u".into()),
            root: true,
        };
        assert_eq!(environment.default_data(), Path::new("/var/lib/a"));
        environment.state_directory = None;
        assert_eq!(environment.default_data(), Path::new(SYSTEM_DATA));
        environment.root = false;
        assert_eq!(environment.default_data(), Path::new("/s/patchbay"));
        environment.xdg_state_home = Some("relative".into());
        let home = Path::new("/home/u/.local/state/patchbay");
        assert_eq!(environment.default_data(), home);
        environment.home = None;
        assert_eq!(environment.default_data(), Path::new(LAST_RESORT_DATA));
    }

    #[test]
    fn relative_paths_start_at_the_folder_of_the_file() {
        let source = Source::new("/etc/patchbay/patchbay.toml", "");
        assert_eq!(source.resolve("secret"), Path::new("/etc/patchbay/secret"));
        assert_eq!(source.resolve("/run/secret"), Path::new("/run/secret"));
        assert_eq!(
            Source::new("patchbay.toml", "").resolve("s"),
            Path::new("s")
        );
    }
}
