//! What the program is told, and tells, beside the rows.

use crate::limits::MAX_STEERED_IPS;

/// What the program is told beside the rows: one value, in memory that both sides have mapped.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// From this time on the engine is taken to be away: what would go up is dropped instead, as
    /// nobody would answer. In ns of the kernel's clock `CLOCK_MONOTONIC_COARSE`.
    pub away_after: u64,
    /// From this time on it is taken to be gone, and the program does nothing.
    pub gone_after: u64,
    /// First port and number of ports of each address, as when the rows were made.
    pub first_port: u32,
    /// See `first_port`.
    pub ports: u32,
    /// How many of the addresses there are.
    pub addresses: u32,
    /// 1 if the program runs in the kernel's receive path, which knows of a packet whether its
    /// checksum is left to a device to complete; 0 in a driver, which does not.
    pub is_generic: u32,
    /// Local addresses, IPv4 as IPv4-mapped IPv6; the rows of each follow those of the one before.
    pub address: [[u8; 16]; MAX_STEERED_IPS],
}

/// A next hop that packets leave by.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hop {
    /// The device's index, a VLAN's own.
    pub ifindex: u32,
    /// `AF_INET` or `AF_INET6`.
    pub family: u32,
    /// As on the wire; of an IPv4 address the first four bytes.
    pub ip: [u8; 16],
}

/// A device that packets may leave by: where the program stands, and with which 802.1Q tag.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WayOut {
    /// The device's index.
    pub ifindex: u32,
    /// VLAN identifier, 1 to 4094; 0 without a tag.
    pub tag: u32,
}

/// A source's tokens, kept as the time at which there will be as many as there can be.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    /// In ns of the kernel's monotonic clock.
    pub full_at: u64,
}
