//! A plan under way, for whoever waits.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::plan::Audience;
use crate::dialler::Progress;
use crate::report::say;

/// Lines as runs finish, with a bar below them where there is a terminal.
#[derive(Debug, Default)]
pub struct Screen {
    bar: Option<ProgressBar>,
    what: String,
}

impl Screen {
    /// With a bar if standard output is a terminal.
    #[must_use]
    pub fn new() -> Self {
        let bar = std::io::stdout().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stdout());
            let style = ProgressStyle::with_template("  {bar:24} {pos}/{len}  {wide_msg}");
            // The template is a constant; if indicatif should dislike it, its own style is fine.
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self {
            bar,
            what: String::new(),
        }
    }
}

impl Audience for Screen {
    fn begins(&mut self, what: &str, number: usize, of: usize) {
        what.clone_into(&mut self.what);
        if let Some(bar) = &self.bar {
            bar.set_length(of as u64);
            bar.set_position(number.saturating_sub(1) as u64);
            bar.set_message(self.what.clone());
        }
    }

    fn far(&mut self, progress: Progress) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!(
                "{}: {} placed, {} over, {} failed",
                self.what, progress.placed, progress.over, progress.failed
            ));
        }
    }

    fn line(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => say(text),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
