//! What is read before and after a load, and what lies between.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::packets::BenchError;
use crate::packets::bed::Bed;
use crate::packets::usage::{Cpu, CpuUse, Ticks, UdpDrops};
use crate::packets::vocabulary::{Counted, Losses, System};

/// Share of a core that the host may take for figures to be trusted.
const TRUSTED: f64 = 0.02;
/// Share of the relay's cores that other processes may use.
const OTHERS: f64 = 0.03;

/// Everything that is read before and after a load.
pub(super) struct Reading {
    cpu: Cpu,
    relay: Ticks,
    generator: Ticks,
    at: Instant,
    udp: UdpDrops,
    losses: Option<Losses>,
    allocations: Option<u64>,
    forwarding: Option<Histogram<u64>>,
}

impl Reading {
    pub fn take(bed: &Bed, system: &mut dyn System) -> Result<Self, BenchError> {
        Ok(Self {
            udp: bed.in_relay(UdpDrops::read)?,
            losses: system.losses(),
            allocations: system.allocations(),
            forwarding: system.forwarding(),
            relay: Ticks::read(&bed.cores().relay),
            generator: Ticks::read(&bed.cores().generator),
            at: Instant::now(),
            cpu: Cpu::read(system.pid(), &bed.relay_threads()),
        })
    }
}

/// What a relay spent on a load.
pub(super) struct Spent {
    pub cpu: CpuUse,
    pub busy: Option<f64>,
    pub udp: Vec<(&'static str, u64)>,
    pub losses: Option<Losses>,
    pub allocations: Option<u64>,
    pub forwarding: Option<Histogram<u64>>,
    pub remarks: Vec<String>,
}

impl Spent {
    pub fn between(before: Reading, after: Reading, bed: &Bed, counted: &Counted) -> Self {
        let cpu = after.cpu.since(&before.cpu);
        let relay = after.relay.since(&before.relay);
        let wall = after.at.duration_since(before.at);
        let busy = relay.busy(bed.cores().relay.len(), wall);
        // Readings stand a little outside of the load.
        let scale = wall.as_secs_f64() / counted.elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        let stolen = after.generator.since(&before.generator).stolen();
        let remarks = [
            stolen_remark(relay.stolen().max(stolen)),
            others_remark(bed, busy.unwrap_or(0.0), cpu.total(), wall),
        ];
        Self {
            cpu,
            busy: busy.map(|busy| (busy * scale).min(1.0)),
            udp: after.udp.since(&before.udp).collect(),
            losses: before
                .losses
                .zip(after.losses)
                .map(|(before, after)| since(&before, after)),
            allocations: before
                .allocations
                .zip(after.allocations)
                .map(|(before, after)| after.saturating_sub(before)),
            forwarding: before
                .forwarding
                .zip(after.forwarding)
                .map(|(before, mut after)| {
                    // The bounds of both are the same.
                    let _ = after.subtract(&before);
                    after
                }),
            remarks: remarks.into_iter().flatten().collect(),
        }
    }
}

/// Says when the host took more of a core than figures can bear.
fn stolen_remark(stolen: f64) -> Option<String> {
    let share = stolen * 100.0;
    (stolen > TRUSTED)
        .then(|| format!("too noisy to trust: the host took {share:.1} % of a core during the run"))
}

/// Says when others than the relay were at work on its cores, where these are its own.
fn others_remark(bed: &Bed, busy: f64, relay: Duration, wall: Duration) -> Option<String> {
    let cores = bed.cores();
    let ours = relay.as_secs_f64() / (wall.as_secs_f64() * cores.relay.len() as f64);
    let others = busy - ours;
    let share = others * 100.0;
    (bed.is_veth() && !cores.shared() && others > OTHERS).then(|| {
        format!("too noisy to trust: others used {share:.1} % of the relay's cores during the run")
    })
}

fn since(before: &Losses, mut after: Losses) -> Losses {
    after.received = after.received.saturating_sub(before.received);
    after.forwarded = after.forwarded.saturating_sub(before.forwarded);
    after.buffers = after.buffers.saturating_sub(before.buffers);
    for (why, count) in &mut after.dropped {
        *count = count.saturating_sub(before.dropped.get(why).copied().unwrap_or(0));
    }
    after
}
