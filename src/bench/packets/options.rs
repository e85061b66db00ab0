//! Options of `patchbay bench packets`, and the plan that they describe.

use clap::{Args, ValueEnum};
use patchbay_bench::packets::bed::{Addresses, BedOptions};
use patchbay_bench::packets::plan::{
    Contender, ENGINES, LoadName, Mode, Plan, SWEEP_CALLS, Traffic, USUAL_SHARE,
};
use patchbay_bench::packets::vocabulary::SystemKind;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Calls, unless others are asked for.
const CALLS: usize = 500;
/// Seconds of a run at a fixed rate, and of those of which there are many.
const SECONDS: (f64, f64) = (10.0, 3.0);
/// Repetitions at a fixed rate, of a sweep, and side by side.
const REPS: (usize, usize, usize) = (1, 3, 5);

const EXAMPLES: &str = "\
Examples:
  patchbay bench packets
      500 calls at their own rate for ten seconds: does all arrive, how soon, at what cost?
  patchbay bench packets --rate 100000 --calls 2000 --rtcp --mix audio,video
      One load, described exactly.
  patchbay bench packets --search --calls 500,2000
      The highest rate with at most 0.1 % loss.
  patchbay bench packets --sweep --svg growth.svg
      From 100 to 20,000 calls at one rate: how the cost of a packet grows.
  patchbay bench packets --against rtpengine,bare --calls 500,2000 --json r.json --svg r.svg
      Side by side with rtpengine and with a bare loop of receive and send: each one's highest
      rate, then five interleaved repetitions of each load, medians and ratios.
  patchbay bench packets --engine xdp --against wire --calls 500,100000
      The engine at the device beside a program that only sends frames back: what of rate, cost and
      latency is the bed's own.

Run it as root: packets then go through network namespaces and a veth pair that it makes and
removes, and the kernel's share of the work is counted. Otherwise it uses loopback and says so.
A relay that has no room for so many calls is listed, with what would make room, and the others
are measured.
Exit code 1: packets came out wrong, or something could not be measured; a peer without room is
neither.";

/// Options of `patchbay bench packets`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct PacketsCli {
    /// Two-way calls, one number or several, up to 100,000 [default: 500; with --sweep 100,500,…,20000]
    #[arg(long, value_name = "N[,N…]", value_delimiter = ',')]
    calls: Vec<usize>,
    /// Packets a second, all calls together [default: what the calls send by themselves]
    #[arg(long, value_name = "N", conflicts_with = "search")]
    rate: Option<u64>,
    /// Search for the highest rate with at most 0.1 % loss
    #[arg(long, help_heading = "Modes", conflicts_with = "sweep")]
    search: bool,
    /// Show how the cost of a packet grows with the number of calls, at --rate or --share
    #[arg(long, help_heading = "Modes")]
    sweep: bool,
    /// Measure other relays beside ours; rtpengine is installed if it is missing
    #[arg(
        long,
        value_name = "RELAY[,RELAY]",
        value_delimiter = ',',
        help_heading = "Modes"
    )]
    against: Vec<Peer>,
    /// Loads for --against: low (2,000 packets/s), natural, equal (70 % of the slowest one's
    /// highest rate), 70% (of each one's own), high (each one's own), or packets a second
    #[arg(
        long,
        value_name = "LOAD[,LOAD…]",
        value_delimiter = ',',
        requires = "against",
        conflicts_with_all = ["search", "sweep", "rate"],
        help_heading = "Modes"
    )]
    loads: Vec<LoadArg>,
    /// Percentage of what the slowest relay carries, for a --sweep without --rate
    #[arg(
        long,
        value_name = "PERCENT",
        default_value_t = USUAL_SHARE,
        help_heading = "Modes"
    )]
    share: u8,
    /// Seconds that a run lasts [default: 10; with --sweep or --against 3; a search's at most 2]
    #[arg(long, value_name = "SECONDS", help_heading = "Modes")]
    seconds: Option<f64>,
    /// Repetitions of each run [default: 1; with --sweep 3; with --against 5]
    #[arg(long, value_name = "N", help_heading = "Modes")]
    reps: Option<usize>,
    #[command(flatten)]
    traffic: TrafficCli,
    #[command(flatten)]
    bed: BedCli,
    /// Write the report to this file, for programs
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub json: Option<PathBuf>,
    /// Draw the report into this file, for people
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub svg: Option<PathBuf>,
}

