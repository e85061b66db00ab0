//! The lexer: from bytes to lines, start line, headers, body.

use bytes::Bytes;

use crate::error::HeaderError;
use crate::headers::Headers;
use crate::limits::{MAX_HEADERS, MAX_LINE, MAX_MESSAGE_BYTES};
use crate::message::{Message, StartLine};
use crate::method::Method;
use crate::name::HeaderName;
use crate::scan::{is_token, split_commas};
use crate::text::{Source, Text};
use crate::transaction::{Flow, response_flow};
use crate::via::Via;

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseErrorKind {
    /// Longer than [`MAX_MESSAGE_BYTES`].
    #[error("message too long")]
    TooLong,
    /// Nothing but line ends.
    #[error("empty message")]
    Empty,
    /// The first line is neither a request's nor a response's.
    #[error("malformed start line")]
    StartLine,
    /// The Request-URI is empty, bracketed or holds white space.
    #[error("malformed Request-URI")]
    RequestUri,
    /// Not `SIP/2.0`.
    #[error("SIP version not supported")]
    Version,
    /// A status outside 100 to 699.
    #[error("status out of range")]
    Status,
    /// A line longer than [`MAX_LINE`].
    #[error("line too long")]
    LineTooLong,
    /// More header lines than [`MAX_HEADERS`].
    #[error("too many headers")]
    TooManyHeaders,
    /// A line that is no header.
    #[error("malformed header line")]
    HeaderLine,
    /// The empty line after the headers is missing.
    #[error("the head does not end")]
    Truncated,
    /// Content-Length is not a number, or repeated.
    #[error("malformed Content-Length")]
    ContentLength,
    /// Content-Length announces more than there is.
    #[error("the body is shorter than Content-Length")]
    BodyTruncated,
    /// A header that every message needs is wrong.
    #[error("{0}")]
    Header(#[from] HeaderError),
    /// CSeq names another method than the request line.
    #[error("CSeq names another method")]
    CSeqMethod,
}

/// Why a message was refused, and what could be read of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct ParseError {
    kind: ParseErrorKind,
    readable: Option<Box<Message>>,
}

impl ParseError {
    pub(crate) fn new(kind: ParseErrorKind, readable: Option<Message>) -> ParseError {
        ParseError {
            kind,
            readable: readable.map(Box::new),
        }
    }

    /// What is wrong with a message whose end on a stream cannot be found, from the head that
    /// [`crate::stream::Framer::rejected`] kept.
    pub fn unframed(head: Bytes) -> ParseError {
        match message(head) {
            Err(error) if error.kind != ParseErrorKind::BodyTruncated => error,
            // A body beyond what is taken is truncated here, where there is none of it.
            Err(error) => ParseError {
                kind: ParseErrorKind::TooLong,
                ..error
            },
            // Sound as a datagram: what a stream needs beyond that is Content-Length.
            Ok(message) => ParseError::new(ParseErrorKind::ContentLength, Some(message)),
        }
    }

    /// What is wrong.
    pub fn kind(&self) -> ParseErrorKind {
        self.kind
    }

    /// The status that fits where the message was a request: 400, 505 or 513.
    pub fn status(&self) -> u16 {
        match self.kind {
            ParseErrorKind::Version => 505,
            ParseErrorKind::TooLong
            | ParseErrorKind::TooManyHeaders
            | ParseErrorKind::LineTooLong => 513,
            _ => 400,
        }
    }

    /// What could be read: the headers that are sound, no body. `None` where not even the start line
    /// could be read.
    pub fn readable(&self) -> Option<&Message> {
        self.readable.as_deref()
    }

    /// The answer to send, where one is due and can find its way: the message was a request other than
    /// ACK, with a Via that names a sender and with a CSeq, by which that sender knows what is answered
    /// (RFC 3261 section 17.1.3). From, To and Call-ID are copied as far as they are there (RFC 4475
    /// section 3.3.1). `None` means: drop it and count it. A To tag is not added, see
    /// [`Message::set_to_tag`]; [`ParseError::answer_on`] says where the answer goes.
    pub fn answer(&self) -> Option<Message> {
        let request = self.readable()?;
        if request.method().is_none_or(|method| *method == Method::Ack) {
            return None;
        }
        loose_via(request)?;
        if !request.headers.contains(HeaderName::CSeq) {
            return None;
        }
        let reason = format!("{} ({})", crate::status::reason(self.status()), self.kind);
        let mut answer = Message::response_to(request, self.status(), &reason);
        for name in [
            HeaderName::From,
            HeaderName::To,
            HeaderName::CallId,
            HeaderName::CSeq,
        ] {
            // What wrongly stood twice stands in the answer once.
            if let Some(first) = answer.headers.text(name.clone()).cloned() {
                answer.headers.set(name, first);
            }
        }
        Some(answer)
    }

