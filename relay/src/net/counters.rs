//! What becomes of those who knock: counted by reason, outside of the signalling core.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a connection was turned away before it could carry SIP, or a datagram that is no SIP
/// dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum DoorDrop {
    /// As many handshakes as may be under way were under way.
    HandshakesFull,
    /// Its host has begun too many handshakes lately.
    HandshakeRate,
    /// The handshake was not done in time.
    HandshakeTime,
    /// The TLS handshake failed: wrong protocol, no common version, a refused certificate.
    Tls,
    /// The certificate of a host that we connected to was not believed, or its handshake failed.
    TlsOut,
    /// A request that opens no WebSocket.
    NoUpgrade,
    /// A WebSocket that does not offer the subprotocol `sip` (RFC 7118 section 4.1).
    NoSubprotocol,
    /// A page of an origin that is not allowed (RFC 6455 section 10.2).
    Origin,
    /// A STUN message that is no Binding request, or is malformed.
    Stun,
    /// A STUN request of a host that sends too many.
    StunRate,
}

/// All reasons, in the order of their counters.
pub const DOOR_DROPS: [(DoorDrop, &str); 10] = [
    (DoorDrop::HandshakesFull, "handshakes_full"),
    (DoorDrop::HandshakeRate, "handshake_rate"),
    (DoorDrop::HandshakeTime, "handshake_time"),
    (DoorDrop::Tls, "tls"),
    (DoorDrop::TlsOut, "tls_out"),
    (DoorDrop::NoUpgrade, "no_upgrade"),
    (DoorDrop::NoSubprotocol, "no_subprotocol"),
    (DoorDrop::Origin, "origin"),
    (DoorDrop::Stun, "stun"),
    (DoorDrop::StunRate, "stun_rate"),
];

/// Counters of all public listeners.
#[derive(Debug, Default)]
pub struct DoorCounters {
    drops: [AtomicU64; DOOR_DROPS.len()],
    handshakes: AtomicU64,
    stun_answers: AtomicU64,
}

impl DoorCounters {
    /// Counts one that was turned away.
    pub fn drop(&self, reason: DoorDrop) {
        if let Some(counter) = self.drops.get(reason as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a connection whose handshakes are done.
    pub fn handshake(&self) {
        self.handshakes.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answered STUN request.
    pub fn stun_answer(&self) {
        self.stun_answers.fetch_add(1, Ordering::Relaxed);
    }

    /// Connections whose handshakes were done.
    pub fn handshakes(&self) -> u64 {
        self.handshakes.load(Ordering::Relaxed)
    }

    /// STUN requests that were answered.
    pub fn stun_answers(&self) -> u64 {
        self.stun_answers.load(Ordering::Relaxed)
    }

    /// Every reason's name and count.
    pub fn drops(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = self.drops.iter().map(|count| count.load(Ordering::Relaxed));
        DOOR_DROPS
            .iter()
            .zip(counts)
            .map(|((_, name), count)| (*name, count))
    }
}
