//! The programs of `bench/bpf/load.bpf.c`, loaded, and their maps.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use aya::maps::{Array, Map, MapData};
use aya::programs::{TestRun as _, TestRunAttrs, TestRunOptions, Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader, include_bytes_aligned};

use super::words::Entry;
use crate::packets::BenchError;

static OBJECT: &[u8] = include_bytes_aligned!("../../../bpf/load.bpf.o");

/// Least and most frames that the kernel handles at a time. Its pool of pages is as large, and what
/// comes back to a full pool is given up.
const LEAST_AT_A_TIME: u64 = 32;
const MOST_AT_A_TIME: u64 = 256;
/// Buckets of the sink's latencies.
pub(super) const BUCKETS: usize = 4096;

/// Orders to the generator and its state; see `struct control`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Control {
    pub ethernet: [u64; 2],
    pub ifindex: u64,
    pub run: u64,
    pub first: u64,
    pub streams: u64,
    pub reports: u64,
    pub every: u64,
    pub interval: u64,
    pub burst: u64,
    pub duration: u64,
    pub limit: u64,
    pub forgiven: u64,
    pub start: u64,
    pub ended: u64,
    pub sent: u64,
    pub failed: u64,
    /// Frames from one decision to the next.
    pub look: u64,
    /// Packets of calls that come and go.
    pub guests: u64,
}

type ControlWords = [u64; 29];

impl Control {
    fn words(&self) -> ControlWords {
        let [eth_0, eth_1] = self.ethernet;
        [
            eth_0,
            eth_1,
            self.ifindex,
            self.run,
            self.first,
            self.streams,
            self.reports,
            self.every,
            self.interval,
            self.burst,
            self.duration,
            self.limit,
            self.forgiven,
            self.start,
            self.ended,
            0,
            0,
            0,
            self.sent,
            0,
            0,
            0,
            self.failed,
            self.look,
            0,
            0,
            0,
            0,
            self.guests,
        ]
    }

    /// Frames that the kernel is to handle at a time: whole decisions, and some.
    pub fn batch(&self) -> u32 {
        let look = self.look.clamp(1, MOST_AT_A_TIME);
        u32::try_from(
            LEAST_AT_A_TIME
                .next_multiple_of(look)
                .min(MOST_AT_A_TIME / look * look),
        )
        .unwrap_or(1)
    }

    /// How long it takes, in nanoseconds.
    pub fn time(&self) -> u64 {
        let bursts = self.limit / self.burst.max(1);
        self.duration
            .min(bursts.saturating_mul(self.interval / 1024))
    }

    fn state(&mut self, words: &ControlWords) {
        self.start = words[13];
        self.ended = words[14];
        self.sent = words[18];
        self.failed = words[22];
        self.guests = words[28];
    }
}

/// Orders to the sink and what it found on one queue; see `struct found`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub ways: u64,
    pub run: u64,
    pub first_port: u64,
    pub last_port: u64,
    pub delivered: u64,
    pub open: u64,
    pub source: u64,
    pub content: u64,
    pub order: u64,
    pub stale: u64,
    pub foreign: u64,
    /// Packets for each one whose latency is taken.
    pub every: u64,
    /// Packets of calls that come and go.
    pub guests: u64,
    /// Those of them that came after a later one.
    pub guests_late: u64,
}

type FoundWords = [u64; 15];

impl Found {
    fn words(&self) -> FoundWords {
        [
            self.ways,
            self.run,
            self.first_port,
            self.last_port,
            self.delivered,
            self.open,
            self.source,
            self.content,
            self.order,
            self.stale,
            self.foreign,
            self.every,
            0,
            self.guests,
            self.guests_late,
        ]
    }

    /// Adds what another queue found.
    fn add(&mut self, words: &FoundWords) {
        self.delivered += words[4];
        self.open += words[5];
        self.source += words[6];
        self.content += words[7];
        self.order += words[8];
        self.stale += words[9];
        self.foreign += words[10];
        self.guests += words[13];
        self.guests_late += words[14];
    }
}

