//! The engine as a whole, as read from outside.

use std::net::IpAddr;
use std::ops::Add;

use hdrhistogram::Histogram;
use patchbay_route::counters::DropCounts;

use super::device::Device;
use super::host::HostUdp;
use super::times;
use super::xdp::{Fate, FateCounts};

/// Sums over all packet threads and pairs since the start.
#[derive(Clone, Debug)]
pub struct EngineTotals {
    /// Datagrams read from sockets.
    pub received: u64,
    /// Datagrams from the right source that were handed to the kernel for the other side.
    pub accepted: u64,
    /// Payload bytes of the accepted ones.
    pub bytes: u64,
    /// Datagrams not forwarded, by reason. `received - drops.total()` were sent.
    pub drops: DropCounts,
    /// Allocations of the packet threads since each was ready. Counted only in a program whose
    /// global allocator is [`super::allocations::Counted`]; 0 in any other.
    pub allocations: u64,
    /// By packet thread.
    pub threads: Vec<ThreadTotals>,
    /// Time from the kernel's receipt of a datagram (its SO_TIMESTAMPNS stamp) until the system
    /// call that sent it on had returned, in nanoseconds. Sampled: one datagram a thread and
    /// millisecond at most, of one pair in sixteen, the oldest of its batch.
    pub forwarding_time: Histogram<u64>,
    /// Pairs that are open.
    pub pairs_open: usize,
    /// Pairs that can be open at once.
    pub pairs_capacity: usize,
    /// Free port pairs of the local address that has the fewest. A call takes one on each side.
    pub ports_free: usize,
    /// Free port pairs of each local address used so far.
    pub ports: Vec<PortsFree>,
    /// What became of packets at devices, if there are any. What was sent on there is in `received`,
    /// `accepted` and `bytes`.
    pub device: Option<DeviceTotals>,
    /// What the kernel counted in this network namespace since the engine started, other
    /// programs' sockets included. Once a flow is learned its socket is connected, and strangers
    /// no longer reach the engine: the kernel counts them in `no_ports`.
    pub host: HostUdp,
}

impl EngineTotals {
    /// Totals without any thread's numbers.
    pub(super) fn of_ports(ports: Vec<PortsFree>, ports_each: usize) -> EngineTotals {
        EngineTotals {
            received: 0,
            accepted: 0,
            bytes: 0,
            drops: DropCounts::default(),
            allocations: 0,
            threads: Vec::new(),
            forwarding_time: times::empty(),
            pairs_open: 0,
            pairs_capacity: 0,
            ports_free: ports.iter().map(|p| p.free).min().unwrap_or(ports_each),
            ports,
            device: None,
            host: HostUdp::default(),
        }
    }

    /// Takes in one thread's numbers.
    pub(super) fn add(&mut self, thread: ThreadTotals) {
        self.received += thread.received;
        self.accepted += thread.accepted;
        self.bytes += thread.bytes;
        self.drops += thread.drops;
        self.allocations += thread.allocations;
        self.threads.push(thread);
    }

    /// Takes in what was counted at devices.
    pub(super) fn add_device(&mut self, device: &Device) {
        let fates = device.flows().fates();
        let sent_on = fates.get(Fate::SentOn);
        self.received += sent_on;
        self.accepted += sent_on;
        self.bytes += fates.sent_bytes();
        self.device = Some(DeviceTotals {
            fates,
            refused: device.flows().refused(),
            orphans: device.flows().orphans(),
            memory_bytes: device.memory_bytes(),
        });
    }

    /// Datagrams that were sent on.
    #[must_use]
    pub fn forwarded(&self) -> u64 {
        self.received.saturating_sub(self.drops.total())
    }
}

/// Packets at devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceTotals {
    /// What became of them.
    pub fates: FateCounts,
    /// Flows that could not be told to the program, and stayed with the sockets.
    pub refused: u64,
    /// Flows that a process before this one has left, and that no pair has taken over yet.
    pub orphans: usize,
    /// Memory of the program's tables, the kernel's, whatever the number of flows.
    pub memory_bytes: u64,
}