    /// The flow on which [`ParseError::answer`] leaves, to a request that came on `flow` (RFC 3261
    /// section 18.2.2).
    pub fn answer_on(&self, flow: Flow) -> Option<Flow> {
        let via = loose_via(self.readable()?)?;
        Some(response_flow(&via, flow))
    }
}

/// The top Via, as far as an answer needs it: of any version (RFC 4475 section 3.1.2.16), and
/// without its parameters where they are malformed.
fn loose_via(request: &Message) -> Option<Via> {
    let line = request.headers.get(HeaderName::Via)?;
    Via::loose(split_commas(line).next()?)
}

pub(crate) fn message(datagram: Bytes) -> Result<Message, ParseError> {
    if datagram.len() > MAX_MESSAGE_BYTES {
        return Err(ParseError::new(ParseErrorKind::TooLong, None));
    }
    let source = Source::new(datagram);
    let mut lines = Lines {
        input: source.bytes(),
        at: 0,
    };
    let first = loop {
        match lines.next_line() {
            // RFC 3261 section 7.5: empty lines before a message are ignored.
            Some(([], _)) => {}
            Some((line, _)) => break line,
            None if lines.rest().is_empty() => {
                return Err(ParseError::new(ParseErrorKind::Empty, None));
            }
            None => return Err(ParseError::new(ParseErrorKind::Truncated, None)),
        }
    };
    let (start, mut fault) =
        start_line(&source, first).map_err(|kind| ParseError::new(kind, None))?;
    let (headers, header_fault) = headers(&source, &mut lines);
    fault = fault.or(header_fault);
    let mut message = Message {
        start,
        headers,
        body: Bytes::new(),
    };
    // A start line or header that is wrong does not hide the others, which an answer copies.
    fault = fault
        .or_else(|| body(source.bytes(), lines.at, &mut message).err())
        .or_else(|| crate::check::essential(&message).err());
    match fault {
        None => Ok(message),
        Some(kind) => {
            message.body = Bytes::new();
            Err(ParseError::new(kind, Some(message)))
        }
    }
}

/// The lines of a message's head.
struct Lines<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    fn rest(&self) -> &'a [u8] {
        self.input.get(self.at..).unwrap_or_default()
    }

    /// The next line without its end, and whether there is a CR in it; `None` where no line end is left.
    fn next_line(&mut self) -> Option<(&'a [u8], bool)> {
        let rest = self.rest();
        let at = memchr::memchr2(b'\r', b'\n', rest)?;
        let (end, stray) = match rest.get(at..at + 2) {
            Some(b"\r\n") => (at + 1, false),
            Some([b'\r', _]) => (memchr::memchr(b'\n', rest)?, true),
            _ if rest.get(at) == Some(&b'\n') => (at, false),
            _ => return None,
        };
        self.at += end + 1;
        let line = rest.get(..end)?;
        Some((line.strip_suffix(b"\r").unwrap_or(line), stray))
    }

    /// The next line with the lines that continue it.
    fn next_folded(&mut self) -> Option<Line<'a>> {
        let from = self.at;
        let (text, stray) = self.next_line()?;
        let folds = |lines: &Self| matches!(lines.rest().first(), Some(b' ' | b'\t'));
        if text.is_empty() || !folds(self) {
            return Some(Line {
                text,
                stray,
                folded: false,
            });
        }
        let mut end = from + text.len();
        while folds(self) {
            let at = self.at;
            end = at + self.next_line()?.0.len();
        }
        Some(Line {
            text: self.input.get(from..end)?,
            stray: true,
            folded: true,
        })
    }
}

/// A header line.
struct Line<'a> {
    /// Without its end.
    text: &'a [u8],
    /// Whether there may be a CR in it.
    stray: bool,
    /// Whether it has more than one line.
    folded: bool,
}

type Fault = Option<ParseErrorKind>;

/// Reads the first line. A wrong version or URI is a fault of a line that can be read.
fn start_line(source: &Source, line: &[u8]) -> Result<(StartLine, Fault), ParseErrorKind> {
    const BAD: ParseErrorKind = ParseErrorKind::StartLine;
    if line.len() > MAX_LINE {
        return Err(ParseErrorKind::LineTooLong);
    }
    let at = line.iter().position(|&byte| byte == b' ').ok_or(BAD)?;
    let (first, rest) = line.split_at_checked(at).ok_or(BAD)?;
    let rest = rest.get(1..).ok_or(BAD)?;
    if first.len() >= 4
        && first
            .get(..4)
            .is_some_and(|word| word.eq_ignore_ascii_case(b"SIP/"))
    {
        return status_line(source, first, rest);
    }
    let method = std::str::from_utf8(first)
        .ok()
        .filter(|word| is_token(word))
        .ok_or(BAD)?;
    // The version is the last word, so that white space within the URI is seen as the URI's fault.
    let at = rest.iter().rposition(|&byte| byte == b' ').ok_or(BAD)?;
    let (uri, version) = rest.split_at_checked(at).ok_or(BAD)?;
    let version = version.get(1..).ok_or(BAD)?;
    let misplaced = |byte: &u8| matches!(byte, b' ' | b'\t' | b'<' | b'>' | b'\r');
    let fault = if version.is_empty() || uri.is_empty() || uri.iter().any(misplaced) {
        Some(ParseErrorKind::RequestUri)
    } else if !version
        .get(..4)
        .is_some_and(|word| word.eq_ignore_ascii_case(b"SIP/"))
    {
        return Err(BAD);
    } else {
        (!version.eq_ignore_ascii_case(b"SIP/2.0")).then_some(ParseErrorKind::Version)
    };
    let uri = source.text(uri);
    Ok((
        StartLine::Request {
            method: Method::from(method),
            uri,
        },
        fault,
    ))
}

