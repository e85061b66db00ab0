//! The last lines that a process wrote, to say why it ended.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// Lines that are kept.
const LINES: usize = 8;
/// Bytes of a line that are kept; a longer one counts as several.
const LINE_BYTES: u64 = 400;

/// What a process writes to its standard error.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail {
    lines: Arc<Mutex<VecDeque<String>>>,
    /// Lines with this in them are counted.
    counted: Option<&'static str>,
    count: Arc<AtomicU64>,
}

impl Tail {
    /// One that counts the lines with `text` in them.
    pub fn counting(text: &'static str) -> Self {
        Self {
            counted: Some(text),
            ..Self::default()
        }
    }

    /// Reads until the process closes its end, on a thread of its own.
    pub fn follow(&self, stream: impl Read + Send + 'static) -> std::io::Result<()> {
        let tail = self.clone();
        std::thread::Builder::new()
            .name("bench-tail".to_owned())
            .spawn(move || tail.read(stream))
            .map(drop)
    }

    fn read(&self, stream: impl Read) {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while let Ok(1..) = (&mut stream).take(LINE_BYTES).read_until(b'\n', &mut line) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            if self.counted.is_some_and(|counted| text.contains(counted)) {
                self.count.fetch_add(1, Relaxed);
            }
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() == LINES {
                lines.pop_front();
            }
            lines.push_back(text);
        }
    }

    /// How many lines were counted.
    pub fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    /// The last lines as one.
    pub fn text(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        lines.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept() {
        let tail = Tail::counting("line 1");
        let written: String = (0..20).map(|n| format!("line {n}\n")).collect();
        tail.read(written.as_bytes());
        assert_eq!(
            tail.text(),
            "line 12; line 13; line 14; line 15; line 16; line 17; line 18; line 19"
        );
        assert_eq!(tail.count(), 11);
        let tail = Tail::default();
        tail.read([b'x'; 1000].as_slice());
        let lengths: Vec<usize> = tail.text().split("; ").map(str::len).collect();
        assert_eq!(lengths, [400, 400, 200]);
    }
}
