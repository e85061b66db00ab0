//! The relays under test, each in a process of its own on the bed's relay side.
//!
//! Ours and the bare one are this program again (`patchbay bench target`), spoken to by lines of
//! JSON ([`wire`]); rtpengine is spoken to by its ng protocol.

mod bare;
mod bounce;
mod child;
mod churn;
mod patchbay;
mod rtpengine;
mod serve;
mod tail;
pub mod wire;

use std::io::{BufRead, Write};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::Path;

use super::BenchError;
use super::bed::Bed;
use super::vocabulary::{System, SystemKind, SystemPlan};

pub use child::Child;
pub use rtpengine::Rtpengine;
pub(crate) use tail::Tail;

/// Starts a relay on a bed; our own ones as this program.
///
/// # Errors
/// [`BenchError::NoRoom`] if the calls do not fit; [`BenchError::Relay`] says why else it did not
/// start. rtpengine's package is installed if it is missing and that is allowed.
pub fn start(bed: &Bed, plan: &SystemPlan) -> Result<Box<dyn System>, BenchError> {
    match plan.kind {
        SystemKind::Rtpengine => Ok(Box::new(Rtpengine::start(bed, plan)?)),
        SystemKind::Patchbay | SystemKind::Bare | SystemKind::Wire => {
            let program = std::env::current_exe();
            let program = program.map_err(BenchError::system("finding this program"))?;
            start_program(bed, plan, &program)
        }
    }
}

/// As [`start`], with `program` in place of this one: it has to know `bench target`.
///
/// # Errors
/// As [`start`].
pub fn start_program(
    bed: &Bed,
    plan: &SystemPlan,
    program: &Path,
) -> Result<Box<dyn System>, BenchError> {
    match plan.kind {
        SystemKind::Rtpengine => start(bed, plan),
        SystemKind::Patchbay | SystemKind::Bare | SystemKind::Wire => {
            Ok(Box::new(Child::start(bed, plan, program)?))
        }
    }
}

/// What a relay's process is told on its command line.
#[derive(Clone, Debug)]
pub struct RelayArgs {
    /// Which relay: any but rtpengine.
    pub system: SystemKind,
    /// The engine, where there is a choice.
    pub engine: String,
    /// Packet threads.
    pub threads: usize,
    /// Their cores. Empty: they are not pinned further.
    pub cpus: Vec<usize>,
    /// Calls that there must be room for, beside those of a churn.
    pub calls: usize,
    /// Addresses towards callers and towards callees, at least one of each; the calls are shared out
    /// among them.
    pub ips: [Vec<IpAddr>; 2],
    /// Ports on each of them, where the relay has no range of its own.
    pub ports: RangeInclusive<u16>,
    /// The device that the packets come and go by, if it is a device of the bed's.
    pub device: Option<String>,
}

/// Runs a relay in this process and obeys the lines of `input` until they end.
///
/// # Errors
/// [`BenchError::NoRoom`] or [`BenchError::Relay`] if it does not start, and the latter if a line
/// cannot be understood. That it does not start is told by a line, too.
pub fn serve(
    args: &RelayArgs,
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> Result<(), BenchError> {
    match args.system {
        SystemKind::Patchbay => {
            let relay = told(patchbay::Patchbay::start(args), output)?;
            serve::serve(relay, input, output)
        }
        SystemKind::Bare => {
            let relay = told(bare::Bare::start(args), output)?;
            serve::serve(relay, input, output)
        }
        SystemKind::Wire => {
            let relay = told(bounce::Wire::start(args), output)?;
            serve::serve(relay, input, output)
        }
        SystemKind::Rtpengine => Err(BenchError::Args(
            "rtpengine is a program of its own".to_owned(),
        )),
    }
}

/// Says why a relay did not start.
fn told<R>(started: Result<R, BenchError>, output: &mut impl Write) -> Result<R, BenchError> {
    started.inspect_err(|e| {
        // Who started this process also sees that it ends.
        let _ = wire::write(output, &serve::refusal(e));
    })
}

/// UDP packets that the kernel lost in full receive buffers of a process's network namespace,
/// since the namespace exists; 0 if it cannot be read.
fn buffer_errors(pid: u32) -> u64 {
    let text = |file| std::fs::read_to_string(format!("/proc/{pid}/net/{file}"));
    let v4 = text("snmp").unwrap_or_default();
    let v6 = text("snmp6").unwrap_or_default();
    snmp(&v4).unwrap_or(0) + snmp6(&v6).unwrap_or(0)
}

/// `RcvbufErrors` of the two lines that begin with `Udp:`, names and values.
fn snmp(text: &str) -> Option<u64> {
    let mut lines = text.lines().filter(|line| line.starts_with("Udp:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let mut pairs = names.split_whitespace().zip(values.split_whitespace());
    let (_, value) = pairs.find(|(name, _)| *name == "RcvbufErrors")?;
    value.parse().ok()
}

/// The value of the line that begins with `Udp6RcvbufErrors`.
fn snmp6(text: &str) -> Option<u64> {
    let mut lines = text.lines().map(str::split_whitespace);
    lines.find_map(|mut words| {
        let found = words.next()? == "Udp6RcvbufErrors";
        words.next().filter(|_| found)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_buffers_are_counted() {
        let v4 = "Ip: Forwarding\nIp: 1\nUdp: InDatagrams NoPorts InErrors OutDatagrams \
                  RcvbufErrors SndbufErrors\nUdp: 12 3 4 5 67 8\nUdpLite: RcvbufErrors\n\
                  UdpLite: 9\n";
        assert_eq!(snmp(v4), Some(67));
        let v6 = "Udp6InDatagrams    1\nUdp6RcvbufErrors      \t89\nUdp6SndbufErrors 2\n";
        assert_eq!(snmp6(v6), Some(89));
        assert_eq!((snmp(""), snmp6("Udp6RcvbufErrors")), (None, None));
        assert!(
            snmp(&std::fs::read_to_string("/proc/self/net/snmp").unwrap_or_default()).is_some()
        );
    }
}
