//! Limits of the data plane, with their reasons.

/// Largest datagram payload, in bytes, that is forwarded. Ethernet carries 1472 bytes of UDP
/// payload over IPv4; the rest is room for what arrives in IP fragments, such as DTLS flights.
/// A larger one is dropped as `oversized`.
pub const MAX_DATAGRAM_BYTES: usize = 1904;

/// Bytes free in front of every payload in its buffer: an Ethernet header with VLAN tag (18),
/// an IPv6 header (40) and a UDP header (8) fit.
pub const HEADROOM_BYTES: usize = 80;

/// Bytes free behind the largest payload: an SRTP tag with index and key identifier fits.
pub const TAILROOM_BYTES: usize = 64;

/// Size of one packet buffer, in bytes: the sum of its three users.
pub const BUFFER_BYTES: usize = HEADROOM_BYTES + MAX_DATAGRAM_BYTES + TAILROOM_BYTES;

/// Packet buffers of one thread. One wake-up of the thread can take in as many packets; more
/// wait in their sockets. A power of two, at most 32,768.
pub const BUFFERS_PER_THREAD: u16 = 2048;

/// Commands (open, set remote) that may wait for one packet thread. Closing has a queue of its
/// own with a place for every pair, so that it cannot fail.
pub const MAX_COMMANDS: usize = 1024;

/// Longest window, in seconds, in which a source other than the signalled one may be learned.
/// It bounds for how long media can be taken by somebody who shares the party's IP address.
pub const MAX_LEARN_WINDOW_SECONDS: u64 = 60;

/// Local IP addresses for which a port pool is kept.
pub const MAX_LOCAL_IPS: usize = 64;

/// Packet threads of one engine.
pub const MAX_THREADS: usize = 64;

/// Pairs of one engine, whatever the configuration says.
pub const MAX_PAIRS: usize = 1 << 20;

const _: () = assert!(BUFFER_BYTES == 2048);
const _: () = assert!(BUFFERS_PER_THREAD.is_power_of_two());
