//! A plan under way, for whoever waits: a line for each finished run, a bar with the time left.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::table::{run_line, tried_line};
use super::words::whole;
use crate::packets::Progress;
use crate::packets::plan::{Estimate, Figures, Highest, Wanted, Watcher};
use crate::report::{Paint, say};

/// How often a bar is drawn anew, so that the clock in it goes on.
const TICK: Duration = Duration::from_millis(500);

/// Tells how far a plan is, on standard output.
#[derive(Debug)]
pub struct Screen {
    paint: Paint,
    bar: Option<ProgressBar>,
    started: Instant,
    all: Estimate,
    left: Estimate,
    current: String,
    seconds: f64,
}

impl Screen {
    /// For a plan that takes so long. The bar is shown only if standard output is a terminal.
    #[must_use]
    pub fn new(all: Estimate, paint: Paint) -> Self {
        let bar = std::io::stdout().is_terminal().then(|| bar(all));
        Self {
            paint,
            bar,
            started: Instant::now(),
            all,
            left: all,
            current: String::new(),
            seconds: 0.0,
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => say(text),
        }
    }

    /// What is left, by how fast it went so far.
    fn time_left(&self) -> Estimate {
        let done = self.all.seconds - self.left.seconds;
        let slower = if done > 10.0 {
            (self.started.elapsed().as_secs_f64() / done).clamp(0.3, 5.0)
        } else {
            1.0
        };
        Estimate {
            seconds: self.left.seconds * slower,
            ..self.left
        }
    }

    fn show(&self, into_run: f64, words: &str) {
        if let Some(bar) = &self.bar {
            let done = self.all.seconds - self.left.seconds + into_run.min(self.seconds);
            let all = self.all.seconds.max(done + self.left.seconds);
            bar.set_length((all * 1000.0) as u64);
            bar.set_position((done.max(0.0) * 1000.0) as u64);
            bar.set_message(format!(
                "{} left · {}{words}",
                self.time_left(),
                self.current
            ));
        }
    }
}

fn bar(all: Estimate) -> ProgressBar {
    let target = ProgressDrawTarget::stdout();
    let bar = ProgressBar::with_draw_target(Some((all.seconds * 1000.0) as u64), target);
    let style = ProgressStyle::with_template("  {bar:24} {percent:>3} %  {wide_msg}");
    // The template is a constant; if indicatif should dislike it, its own style is fine.
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(TICK);
    bar
}

impl Watcher for Screen {
    fn begins(&mut self, wanted: &Wanted, left: Estimate) {
        self.left = left;
        self.seconds = wanted.seconds;
        self.current = format!(
            "{} at {} calls, {} packets/s",
            wanted.contender,
            whole(wanted.calls as f64),
            whole(wanted.packets_per_s as f64)
        );
        self.show(0.0, "");
    }

    fn far(&mut self, progress: Progress) {
        let words = if progress.sent > 0 {
            format!(
                ": {} sent, {} delivered",
                whole(progress.sent as f64),
                whole(progress.delivered as f64)
            )
        } else {
            format!(": {} calls open", whole(progress.calls as f64))
        };
        self.show(progress.elapsed.as_secs_f64(), &words);
    }

    fn tried(&mut self, figures: &Figures) {
        self.line(&tried_line(figures, self.paint));
    }

    fn over(&mut self, figures: &Figures) {
        self.line(&run_line(figures, self.paint));
    }

    fn found(&mut self, highest: &Highest) {
        let limit = if highest.generator_limited {
            ", the generator's limit"
        } else {
            ""
        };
        let line = format!(
            "  {:>6} calls  {} carries {} packets/s{limit}",
            whole(highest.calls as f64),
            highest.contender,
            whole(highest.packets_per_s as f64)
        );
        self.line(&self.paint.strong(&line));
    }

    fn says(&mut self, text: &str) {
        self.line(&self.paint.notable(&format!("  {text}")));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
