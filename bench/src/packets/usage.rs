//! What the relay uses: CPU time by thread, its cores, and memory, as the kernel says.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use super::bed::RelayThreads;

/// CPU time of a relay so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Cpu {
    process: BTreeMap<u32, Duration>,
    napi: BTreeMap<u32, Duration>,
    ksoftirqd: BTreeMap<u32, Duration>,
}

/// CPU time between two readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CpuUse {
    pub process: Duration,
    pub napi: Duration,
    pub ksoftirqd: Duration,
}

impl CpuUse {
    pub fn total(&self) -> Duration {
        self.process + self.napi + self.ksoftirqd
    }
}

impl Cpu {
    /// Of the process's threads and the kernel's.
    pub fn read(pid: u32, kernel: &RelayThreads) -> Self {
        let tasks = fs::read_dir(format!("/proc/{pid}/task"));
        let tids = tasks
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let times = |tids: &[u32]| {
            tids.iter()
                .filter_map(|tid| Some((*tid, thread_time(*tid)?)))
                .collect()
        };
        Self {
            process: times(&tids.collect::<Vec<_>>()),
            napi: times(&kernel.napi),
            ksoftirqd: times(&kernel.ksoftirqd),
        }
    }

    /// Since an earlier reading. Threads that ended meanwhile are not in it.
    pub fn since(&self, before: &Self) -> CpuUse {
        let grown = |after: &BTreeMap<u32, Duration>, before: &BTreeMap<u32, Duration>| {
            after
                .iter()
                .map(|(tid, time)| {
                    time.saturating_sub(before.get(tid).copied().unwrap_or_default())
                })
                .sum()
        };
        CpuUse {
            process: grown(&self.process, &before.process),
            napi: grown(&self.napi, &before.napi),
            ksoftirqd: grown(&self.ksoftirqd, &before.ksoftirqd),
        }
    }
}

/// CPU time of a thread, to the nanosecond (proc(5), `schedstat`).
fn thread_time(tid: u32) -> Option<Duration> {
    let text = fs::read_to_string(format!("/proc/{tid}/schedstat")).ok()?;
    let nanos = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// Time of some cores so far, in clock ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ticks {
    pub idle: u64,
    pub stolen: u64,
    pub all: u64,
}

impl Ticks {
    /// Of those cores together (proc(5), `/proc/stat`).
    pub fn read(cores: &[usize]) -> Self {
        Self::parse(&fs::read_to_string("/proc/stat").unwrap_or_default(), cores)
    }

    fn parse(text: &str, cores: &[usize]) -> Self {
        let mut sum = Self::default();
        for core in cores {
            let name = format!("cpu{core} ");
            let Some(line) = text.lines().find_map(|line| line.strip_prefix(&name)) else {
                continue;
            };
            // user nice system idle iowait irq softirq steal; guests are in user and nice.
            let ticks: Vec<u64> = line
                .split_whitespace()
                .take(8)
                .filter_map(|word| word.parse().ok())
                .collect();
            let at = |place: usize| ticks.get(place).copied().unwrap_or(0);
            sum.idle += at(3) + at(4);
            sum.stolen += at(7);
            sum.all += ticks.iter().sum::<u64>();
        }
        sum
    }

    pub fn since(&self, before: &Self) -> Self {
        Self {
            idle: self.idle.saturating_sub(before.idle),
            stolen: self.stolen.saturating_sub(before.stolen),
            all: self.all.saturating_sub(before.all),
        }
    }

    /// Share in use of so many cores in that time, 0 to 1. Only the idle time is exact: the
    /// kernel guesses the others by what it finds at its ticks.
    pub fn busy(&self, cores: usize, time: Duration) -> Option<f64> {
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        let all = time.as_secs_f64() * cores as f64 * per_second;
        (self.all > 0 && all > 0.0).then(|| (1.0 - self.idle as f64 / all).max(0.0))
    }

    /// Share that the host took for others, 0 to 1.
    pub fn stolen(&self) -> f64 {
        self.stolen as f64 / self.all.max(1) as f64
    }
}

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// Resident, of a process.
    pub process: Option<u64>,
    /// The kernel's: slab, page tables and stacks.
    pub kernel: Option<u64>,
}