fn status_line(
    source: &Source,
    version: &[u8],
    rest: &[u8],
) -> Result<(StartLine, Fault), ParseErrorKind> {
    if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        return Err(ParseErrorKind::Version);
    }
    let at = rest
        .iter()
        .position(|&byte| byte == b' ')
        .unwrap_or(rest.len());
    let (digits, reason) = rest.split_at_checked(at).ok_or(ParseErrorKind::StartLine)?;
    let status = match digits {
        [a @ b'1'..=b'6', b @ b'0'..=b'9', c @ b'0'..=b'9'] => [a, b, c]
            .iter()
            .fold(0, |sum, digit| sum * 10 + u16::from(**digit - b'0')),
        _ => return Err(ParseErrorKind::Status),
    };
    let reason = reason.get(1..).unwrap_or_default();
    if reason.contains(&b'\r') {
        return Err(ParseErrorKind::StartLine);
    }
    let reason = source.text(reason);
    Ok((StartLine::Response { status, reason }, None))
}

/// Reads the header lines up to the empty line; the first fault is reported, the others skipped.
fn headers(source: &Source, lines: &mut Lines<'_>) -> (Headers, Fault) {
    let mut headers = Headers::with_capacity(16);
    let mut fault = None;
    loop {
        let Some(line) = lines.next_folded() else {
            return (headers, fault.or(Some(ParseErrorKind::Truncated)));
        };
        if line.text.is_empty() {
            return (headers, fault);
        }
        if headers.len() >= MAX_HEADERS {
            return (headers, fault.or(Some(ParseErrorKind::TooManyHeaders)));
        }
        match header(source, &line) {
            Ok((name, value)) => headers.push(name, value),
            Err(kind) => fault = fault.or(Some(kind)),
        }
    }
}

fn header(source: &Source, line: &Line<'_>) -> Result<(HeaderName, Text), ParseErrorKind> {
    const BAD: ParseErrorKind = ParseErrorKind::HeaderLine;
    if line.text.len() > MAX_LINE {
        return Err(ParseErrorKind::LineTooLong);
    }
    // Names are short.
    let at = line.text.iter().position(|&byte| byte == b':').ok_or(BAD)?;
    let (name, value) = line.text.split_at_checked(at).ok_or(BAD)?;
    let name = header_name(name.trim_ascii_end()).ok_or(BAD)?;
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    if line.folded && value.contains(&b'\n') {
        return Ok((name, Text::from_wire(unfold(value))));
    }
    if line.stray && value.contains(&b'\r') {
        return Err(BAD);
    }
    Ok((name, source.text(value)))
}

/// A name, which must be a token; those that are known are.
fn header_name(name: &[u8]) -> Option<HeaderName> {
    HeaderName::known(name).or_else(|| {
        let name = std::str::from_utf8(name).ok()?;
        is_token(name).then(|| HeaderName::Other(Box::new(name.into())))
    })
}

/// A value on one line: every line end with the white space around it is one space (RFC 3261
/// section 7.3.1).
fn unfold(value: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(value.len());
    for line in value.split(|&byte| byte == b'\n') {
        let line = line.trim_ascii();
        if !out.is_empty() && !line.is_empty() {
            out.push(b' ');
        }
        out.extend(line.iter().filter(|&&byte| byte != b'\r'));
    }
    Bytes::from(out)
}

/// Cuts the body by Content-Length, which is then taken from the headers.
fn body(input: &Bytes, at: usize, message: &mut Message) -> Result<(), ParseErrorKind> {
    let available = input.len().saturating_sub(at);
    let mut announced = None;
    for value in message.headers.all(HeaderName::ContentLength) {
        if announced.is_some() {
            return Err(ParseErrorKind::ContentLength);
        }
        announced = Some(content_length(value).ok_or(ParseErrorKind::ContentLength)?);
    }
    let length = announced.unwrap_or(available);
    if length > available {
        return Err(ParseErrorKind::BodyTruncated);
    }
    message.body = input.slice(at..at + length);
    message.headers.remove(HeaderName::ContentLength);
    Ok(())
}

/// Reads a Content-Length; a number too large to hold is larger than any body.
pub(crate) fn content_length(value: &str) -> Option<usize> {
    let sound = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    sound.then(|| value.parse().unwrap_or(usize::MAX))
}