/// Which ways of calls that come and go are alive; see `struct window`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Window {
    pub first: u64,
    pub count: u64,
    pub every: u64,
}

impl Window {
    pub fn words(self) -> [u64; 3] {
        [self.first, self.count, self.every]
    }
}

/// The map that has one.
pub(super) type WindowMap = Array<MapData, [u64; 3]>;

/// The generator's program.
pub(super) struct Gun {
    ebpf: Ebpf,
    ways: Array<MapData, Entry>,
    control: Array<MapData, ControlWords>,
    /// Descriptors of `ways` and `window`.
    twins: [OwnedFd; 2],
}

impl Gun {
    /// With room for ways, and for orders to cores up to the last.
    pub fn load(ways: u32, last_core: u32) -> Result<Self, BenchError> {
        let mut loader = EbpfLoader::new();
        let loader = loader
            .btf(None)
            .map_max_entries("ways", ways.max(1))
            .map_max_entries("control", last_core + 1);
        let mut ebpf = loader.load(OBJECT).map_err(refused)?;
        Ok(Self {
            twins: [descriptor(&ebpf, "ways")?, descriptor(&ebpf, "window")?],
            ways: map(&mut ebpf, "ways")?,
            control: map(&mut ebpf, "control")?,
            ebpf: program(ebpf, "generate")?,
        })
    }

    /// Puts the program on a device that has no traffic: the kernel keeps what it prepares for
    /// programs on devices, and otherwise would prepare it anew for each run, which takes
    /// milliseconds.
    pub fn keep(&mut self, device: &str) -> Result<(), BenchError> {
        attach(&mut self.ebpf, "generate", device, XdpMode::Skb)
    }

    /// Handles of `ways` and `window`, for use beside this.
    pub fn twins(&self) -> Result<(Array<MapData, Entry>, WindowMap), BenchError> {
        Ok((twin(&self.twins[0])?, twin(&self.twins[1])?))
    }

    pub fn way(&self, number: u32) -> Result<Entry, BenchError> {
        self.ways.get(&number, 0).map_err(refused)
    }

    pub fn set_way(&mut self, number: u32, entry: &Entry) -> Result<(), BenchError> {
        self.ways.set(number, entry, 0).map_err(refused)
    }

    pub fn order(&mut self, core: u32, control: &Control) -> Result<(), BenchError> {
        self.control.set(core, control.words(), 0).map_err(refused)
    }

    /// How far a core is.
    pub fn state(&self, core: u32) -> Result<Control, BenchError> {
        let mut control = Control::default();
        control.state(&self.control.get(&core, 0).map_err(refused)?);
        Ok(control)
    }

    /// Runs the program on that many frames, on the calling thread's core. The kernel handles
    /// `batch` of them at a time, and the packets among these leave together.
    pub fn run(&self, frame: &[u8], frames: u32, batch: u32) -> Result<(), BenchError> {
        let program: &Xdp = self
            .ebpf
            .program("generate")
            .ok_or_else(missing)?
            .try_into()
            .map_err(refused)?;
        let options = TestRunOptions {
            data_in: Some(frame),
            repeat: frames,
            attrs: TestRunAttrs::new().xdp_live_frames(batch),
            ..TestRunOptions::new()
        };
        program.test_run(options).map(|_| ()).map_err(refused)
    }
}

/// The sink's program.
pub(super) struct Sink {
    ebpf: Ebpf,
    expects: Array<MapData, Entry>,
    found: Array<MapData, FoundWords>,
    latency: Array<MapData, [u64; BUCKETS]>,
    twin: OwnedFd,
    queues: u32,
}

impl Sink {
    pub fn load(ways: u32, queues: u32) -> Result<Self, BenchError> {
        let mut loader = EbpfLoader::new();
        let loader = loader
            .btf(None)
            .map_max_entries("expects", ways.max(1))
            .map_max_entries("found", queues)
            .map_max_entries("latency", queues);
        let mut ebpf = loader.load(OBJECT).map_err(refused)?;
        Ok(Self {
            twin: descriptor(&ebpf, "expects")?,
            expects: map(&mut ebpf, "expects")?,
            found: map(&mut ebpf, "found")?,
            latency: map(&mut ebpf, "latency")?,
            ebpf: program(ebpf, "sink")?,
            queues,
        })
    }

