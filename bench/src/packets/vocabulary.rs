//! The words that bed, systems, generators and reports share.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::BenchError;

/// The addresses of a call's two phones: caller, callee. RTCP is on the port above.
pub type Phones = [SocketAddr; 2];

/// One direction of one stream: from a phone through the relay to the other phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The phone that sends.
    pub from: SocketAddr,
    /// The relay's address that it sends to.
    pub to: SocketAddr,
    /// The relay's address that the packet must come from when it is delivered.
    pub out: SocketAddr,
    /// The phone that it must be delivered to.
    pub at: SocketAddr,
    /// What it carries.
    pub kind: Kind,
}

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// RTP of the payload and time that the load says.
    Audio,
    /// RTP of large packets, as of video.
    Video,
    /// Sender reports, one for each [`RTCP_EVERY`] packets of its stream.
    Rtcp,
}

/// Packets of a stream for each report of it.
pub const RTCP_EVERY: u32 = 100;
/// RTP payload of a video packet, in bytes.
pub const VIDEO_PAYLOAD_BYTES: usize = 1100;

/// What is sent.
#[derive(Clone, Debug)]
pub struct Load {
    /// Packets a second, all ways together, RTCP included.
    pub packets_per_s: u64,
    /// For how long.
    pub duration: Duration,
    /// Packets that leave back to back: 1 is as even as can be; 0 as many as are due in
    /// [`MODERATION`], as a network card that moderates its interrupts presents them.
    pub burst: u32,
    /// RTP payload of an audio packet, in bytes.
    pub payload_bytes: usize,
    /// Time that an audio packet's payload stands for.
    pub ptime: Duration,
}

/// A network card that moderates its interrupts presents together what comes in this time. Where
/// an interrupt is expensive, as in virtual machines, packets one by one cost mostly interrupts.
pub const MODERATION: Duration = Duration::from_micros(100);
/// Most packets that it presents together: half of what a veth device's ring holds, so that the next
/// ones find room while the relay's core wakes up.
const MOST_AT_ONCE: u64 = 128;

impl Load {
    /// Packets that leave back to back, at least 1.
    #[must_use]
    pub fn at_once(&self) -> u32 {
        if self.burst > 0 {
            return self.burst;
        }
        let micros = u64::try_from(MODERATION.as_micros()).unwrap_or(u64::MAX);
        let due = self.packets_per_s.saturating_mul(micros) / 1_000_000;
        u32::try_from(due.clamp(1, MOST_AT_ONCE)).unwrap_or(1)
    }
}

/// What a generator sent and what came out.
#[derive(Clone, Debug)]
pub struct Counted {
    /// For how long packets were sent.
    pub elapsed: Duration,
    /// Packets sent.
    pub sent: u64,
    /// Packets that it was too late to send, or could not; not in `sent`.
    pub not_sent: u64,
    /// Packets that came out whole, from the right source, at the right phone.
    pub delivered: u64,
    /// Ways by which at least one packet came out.
    pub open_ways: usize,
    /// What came out wrong.
    pub wrong: Wrong,
    /// From sending to arrival, in nanoseconds, of the delivered ones, or of some of them.
    pub latency: Histogram<u64>,
    /// Delivered packets for each one that is in `latency`: 1, or more at high rates.
    pub latency_every: u64,
    /// What became of invited calls' packets; they are in no other count.
    pub guests: GuestCount,
    /// Packets lost at places that the generator can see (such as the device that it sends by).
    pub lost: BTreeMap<String, u64>,
}

/// Packets that came out of the relay and should not have, or not so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Wrong {
    /// From another address than the relay's for that call.
    pub source: u64,
    /// Changed, cut, or of another flow.
    pub content: u64,
    /// After a later one of the same flow, or twice.
    pub order: u64,
}

impl Wrong {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.source + self.content + self.order
    }
}

/// How far a generator is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SoFar {
    /// Time since sending began.
    pub elapsed: Duration,
    /// Packets sent.
    pub sent: u64,
    /// Packets delivered.
    pub delivered: u64,
}

/// Calls of a churn that carry media and have not been fetched yet, at most: more are opened in a second
/// by no churn.
pub const MAX_GUESTS: usize = 1024;

/// Calls that have just been opened beside a load, on their way from the relay to the generator.
#[derive(Debug, Default)]
pub struct Guests(Mutex<VecDeque<Guest>>);

/// A call and the relay's addresses towards its phones.
pub type Guest = (Phones, [SocketAddr; 2]);

impl Guests {
    /// Adds one; the oldest is forgotten if there are [`MAX_GUESTS`].
    pub fn add(&self, guest: Guest) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == MAX_GUESTS {
            all.pop_front();
        }
        all.push_back(guest);
    }

    /// Takes up to that many of them, the oldest first.
    pub fn take(&self, most: usize) -> Vec<Guest> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let some = most.min(all.len());
        all.drain(..some).collect()
    }
}