/// Port pairs of one local address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortsFree {
    /// The address.
    pub local_ip: IpAddr,
    /// Port pairs not in use by the engine.
    pub free: usize,
    /// All of them.
    pub total: usize,
}

/// Counters of one packet thread, and of those before it that died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadTotals {
    /// Datagrams read from sockets.
    pub received: u64,
    /// Datagrams handed to the kernel for sending.
    pub accepted: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Datagrams not forwarded, by reason.
    pub drops: DropCounts,
    /// Wake-ups of the thread; `received / batches` is the mean batch.
    pub batches: u64,
    /// Receives that were started anew after the kernel had ended them.
    pub rearmed: u64,
    /// Receives that ended because every packet buffer was in use. Nothing is lost by it unless
    /// the socket's own buffer overflows.
    pub out_of_buffers: u64,
    /// Receives that ended with an error, such as an ICMP message of the peer's host.
    pub receive_errors: u64,
    /// Sources learned.
    pub learned: u64,
    /// Sockets that could not be connected to their learned source. Their source is checked by
    /// the engine alone.
    pub connect_errors: u64,
    /// How often a socket was not listened to until the end of a window, since it took in more
    /// than [`patchbay_route::limits::MAX_PACKETS_PER_WINDOW`] datagrams, or dropped more than
    /// [`patchbay_route::limits::MAX_DROPS_PER_WINDOW`]. What came meanwhile and found the
    /// socket's buffer full is in [`HostUdp::receive_buffer_errors`].
    pub floods: u64,
    /// Datagrams from elsewhere for flows whose source is learned, refused before the engine saw
    /// them. Counted with steered ports only; else they are among [`HostUdp::no_ports`].
    pub strangers: u64,
    /// Unknown sources that the thread remembers, [`crate::strangers::MAX_STRANGERS`] at most.
    pub sources: u64,
    /// Pairs that are open on this thread.
    pub pairs: u64,
    /// Allocations since the thread was ready; see [`EngineTotals::allocations`].
    pub allocations: u64,
}

impl Add for ThreadTotals {
    type Output = ThreadTotals;

    fn add(self, other: ThreadTotals) -> ThreadTotals {
        let mut drops = self.drops;
        drops += other.drops;
        ThreadTotals {
            received: self.received + other.received,
            accepted: self.accepted + other.accepted,
            bytes: self.bytes + other.bytes,
            drops,
            batches: self.batches + other.batches,
            rearmed: self.rearmed + other.rearmed,
            out_of_buffers: self.out_of_buffers + other.out_of_buffers,
            receive_errors: self.receive_errors + other.receive_errors,
            learned: self.learned + other.learned,
            connect_errors: self.connect_errors + other.connect_errors,
            floods: self.floods + other.floods,
            strangers: self.strangers + other.strangers,
            sources: self.sources + other.sources,
            pairs: self.pairs + other.pairs,
            allocations: self.allocations + other.allocations,
        }
    }
}

/// How a packet thread is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadHealth {
    /// Its number, from 0.
    pub thread: usize,
    /// Its kernel thread id, for CPU accounting.
    pub tid: u32,
    /// The core it is pinned to.
    pub cpu: Option<usize>,
    /// Whether it runs.
    pub alive: bool,
    /// Whether it does not run and is not started again, since it died too often.
    pub stays_down: bool,
    /// Changes of its table that wait to be made, at most
    /// [`patchbay_route::limits::MAX_COMMANDS`] and one for each pair.
    pub waiting: usize,
    /// Why it does not run, or why the thread before it died.
    pub failure: Option<String>,
    /// Pairs it carries; 0 when it is dead, since they are lost.
    pub pairs: usize,
    /// How often it has been started again.
    pub restarts: u64,
}
