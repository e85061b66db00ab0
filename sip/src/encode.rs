//! The encoder.

use bytes::Bytes;

use crate::message::{Message, StartLine};
use crate::name::HeaderName;
use crate::scan::is_token_byte;
use crate::text::Text;

pub(crate) fn message(message: &Message) -> Bytes {
    let mut out = Vec::with_capacity(estimate(message));
    start_line(&mut out, &message.start);
    for (name, value) in message.headers.iter() {
        if *name == HeaderName::ContentLength {
            continue;
        }
        header_name(&mut out, name);
        out.extend_from_slice(b": ");
        clean(&mut out, value);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"Content-Length: ");
    decimal(&mut out, message.body.len() as u64);
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(&message.body);
    Bytes::from(out)
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

fn start_line(out: &mut Vec<u8>, start: &StartLine) {
    match start {
        StartLine::Request { method, uri } => {
            token(out, method.as_str());
            out.push(b' ');
            for &byte in uri.wire() {
                // White space would end the URI.
                match byte {
                    b' ' | b'\t' | b'\r' | b'\n' => out.extend_from_slice(b"%20"),
                    other => out.push(other),
                }
            }
            out.extend_from_slice(b" SIP/2.0\r\n");
        }
        StartLine::Response { status, reason } => {
            out.extend_from_slice(b"SIP/2.0 ");
            decimal(out, u64::from(*status));
            out.push(b' ');
            clean(out, reason);
            out.extend_from_slice(b"\r\n");
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

/// Writes a value; line ends would begin another header.
fn clean(out: &mut Vec<u8>, value: &Text) {
    let wire = value.wire();
    match memchr::memchr2(b'\r', b'\n', wire) {
        None => out.extend_from_slice(wire),
        Some(_) => out.extend(wire.iter().map(|&byte| match byte {
            b'\r' | b'\n' => b' ',
            other => other,
        })),
    }
}

/// Writes a number.
pub(crate) fn decimal(out: &mut Vec<u8>, number: u64) {
    let mut buffer = itoa::Buffer::new();
    out.extend_from_slice(buffer.format(number).as_bytes());
}
