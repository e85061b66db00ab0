//! The media ports as the engine and its steering program share them: one cell for each port of
//! each local address, in memory that both have mapped.
//!
//! `relay/bpf/steer.bpf.c` has the same layout in C. The engine writes the first half of a cell,
//! the program the second.

use core::mem::offset_of;
use core::net::{IpAddr, SocketAddr};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::limits::{
    FLOW_WINDOW_NS, MAX_DROPS_PER_WINDOW, MAX_STEERED_IPS, MAX_STEERED_PACKETS_PER_WINDOW,
    MAX_THREADS,
};

/// One media port of one local address.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct PortCell {
    /// 0: not open; else the number of its packet thread, and 1.
    thread: AtomicU32,
    /// The flow that the port belongs to, in its thread's table.
    slot: AtomicU32,
    /// 1 if only the source below may send.
    locked: AtomicU32,
    /// Network byte order.
    source_port: AtomicU32,
    /// Network byte order, IPv4 mapped into IPv6.
    source: [AtomicU32; 4],
    /// The program's: the window that it counts in, and the datagrams taken in.
    window: AtomicU64,
    taken: AtomicU32,
    /// Datagrams from elsewhere since the source was locked.
    strangers: AtomicU32,
    spare: [AtomicU32; 4],
}

/// What the program says of its layout and its limits, in the order in which it says it.
#[must_use]
pub const fn layout() -> [u32; 17] {
    let sizes = [
        size_of::<PortCell>(),
        offset_of!(PortCell, thread),
        offset_of!(PortCell, slot),
        offset_of!(PortCell, locked),
        offset_of!(PortCell, source_port),
        offset_of!(PortCell, source),
        offset_of!(PortCell, window),
        offset_of!(PortCell, taken),
        offset_of!(PortCell, strangers),
        4 * SETTINGS_WORDS,
        4 * SETTINGS_HEAD_WORDS,
        size_of::<Counts>(),
        MAX_STEERED_IPS,
        MAX_THREADS,
        MAX_STEERED_PACKETS_PER_WINDOW as usize,
        MAX_DROPS_PER_WINDOW as usize,
        FLOW_WINDOW_NS.trailing_zeros() as usize,
    ];
    let mut words = [0; 17];
    let mut at = 0;
    while at < words.len() {
        words[at] = sizes[at] as u32;
        at += 1;
    }
    words
}

/// What the program kept from a thread: floods, strangers.
pub type Counts = [u64; 2];

impl PortCell {
    /// Opens the port to everybody, for a flow of a thread.
    pub fn open(&self, thread: u32, slot: u32) {
        self.locked.store(0, Ordering::Relaxed);
        self.strangers.store(0, Ordering::Relaxed);
        self.slot.store(slot, Ordering::Relaxed);
        // Release: who sees the port open sees whose it is.
        self.thread
            .store(thread.saturating_add(1), Ordering::Release);
    }

    /// Closes the port.
    pub fn close(&self) {
        self.thread.store(0, Ordering::Release);
    }

    /// The flow that the port belongs to, if it is open and that thread's.
    #[must_use]
    #[inline]
    pub fn slot_of(&self, thread: u32) -> Option<u32> {
        let open = self.thread.load(Ordering::Acquire);
        (open == thread.saturating_add(1)).then(|| self.slot.load(Ordering::Relaxed))
    }

    /// From now on only `source` may send to the port.
    pub fn lock(&self, source: SocketAddr) {
        self.locked.store(0, Ordering::Release);
        for (word, value) in self.source.iter().zip(words(source.ip())) {
            word.store(value, Ordering::Relaxed);
        }
        let port = u32::from(source.port().to_be());
        self.source_port.store(port, Ordering::Relaxed);
        // Release: the source is complete before it counts.
        self.locked.store(1, Ordering::Release);
    }

    /// Datagrams that came from elsewhere while only one source could send, since the port was
    /// opened. They went the way of datagrams for a port that is not open.
    #[must_use]
    pub fn strangers(&self) -> u32 {
        self.strangers.load(Ordering::Relaxed)
    }

    /// Counts strangers that were refused elsewhere.
    pub fn add_strangers(&self, count: u64) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if count > 0 {
            self.strangers.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// From now on everybody may send to the port.
    pub fn unlock(&self) {
        self.locked.store(0, Ordering::Release);
    }
}

/// An address as four words in network byte order, IPv4 mapped into IPv6 (RFC 4291 section
/// 2.5.5.2).
#[must_use]
pub fn words(ip: IpAddr) -> [u32; 4] {
    let octets = match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = octets;
    [[a, b, c, d], [e, f, g, h], [i, j, k, l], [m, n, o, p]].map(u32::from_ne_bytes)
}

/// Words of the settings before the addresses.
const SETTINGS_HEAD_WORDS: usize = 4;
/// Words of the settings.
pub const SETTINGS_WORDS: usize = SETTINGS_HEAD_WORDS + 4 * MAX_STEERED_IPS;

/// The settings as the program reads them: the first port and the number of ports of each
/// address, the number of addresses, and these.
#[must_use]
pub fn settings(first_port: u16, ports: u32, addresses: &[IpAddr]) -> [u32; SETTINGS_WORDS] {
    let mut settings = [0; SETTINGS_WORDS];
    let used = addresses.len().min(MAX_STEERED_IPS);
    let (head, table) = settings.split_at_mut(SETTINGS_HEAD_WORDS);
    head.copy_from_slice(&[
        u32::from(first_port),
        ports,
        u32::try_from(used).unwrap_or(0),
        0,
    ]);
    for (place, ip) in table.chunks_exact_mut(4).zip(addresses) {
        place.copy_from_slice(&words(*ip));
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_belongs_to_one_thread_while_it_is_open() {
        let cell = PortCell::default();
        assert_eq!(cell.slot_of(0), None);
        cell.open(3, 77);
        assert_eq!((cell.slot_of(3), cell.slot_of(2)), (Some(77), None));
        cell.close();
        assert_eq!(cell.slot_of(3), None);
    }

    #[test]
    fn a_source_is_in_network_byte_order() {
        let cell = PortCell::default();
        cell.lock(SocketAddr::from(([192, 0, 2, 1], 0x1234)));
        let source = cell.source.each_ref().map(|w| w.load(Ordering::Relaxed));
        let bytes = source.map(u32::to_ne_bytes);
        assert_eq!(bytes, [[0; 4], [0; 4], [0, 0, 255, 255], [192, 0, 2, 1]]);
        let port = cell.source_port.load(Ordering::Relaxed);
        assert_eq!(port.to_ne_bytes()[..2], [0x12, 0x34]);
        assert_eq!(cell.locked.load(Ordering::Relaxed), 1);
        cell.open(1, 1);
        assert_eq!(cell.locked.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn settings_hold_the_addresses_in_order() {
        let ips = [
            IpAddr::from([127, 0, 0, 1]),
            IpAddr::V6(core::net::Ipv6Addr::LOCALHOST),
        ];
        let got = settings(20_000, 40_000, &ips);
        assert_eq!(got[..4], [20_000, 40_000, 2, 0]);
        assert_eq!(got[4..8], words(ips[0]));
        assert_eq!(got[8..12], words(ips[1]));
        assert_eq!(got[12..], [0; SETTINGS_WORDS - 12]);
    }
}
