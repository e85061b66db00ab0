//! Colours, where there is someone to see them.

use std::io::IsTerminal;

/// Paints words on a terminal, and leaves them plain elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// Colours on standard output: only on a terminal, and not if `NO_COLOR` is set to anything
    /// (no-color.org) or `TERM` is `dumb`.
    #[must_use]
    pub fn stdout() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            on: std::io::stdout().is_terminal() && !unwanted && !dumb,
        }
    }

    /// No colours.
    #[must_use]
    pub const fn plain() -> Self {
        Self { on: false }
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Good.
    #[must_use]
    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// Worth a look.
    #[must_use]
    pub fn notable(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// Bad.
    #[must_use]
    pub fn bad(self, text: &str) -> String {
        self.wrap("31;1", text)
    }

    /// Less important.
    #[must_use]
    pub fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// More important.
    #[must_use]
    pub fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }
}
