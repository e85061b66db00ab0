//! Counters that one packet thread writes and anybody reads.
//!
//! Each cell has one writer, so that a relaxed load and a relaxed store replace the locked
//! instruction of an atomic addition.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use patchbay_route::counters::{DropCounts, FlowStats, PairStats};
use patchbay_route::flow::{Component, FLOWS, Flow};
use patchbay_route::limits::DEVICE_JITTER_EVERY;
use patchbay_route::reception::{Reception, is_rtp};
use patchbay_route::verdict::DropReason;

use super::clock::nanos;
use super::totals::ThreadTotals;

/// A counter with a single writer.
#[derive(Debug, Default)]
pub struct Cell(AtomicU64);

impl Cell {
    /// Adds; to be called by the writer alone.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Sets.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// Reads.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A counter with a single writer that stays at its highest value, [`u32::MAX`], once there: for
/// what is rare, since every pair has many of them.
#[derive(Debug, Default)]
pub struct SmallCell(AtomicU32);

impl SmallCell {
    /// Adds; to be called by the writer alone.
    #[inline]
    pub fn add(&self, n: u32) {
        self.0
            .store(self.0.load(Relaxed).saturating_add(n), Relaxed);
    }
}

/// Something that counts.
pub trait Count {
    /// Reads.
    fn count(&self) -> u64;
}

impl Count for Cell {
    fn count(&self) -> u64 {
        self.get()
    }
}

impl Count for SmallCell {
    fn count(&self) -> u64 {
        u64::from(self.0.load(Relaxed))
    }
}

/// One counter for each reason.
#[derive(Debug, Default)]
pub struct DropCells<C = Cell> {
    source_unexpected: C,
    source_unsignalled: C,
    source_rate_limited: C,
    stun_on_plain: C,
    dtls_on_plain: C,
    remote_unknown: C,
    remote_held: C,
    oversized: C,
    unreadable: C,
    closing: C,
    queue_full: C,
    send_would_block: C,
    send_no_buffers: C,
    send_refused: C,
    send_unreachable: C,
    send_too_big: C,
    send_forbidden: C,
    send_other: C,
}

impl<C: Count> DropCells<C> {
    /// The counter of a reason.
    #[inline]
    pub fn of(&self, reason: DropReason) -> &C {
        match reason {
            DropReason::SourceUnexpected => &self.source_unexpected,
            DropReason::SourceUnsignalled => &self.source_unsignalled,
            DropReason::SourceRateLimited => &self.source_rate_limited,
            DropReason::StunOnPlain => &self.stun_on_plain,
            DropReason::DtlsOnPlain => &self.dtls_on_plain,
            DropReason::RemoteUnknown => &self.remote_unknown,
            DropReason::RemoteHeld => &self.remote_held,
            DropReason::Oversized => &self.oversized,
            DropReason::Unreadable => &self.unreadable,
            DropReason::Closing => &self.closing,
            DropReason::QueueFull => &self.queue_full,
            DropReason::SendWouldBlock => &self.send_would_block,
            DropReason::SendNoBuffers => &self.send_no_buffers,
            DropReason::SendRefused => &self.send_refused,
            DropReason::SendUnreachable => &self.send_unreachable,
            DropReason::SendTooBig => &self.send_too_big,
            DropReason::SendForbidden => &self.send_forbidden,
            DropReason::SendOther => &self.send_other,
        }
    }

    fn read(&self) -> DropCounts {
        DropCounts::new(DropReason::ALL.map(|reason| self.of(reason).count()))
    }
}

/// Counters of one flow. What a forwarded datagram changes is in one cache line, the first.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct FlowCells {
    /// Datagrams read from the socket.
    pub received: Cell,
    /// Datagrams handed to the kernel for sending.
    pub accepted: Cell,
    /// Their payload bytes.
    pub bytes: Cell,
    /// When the last one was accepted, in nanoseconds of the engine's clock; 0: never.
    pub last: Cell,
    /// Whether the flow is locked to a source.
    pub learned: AtomicBool,
    /// Clock of the RTP timestamps in Hz; 0: not known.
    clock_hz: AtomicU32,
    /// Datagrams not forwarded.
    pub drops: DropCells<SmallCell>,
}

const _: () = assert!(size_of::<FlowCells>() == 128);