impl Memory {
    pub fn read(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let kernel = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let parts = ["Slab:", "PageTables:", "KernelStack:"];
        Self {
            process: kib(&status, "VmRSS:"),
            kernel: parts.into_iter().map(|part| kib(&kernel, part)).sum(),
        }
    }

    /// Growth since an earlier reading.
    pub fn since(&self, before: &Self) -> Self {
        let grown = |after: Option<u64>, before: Option<u64>| {
            after
                .zip(before)
                .map(|(after, before)| after.saturating_sub(before))
        };
        Self {
            process: grown(self.process, before.process),
            kernel: grown(self.kernel, before.kernel),
        }
    }
}

fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// Packets that the kernel's UDP of a namespace dropped so far, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct UdpDrops(BTreeMap<&'static str, u64>);

/// Counters of `/proc/net/snmp` (IPv4) and `/proc/net/snmp6`, and what they mean.
const DROPS: [(&str, &str, &str); 4] = [
    (
        "RcvbufErrors",
        "Udp6RcvbufErrors",
        "in full receive buffers",
    ),
    ("SndbufErrors", "Udp6SndbufErrors", "in full send buffers"),
    ("NoPorts", "Udp6NoPorts", "at closed ports"),
    ("InCsumErrors", "Udp6InCsumErrors", "with wrong checksums"),
];

impl UdpDrops {
    /// Of the calling thread's namespace.
    pub fn read() -> Self {
        let read = |name| fs::read_to_string(format!("/proc/thread-self/net/{name}"));
        let v4 = read("snmp").unwrap_or_default();
        let v6 = read("snmp6").unwrap_or_default();
        Self::parse(&v4, &v6)
    }

    fn parse(v4: &str, v6: &str) -> Self {
        let mut udp = v4.lines().filter_map(|line| line.strip_prefix("Udp: "));
        let names = udp.next().unwrap_or_default().split_whitespace();
        let values = udp.next().unwrap_or_default().split_whitespace();
        let v4: BTreeMap<&str, &str> = names.zip(values).collect();
        let v6: BTreeMap<&str, &str> = v6
            .lines()
            .filter_map(|line| line.split_once(char::is_whitespace))
            .collect();
        let count = |counts: &BTreeMap<&str, &str>, name| {
            let value: Option<u64> = counts.get(name).and_then(|value| value.trim().parse().ok());
            value.unwrap_or(0)
        };
        let sums = DROPS.map(|(four, six, what)| (what, count(&v4, four) + count(&v6, six)));
        Self(sums.into())
    }

    /// Since an earlier reading, those above zero.
    pub fn since(&self, before: &Self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().filter_map(|(what, count)| {
            let grown = count.saturating_sub(before.0.get(what).copied().unwrap_or(0));
            (grown > 0).then_some((*what, grown))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_of_cores_are_summed() {
        let text =
            "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 10 0 20 60 5 0 3 2 0 0\ncpu1 1 1 1 1 1 1 1 1 0 0\n";
        let both = Ticks::parse(text, &[0, 1]);
        assert_eq!((both.idle, both.stolen, both.all), (67, 3, 108));
        let one = Ticks::parse(text, &[0]);
        assert_eq!(one.busy(1, Duration::from_secs(1)), Some(0.35));
        assert_eq!(one.stolen(), 0.02);
        assert_eq!(
            Ticks::parse(text, &[7]).busy(1, Duration::from_secs(1)),
            None
        );
        assert_eq!(both.since(&one).all, 8);
    }

    #[test]
    fn drops_of_udp_have_names() {
        let v4 = "Ip: a b\nIp: 1 2\nUdp: InDatagrams NoPorts RcvbufErrors\nUdp: 9 2 3\n";
        let v6 = "Ip6InReceives 7\nUdp6RcvbufErrors\t40\n";
        let drops = UdpDrops::parse(v4, v6);
        let since: Vec<_> = drops.since(&UdpDrops::default()).collect();
        assert_eq!(
            since,
            [("at closed ports", 2), ("in full receive buffers", 43)]
        );
        assert_eq!(drops.since(&drops).count(), 0);
    }

    #[test]
    fn this_process_uses_something() {
        let pid = std::process::id();
        assert!(Memory::read(pid).process > Some(0));
        assert!(Memory::read(pid).kernel > Some(0));
        let cpu = Cpu::read(pid, &RelayThreads::default());
        assert!(cpu.since(&Cpu::default()).process > Duration::ZERO);
    }
}
