//! One measurement: calls through a relay on a bed, a load, and what came of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::bed::{Bed, SPARE_CALLS};
use super::usage::{Cpu, CpuUse, Memory, Ticks, UdpDrops};
use super::vocabulary::{
    Counted, Generator, Kind, Load, Losses, Phones, SoFar, System, Way, Wrong,
};
use super::{BenchError, Latency, MAX_CALLS, Progress};

/// Share of a core that the host may take for figures to be trusted.
const TRUSTED: f64 = 0.02;
/// Share of the relay's cores that other processes may use.
const OTHERS: f64 = 0.03;

/// What is opened before a load is sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Calls {
    /// How many, 1 to [`super::MAX_CALLS`].
    pub calls: usize,
    /// Every other call carries video-sized packets.
    pub video: bool,
    /// Sender reports run beside each stream.
    pub rtcp: bool,
}

/// A relay with open calls that have passed packets.
pub struct Session<'a> {
    bed: &'a Bed,
    system: &'a mut dyn System,
    generator: &'a mut dyn Generator,
    calls: Calls,
    /// Growth by opening the calls and their first packets.
    memory: Memory,
}

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
    /// Share of the relay's cores that was in use, 0 to 1, by whomever.
    pub relay_cores_busy: Option<f64>,
    /// Heap allocations of the relay's packet threads for each delivered packet.
    pub allocations_per_packet: Option<f64>,
    /// Growth of the relay process's resident memory for each call.
    pub bytes_per_call: Option<u64>,
    /// Growth of the kernel's memory (slab, page tables, stacks) for each call.
    pub kernel_bytes_per_call: Option<u64>,
    /// Calls opened and closed beside the load.
    pub churned: Option<u64>,
    /// What makes the figures doubtful.
    pub remarks: Vec<String>,
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

