//! A relay that is this program again: ours, or the bare one.

use std::io::{BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::buffer_errors;
use super::tail::Tail;
use super::wire::{self, Answer, Ask, MAX_CALLS_A_LINE};
use crate::packets::BenchError;
use crate::packets::bed::Bed;
use crate::packets::vocabulary::{Guests, Losses, Phones, System, SystemKind, SystemPlan};

/// A process that has not answered by then hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a process may take to end when its input has.
const END: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(10);
/// Longest time of a forwarding histogram, in nanoseconds: 68 s.
const MAX_NS: u64 = (1 << 36) - 1;

/// The process.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    /// `None` when it is being ended.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    tail: Tail,
    name: String,
    engine: String,
    kind: SystemKind,
}

impl Child {
    /// Starts `program bench target` on a bed's relay side.
    ///
    /// # Errors
    /// [`BenchError::Relay`] with what it said.
    pub fn start(bed: &Bed, plan: &SystemPlan, program: &Path) -> Result<Self, BenchError> {
        let starting = BenchError::system("starting a relay's process");
        let mut process = command(bed, plan, program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(&starting)?;
        let pipes = (process.stdin.take(), process.stdout.take());
        let tail = Tail::default();
        if let Some(errors) = process.stderr.take() {
            tail.follow(errors).map_err(&starting)?;
        }
        let (Some(input), Some(output)) = pipes else {
            return Err(starting(std::io::ErrorKind::BrokenPipe.into()));
        };
        let mut child = Self {
            process,
            input: Some(input),
            output: BufReader::new(output),
            tail,
            name: String::new(),
            engine: String::new(),
            kind: plan.kind,
        };
        match child.answer()? {
            Answer::Ready { name, engine } => {
                child.name = name;
                child.engine = engine;
                Ok(child)
            }
            other => Err(unexpected(&other)),
        }
    }

    fn ask(&mut self, ask: &Ask) -> Result<Answer, BenchError> {
        let written = self.input.as_mut().map(|input| wire::write(input, ask));
        match written {
            Some(Ok(())) => self.answer(),
            Some(Err(e)) => Err(self.gone(&e.to_string())),
            None => Err(self.gone("it is being ended")),
        }
    }

    fn answer(&mut self) -> Result<Answer, BenchError> {
        if self.output.buffer().is_empty() {
            self.wait()?;
        }
        match wire::read(&mut self.output) {
            Ok(Some(Answer::Failed(why))) => Err(BenchError::Relay(why)),
            Ok(Some(Answer::NoRoom { calls, limit })) => Err(BenchError::NoRoom { calls, limit }),
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(self.gone("it ended")),
            Err(e) => Err(self.gone(&e.to_string())),
        }
    }

    /// Waits until there is something to read.
    fn wait(&self) -> Result<(), BenchError> {
        let patience = Timespec::try_from(PATIENCE).ok();
        let mut ready = [PollFd::new(self.output.get_ref(), PollFlags::IN)];
        match poll(&mut ready, patience.as_ref()) {
            Ok(0) => Err(self.gone(&format!("no answer in {} s", PATIENCE.as_secs()))),
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(e) => Err(self.gone(&e.to_string())),
        }
    }

    fn gone(&self, why: &str) -> BenchError {
        BenchError::Relay(format!(
            "the relay's process: {why}; it said: {}",
            self.tail.text()
        ))
    }
}

fn command(bed: &Bed, plan: &SystemPlan, program: &Path) -> std::process::Command {
    let mut command = bed.relay_command(program);
    let system = match plan.kind {
        SystemKind::Bare => "bare",
        SystemKind::Wire => "wire",
        SystemKind::Patchbay | SystemKind::Rtpengine => "patchbay",
    };
    let cpus: Vec<String> = bed.cores().relay.iter().map(usize::to_string).collect();
    let ports = bed.ports();
    let ips = bed.relay_addresses(plan.calls).concat();
    let ips: Vec<String> = ips.iter().map(ToString::to_string).collect();
    command
        .args(["bench", "target", "--system", system])
        .args(["--engine", &plan.engine])
        .args(["--threads", &plan.threads.to_string()])
        .args(["--calls", &plan.calls.to_string()])
        .args(["--cpus", &cpus.join(",")])
        .args(["--ips", &ips.join(",")])
        .args(["--ports", &format!("{}-{}", ports.start(), ports.end())]);
    if let Some(device) = bed.relay_device() {
        command.args(["--device", device]);
    }
    command
}

fn unexpected(answer: &Answer) -> BenchError {
    BenchError::Relay(format!("an answer to another question: {answer:?}"))
}

impl System for Child {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn engine(&self) -> String {
        self.engine.clone()
    }

    fn open(
        &mut self,
        calls: &[Phones],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<[SocketAddr; 2]>, BenchError> {
        let mut opened = Vec::with_capacity(calls.len());
        for some in calls.chunks(MAX_CALLS_A_LINE) {
            match self.ask(&Ask::Open(some.to_vec()))? {
                Answer::Opened(relay) if relay.len() == some.len() => opened.extend(relay),
                other => return Err(unexpected(&other)),
            }
            progress(opened.len());
        }
        Ok(opened)
    }

    fn churn(
        &mut self,
        calls_per_s: u32,
        phones: &[Phones],
        stop: &AtomicBool,
        guests: &Guests,
    ) -> Result<u64, BenchError> {
        let phones = phones.iter().take(MAX_CALLS_A_LINE).copied().collect();
        let per_s = calls_per_s;
        match self.ask(&Ask::Churn { per_s, phones })? {
            Answer::Done => (),
            other => return Err(unexpected(&other)),
        }
        while !stop.load(Relaxed) {
            std::thread::sleep(LOOK / 2);
            match self.ask(&Ask::Guests)? {
                Answer::Guests(came) => came.into_iter().for_each(|guest| guests.add(guest)),
                other => return Err(unexpected(&other)),
            }
        }
        match self.ask(&Ask::StopChurn)? {
            Answer::Churned(calls) => Ok(calls),
            other => Err(unexpected(&other)),
        }
    }

    fn pid(&self) -> u32 {
        self.process.id()
    }

    fn readdresses(&self) -> bool {
        self.kind != SystemKind::Wire
    }

    fn losses(&mut self) -> Option<Losses> {
        match self.ask(&Ask::Losses) {
            Ok(Answer::Losses(Some(counts))) => Some(Losses {
                received: counts.received,
                forwarded: counts.forwarded,
                dropped: counts.dropped,
                buffers: buffer_errors(self.pid()),
            }),
            _ => None,
        }
    }

    fn allocations(&mut self) -> Option<u64> {
        match self.ask(&Ask::Allocations) {
            Ok(Answer::Allocations(count)) => count,
            _ => None,
        }
    }

    fn device_memory(&mut self) -> Option<u64> {
        match self.ask(&Ask::DeviceMemory) {
            Ok(Answer::DeviceMemory(bytes)) => bytes,
            _ => None,
        }
    }

    fn forwarding(&mut self) -> Option<Histogram<u64>> {
        let Ok(Answer::Forwarding(Some(times))) = self.ask(&Ask::Forwarding) else {
            return None;
        };
        let mut histogram = Histogram::new_with_bounds(1, MAX_NS, 2).ok()?;
        for (ns, count) in times {
            histogram.saturating_record_n(ns, count);
        }
        Some(histogram)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It ends when it can read no more.
        if let Some(mut input) = self.input.take() {
            let _ = input.flush();
        }
        let asked = Instant::now();
        while asked.elapsed() < END {
            match self.process.try_wait() {
                Ok(None) => std::thread::sleep(LOOK),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