/// What became of the packets of calls that came and went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GuestCount {
    /// Packets sent by their ways.
    pub sent: u64,
    /// Packets that came out whole, from the right source; those sent to a call that had just ended
    /// do not.
    pub delivered: u64,
    /// Delivered ones that came after a later one of their way.
    pub overtaken: u64,
}

/// Sends packets and checks what comes out.
pub trait Generator {
    /// `"xdp live frames"`, `"sends in bursts"`.
    fn name(&self) -> &'static str;

    /// Takes the ways that the next runs send by.
    ///
    /// # Errors
    /// [`BenchError`] if there are too many, or what the system says.
    fn arrange(&mut self, ways: &[Way]) -> Result<(), BenchError>;

    /// Sends one packet by each way until every way is open, a few rounds at most, so that every
    /// relay has learned its sources. Returns the number of open ways.
    ///
    /// # Errors
    /// What the system says.
    fn warm_up(&mut self, progress: &mut dyn FnMut(SoFar)) -> Result<usize, BenchError>;

    /// Has the next runs send by the ways of these calls, too, for a moment after they came. They are
    /// counted by themselves. A generator that cannot leaves them be.
    fn invite(&mut self, guests: Option<Arc<Guests>>) {
        drop(guests);
    }

    /// Sends a load and waits for its last packets.
    ///
    /// # Errors
    /// What the system says.
    fn run(&mut self, load: &Load, progress: &mut dyn FnMut(SoFar)) -> Result<Counted, BenchError>;
}

/// Where a relay lost packets, as it says itself.
#[derive(Clone, Debug, Default)]
pub struct Losses {
    /// Packets that reached it.
    pub received: u64,
    /// Packets that it sent on.
    pub forwarded: u64,
    /// Packets that it did not, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Packets that the kernel lost in full socket buffers of the relay's namespace.
    pub buffers: u64,
}

/// A relay under test: a process of its own, which ends when this is dropped.
pub trait System: Send {
    /// Its name and version, such as `patchbay 0.1.0` or `rtpengine 10.5.3.5`.
    fn name(&self) -> String;

    /// Its engine, such as `uring`, `userspace`, `epoll`.
    fn engine(&self) -> String;

    /// Opens calls between phones at those addresses, and tells for each where its caller and
    /// its callee are to send RTP to; RTCP goes to the port above.
    ///
    /// # Errors
    /// [`BenchError::Relay`] says why not.
    fn open(
        &mut self,
        calls: &[Phones],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<[SocketAddr; 2]>, BenchError>;

    /// Opens and closes calls at that rate until `stop`. Some are handed over as they come, so that
    /// media can be sent through them while they are open; a relay that cannot do that hands over
    /// none. Returns how many were opened and closed.
    ///
    /// # Errors
    /// [`BenchError::Relay`] says why not.
    fn churn(
        &mut self,
        calls_per_s: u32,
        phones: &[Phones],
        stop: &AtomicBool,
        guests: &Guests,
    ) -> Result<u64, BenchError>;

    /// Its process.
    fn pid(&self) -> u32;

    /// What it counted so far, if it says.
    fn losses(&mut self) -> Option<Losses>;

    /// Heap allocations of its packet threads so far, if they are counted.
    fn allocations(&mut self) -> Option<u64>;

    /// Bytes that it has taken for its flows at devices, if it says.
    fn device_memory(&mut self) -> Option<u64> {
        None
    }

    /// Whether it gives packets new addresses. What does not gets them as they are to come out.
    fn readdresses(&self) -> bool {
        true
    }

    /// Its own measure of forwarding time in nanoseconds, if it has one.
    fn forwarding(&mut self) -> Option<Histogram<u64>>;
}

/// Which relay to test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemKind {
    /// Ours.
    Patchbay,
    /// Debian's rtpengine-daemon, in user space.
    Rtpengine,
    /// A minimal loop of receive and send on connected sockets: what sockets cost at least.
    Bare,
    /// A program at the device that sends every frame back: what the bed carries without a relay.
    Wire,
}

/// How a relay is to be started.
#[derive(Clone, Debug)]
pub struct SystemPlan {
    /// Which.
    pub kind: SystemKind,
    /// The engine, where there is a choice (Patchbay): `uring`.
    pub engine: String,
    /// Packet threads, each on a core of the relay's.
    pub threads: usize,
    /// Calls that it must have room for.
    pub calls: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_what_a_card_presents_together() {
        let at_once = |packets_per_s, burst| {
            let load = Load {
                packets_per_s,
                duration: Duration::from_secs(1),
                burst,
                payload_bytes: 160,
                ptime: Duration::from_millis(20),
            };
            load.at_once()
        };
        assert_eq!(at_once(80_000, 1), 1);
        assert_eq!(at_once(80_000, 5), 5);
        assert_eq!(at_once(2000, 0), 1);
        assert_eq!(at_once(80_000, 0), 8);
        assert_eq!(at_once(u64::MAX, 0), 128);
    }
}
