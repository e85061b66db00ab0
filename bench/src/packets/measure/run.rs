//! What one load found, and where its lost packets went.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::packets::Latency;
use crate::packets::usage::CpuUse;
use crate::packets::vocabulary::{Counted, GuestCount, Losses, Wrong};

/// What one load found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Run {
    /// The relay, with its version.
    pub system: String,
    /// Its engine.
    pub engine: String,
    /// How packets were sent.
    pub generator: String,
    /// Two-way calls.
    pub calls: usize,
    /// RTP payload of an audio packet, in bytes.
    pub payload_bytes: usize,
    /// Packets a second that were to be sent.
    pub offered_packets_per_s: f64,
    /// For how long packets were sent, in seconds.
    pub seconds: f64,
    /// Packets sent.
    pub sent: u64,
    /// Packets that the generator was too late to send; they are not in `sent`.
    pub not_sent: u64,
    /// Packets that came out of the relay, whole and from the right source.
    pub delivered: u64,
    /// Delivered packets a second.
    pub packets_per_s: f64,
    /// Share of the sent packets that were not delivered, 0 to 1.
    pub loss: f64,
    /// Packets lost, by place and reason.
    pub lost: BTreeMap<String, u64>,
    /// What was wrong with packets that came out.
    pub wrong: Wrong,
    /// From sending to arrival at the other phone, in microseconds.
    pub latency_us: Latency,
    /// Of that, from the kernel's receipt at the relay until it was sent on, as the relay says.
    pub forwarding_us: Option<Latency>,
    /// CPU time of the relay for each delivered packet, in nanoseconds: the sum of
    /// `cpu_parts`.
    pub cpu_ns_per_packet: Option<f64>,
    /// Whose CPU time that was, in nanoseconds for each delivered packet.
    pub cpu_parts: CpuParts,
    /// Mean time of the XDP program at the relay's device, in nanoseconds, of a short run of its own
    /// at the same load; one reading of the clock is in it.
    pub program_ns: Option<f64>,
    /// Share of the relay's cores that was in use, 0 to 1, by whomever.
    pub relay_cores_busy: Option<f64>,
    /// Heap allocations of the relay's packet threads for each delivered packet.
    pub allocations_per_packet: Option<f64>,
    /// Growth of the relay process's resident memory for each call.
    pub bytes_per_call: Option<u64>,
    /// Growth of the kernel's memory (slab, page tables, stacks) for each call.
    pub kernel_bytes_per_call: Option<u64>,
    /// Memory that the relay has taken for its flows at devices, for each call.
    pub device_bytes_per_call: Option<u64>,
    /// Calls opened and closed beside the load.
    pub churned: Option<u64>,
    /// The same for each second in which calls came and went.
    pub churned_per_s: Option<f64>,
    /// What the same load came to right before, without them.
    pub without_churn: Option<Calm>,
    /// What became of media that were sent through some of them.
    pub guests: Option<GuestCount>,
    /// What makes the figures doubtful.
    pub remarks: Vec<String>,
}

/// A load with no calls that come and go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Calm {
    /// Share of the sent packets that were not delivered, 0 to 1.
    pub loss: f64,
    /// 99 of 100 packets took at most this, in microseconds.
    pub p99_us: f64,
}

/// CPU time by part, in nanoseconds for each delivered packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct CpuParts {
    /// The relay's process.
    pub process: f64,
    /// The relay device's kernel threads.
    pub napi: f64,
    /// `ksoftirqd` of the relay's cores.
    pub ksoftirqd: f64,
}

impl CpuParts {
    /// Of that time for so many packets.
    pub(super) fn of(spent: &CpuUse, packets: f64) -> Self {
        let per_packet = |time: Duration| time.as_secs_f64() * 1e9 / packets;
        Self {
            process: per_packet(spent.process),
            napi: per_packet(spent.napi),
            ksoftirqd: per_packet(spent.ksoftirqd),
        }
    }
}

/// Lost packets by place and reason. What nobody counted is `"elsewhere"`.
pub(super) fn places(
    gone: u64,
    counted: &Counted,
    udp: Vec<(&'static str, u64)>,
    losses: Option<Losses>,
) -> BTreeMap<String, u64> {
    if gone == 0 {
        // On loopback the kernel's counters are the whole machine's.
        return BTreeMap::new();
    }
    let mut places = counted.lost.clone();
    places.extend(
        udp.into_iter()
            .map(|(what, count)| (what.to_owned(), count)),
    );
    let dropped = losses.into_iter().flat_map(|losses| losses.dropped);
    places.extend(dropped.map(|(why, count)| (format!("in the relay: {why}"), count)));
    let told: u64 = places.values().sum();
    places.insert(
        "elsewhere".to_owned(),
        gone.saturating_sub(told + counted.wrong.total()),
    );
    places.retain(|_, count| *count > 0);
    places
}

/// Says when the latency is not that of all packets.
pub(super) fn sampled(counted: &Counted) -> Option<String> {
    let every = counted.latency_every;
    (every > 1).then(|| {
        format!(
            "latency is that of one packet in {every}, and the sink looks for packets less often"
        )
    })
}

/// Says when the generator could not send what it was to send.
pub(super) fn slow(counted: &Counted) -> Option<String> {
    let wanted = counted.sent + counted.not_sent;
    (counted.not_sent * 100 > wanted).then(|| {
        let share = counted.not_sent as f64 * 100.0 / wanted.max(1) as f64;
        format!(
            "the generator was too slow for {share:.0} % of the packets: its limit, not the relay's"
        )
    })
}
