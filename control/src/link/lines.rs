//! Cutting a stream of chunks into lines.

use thiserror::Error;

/// Longest line of a trace, in bytes: the largest message, each byte of it escaped.
pub const MAX_TRACE_LINE_BYTES: usize = 512 * 1024;

/// A line is longer than [`MAX_TRACE_LINE_BYTES`]; the stream must be closed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a line of the trace is too long")]
pub struct LineTooLong;

/// Keeps what is not a whole line yet.
#[derive(Debug, Default)]
pub struct LineReader {
    begun: Vec<u8>,
}

impl LineReader {
    /// The lines that a chunk completes, without their ends; empty ones are left out.
    ///
    /// # Errors
    /// [`LineTooLong`].
    pub fn push(&mut self, chunk: &[u8]) -> Result<Vec<Vec<u8>>, LineTooLong> {
        let mut lines = Vec::new();
        let mut rest = chunk;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (part, after) = rest.split_at(end);
            self.lengthen(part)?;
            let line = std::mem::take(&mut self.begun);
            if !line.is_empty() {
                lines.push(line);
            }
            rest = after.get(1..).unwrap_or_default();
        }
        self.lengthen(rest)?;
        Ok(lines)
    }

    fn lengthen(&mut self, part: &[u8]) -> Result<(), LineTooLong> {
        if self.begun.len() + part.len() > MAX_TRACE_LINE_BYTES {
            return Err(LineTooLong);
        }
        self.begun.extend_from_slice(part);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_however_they_are_cut() {
        let mut reader = LineReader::default();
        assert_eq!(reader.push(b"{\"a\""), Ok(vec![]));
        let two = vec![b"{\"a\":1}".to_vec(), b"{}".to_vec()];
        assert_eq!(reader.push(b":1}\n\n{}\n{"), Ok(two));
        assert_eq!(reader.push(b"}\n"), Ok(vec![b"{}".to_vec()]));
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut reader = LineReader::default();
        let chunk = vec![b'a'; MAX_TRACE_LINE_BYTES + 1];
        assert_eq!(reader.push(&chunk), Err(LineTooLong));
    }
}
