//! Ports that no other test uses at the same time.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicU16, Ordering};

/// Ports of one block.
const BLOCK: u16 = 200;
/// Below the kernel's ephemeral range (32768 on), so that no outgoing connection takes one of ours.
const FIRST: u16 = 11_000;
const BLOCKS: u16 = 100;
/// Ports at the start of a block that are handed out one by one; the rest is for media.
const SINGLE: u16 = 120;

/// A block of ports, ours for as long as this lives.
#[derive(Debug)]
pub struct Ports {
    base: u16,
    next: AtomicU16,
    /// A bound socket is a lock that all test processes respect and that cannot be left behind.
    _lock: UdpSocket,
}

impl Ports {
    /// Takes a free block.
    pub fn claim() -> Ports {
        // Processes start looking at different places, so that they rarely meet.
        let start = (std::process::id() % u32::from(BLOCKS)) as u16;
        (0..BLOCKS)
            .map(|step| FIRST + (start + step) % BLOCKS * BLOCK)
            .find_map(|base| {
                let lock = UdpSocket::bind(("127.0.0.1", base)).ok()?;
                Some(Ports {
                    base,
                    next: AtomicU16::new(base + 2),
                    _lock: lock,
                })
            })
            .expect("a free block of ports")
    }

    /// The next port; it is even and the one above is free too, as RTP likes it.
    pub fn next(&self) -> u16 {
        let port = self.next.fetch_add(2, Ordering::Relaxed);
        assert!(
            port < self.base + SINGLE,
            "a block has {SINGLE} single ports"
        );
        port
    }

    /// First and last port of the block.
    pub fn all(&self) -> (u16, u16) {
        (self.base, self.base + BLOCK - 1)
    }

    /// First and last of `count` ports for the relay's media.
    pub fn media(&self, count: u16) -> (u16, u16) {
        assert!(
            count <= BLOCK - SINGLE,
            "too many media ports for one block"
        );
        let low = self.base + SINGLE;
        (low, low + count - 1)
    }

    /// How many ports there are for media.
    pub const fn most_media() -> u16 {
        BLOCK - SINGLE
    }
}
