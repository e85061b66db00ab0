//! One measurement: calls through a relay on a bed, a load, and what came of it.

mod run;
mod spent;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use super::bed::{Bed, SPARE_CALLS};
use super::meter::Meter;
use super::usage::Memory;
use super::vocabulary::{Counted, Generator, Guests, Kind, Load, Phones, SoFar, System, Way};
use super::{BenchError, Latency, MAX_CALLS, Progress};
use crate::report::grouped;
use run::{places, sampled, slow};
use spent::{Reading, Spent};

pub use run::{Calm, CpuParts, Run};

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
    /// What the relay has taken for its flows at devices.
    device_memory: Option<u64>,
}

/// For how long the program at the relay's device is metered.
const METERED: Duration = Duration::from_millis(500);

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
        if calls.calls > bed.most_calls() {
            let limit = format!(
                "{} has ports for {}",
                bed.describe(),
                grouped(bed.most_calls() as u64)
            );
            let calls = calls.calls;
            return Err(BenchError::NoRoom { calls, limit });
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
        let ways = ways(&phones, &locals, calls, system.readdresses());
        generator.arrange(&ways)?;
        bed.settle()?;
        let opened = calls.calls;
        let mut tell = |far: SoFar| {
            progress(Progress {
                calls: opened,
                sent: far.sent,
                delivered: far.delivered,
                ..Progress::default()
            });
        };
        let open = generator.warm_up(&mut tell)?;
        if open < ways.len() {
            let flows = ways.len();
            return Err(BenchError::NotOpen { open, flows });
        }
        let memory = Memory::read(system.pid()).since(&before);
        let device_memory = system.device_memory();
        Ok(Self {
            bed,
            system,
            generator,
            calls,
            memory,
            device_memory,
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
        let calm = match churn {
            Some(_) => Some(self.calm(load, progress)?),
            None => None,
        };
        let before = Reading::take(self.bed, self.system)?;
        let (counted, churned) = self.send(load, churn, progress)?;
        let after = Reading::take(self.bed, self.system)?;
        let spent = Spent::between(before, after, self.bed, &counted);
        let mut run = self.report(load, &counted, spent);
        run.churned = churned.map(|(calls, _)| calls);
        run.churned_per_s = churned.map(|(_, per_s)| per_s);
        run.without_churn = calm;
        run.guests = churned.map(|_| counted.guests);
        run.program_ns = self.program_ns(load)?;
        run.remarks.extend(noise.remark());
        Ok(run)
    }

    /// The same load with no calls that come and go, to compare with.
    fn calm(
        &mut self,
        load: &Load,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Calm, BenchError> {
        let (counted, _) = self.send(load, None, progress)?;
        let gone = counted.sent.saturating_sub(counted.delivered);
        Ok(Calm {
            loss: gone as f64 / (counted.sent as f64).max(1.0),
            p99_us: Latency::of(&counted.latency).p99,
        })
    }

    /// What the program at the relay's device takes with that load, if there is one.
    fn program_ns(&mut self, load: &Load) -> Result<Option<f64>, BenchError> {
        let Some(meter) = self.bed.relay_program().and_then(Meter::start) else {
            return Ok(None);
        };
        let load = Load {
            duration: load.duration.min(METERED),
            ..load.clone()
        };
        self.generator.run(&load, &mut |_| ())?;
        Ok(meter.read())
    }

    /// Sends the load, with calls that come and go beside it.
    fn send(
        &mut self,
        load: &Load,
        churn: Option<u32>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Counted, Option<(u64, f64)>), BenchError> {
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
        let guests = Arc::new(Guests::default());
        if self.system.readdresses() {
            self.generator.invite(Some(guests.clone()));
        }
        let started = Instant::now();
        let (system, generator) = (&mut *self.system, &mut *self.generator);
        let outcome = thread::scope(|scope| {
            let churning = scope.spawn(|| system.churn(calls_per_s, &phones, &stop, &guests));
            let counted = generator.run(load, &mut tell);
            stop.store(true, Relaxed);
            let died = |_| BenchError::Relay("opening calls beside the load failed".to_owned());
            let churned = churning.join().map_err(died)??;
            let per_s = churned as f64 / started.elapsed().as_secs_f64();
            Ok((counted?, Some((churned, per_s))))
        });
        self.generator.invite(None);
        outcome
    }

    fn report(&self, load: &Load, counted: &Counted, spent: Spent) -> Run {
        let calls = self.calls.calls;
        let seconds = counted.elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        let delivered = (counted.delivered as f64).max(1.0);
        let per_call = |bytes: Option<u64>| bytes.map(|all| all / calls.max(1) as u64);
        let gone = counted.sent.saturating_sub(counted.delivered);
        let mut remarks = self.bed.remarks();
        remarks.extend(slow(counted));
        remarks.extend(sampled(counted));
        remarks.extend(spent.remarks);
        Run {
            system: self.system.name(),
            engine: self.system.engine(),
            generator: self.generator.name().to_owned(),
            calls,
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
                .then(|| spent.cpu.total().as_secs_f64() * 1e9 / delivered),
            cpu_parts: CpuParts::of(&spent.cpu, delivered),
            relay_cores_busy: spent.busy,
            allocations_per_packet: spent.allocations.map(|all| all as f64 / delivered),
            bytes_per_call: per_call(self.memory.process),
            kernel_bytes_per_call: per_call(self.memory.kernel),
            device_bytes_per_call: per_call(self.device_memory),
            program_ns: None,
            churned: None,
            churned_per_s: None,
            without_churn: None,
            guests: None,
            remarks,
        }
    }
}

/// The ways of all calls: RTP both ways of each, then RTCP likewise. What nobody gives new addresses
/// has the last ones from the beginning.
fn ways(
    phones: &[Phones],
    locals: &[[SocketAddr; 2]],
    calls: Calls,
    readdresses: bool,
) -> Vec<Way> {
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
            let way = |from, to, out, at| {
                let (from, to) = if readdresses { (from, to) } else { (out, at) };
                Way {
                    from,
                    to,
                    out,
                    at,
                    kind,
                }
            };
            ways.push(way(caller, to_caller, to_callee, callee));
            ways.push(way(callee, to_callee, to_caller, caller));
        }
    }
    ways
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