/// What the calls send.
#[derive(Args, Debug)]
#[command(next_help_heading = "Traffic")]
struct TrafficCli {
    /// RTP payload of an audio packet; 160 is G.711 at 20 ms
    #[arg(long, value_name = "BYTES", default_value_t = 160)]
    payload: usize,
    /// Milliseconds of sound in a packet
    #[arg(long, value_name = "MS", default_value_t = 20)]
    ptime: u64,
    /// Packets that leave back to back; 0 as many as a network card presents at once: those of 100 µs, at most 128
    #[arg(long, value_name = "N", default_value_t = 0)]
    burst: u32,
    /// What is in the calls; with video every other one carries packets of 1,100 bytes
    #[arg(
        long,
        value_name = "KINDS",
        value_delimiter = ',',
        default_value = "audio"
    )]
    mix: Vec<Mix>,
    /// Send RTCP sender reports beside the streams
    #[arg(long)]
    rtcp: bool,
    /// Set up and tear down so many other calls a second meanwhile, up to 5,000, some with media; the same
    /// load without them goes before, to compare with
    #[arg(long, value_name = "N")]
    churn: Option<u32>,
}

/// Where it runs.
#[derive(Args, Debug)]
#[command(next_help_heading = "Bed")]
struct BedCli {
    /// Packet threads of the relay
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
    /// Cores for the relay's threads, such as 0 or 0,2 [default: the first ones]; the generator
    /// takes others
    #[arg(long, value_name = "CORE[,CORE…]", value_delimiter = ',')]
    cpus: Vec<usize>,
    /// Engine of ours, one or several to compare: uring has a socket for each port, steered has one
    /// for all, xdp is steered and sends settled flows on at the device (both as root)
    #[arg(long, value_name = "ENGINE", value_delimiter = ',', value_parser = engine, default_value = ENGINES[0])]
    engine: Vec<String>,
    /// Callers and callees speak IPv6
    #[arg(long, conflicts_with = "ipv4_to_ipv6")]
    ipv6: bool,
    /// Callers speak IPv4, callees IPv6
    #[arg(long)]
    ipv4_to_ipv6: bool,
    /// Stay on loopback even as root
    #[arg(long)]
    loopback: bool,
    /// Ports of our engine on each of its addresses: with more than they have room for it gets more
    /// addresses, four on each side at most [default: 1024-65535]
    #[arg(long, value_name = "FIRST-LAST", value_parser = crate::bench::ports)]
    ports: Option<RangeInclusive<u16>>,
}

/// Another relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Peer {
    /// Debian's rtpengine-daemon, in user space
    Rtpengine,
    /// A minimal loop of receive and send: what sockets cost at least
    Bare,
    /// A program at the device that sends every frame back: what the bed carries with no relay
    Wire,
}

/// What is in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mix {
    Audio,
    Video,
}

/// A load, as it is written on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LoadArg(LoadName);

impl FromStr for LoadArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let load = match text {
            "low" => LoadName::Low,
            "natural" => LoadName::Natural,
            "equal" => LoadName::Equal,
            "high" => LoadName::High,
            share if share.ends_with('%') => {
                let percent = share.trim_end_matches('%').parse();
                LoadName::Share(percent.map_err(|_| format!("{share} is no percentage"))?)
            }
            rate => {
                let why = "it is low, natural, equal, 70%, high or packets a second";
                LoadName::Fixed(rate.parse().map_err(|_| why.to_owned())?)
            }
        };
        Ok(Self(load))
    }
}

fn engine(text: &str) -> Result<String, String> {
    if ENGINES.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!("the engines are: {}", ENGINES.join(", ")))
}

impl PacketsCli {
    /// The plan.
    pub fn plan(&self) -> Plan {
        let side_by_side = !self.against.is_empty() && !self.search && !self.sweep;
        let (seconds, reps) = match (side_by_side, self.sweep) {
            (true, _) => (SECONDS.1, REPS.2),
            (_, true) => (SECONDS.1, REPS.1),
            _ => (SECONDS.0, REPS.0),
        };
        let calls = match (self.calls.as_slice(), self.sweep) {
            ([], true) => SWEEP_CALLS.to_vec(),
            ([], false) => vec![CALLS],
            (calls, _) => calls.to_vec(),
        };
        Plan {
            mode: self.mode(side_by_side),
            contenders: self.contenders(),
            calls: once(calls),
            traffic: self.traffic(),
            seconds: self.seconds.unwrap_or(seconds),
            reps: self.reps.unwrap_or(reps),
        }
    }

    fn mode(&self, side_by_side: bool) -> Mode {
        if self.search {
            Mode::Search
        } else if self.sweep {
            Mode::Sweep(self.rate, self.share)
        } else if !side_by_side {
            Mode::Fixed(self.rate)
        } else if let Some(rate) = self.rate {
            Mode::Against(vec![LoadName::Fixed(rate)])
        } else if self.loads.is_empty() {
            let own = LoadName::Share(USUAL_SHARE);
            Mode::Against(vec![LoadName::Low, LoadName::Equal, own, LoadName::High])
        } else {
            Mode::Against(once(self.loads.iter().map(|load| load.0).collect()))
        }
    }

