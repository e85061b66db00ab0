//! [`Framer`]: cuts messages from a stream (RFC 3261 section 18.3, RFC 5626 section 3.5.1).

use bytes::{Buf, Bytes, BytesMut};

use crate::limits::{MAX_BODY_BYTES, MAX_HEADER_BYTES};
use crate::parse::content_length;

/// What came on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One whole message, for [`crate::Message::parse`].
    Message(Bytes),
    /// A keep-alive (RFC 5626 section 4.4.1).
    KeepAlive(KeepAlive),
}

/// Keep-alives of RFC 5626 section 4.4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAlive {
    /// A double CRLF: answer with [`PONG`].
    Ping,
    /// A single CRLF. A ping cut in two by the network is a pong followed by a ping.
    Pong,
}

/// What to send as keep-alive.
pub const PING: &[u8] = b"\r\n\r\n";
/// What to answer to a ping.
pub const PONG: &[u8] = b"\r\n";

/// Why a stream cannot be cut any further; the connection is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The head is longer than [`MAX_HEADER_BYTES`].
    #[error("message head too long")]
    HeadTooLong,
    /// The body is longer than [`MAX_BODY_BYTES`].
    #[error("message body too long")]
    BodyTooLong,
    /// No Content-Length, which streams need (RFC 3261 section 20.14).
    #[error("no Content-Length")]
    NoContentLength,
    /// Content-Length is no number, or stands there twice.
    #[error("malformed Content-Length")]
    BadContentLength,
}

/// Cuts a byte stream into messages and keep-alives.
///
/// Iterate after every [`Framer::push`] until `None`; then at most one unfinished message is held, so
/// that memory is bounded by [`MAX_HEADER_BYTES`] plus [`MAX_BODY_BYTES`] plus what is pushed at once.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    /// Bytes of the head searched for its end already.
    searched: usize,
    /// Length of head and whole message, once the head is there.
    found: Option<(usize, usize)>,
    /// The last thing was a single CRLF.
    half_ping: bool,
    rejected: Option<Bytes>,
    failed: bool,
}

impl Framer {
    /// An empty framer.
    pub fn new() -> Framer {
        Framer::default()
    }

    /// Adds received bytes. Nothing is kept after an error.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.failed {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Bytes held that are not yet a whole message.
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// The head of the message that made the stream fail, where it could be cut: enough to answer 400
    /// or 513 before closing.
    pub fn rejected(&self) -> Option<&Bytes> {
        self.rejected.as_ref()
    }

    fn fail(&mut self, error: FrameError, head: Option<usize>) -> FrameError {
        self.rejected = head.map(|length| self.take(length));
        self.failed = true;
        self.buffer = BytesMut::new();
        error
    }

    /// Takes line ends before a message.
    fn keep_alive(&mut self) -> Option<KeepAlive> {
        loop {
            if self.buffer.starts_with(PING) {
                self.skip(PING.len());
                self.half_ping = false;
                return Some(KeepAlive::Ping);
            }
            if self.buffer.starts_with(PONG) {
                // `\r\n\r` may become a ping with the next byte.
                if self.buffer.len() == 3 && self.buffer.ends_with(b"\r") {
                    return None;
                }
                self.skip(PONG.len());
                self.half_ping = !self.half_ping;
                return Some(if self.half_ping {
                    KeepAlive::Pong
                } else {
                    KeepAlive::Ping
                });
            }
            if !self.buffer.starts_with(b"\n") {
                return None;
            }
            self.skip(1);
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.buffer.advance(bytes.min(self.buffer.len()));
        self.searched = 0;
    }

    /// Takes bytes out of the buffer. They are copied: a message may be kept for long, and would keep
    /// everything that came with it.
    fn take(&mut self, bytes: usize) -> Bytes {
        let bytes = bytes.min(self.buffer.len());
        let taken = Bytes::copy_from_slice(self.buffer.get(..bytes).unwrap_or_default());
        self.skip(bytes);
        taken
    }

    /// Length of the head with its empty line, once it is there.
    fn head_length(&mut self) -> Option<usize> {
        let mut at = self.searched;
        loop {
            let rest = self.buffer.get(at..)?;
            let Some(newline) = memchr::memchr(b'\n', rest) else {
                self.searched = self.buffer.len();
                return None;
            };
            let next = at + newline + 1;
            match self.buffer.get(next..) {
                Some([b'\n', ..]) => return Some(next + 1),
                Some([b'\r', b'\n', ..]) => return Some(next + 2),
                Some([] | [b'\r']) | None => {
                    self.searched = next - 1;
                    return None;
                }
                Some(_) => at = next,
            }
        }
    }

    /// Head and message length; `None` where more bytes are needed.
    fn measure(&mut self) -> Option<Result<(usize, usize), FrameError>> {
        if let Some(found) = self.found {
            return Some(Ok(found));
        }
        let Some(head) = self.head_length() else {
            let too_long = self.buffer.len() > MAX_HEADER_BYTES;
            return too_long.then(|| Err(self.fail(FrameError::HeadTooLong, None)));
        };
        if head > MAX_HEADER_BYTES {
            return Some(Err(self.fail(FrameError::HeadTooLong, None)));
        }
        let announced = announced(self.buffer.get(..head).unwrap_or_default());
        Some(match announced {
            Err(error) => Err(self.fail(error, Some(head))),
            Ok(body) if body > MAX_BODY_BYTES => {
                Err(self.fail(FrameError::BodyTooLong, Some(head)))
            }
            Ok(body) => {
                self.found = Some((head, head + body));
                Ok((head, head + body))
            }
        })
    }
}

impl Iterator for Framer {
    type Item = Result<Frame, FrameError>;

    /// The next frame; `None` until more bytes are pushed, and for ever after an error.
    fn next(&mut self) -> Option<Result<Frame, FrameError>> {
        if self.failed {
            return None;
        }
        if self.found.is_none() {
            if let Some(kind) = self.keep_alive() {
                return Some(Ok(Frame::KeepAlive(kind)));
            }
            // A single CR may become a keep-alive.
            if self.buffer.is_empty() || matches!(&self.buffer[..], b"\r" | b"\r\n\r") {
                return None;
            }
            self.half_ping = false;
        }
        let (_, length) = match self.measure()? {
            Ok(found) => found,
            Err(error) => return Some(Err(error)),
        };
        if self.buffer.len() < length {
            return None;
        }
        self.found = None;
        Some(Ok(Frame::Message(self.take(length))))
    }
}

/// The Content-Length of a head.
fn announced(head: &[u8]) -> Result<usize, FrameError> {
    let mut lines = head.split(|&byte| byte == b'\n').skip(1).peekable();
    let mut length = None;
    while let Some(line) = lines.next() {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        let name = name.trim_ascii();
        if !(name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"l")) {
            continue;
        }
        let mut value = value.get(1..).unwrap_or_default().to_vec();
        while let Some(more) = lines.next_if(|line| matches!(line.first(), Some(b' ' | b'\t'))) {
            value.extend_from_slice(more);
        }
        let value = std::str::from_utf8(value.trim_ascii())
            .ok()
            .and_then(content_length);
        match (value, length) {
            (Some(value), None) => length = Some(value),
            _ => return Err(FrameError::BadContentLength),
        }
    }
    length.ok_or(FrameError::NoContentLength)
}
