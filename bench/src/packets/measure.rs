//! One measurement: calls through a relay on a bed, a load, and what came of it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::bed::Bed;
use super::vocabulary::{Generator, Load, System, Wrong};
use super::{BenchError, Latency, Progress};

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
    memory: Memory,
}

/// Growth of memory by opening the calls and their first packets.
#[derive(Clone, Copy, Debug, Default)]
struct Memory {
    process: Option<u64>,
    kernel: Option<u64>,
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
        _progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, BenchError> {
        Ok(Self {
            bed,
            system,
            generator,
            calls,
            memory: Memory::default(),
        })
    }

    /// Sends a load. With `churn`, that many calls a second are opened and closed beside it.
    ///
    /// # Errors
    /// What relay or generator say. Loss and wrong packets are no errors, they are in the run.
    pub fn run(
        &mut self,
        load: &Load,
        _churn: Option<u32>,
        _progress: &mut dyn FnMut(Progress),
    ) -> Result<Run, BenchError> {
        let per_call = |bytes: Option<u64>| bytes.map(|all| all / self.calls.calls.max(1) as u64);
        Ok(Run {
            system: self.system.name(),
            engine: self.system.engine(),
            generator: self.generator.name().to_owned(),
            calls: self.calls.calls,
            payload_bytes: load.payload_bytes,
            bytes_per_call: per_call(self.memory.process),
            kernel_bytes_per_call: per_call(self.memory.kernel),
            remarks: self.bed.remarks(),
            ..Run::default()
        })
    }
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
