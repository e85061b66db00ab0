//! Limits of the data plane, with their reasons.

/// Largest datagram payload, in bytes, that is forwarded: what jumbo frames of 9,000 bytes carry,
/// and some more that arrives in IP fragments. A larger one is dropped as `oversized`.
pub const MAX_DATAGRAM_BYTES: usize = 9216;

/// Bytes free in front of every payload in its buffer. The kernel writes its description of a
/// datagram there (16), the source (32), and control data (80); later the headers of the datagram
/// that leaves, IPv6 (40) and UDP (8), take their place.
pub const HEADROOM_BYTES: usize = 128;

/// Bytes free behind the largest payload: an SRTP tag with index and key identifier fits. It
/// makes a buffer an odd number of cache lines long, so that payloads begin in different sets.
pub const TAILROOM_BYTES: usize = 64;

/// Size of one packet buffer, in bytes: the sum of its three users.
pub const BUFFER_BYTES: usize = HEADROOM_BYTES + MAX_DATAGRAM_BYTES + TAILROOM_BYTES;

/// Packet buffers of one thread for flows that have learned their source. One wake-up of the
/// thread can take in as many packets; more wait in their sockets. A power of two, at most
/// 32,768.
pub const BUFFERS_PER_THREAD: u16 = 1024;

/// Packet buffers of one thread for flows that have not, whose packets come with their source.
/// A power of two, at most 32,768.
pub const MESSAGE_BUFFERS_PER_THREAD: u16 = 256;

/// Datagrams that one socket of a pair may take in within one [`FLOW_WINDOW_NS`] once its source
/// is learned: some 60,000 a second, a hundred times what video needs. Beyond it the socket is
/// not listened to until the window ends, so that a flood at one port costs its own call alone.
pub const MAX_PACKETS_PER_WINDOW: u32 = 512;

/// The same where ports are steered, and at a device: what is beyond it is not delayed but dropped.
/// The steered ports of a thread share a socket, so that a flood within this limit must be less than
/// what a slow thread sends on, or it would fill the socket for its neighbours.
pub const MAX_STEERED_PACKETS_PER_WINDOW: u32 = 512;

/// The same for datagrams that are dropped, as strangers' are, and for all of a steered port whose
/// source is not learned: some 7,500 a second.
pub const MAX_DROPS_PER_WINDOW: u32 = 64;

/// The window of these limits, in nanoseconds: a power of two, about 8.4 ms.
pub const FLOW_WINDOW_NS: u64 = 1 << 23;

/// Commands (open, set remote) that may wait for one packet thread. Closing has a queue of its
/// own with a place for every pair, so that it cannot fail.
pub const MAX_COMMANDS: usize = 1024;

/// What a packet thread with a socket for each port does of its commands in one wake-up; the rest waits until the packets that
/// came meanwhile are on their way. Opening a pair is 2; closing one is 2, or more with thousands
/// of pairs on the thread; anything else is 1.
pub const WORK_PER_WAKE_UP: u32 = 8;

/// The same for a thread with steered ports, where each is 1: opening or closing a pair is a few
/// writes to memory.
pub const STEERED_WORK_PER_WAKE_UP: u32 = 64;

/// Longest window, in seconds, in which a source other than the signalled one may be learned.
/// It bounds for how long media can be taken by somebody who shares the party's IP address.
pub const MAX_LEARN_WINDOW_SECONDS: u64 = 60;

/// Local IP addresses for which a port pool is kept.
pub const MAX_LOCAL_IPS: usize = 64;

/// Local IP addresses whose ports are steered. The steering program looks through all of them for
/// each packet, and the kernel keeps 64 bytes for each port of each; where settled flows are sent
/// on at devices, 192 more, and the program there looks through them as well.
pub const MAX_STEERED_IPS: usize = 8;

/// Packet threads of one engine.
pub const MAX_THREADS: usize = 64;

/// Pairs of one engine, whatever the configuration says.
pub const MAX_PAIRS: usize = 1 << 20;

/// Datagrams a second, in the long run, that one unknown source may send to ports of ours past the
/// program at the device: five times what a packet thread then considers, because several threads
/// listen. What a flow's expected source sends is not counted.
pub const DEVICE_SOURCE_RATE: u64 = 1_000;

/// The same at once, after a pause.
pub const DEVICE_SOURCE_BURST: u64 = 4_000;

/// The same for all unknown sources together, on each core: sources can be made up. It costs the
/// sockets a tenth of a core at most.
pub const DEVICE_UNKNOWN_RATE: u64 = 20_000;

/// The same at once, after a pause.
pub const DEVICE_UNKNOWN_BURST: u64 = 20_000;

/// Unknown sources that the program at the device remembers; beyond them, those that have not been
/// heard for longest are forgotten.
pub const DEVICE_SOURCES: u32 = 65_536;

/// Devices that packets may leave by, VLANs counted.
pub const MAX_WAYS_OUT: u32 = 256;

/// For how long a flow's next hop is not asked for again, in nanoseconds. A changed route counts
/// after this time.
pub const DEVICE_HOP_AGE_NS: u64 = 1_000_000_000;

/// Next hops that packets left by within this time are kept fresh, in nanoseconds: the kernel is
/// asked, each time that half of it has passed, to see whether they are still there. It asks a
/// neighbour that it has not heard of for 15 to 45 s by default.
pub const DEVICE_NEIGHBOUR_AGE_NS: u64 = 10_000_000_000;

/// Of how many RTP packets of a flow one is taken for its jitter: at the device, reading the exact
/// clock is a third of what a packet costs there. A power of two.
pub const DEVICE_JITTER_EVERY: u16 = 4;

/// From this time on without a sign of the relay, in nanoseconds, the program at the device drops
/// what it would pass up: sockets that nobody reads, or that are not there, are of no use.
pub const DEVICE_AWAY_AFTER_NS: u64 = 2_000_000_000;

/// A flow that a relay before this one has left, and that no call claims, ends after so much
/// silence, in nanoseconds.
pub const DEVICE_ORPHAN_SILENCE_NS: u64 = 60_000_000_000;

/// Next hops that the program at the device remembers to have used; beyond them, those are forgotten
/// that have not been used for longest.
pub const DEVICE_NEIGHBOURS: u32 = 1024;

const _: () = assert!(BUFFER_BYTES.is_multiple_of(64) && (BUFFER_BYTES / 64) % 2 == 1);
const _: () = assert!(MESSAGE_BUFFERS_PER_THREAD.is_power_of_two());
const _: () = assert!(BUFFERS_PER_THREAD.is_power_of_two());