    /// Ours first.
    fn contenders(&self) -> Vec<Contender> {
        let engines = self.bed.engine.iter();
        let ours = engines.map(|engine| Contender::new(SystemKind::Patchbay, engine));
        let peers = self.against.iter().map(|peer| match peer {
            Peer::Rtpengine => Contender::new(SystemKind::Rtpengine, ""),
            Peer::Bare => Contender::new(SystemKind::Bare, ""),
            Peer::Wire => Contender::new(SystemKind::Wire, ""),
        });
        once(ours.chain(peers).collect())
    }

    fn traffic(&self) -> Traffic {
        Traffic {
            payload_bytes: self.traffic.payload,
            ptime: Duration::from_millis(self.traffic.ptime),
            burst: self.traffic.burst,
            video: self.traffic.mix.contains(&Mix::Video),
            rtcp: self.traffic.rtcp,
            churn: self.traffic.churn,
            threads: self.bed.threads,
        }
    }

    /// The bed.
    pub fn bed(&self) -> BedOptions {
        BedOptions {
            threads: self.bed.threads,
            cpus: self.bed.cpus.clone(),
            addresses: match (self.bed.ipv6, self.bed.ipv4_to_ipv6) {
                (true, _) => Addresses::V6,
                (_, true) => Addresses::V4ToV6,
                _ => Addresses::V4,
            },
            loopback: self.bed.loopback,
            ports: self.bed.ports.clone(),
        }
    }
}

/// Each value once, in the order in which they came.
fn once<T: PartialEq>(values: Vec<T>) -> Vec<T> {
    let mut kept: Vec<T> = Vec::with_capacity(values.len());
    for value in values {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        packets: PacketsCli,
    }

    fn plan(arguments: &str) -> Result<Plan, String> {
        let words = std::iter::once("bench").chain(arguments.split_whitespace());
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        let plan = cli.packets.plan();
        plan.check().map_err(|error| error.to_string())?;
        Ok(plan)
    }

    #[test]
    fn modes_have_their_defaults() {
        let usual = plan("").unwrap();
        assert_eq!(
            (usual.mode, usual.calls, usual.reps),
            (Mode::Fixed(None), vec![500], 1)
        );
        let sweep = plan("--sweep").unwrap();
        assert_eq!((sweep.mode, sweep.reps), (Mode::Sweep(None, 70), 3));
        assert_eq!(sweep.calls, SWEEP_CALLS);
        let against = plan("--against rtpengine,bare --calls 500,2000,500").unwrap();
        let kinds: Vec<SystemKind> = against.contenders.iter().map(|c| c.kind).collect();
        let all = [
            SystemKind::Patchbay,
            SystemKind::Rtpengine,
            SystemKind::Bare,
        ];
        assert_eq!(
            (kinds.as_slice(), against.calls),
            (&all[..], vec![500, 2000])
        );
        let loads = vec![
            LoadName::Low,
            LoadName::Equal,
            LoadName::Share(70),
            LoadName::High,
        ];
        assert_eq!((against.mode, against.reps), (Mode::Against(loads), 5));
    }

    #[test]
    fn modes_can_be_combined_where_that_makes_sense() {
        let search = plan("--search --against bare").unwrap();
        assert_eq!((search.mode, search.contenders.len()), (Mode::Search, 2));
        let fixed = plan("--against bare --rate 5000").unwrap();
        assert_eq!(fixed.mode, Mode::Against(vec![LoadName::Fixed(5000)]));
        let chosen = plan("--against bare --loads low,50%,9000,low").unwrap();
        let loads = vec![LoadName::Low, LoadName::Share(50), LoadName::Fixed(9000)];
        assert_eq!(chosen.mode, Mode::Against(loads));
        let traffic = plan("--mix audio,video --rtcp --churn 500 --burst 32").unwrap();
        let traffic = traffic.traffic;
        assert!(traffic.video && traffic.rtcp);
        assert_eq!((traffic.churn, traffic.burst), (Some(500), 32));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_choices() {
        for (arguments, named) in [
            ("--engine warp", ENGINES[0]),
            ("--against kamailio", "rtpengine"),
            ("--search --sweep", "--sweep"),
            ("--search --rate 5", "--rate"),
            ("--loads low", "--against"),
            ("--against bare --loads much", "packets a second"),
            ("--calls 0", "allowed are 1 to"),
            ("--churn 0", "churn"),
            ("--ports 40000", "20000-59999"),
            ("--seconds 0", "allowed are"),
        ] {
            let error = plan(arguments).unwrap_err();
            assert!(error.contains(named), "{arguments}: {error}");
        }
    }
}