    /// Stands on a device of the calling thread's namespace from now on.
    pub fn attach(&mut self, device: &str) -> Result<(), BenchError> {
        attach(&mut self.ebpf, "sink", device, XdpMode::Driver)
    }

    /// Another handle of `expects`, for use beside this.
    pub fn twin(&self) -> Result<Array<MapData, Entry>, BenchError> {
        twin(&self.twin)
    }

    pub fn expect(&mut self, number: u32, entry: &Entry) -> Result<(), BenchError> {
        self.expects.set(number, entry, 0).map_err(refused)
    }

    /// Forgets what was found and takes new orders.
    pub fn order(&mut self, orders: &Found) -> Result<(), BenchError> {
        for queue in 0..self.queues {
            self.found.set(queue, orders.words(), 0).map_err(refused)?;
            self.latency.set(queue, [0; BUCKETS], 0).map_err(refused)?;
        }
        Ok(())
    }

    pub fn found(&self) -> Result<Found, BenchError> {
        let mut all = Found::default();
        for queue in 0..self.queues {
            all.add(&self.found.get(&queue, 0).map_err(refused)?);
        }
        Ok(all)
    }

    /// Latencies by bucket.
    pub fn latency(&self) -> Result<Vec<u64>, BenchError> {
        let mut all = vec![0; BUCKETS];
        for queue in 0..self.queues {
            let counts = self.latency.get(&queue, 0).map_err(refused)?;
            for (sum, count) in all.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        Ok(all)
    }
}

fn attach(ebpf: &mut Ebpf, name: &str, device: &str, mode: XdpMode) -> Result<(), BenchError> {
    let program: &mut Xdp = ebpf
        .program_mut(name)
        .ok_or_else(missing)?
        .try_into()
        .map_err(refused)?;
    program.attach(device, mode).map(|_| ()).map_err(refused)
}

/// Another descriptor of a map.
fn descriptor(ebpf: &Ebpf, name: &str) -> Result<OwnedFd, BenchError> {
    let Some(Map::Array(data)) = ebpf.map(name) else {
        return Err(missing());
    };
    let fd = data.fd().as_fd().try_clone_to_owned();
    fd.map_err(BenchError::system("a BPF map"))
}

fn twin<V: aya::Pod>(fd: &OwnedFd) -> Result<Array<MapData, V>, BenchError> {
    let fd = fd.try_clone().map_err(BenchError::system("a BPF map"))?;
    let data = MapData::from_fd(fd).map_err(refused)?;
    Map::Array(data).try_into().map_err(refused)
}

fn map<V: aya::Pod>(ebpf: &mut Ebpf, name: &str) -> Result<Array<MapData, V>, BenchError> {
    ebpf.take_map(name)
        .ok_or_else(missing)?
        .try_into()
        .map_err(refused)
}

/// Hands a program to the kernel.
fn program(mut ebpf: Ebpf, name: &str) -> Result<Ebpf, BenchError> {
    let program: &mut Xdp = ebpf
        .program_mut(name)
        .ok_or_else(missing)?
        .try_into()
        .map_err(refused)?;
    program.load().map_err(refused)?;
    Ok(ebpf)
}

/// The object is part of this program and has them all; a test says so.
fn missing() -> BenchError {
    BenchError::system("a BPF program")(io::ErrorKind::NotFound.into())
}

pub(super) fn refused(e: impl std::error::Error + Send + Sync + 'static) -> BenchError {
    // aya's errors tell the cause only in their source.
    let cause = std::iter::successors(Some(&e as &dyn std::error::Error), |e| e.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ");
    BenchError::system("BPF")(io::Error::other(cause))
}

#[cfg(test)]
mod tests;
