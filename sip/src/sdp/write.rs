//! Writing a description: its lines in the order of RFC 8866 section 5.

use super::lines::{Media, Session};
use super::values::Connection;
use crate::encode::decimal;
use crate::text::Text;

/// The bytes of a description. Without a time, which there must be, `t=0 0` is written.
pub(super) fn session(session: &Session) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(b"v=0\r\no=");
    let origin = &session.origin;
    clean(&mut out, &origin.username);
    out.push(b' ');
    clean(&mut out, &origin.session_id);
    out.push(b' ');
    decimal(&mut out, origin.version);
    out.push(b' ');
    place(&mut out, &origin.host);
    line(&mut out, b's', &session.name);
    lines(&mut out, b'i', &session.information);
    for (letter, contact) in &session.contacts {
        line(&mut out, *letter, contact);
    }
    if let Some(connection) = &session.connection {
        out.extend_from_slice(b"c=");
        place(&mut out, connection);
    }
    lines(&mut out, b'b', &session.bandwidths);
    if session.times.is_empty() {
        out.extend_from_slice(b"t=0 0\r\n");
    }
    for (letter, time) in &session.times {
        line(&mut out, *letter, time);
    }
    lines(&mut out, b'k', &session.key);
    lines(&mut out, b'a', session.attributes.iter().map(|a| a.whole()));
    for one in &session.medias {
        media(&mut out, one);
    }
    out
}

fn media(out: &mut Vec<u8>, media: &Media) {
    out.extend_from_slice(b"m=");
    clean(out, &media.kind);
    out.push(b' ');
    decimal(out, u64::from(media.port));
    if let Some(ports) = media.ports {
        out.push(b'/');
        decimal(out, u64::from(ports));
    }
    out.push(b' ');
    clean(out, &media.proto);
    out.push(b' ');
    clean(out, &media.formats);
    out.extend_from_slice(b"\r\n");
    lines(out, b'i', &media.title);
    for connection in &media.connections {
        out.extend_from_slice(b"c=");
        place(out, connection);
    }
    lines(out, b'b', &media.bandwidths);
    lines(out, b'k', &media.key);
    lines(out, b'a', media.attributes.iter().map(|a| a.whole()));
}

/// Network, kind and address, and the end of the line.
fn place(out: &mut Vec<u8>, connection: &Connection) {
    clean(out, &connection.kind);
    out.push(b' ');
    clean(out, &connection.address);
    out.extend_from_slice(b"\r\n");
}

fn lines<'a>(out: &mut Vec<u8>, letter: u8, values: impl IntoIterator<Item = &'a Text>) {
    for value in values {
        line(out, letter, value);
    }
}

fn line(out: &mut Vec<u8>, letter: u8, value: &Text) {
    out.extend_from_slice(&[letter, b'=']);
    clean(out, value);
    out.extend_from_slice(b"\r\n");
}

/// A value; what would end its line is left out.
fn clean(out: &mut Vec<u8>, value: &Text) {
    let wire = value.wire();
    let ends = |byte: &u8| matches!(byte, b'\0' | b'\r' | b'\n');
    match memchr::memchr3(b'\0', b'\r', b'\n', wire) {
        None => out.extend_from_slice(wire),
        Some(_) => out.extend(wire.iter().filter(|byte| !ends(byte))),
    }
}
