//! What is wrong with a file: where, what, and what to do about it.

use std::fmt;
use std::ops::Range;

use super::source::{Position, Source};

/// Whether a problem stops the file from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but probably not with the effect that was wanted.
    Warning,
}

/// One thing that is wrong, before it has a place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Bytes of the text that are meant; `None`: the value that was being read.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl Fault {
    /// A fault of the value that is being read.
    pub fn new(what: impl Into<String>, remedy: impl Into<String>) -> Fault {
        Fault {
            span: None,
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    /// The same fault at a given place.
    pub fn at(mut self, span: Range<usize>) -> Fault {
        self.span = Some(span);
        self
    }
}

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// Name of the file.
    pub file: String,
    /// Line and column.
    pub position: Position,
    /// The key, as `relay.threads` or `queue[2].id`; empty for the file as a whole.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
    line: String,
    width: usize,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.position;
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{}:{line}:{column}: {severity}: ", self.file)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        writeln!(f, "{}", self.what)?;
        let gutter = " ".repeat(line.to_string().len());
        if !self.line.trim().is_empty() {
            // Tabs are kept, so that the mark stands under the text whatever their width is.
            let margin: String = self
                .line
                .chars()
                .take(column - 1)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            writeln!(f, " {line} | {}", self.line)?;
            writeln!(f, " {gutter} | {margin}{}", "^".repeat(self.width))?;
        }
        write!(f, " {gutter} = {}", self.remedy)
    }
}

/// Everything that is wrong with one file, gathered while it is read.
#[derive(Debug)]
pub struct Report<'s> {
    source: &'s Source,
    problems: Vec<Problem>,
}

impl<'s> Report<'s> {
    /// An empty report about a text.
    pub fn new(source: &'s Source) -> Report<'s> {
        Report {
            source,
            problems: Vec::new(),
        }
    }

    /// Adds an error about `path` at `span`, or where the fault itself says.
    pub fn error(&mut self, path: impl Into<String>, span: Range<usize>, fault: Fault) {
        self.add(Severity::Error, path.into(), span, fault);
    }

    /// Adds a warning about `path` at `span`, or where the fault itself says.
    pub fn warning(&mut self, path: impl Into<String>, span: Range<usize>, fault: Fault) {
        self.add(Severity::Warning, path.into(), span, fault);
    }

    fn add(&mut self, severity: Severity, path: String, span: Range<usize>, fault: Fault) {
        let span = fault.span.unwrap_or(span);
        let (line, width) = self.source.line_at(&span);
        self.problems.push(Problem {
            severity,
            file: self.source.name().to_owned(),
            position: self.source.position(span.start),
            path,
            what: fault.what,
            remedy: fault.remedy,
            line: line.to_owned(),
            width,
        });
    }

    /// Whether an error has been found so far.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|p| p.severity == Severity::Error)
    }

    /// The problems in the order of the file.
    pub fn finish(self) -> Problems {
        let mut problems = self.problems;
        problems.sort_by(|a, b| (a.position, &a.path).cmp(&(b.position, &b.path)));
        problems.dedup();
        Problems(problems)
    }
}

/// All problems of a file, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// How many of them stop the file from being used.
    pub fn errors(&self) -> usize {
        self.count(Severity::Error)
    }

    /// How many of them are only warnings.
    pub fn warnings(&self) -> usize {
        self.count(Severity::Warning)
    }

    fn count(&self, severity: Severity) -> usize {
        self.0.iter().filter(|p| p.severity == severity).count()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                write!(f, "\n\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The candidate that `word` was most likely meant to be, if one is near enough to be worth saying.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let furthest = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= furthest)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits between two words: a letter added, removed, replaced, or two neighbours exchanged count one.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.to_lowercase().chars().collect();
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut rows = vec![vec![0_usize; right.len() + 1]; left.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=left.len() {
        for j in 1..=right.len() {
            let replaced = usize::from(left[i - 1] != right[j - 1]);
            let mut best = (rows[i - 1][j] + 1)
                .min(rows[i][j - 1] + 1)
                .min(rows[i - 1][j - 1] + replaced);
            let exchanged =
                i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
            if exchanged {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_guessed_only_when_it_is_near() {
        let keys = ["threads", "media_ports", "listen", "api"];
        assert_eq!(nearest("thread", keys), Some("threads"));
        assert_eq!(nearest("lsiten", keys), Some("listen"));
        assert_eq!(nearest("media-ports", keys), Some("media_ports"));
        assert_eq!(nearest("colour", keys), None);
        assert_eq!(nearest("", keys), None);
    }

    #[test]
    fn a_problem_shows_its_line_and_the_remedy() {
        let source = Source::new("patchbay.toml", "a = 1\n\tthreads = 0\n");
        let mut report = Report::new(&source);
        report.error(
            "relay.threads",
            17..18,
            Fault::new("0 is too few", "give 1 to 64"),
        );
        let problems = report.finish();
        assert_eq!(problems.errors(), 1);
        assert_eq!(
            problems.to_string(),
            "patchbay.toml:2:12: error: relay.threads: 0 is too few\n \
             2 | \tthreads = 0\n   | \t          ^\n   = give 1 to 64"
        );
    }
}
