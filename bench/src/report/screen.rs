//! Lines as things happen, with a progress bar below them where there is a terminal.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Standard output.
#[derive(Debug)]
pub struct Screen {
    bar: Option<ProgressBar>,
}

/// The local time of day, to the millisecond: `12:00:01.234`.
#[must_use]
pub fn clock() -> String {
    jiff::Zoned::now().strftime("%H:%M:%S%.3f").to_string()
}

/// Prints a line. A reader who has gone (`| head`) is no reason to fail.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

impl Screen {
    /// A screen for a task of `steps`. The bar is shown only if standard output is a terminal.
    #[must_use]
    pub fn new(steps: u64) -> Self {
        if !std::io::stdout().is_terminal() {
            return Self { bar: None };
        }
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stdout());
        let style = ProgressStyle::with_template("  {bar:24} {pos}/{len} calls over  {wide_msg}");
        // The template is a constant; if indicatif should dislike it, its own style is fine.
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar: Some(bar) }
    }

    /// One line above the bar.
    pub fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => say(text),
        }
    }

    /// Steps done, and a few words on how it goes.
    pub fn progress(&self, done: u64, words: String) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(words);
        }
    }

    /// Takes the bar away.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
