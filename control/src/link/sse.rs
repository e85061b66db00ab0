//! Reading a stream of server-sent events (WHATWG HTML, section 9.2) from byte chunks.

use std::collections::VecDeque;

use thiserror::Error;

/// Longest line of an event stream, in bytes.
pub const MAX_LINE_BYTES: usize = 256 * 1024;

/// Longest data of one event, in bytes.
pub const MAX_EVENT_BYTES: usize = 1024 * 1024;

/// Why a stream cannot be read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SseError {
    /// A line is longer than [`MAX_LINE_BYTES`].
    #[error("a line of the event stream is too long")]
    LineTooLong,
    /// The data of one event is longer than [`MAX_EVENT_BYTES`].
    #[error("an event of the stream is too long")]
    EventTooLong,
    /// A line is not UTF-8.
    #[error("the event stream is not UTF-8")]
    NotText,
}

/// Cuts chunks into events and keeps what is not complete yet.
#[derive(Debug, Default)]
pub struct SseReader {
    line: Vec<u8>,
    after_cr: bool,
    data: String,
    has_data: bool,
    events: VecDeque<String>,
}

impl SseReader {
    /// Takes a chunk. Complete events can be fetched with [`SseReader::next_data`] afterwards.
    ///
    /// # Errors
    /// [`SseError`]; the stream must be closed then.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), SseError> {
        let mut rest = chunk;
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (part, after) = rest.split_at(end);
            self.lengthen(part)?;
            let is_cr = after.first() == Some(&b'\r');
            // A line feed right behind a carriage return ends no line of its own.
            let after_cr = std::mem::replace(&mut self.after_cr, is_cr);
            if is_cr || !after_cr || !part.is_empty() {
                self.end_line()?;
            }
            rest = after.get(1..).unwrap_or_default();
        }
        self.after_cr &= rest.is_empty();
        self.lengthen(rest)
    }

    fn lengthen(&mut self, part: &[u8]) -> Result<(), SseError> {
        if self.line.len() + part.len() > MAX_LINE_BYTES {
            return Err(SseError::LineTooLong);
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    /// The data of the next complete event.
    pub fn next_data(&mut self) -> Option<String> {
        self.events.pop_front()
    }

    fn end_line(&mut self) -> Result<(), SseError> {
        let line = std::str::from_utf8(&self.line).map_err(|_| SseError::NotText)?;
        if line.is_empty() {
            if std::mem::take(&mut self.has_data) {
                self.events.push_back(std::mem::take(&mut self.data));
            }
            return Ok(());
        }
        if let Some(value) = data_of(line) {
            if self.data.len() + value.len() >= MAX_EVENT_BYTES {
                return Err(SseError::EventTooLong);
            }
            if self.has_data {
                self.data.push('\n');
            }
            self.data.push_str(value);
            self.has_data = true;
        }
        self.line.clear();
        Ok(())
    }
}

/// The value of a data field. Other fields (event, id, retry) and comments carry nothing that is needed
/// here: the cursor is part of the data.
fn data_of(line: &str) -> Option<&str> {
    let value = line.strip_prefix("data")?;
    match value.strip_prefix(':') {
        Some(value) => Some(value.strip_prefix(' ').unwrap_or(value)),
        None => value.is_empty().then_some(""),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(chunks: &[&str]) -> Vec<String> {
        let mut reader = SseReader::default();
        let mut all = Vec::new();
        for chunk in chunks {
            reader.push(chunk.as_bytes()).unwrap();
            while let Some(data) = reader.next_data() {
                all.push(data);
            }
        }
        all
    }

    #[test]
    fn events_are_read_however_they_are_cut() {
        let stream =
            "id: 1\ndata: {\"a\":1}\n\n: keep-alive\n\ndata:x\r\ndata: y\r\n\r\nevent: z\n\n";
        let expected = vec!["{\"a\":1}".to_owned(), "x\ny".to_owned()];
        assert_eq!(read(&[stream]), expected);
        let bytes: Vec<String> = stream.chars().map(String::from).collect();
        let bytes: Vec<&str> = bytes.iter().map(String::as_str).collect();
        assert_eq!(read(&bytes), expected);
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut reader = SseReader::default();
        let chunk = vec![b'a'; MAX_LINE_BYTES + 1];
        assert_eq!(reader.push(&chunk), Err(SseError::LineTooLong));
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut reader = SseReader::default();
        let line = format!("data: {}\n", "a".repeat(MAX_LINE_BYTES - 100));
        let refused = (0..8).find_map(|_| reader.push(line.as_bytes()).err());
        assert_eq!(refused, Some(SseError::EventTooLong));
    }
}
