//! The encoder.

use bytes::Bytes;

use crate::message::{Message, StartLine};
use crate::name::HeaderName;
use crate::scan::{bytes_among, has_any, is_token_byte};
use crate::text::Text;

pub(crate) fn message(message: &Message) -> Bytes {
    let mut out = Vec::with_capacity(estimate(message));
    let lines = head(&mut out, message, |out, value| {
        out.extend_from_slice(value.wire());
    });
    let ends = |end| memchr::memchr_iter(end, &out).count();
    if ends(b'\r') != lines || ends(b'\n') != lines {
        // A line end within a value would begin another header.
        out.clear();
        head(&mut out, message, clean);
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&message.body);
    Bytes::from(out)
}

/// Writes all lines but the empty one, values by `write`, and says how many they are.
fn head(out: &mut Vec<u8>, message: &Message, write: impl Fn(&mut Vec<u8>, &Text)) -> usize {
    start_line(out, &message.start, &write);
    let mut lines = 2;
    for (name, value) in message.headers.iter() {
        if *name == HeaderName::ContentLength {
            continue;
        }
        header_name(out, name);
        out.extend_from_slice(b": ");
        write(out, value);
        out.extend_from_slice(b"\r\n");
        lines += 1;
    }
    out.extend_from_slice(b"Content-Length: ");
    decimal(out, message.body.len() as u64);
    out.extend_from_slice(b"\r\n");
    lines
}

/// No less than what [`message`] writes.
pub(crate) fn estimate(message: &Message) -> usize {
    let lines: usize = message
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.wire().len() + 4)
        .sum();
    let start = match &message.start {
        StartLine::Request { method, uri } => method.as_str().len() + uri.wire().len(),
        StartLine::Response { reason, .. } => reason.wire().len(),
    };
    lines + start + message.body.len() + 48
}

fn start_line(out: &mut Vec<u8>, start: &StartLine, write: impl Fn(&mut Vec<u8>, &Text)) {
    match start {
        StartLine::Request { method, uri } => {
            token(out, method.as_str());
            out.push(b' ');
            match has_any(uri, &WHITE) {
                false => out.extend_from_slice(uri.wire()),
                true => escape_white(out, uri),
            }
            out.extend_from_slice(b" SIP/2.0\r\n");
        }
        StartLine::Response { status, reason } => {
            out.extend_from_slice(b"SIP/2.0 ");
            decimal(out, u64::from(*status));
            out.push(b' ');
            write(out, reason);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// White space, which would end a URI.
const WHITE: [bool; 256] = bytes_among(0, b" \t\r\n");

fn escape_white(out: &mut Vec<u8>, uri: &Text) {
    for &byte in uri.wire() {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => out.extend_from_slice(b"%20"),
            other => out.push(other),
        }
    }
}

fn header_name(out: &mut Vec<u8>, name: &HeaderName) {
    match name {
        HeaderName::Other(name) => token(out, name),
        known => out.extend_from_slice(known.as_str().as_bytes()),
    }
}

/// Writes a token that may have been made by hand.
fn token(out: &mut Vec<u8>, text: &str) {
    out.extend(
        text.bytes()
            .map(|byte| if is_token_byte(byte) { byte } else { b'-' }),
    );
}

/// Writes a value with spaces in the place of line ends.
fn clean(out: &mut Vec<u8>, value: &Text) {
    out.extend(value.wire().iter().map(|&byte| match byte {
        b'\r' | b'\n' => b' ',
        other => other,
    }));
}

/// Writes a number.
pub(crate) fn decimal(out: &mut Vec<u8>, number: u64) {
    let mut buffer = itoa::Buffer::new();
    out.extend_from_slice(buffer.format(number).as_bytes());
}
