//! A received message in its buffer: source address, control data, payload.

use std::net::SocketAddr;

use io_uring::types::RecvMsgOut;
use patchbay_route::limits::HEADROOM_BYTES;

use super::address;
use super::buffers::{CONTROL_BYTES, NAME_BYTES};
use super::control::{self, Control};

/// How receives are to lay out a message. The kernel reads it whenever a receive is submitted.
#[derive(Debug)]
pub struct Layout(Box<libc::msghdr>);

impl Layout {
    /// Room for a name and for control data, as the buffers have.
    pub fn new() -> Layout {
        // SAFETY: a `msghdr` of zeros is valid: null pointers and lengths of zero.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_namelen = NAME_BYTES as u32;
        header.msg_controllen = CONTROL_BYTES as _;
        Layout(Box::new(header))
    }

    /// For the kernel: valid as long as `self`.
    pub fn as_ptr(&self) -> *const libc::msghdr {
        &raw const *self.0
    }

    /// Reads a message from the bytes that the kernel wrote.
    pub fn parse<'a>(&self, bytes: &'a [u8]) -> Option<Message<'a>> {
        let out = RecvMsgOut::parse(bytes, &self.0).ok()?;
        let source = address::decode(out.name_data())?;
        Some(Message {
            source,
            payload: bytes.get(HEADROOM_BYTES..)?,
            truncated: out.is_payload_truncated(),
            control: control::parse(out.control_data()),
        })
    }
}

/// A message.
#[derive(Debug)]
pub struct Message<'a> {
    /// Who sent it.
    pub source: SocketAddr,
    /// What it says.
    pub payload: &'a [u8],
    /// Whether it was longer.
    pub truncated: bool,
    /// What the socket asked for beside it.
    pub control: Control,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn message(name: &[u8], control: &[u8], payload: &[u8], flags: u32) -> Vec<u8> {
        let lens = [
            name.len() as u32,
            control.len() as u32,
            payload.len() as u32,
            flags,
        ];
        let mut bytes: Vec<u8> = lens.iter().flat_map(|n| n.to_ne_bytes()).collect();
        bytes.extend(name);
        bytes.resize(16 + NAME_BYTES, 0);
        bytes.extend(control);
        bytes.resize(HEADROOM_BYTES, 0);
        bytes.extend(payload);
        bytes
    }

    const NAME: [u8; 16] = [2, 0, 0x0f, 0xa0, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0];

    #[test]
    fn the_parts_are_found() {
        let layout = Layout::new();
        let mut control = Vec::new();
        control.extend(32_u64.to_ne_bytes());
        control.extend(libc::SOL_SOCKET.to_ne_bytes());
        control.extend(libc::SCM_TIMESTAMPNS.to_ne_bytes());
        control.extend(7_i64.to_ne_bytes());
        control.extend(9_i64.to_ne_bytes());
        let bytes = message(&NAME, &control, b"payload", 0);
        let got = layout.parse(&bytes).unwrap();
        assert_eq!(got.source, "192.0.2.1:4000".parse().unwrap());
        assert_eq!(
            (got.payload, got.truncated, got.control.stamp),
            (&b"payload"[..], false, Some(7_000_000_009))
        );
        let bytes = message(&NAME, &[], b"", libc::MSG_TRUNC as u32);
        let got = layout.parse(&bytes).unwrap();
        assert_eq!(
            (got.payload, got.truncated, got.control.stamp),
            (&b""[..], true, None)
        );
    }

    #[test]
    fn what_is_cut_short_or_nameless_is_refused() {
        let layout = Layout::new();
        let bytes = message(&NAME, &[], b"x", 0);
        assert!(layout.parse(&bytes[..HEADROOM_BYTES - 1]).is_none());
        assert!(layout.parse(&[]).is_none());
        assert!(layout.parse(&message(&[], &[], b"x", 0)).is_none());
        assert!(
            layout
                .parse(&message(&[1, 0, 3, 4], &[], b"x", 0))
                .is_none()
        );
    }
}
