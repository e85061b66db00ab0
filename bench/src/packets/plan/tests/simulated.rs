//! Relays that are formulas, and a watcher that takes notes.

use super::*;
use crate::packets::Latency;

/// A relay that carries packets up to a rate and loses the rest.
#[derive(Clone, Copy, Debug)]
pub struct Formula {
    pub carries_per_s: f64,
    pub cpu_ns: f64,
    /// Further cost of a packet for each call.
    pub cpu_ns_per_call: f64,
    pub p99_us: f64,
}

/// Runs of formulas, with the flaws of a real machine if a test wants them.
pub struct Simulated {
    pub formula: fn(SystemKind) -> Formula,
    /// The generator sends no more than this.
    pub generator_per_s: f64,
    /// The share of its packets that it is too late for at any rate.
    pub leaves_out: f64,
    /// Which runs lose 0.5 % for no reason: each that this number divides.
    pub noisy_each: Option<usize>,
    /// The runs of this one fail.
    pub broken: Option<SystemKind>,
    /// Calls that each relay has room for.
    pub room: fn(SystemKind) -> usize,
    pub wrong: u64,
    pub made: Vec<Wanted>,
}

pub fn formula(kind: SystemKind) -> Formula {
    let (carries_per_s, cpu_ns, p99_us) = match kind {
        SystemKind::Patchbay => (190_000.0, 5000.0, 100.0),
        SystemKind::Rtpengine => (95_000.0, 10_000.0, 400.0),
        SystemKind::Bare => (127_000.0, 7000.0, 200.0),
        SystemKind::Wire => (1_900_000.0, 160.0, 90.0),
    };
    Formula {
        carries_per_s,
        cpu_ns,
        cpu_ns_per_call: 0.05,
        p99_us,
    }
}

impl Simulated {
    pub fn new() -> Self {
        Self {
            formula,
            generator_per_s: 1e9,
            leaves_out: 0.0,
            noisy_each: None,
            broken: None,
            room: |_| usize::MAX,
            wrong: 0,
            made: Vec::new(),
        }
    }
}

impl Runner for Simulated {
    fn run(
        &mut self,
        wanted: &Wanted,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Run, BenchError> {
        self.made.push(wanted.clone());
        progress(Progress::default());
        if self.broken == Some(wanted.contender.kind) {
            return Err(BenchError::Relay("broken".to_owned()));
        }
        let room = (self.room)(wanted.contender.kind);
        if wanted.calls > room {
            return Err(BenchError::NoRoom {
                calls: wanted.calls,
                limit: format!("{room} fit"),
            });
        }
        let relay = (self.formula)(wanted.contender.kind);
        let offered = wanted.packets_per_s as f64;
        let sent = offered.min(self.generator_per_s) * (1.0 - self.leaves_out);
        let mut delivered = sent.min(relay.carries_per_s);
        if self
            .noisy_each
            .is_some_and(|each| self.made.len().is_multiple_of(each))
        {
            delivered *= 0.995;
        }
        let count = |rate: f64| (rate * wanted.seconds).round() as u64;
        let mut run = Run {
            system: format!("{:?} 1.0", wanted.contender.kind),
            engine: wanted.contender.engine.clone(),
            calls: wanted.calls,
            offered_packets_per_s: offered,
            seconds: wanted.seconds,
            sent: count(sent),
            not_sent: count(offered - sent),
            delivered: count(delivered),
            packets_per_s: delivered,
            loss: 1.0 - delivered / sent,
            cpu_ns_per_packet: Some(relay.cpu_ns + relay.cpu_ns_per_call * wanted.calls as f64),
            latency_us: Latency {
                p99: relay.p99_us,
                ..Latency::default()
            },
            ..Run::default()
        };
        run.wrong.content = self.wrong;
        Ok(run)
    }
}

/// Notes what it is told.
#[derive(Default)]
pub struct Notes {
    pub left: Vec<Estimate>,
    pub tried: usize,
    pub over: usize,
    pub found: usize,
    pub said: Vec<String>,
}

impl Watcher for Notes {
    fn begins(&mut self, _: &Wanted, left: Estimate) {
        self.left.push(left);
    }

    fn far(&mut self, _: Progress) {}

    fn tried(&mut self, _: &Figures) {
        self.tried += 1;
    }

    fn over(&mut self, _: &Figures) {
        self.over += 1;
    }

    fn found(&mut self, _: &Highest) {
        self.found += 1;
    }

    fn says(&mut self, text: &str) {
        self.said.push(text.to_owned());
    }
}

fn contenders(kinds: &[SystemKind]) -> Vec<Contender> {
    kinds.iter().map(|kind| Contender::new(*kind, "")).collect()
}

pub fn plan(mode: Mode, kinds: &[SystemKind], calls: &[usize], reps: usize) -> Plan {
    Plan {
        mode,
        contenders: contenders(kinds),
        calls: calls.to_vec(),
        traffic: Traffic::default(),
        seconds: 3.0,
        reps,
    }
}
