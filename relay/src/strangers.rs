//! How much may be considered of what unknown sources send: a token bucket for each of them.
//!
//! A datagram whose source is neither the one that its flow is locked to nor the very address
//! that was signalled costs its sender a token. Who has none left can neither be learned nor
//! cause more than the one counter `source_rate_limited` to rise.
//!
//! A bucket is kept as the time at which it will be full again. One that is full says nothing
//! that an absent one would not, so entries need no end of life: in a set without a free place
//! the fullest bucket gives way. The table is allocated once.

use std::net::IpAddr;

/// Datagrams from one unknown source that are considered each second, in the long run. A network
/// address translator or a trunk is one source for all calls behind it: each of its flows needs
/// one token to be learned, unless it sends from the address that it signalled.
pub const STRANGER_RATE: u64 = 200;

/// Datagrams from one unknown source that are considered at once, after a pause.
pub const STRANGER_BURST: u64 = 1000;

/// Sources that one packet thread remembers. Beyond them the fullest bucket of a set is forgotten.
pub const MAX_STRANGERS: usize = SETS * WAYS;

const SETS: usize = 1024;
const WAYS: usize = 4;

/// Nanoseconds in which one token comes back.
const TOKEN_NS: u64 = 1_000_000_000 / STRANGER_RATE;
/// Nanoseconds in which an empty bucket becomes full.
const FILL_NS: u64 = STRANGER_BURST * TOKEN_NS;

const _: () = assert!(SETS.is_power_of_two());

/// One source's bucket.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    source: u64,
    /// When it will be full, in nanoseconds of the caller's clock.
    full_at: u64,
}

/// The buckets of one packet thread.
#[derive(Debug)]
pub struct Strangers {
    sets: Box<[[Bucket; WAYS]]>,
    seed: u64,
    /// Places in use.
    used: usize,
}

impl Strangers {
    /// An empty table. Take `seed` from random numbers, so that nobody can choose sources that
    /// share a set.
    #[must_use]
    pub fn new(seed: u64) -> Strangers {
        Strangers {
            sets: vec![[Bucket::default(); WAYS]; SETS].into_boxed_slice(),
            seed,
            used: 0,
        }
    }

    /// Sources that are remembered, [`MAX_STRANGERS`] at most.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.used
    }

    /// Whether a datagram of that source may be considered at `now`, in nanoseconds of a clock
    /// that does not go back. It costs the source a token if so, and nothing if not.
    ///
    /// A source is an IPv4 address, or the upper half of an IPv6 address: whoever has one
    /// address of a /64 has them all (RFC 4291 section 2.5.1).
    #[must_use]
    pub fn admit(&mut self, source: IpAddr, now: u64) -> bool {
        let source = key(source);
        let Some(set) = self.sets.get_mut(place(source, self.seed)) else {
            return false;
        };
        // An unused place is the full bucket of ::/64.
        let known = set.iter_mut().find(|bucket| bucket.source == source);
        if let Some(bucket) = known {
            let full_at = bucket.full_at.max(now).saturating_add(TOKEN_NS);
            let admitted = full_at - now <= FILL_NS;
            if admitted {
                bucket.full_at = full_at;
            }
            return admitted;
        }
        if let Some(fullest) = set.iter_mut().min_by_key(|bucket| bucket.full_at) {
            self.used += usize::from(fullest.full_at == 0);
            *fullest = Bucket {
                source,
                full_at: now.saturating_add(TOKEN_NS),
            };
        }
        true
    }
}

/// A number for each source: IPv4 addresses lie where IPv6 has multicast, which never sends.
fn key(source: IpAddr) -> u64 {
    match source {
        IpAddr::V4(ip) => u64::from(u32::MAX) << 32 | u64::from(ip.to_bits()),
        IpAddr::V6(ip) => (ip.to_bits() >> 64) as u64,
    }
}

/// The set of a source: mixed as the last step of SplitMix64 does it, so that every bit of source
/// and seed counts.
fn place(source: u64, seed: u64) -> usize {
    let mut mixed = source ^ seed;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ mixed >> 31) as usize & (SETS - 1)
}

#[cfg(test)]
mod tests;