impl<'a> Session<'a> {
    /// Opens the calls, lets every way pass a packet, and measures how memory grew.
    ///
    /// # Errors
    /// [`BenchError::NotOpen`] if not all ways pass packets; otherwise what bed, relay or
    /// generator say.
    pub fn open(
        bed: &'a Bed,
        system: &'a mut dyn System,
        generator: &'a mut dyn Generator,
        calls: Calls,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, BenchError> {
        if !(1..=MAX_CALLS).contains(&calls.calls) {
            let (calls, most) = (calls.calls, MAX_CALLS);
            return Err(BenchError::Args(format!(
                "calls is {calls}, allowed are 1 to {most}"
            )));
        }
        let before = Memory::read(system.pid());
        let phones: Vec<Phones> = (0..calls.calls).map(|call| bed.phones(call)).collect();
        let mut opened = |calls| {
            progress(Progress {
                calls,
                ..Progress::default()
            });
        };
        let locals = system.open(&phones, &mut opened)?;
        let ways = ways(&phones, &locals, calls);
        generator.arrange(&ways)?;
        bed.settle()?;
        let open = generator.warm_up()?;
        if open < ways.len() {
            let flows = ways.len();
            return Err(BenchError::NotOpen { open, flows });
        }
        let memory = Memory::read(system.pid()).since(&before);
        Ok(Self {
            bed,
            system,
            generator,
            calls,
            memory,
        })
    }

    /// Sends a load. With `churn`, that many calls a second are opened and closed beside it.
    ///
    /// # Errors
    /// What relay or generator say. Loss and wrong packets are no errors, they are in the run.
    pub fn run(
        &mut self,
        load: &Load,
        churn: Option<u32>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Run, BenchError> {
        self.bed.settle()?;
        let noise = self.bed.noise()?;
        let before = Reading::take(self.bed, self.system)?;
        let (counted, churned) = self.send(load, churn, progress)?;
        let after = Reading::take(self.bed, self.system)?;
        let spent = Spent::between(before, after, self.bed, &counted);
        let mut run = self.report(load, &counted, spent);
        run.churned = churned;
        run.remarks.extend(noise.remark());
        Ok(run)
    }

    /// Sends the load, with calls that come and go beside it.
    fn send(
        &mut self,
        load: &Load,
        churn: Option<u32>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Counted, Option<u64>), BenchError> {
        let calls = self.calls.calls;
        let mut tell = |far: SoFar| {
            progress(Progress {
                calls,
                elapsed: far.elapsed,
                sent: far.sent,
                delivered: far.delivered,
            });
        };
        let Some(calls_per_s) = churn else {
            return Ok((self.generator.run(load, &mut tell)?, None));
        };
        let phones: Vec<Phones> = (calls..calls + SPARE_CALLS)
            .map(|call| self.bed.phones(call))
            .collect();
        let stop = AtomicBool::new(false);
        let (system, generator) = (&mut *self.system, &mut *self.generator);
        thread::scope(|scope| {
            let churning = scope.spawn(|| system.churn(calls_per_s, &phones, &stop));
            let counted = generator.run(load, &mut tell);
            stop.store(true, Relaxed);
            let died = |_| BenchError::Relay("opening calls beside the load failed".to_owned());
            let churned = churning.join().map_err(died)??;
            Ok((counted?, Some(churned)))
        })
    }

    fn report(&self, load: &Load, counted: &Counted, spent: Spent) -> Run {
        let seconds = counted.elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        let delivered = (counted.delivered as f64).max(1.0);
        let per_packet = |time: Duration| time.as_secs_f64() * 1e9 / delivered;
        let per_call = |bytes: Option<u64>| bytes.map(|all| all / self.calls.calls.max(1) as u64);
        let gone = counted.sent.saturating_sub(counted.delivered);
        let mut remarks = self.bed.remarks();
        remarks.extend(slow(counted));
        remarks.extend(spent.remarks);
        Run {
            system: self.system.name(),
            engine: self.system.engine(),
            generator: self.generator.name().to_owned(),
            calls: self.calls.calls,
            payload_bytes: load.payload_bytes,
            offered_packets_per_s: load.packets_per_s as f64,
            seconds,
            sent: counted.sent,
            not_sent: counted.not_sent,
            delivered: counted.delivered,
            packets_per_s: counted.delivered as f64 / seconds,
            loss: gone as f64 / (counted.sent as f64).max(1.0),
            lost: places(gone, counted, spent.udp, spent.losses),
            wrong: counted.wrong,
            latency_us: Latency::of(&counted.latency),
            forwarding_us: spent.forwarding.as_ref().map(Latency::of),
            cpu_ns_per_packet: (!spent.cpu.total().is_zero())
                .then(|| per_packet(spent.cpu.total())),
            cpu_parts: CpuParts {
                process: per_packet(spent.cpu.process),
                napi: per_packet(spent.cpu.napi),
                ksoftirqd: per_packet(spent.cpu.ksoftirqd),
            },
            relay_cores_busy: spent.busy,
            allocations_per_packet: spent.allocations.map(|all| all as f64 / delivered),
            bytes_per_call: per_call(self.memory.process),
            kernel_bytes_per_call: per_call(self.memory.kernel),
            churned: None,
            remarks,
        }
    }
}

/// The ways of all calls: RTP both ways of each, then RTCP likewise.
fn ways(phones: &[Phones], locals: &[[SocketAddr; 2]], calls: Calls) -> Vec<Way> {
    let mut ways = Vec::new();
    for rtcp in 0..=u16::from(calls.rtcp) {
        for (call, (phones, locals)) in phones.iter().zip(locals).enumerate() {
            let up = |address: SocketAddr| SocketAddr::new(address.ip(), address.port() + rtcp);
            let ([caller, callee], [to_caller, to_callee]) = (phones.map(up), locals.map(up));
            let kind = match rtcp {
                1 => Kind::Rtcp,
                _ if calls.video && call % 2 == 1 => Kind::Video,
                _ => Kind::Audio,
            };
            let way = |from, to, out, at| Way {
                from,
                to,
                out,
                at,
                kind,
            };
            ways.push(way(caller, to_caller, to_callee, callee));
            ways.push(way(callee, to_callee, to_caller, caller));
        }
    }
    ways
}

/// Everything that is read before and after a load.
struct Reading {
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
    fn take(bed: &Bed, system: &mut dyn System) -> Result<Self, BenchError> {
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
struct Spent {
    cpu: CpuUse,
    busy: Option<f64>,
    udp: Vec<(&'static str, u64)>,
    losses: Option<Losses>,
    allocations: Option<u64>,
    forwarding: Option<Histogram<u64>>,
    remarks: Vec<String>,
}

impl Spent {
    fn between(before: Reading, after: Reading, bed: &Bed, counted: &Counted) -> Self {
        let cpu = after.cpu.since(&before.cpu);
        let relay = after.relay.since(&before.relay);
        let wall = after.at.duration_since(before.at);
        let cores = bed.cores().relay.len();
        let busy = relay.busy(cores, wall);
        let wall = wall.as_secs_f64();
        // Readings stand a little outside of the load.
        let scale = wall / counted.elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        let mut remarks = Vec::new();
        let stolen = relay
            .stolen()
            .max(after.generator.since(&before.generator).stolen());
        if stolen > TRUSTED {
            let share = stolen * 100.0;
            remarks.push(format!(
                "too noisy to trust: the host took {share:.1} % of a core during the run"
            ));
        }
        let ours = cpu.total().as_secs_f64() / (wall * cores as f64);
        let others = busy.unwrap_or(0.0) - ours;
        if bed.is_veth() && !bed.cores().shared() && others > OTHERS {
            let share = others * 100.0;
            remarks.push(format!(
                "too noisy to trust: others used {share:.1} % of the relay's cores during the run"
            ));
        }
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
            remarks,
        }
    }
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

/// Lost packets by place and reason. What nobody counted is `"elsewhere"`.
fn places(
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

/// Says when the generator could not send what it was to send.
fn slow(counted: &Counted) -> Option<String> {
    let wanted = counted.sent + counted.not_sent;
    (counted.not_sent * 100 > wanted).then(|| {
        let share = counted.not_sent as f64 * 100.0 / wanted.max(1) as f64;
        format!(
            "the generator was too slow for {share:.0} % of the packets: its limit, not the relay's"
        )
    })
}

/// One session with one load.
///
/// # Errors
/// As [`Session::open`] and [`Session::run`].
pub fn measure(
    bed: &Bed,
    system: &mut dyn System,
    generator: &mut dyn Generator,
    calls: Calls,
    load: &Load,
    churn: Option<u32>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Run, BenchError> {
    Session::open(bed, system, generator, calls, progress)?.run(load, churn, progress)
}

#[cfg(test)]
mod tests;