impl FlowCells {
    fn go_on(&self, from: &FlowStats, now: u64) {
        self.received.set(from.received);
        self.accepted.set(from.accepted);
        self.bytes.set(from.bytes);
        self.clock_hz.store(from.clock_hz, Relaxed);
        let last = from
            .last_packet_age
            .map(|age| now.saturating_sub(nanos(age)).max(1));
        self.last.set(last.unwrap_or(0));
        for (reason, count) in from.drops.iter() {
            self.drops
                .of(reason)
                .add(u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    fn read(&self, now: u64) -> FlowStats {
        let last = self.last.get();
        FlowStats {
            received: self.received.get(),
            accepted: self.accepted.get(),
            bytes: self.bytes.get(),
            drops: self.drops.read(),
            strangers: 0,
            learned: self.learned.load(Relaxed),
            last_packet_age: (last > 0).then(|| Duration::from_nanos(now.saturating_sub(last))),
            heard: Reception::default(),
            clock_hz: self.clock_hz.load(Relaxed),
        }
    }
}

/// What has been heard of a side's media. It has a single writer; who else reads it while that
/// writes has numbers of before and after.
#[derive(Debug, Default)]
struct HeardCell([AtomicU64; 4]);

impl HeardCell {
    #[inline]
    fn set(&self, heard: &Reception) {
        for (cell, word) in self.0.iter().zip(heard.to_words()) {
            cell.store(word, Relaxed);
        }
    }

    #[inline]
    fn get(&self) -> Reception {
        Reception::from_words(self.0.each_ref().map(|cell| cell.load(Relaxed)))
    }
}

/// What both sides' media are heard with: one cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
struct HeardCells([HeardCell; 2]);

const _: () = assert!(size_of::<HeardCells>() == 64);

/// Of the sequence number's bits; packets in which these are 0 are those that jitter is taken of.
const JITTER_MASK: u16 = DEVICE_JITTER_EVERY - 1;

/// Counters of one pair.
#[derive(Debug, Default)]
pub struct PairCells {
    flows: [FlowCells; FLOWS],
    /// By [`patchbay_route::flow::Side::index`].
    heard: HeardCells,
}

impl PairCells {
    /// Counters that go on from where another process left off. `now` is the engine's clock.
    pub fn going_on(from: &PairStats, now: u64) -> PairCells {
        let cells = PairCells::default();
        for (flow, stats) in Flow::ALL.into_iter().zip(&from.flows) {
            cells.flow(flow).go_on(stats, now);
            cells.set_heard(flow, &stats.heard.for_another_clock());
        }
        cells
    }

    /// Hears a datagram that came from a flow's source, if it is RTP. `ticks` is by its clock
    /// ([`patchbay_route::reception::ticks`]); `now` is the engine's. To be called by the pair's
    /// thread alone.
    #[inline]
    pub fn hear(&self, flow: Flow, payload: &[u8], now: u64, ticks: u32) {
        if flow.component == Component::Rtp && is_rtp(payload) {
            let cell = &self.heard.0[flow.side.index()];
            let mut heard = cell.get();
            heard.hear(payload, now, ticks, JITTER_MASK);
            cell.set(&heard);
        }
    }

    /// What has been heard of a flow; nothing of RTCP.
    pub fn heard(&self, flow: Flow) -> Reception {
        match flow.component {
            Component::Rtp => self.heard.0[flow.side.index()].get(),
            Component::Rtcp => Reception::default(),
        }
    }

    /// Goes on from what somebody else has heard of a flow. To be called by the pair's thread alone.
    pub fn set_heard(&self, flow: Flow, heard: &Reception) {
        if flow.component == Component::Rtp {
            self.heard.0[flow.side.index()].set(heard);
        }
    }

    /// Nobody else hears a flow any more, whose count was handed over while somebody did. To be
    /// called by the pair's thread alone.
    pub fn hear_alone(&self, flow: Flow) {
        self.set_heard(flow, &self.heard(flow).forsaken());
    }

    /// Says what clock a flow's RTP timestamps have, in Hz; 0: it is not known. To be called by the
    /// pair's thread alone.
    pub fn set_clock(&self, flow: Flow, clock_hz: u32) {
        if self.flow(flow).clock_hz.swap(clock_hz, Relaxed) != clock_hz {
            self.set_heard(flow, &self.heard(flow).at_another_rate());
        }
    }

    /// The counters of one of its flows.
    #[inline]
    pub fn flow(&self, flow: Flow) -> &FlowCells {
        &self.flows[flow.index()]
    }

    /// Takes a snapshot; `now` is the engine's clock.
    pub fn read(&self, now: u64) -> PairStats {
        PairStats {
            flows: Flow::ALL.map(|flow| FlowStats {
                heard: self.heard(flow),
                ..self.flow(flow).read(now)
            }),
        }
    }
}

/// Counters of one packet thread.
#[derive(Debug, Default)]
pub struct ThreadCells {
    /// Datagrams read from sockets.
    pub received: Cell,
    /// Datagrams handed to the kernel for sending.
    pub accepted: Cell,
    /// Their payload bytes.
    pub bytes: Cell,
    /// Datagrams not forwarded.
    pub drops: DropCells,
    /// Wake-ups.
    pub batches: Cell,
    /// Receives started anew.
    pub rearmed: Cell,
    /// Receives that found no buffer.
    pub out_of_buffers: Cell,
    /// Receives that ended with another error.
    pub receive_errors: Cell,
    /// Sources learned.
    pub learned: Cell,
    /// Sockets that could not be connected.
    pub connect_errors: Cell,
    /// Sockets that were not listened to for a while, since they took in too much.
    pub floods: Cell,
    /// Unknown sources that are remembered.
    pub sources: Cell,
    /// Pairs in the table.
    pub pairs: Cell,
    /// Allocations of the thread since it was ready.
    pub allocations: Cell,
}

impl ThreadCells {
    /// Takes a snapshot.
    pub fn read(&self) -> ThreadTotals {
        ThreadTotals {
            received: self.received.get(),
            accepted: self.accepted.get(),
            bytes: self.bytes.get(),
            drops: self.drops.read(),
            batches: self.batches.get(),
            rearmed: self.rearmed.get(),
            out_of_buffers: self.out_of_buffers.get(),
            receive_errors: self.receive_errors.get(),
            learned: self.learned.get(),
            connect_errors: self.connect_errors.get(),
            floods: self.floods.get(),
            strangers: 0,
            sources: self.sources.get(),
            pairs: self.pairs.get(),
            allocations: self.allocations.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_counter_of_its_own() {
        let (large, small) = (
            DropCells::<Cell>::default(),
            DropCells::<SmallCell>::default(),
        );
        for (reason, n) in DropReason::ALL.into_iter().zip(1..) {
            large.of(reason).add(n.into());
            small.of(reason).add(n);
        }
        for (reason, n) in DropReason::ALL.into_iter().zip(1..) {
            assert_eq!(large.read().get(reason), n);
            assert_eq!(small.read().get(reason), n);
        }
    }

    #[test]
    fn a_small_cell_stays_at_its_end() {
        let cell = SmallCell::default();
        cell.add(u32::MAX - 1);
        assert_eq!(cell.count(), u64::from(u32::MAX) - 1);
        cell.add(1);
        cell.add(1);
        assert_eq!(cell.count(), u64::from(u32::MAX));
    }

    #[test]
    fn counters_go_on_where_they_were() {
        let cells = PairCells::default();
        let flow = cells.flow(Flow::from_index(1));
        flow.received.add(7);
        flow.bytes.add(900);
        flow.drops.of(DropReason::Oversized).add(2);
        flow.last.set(40);
        cells.set_clock(Flow::from_index(2), 8000);
        for sequence in [4, 7] {
            let mut rtp = [0x80; 12];
            rtp[1..4].copy_from_slice(&[0, 0, sequence]);
            cells.hear(Flow::from_index(2), &rtp, 9, 7);
            cells.hear(Flow::from_index(3), &rtp, 9, 7);
        }
        let mut then = cells.read(50);
        assert_eq!(then.flows.map(|flow| flow.heard.missing()), [0, 0, 2, 0]);
        assert_eq!(then.flows.map(|flow| flow.clock_hz), [0, 0, 8000, 0]);
        then.flows[2].heard = then.flows[2].heard.for_another_clock();
        let on = PairCells::going_on(&then, 1_000);
        assert_eq!(on.read(1_000), then);
        on.flow(Flow::from_index(1)).received.add(1);
        assert_eq!(on.read(1_000).flows[1].received, 8);
    }

    #[test]
    fn ages_are_counted_from_the_last_packet() {
        let cells = PairCells::default();
        let flow = Flow::from_index(2);
        assert_eq!(cells.read(10).last_packet_age(), None);
        cells.flow(flow).last.set(4);
        assert_eq!(
            cells.read(10).last_packet_age(),
            Some(Duration::from_nanos(6))
        );
        assert_eq!(cells.read(3).last_packet_age(), Some(Duration::ZERO));
    }
}
