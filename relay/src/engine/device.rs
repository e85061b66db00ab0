//! Settled flows at the device: what the packet threads tell the program there, and what it
//! counted for them.
//!
//! The table of pairs is the one truth; what the device has is a copy of the flows that need
//! nothing but new addresses. The packet thread of a pair says so and takes it back
//! ([`DeviceFlows`]); what the device does not send on reaches that thread as if there were no
//! device.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use patchbay_route::flow::Flow;
use patchbay_route::limits;

use super::cells::PairCells;
use super::clock::{self, Clock};
use super::config::{EngineConfig, EngineKind};
use super::xdp::{
    Driver, DriverError, FateCounts, FlowTally, Mirror, MirrorError, Mode, Neighbours, Reception,
    SettledFlow, Way, XdpConfig,
};

/// The program on the devices of an engine. It leaves them when this goes, unless it is left there.
#[derive(Debug)]
pub struct Device {
    driver: Driver,
    mode: Mode,
    memory_bytes: u64,
    flows: Arc<DeviceFlows>,
}

/// The flows that the program knows.
#[derive(Debug)]
pub struct DeviceFlows {
    mirror: Mirror,
    neighbours: Neighbours,
    clock: Clock,
    /// For how long flows are sent on without a process; `None`: they are not.
    keep: Option<Duration>,
    /// What had been counted when this process came.
    before: FateCounts,
    /// Flows that could not be told to the program, and stay with the sockets.
    refused: AtomicU64,
    /// Nothing is changed any more: the process after this one takes the flows as they are.
    is_left: AtomicBool,
    /// When the neighbours were last seen to, in ns of the kernel's clock.
    seen_to: AtomicU64,
    /// Flows that a process before this one has left, and that no pair has taken.
    orphans: Mutex<Vec<SocketAddr>>,
}

/// What was counted for one flow at the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Packets that were sent on.
    pub packets: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// When the last one came, in nanoseconds of the engine's clock; 0: never.
    pub last: u64,
    /// Packets of strangers, dropped.
    pub strangers: u64,
    /// What was heard of its RTP stream, with what had been heard before; `None` if nothing was
    /// counted.
    pub heard: Option<Reception>,
}

impl Counted {
    /// Adds what was sent on to the counters of its flow. The engine's own sums have what the device
    /// counts already.
    pub fn add_to(&self, cells: &PairCells, flow: Flow) {
        let flow_cells = cells.flow(flow);
        flow_cells.received.add(self.packets);
        flow_cells.accepted.add(self.packets);
        flow_cells.bytes.add(self.bytes);
        flow_cells.last.set(flow_cells.last.get().max(self.last));
        if let Some(heard) = self.heard {
            cells.set_heard(flow, &cells.heard(flow).back(heard));
        }
    }
}

impl Device {
    /// Puts the program on the devices that the configuration names.
    ///
    /// # Errors
    /// [`DriverError`]; the devices are as before then.
    pub fn start(config: &EngineConfig, clock: Clock) -> Result<Device, DriverError> {
        let keep = config.keep.as_ref();
        let xdp = XdpConfig {
            ports: config.ports.clone(),
            pin: keep.map(|keep| keep.directory.clone()),
            ..XdpConfig::default()
        };
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        let (mut driver, mirror) = Driver::load(&xdp)?;
        let neighbours = driver.neighbours()?;
        let orphans = mirror.settled().collect();
        let devices: Vec<&str> = config.devices.iter().map(String::as_str).collect();
        let mode = match config.kind == EngineKind::Auto && is_virtual(&devices) {
            true => driver
                .attach_as(&devices, Mode::Generic)
                .map(|()| Mode::Generic)?,
            false => driver.attach(&devices)?,
        };
        mirror.set_mode(mode);
        Ok(Device {
            driver,
            mode,
            memory_bytes: xdp.memory_bytes(cores),
            flows: Arc::new(DeviceFlows {
                before: mirror.fates().unwrap_or_default(),
                mirror,
                neighbours,
                clock,
                keep: keep.map(|keep| keep.time),
                refused: AtomicU64::new(0),
                is_left: AtomicBool::new(false),
                seen_to: AtomicU64::new(0),
                orphans: Mutex::new(orphans),
            }),
        })
    }

    /// How the program runs.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Memory of the program's tables.
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// The flows that it knows.
    pub fn flows(&self) -> &Arc<DeviceFlows> {
        &self.flows
    }

    /// Whether settled flows outlive this process, with what is counted for them.
    pub fn keeps(&self) -> bool {
        self.flows.keep.is_some()
    }

    /// Leaves the settled flows to the process after this one, if that is configured. To be called
    /// before packet threads close what they have.
    pub fn leave(&mut self) {
        if self.keeps() {
            self.driver.leave();
            self.flows.leave();
        }
    }
}

/// Whether a device is none of hardware. What a program in the driver of a veth sends back arrives
/// only if there is a program at the other end as well, or GRO is on there, and neither shows from
/// here.
fn is_virtual(devices: &[&str]) -> bool {
    let has_hardware = |name: &&str| {
        Path::new("/sys/class/net")
            .join(name)
            .join("device")
            .exists()
    };
    !devices.iter().all(has_hardware)
}

impl DeviceFlows {
    /// Has a flow's packets sent on at the device; false if they stay with the sockets.
    pub fn settle(&self, flow: &SettledFlow, heard: Reception) -> bool {
        let settled = match self.is_left() {
            true => return false,
            false => self.mirror.settle(flow, heard),
        };
        self.note(settled).is_some()
    }

    /// Has what comes to a local address go up to the sockets, without limit if it is `expected`.
    /// Gives what was counted if the flow was settled.
    pub fn hand_up(&self, local: SocketAddr, expected: Option<SocketAddr>) -> Counted {
        if self.is_left() {
            return Counted::default();
        }
        let last = self.mirror.hand_up(local, expected);
        self.read(self.note(last).flatten())
    }

    /// Forgets a local address. Gives what was counted if its flow was settled.
    pub fn forget(&self, local: SocketAddr) -> Counted {
        if self.is_left() {
            return Counted::default();
        }
        self.read(self.mirror.unsettle(local))
    }

    /// What has been counted for a flow as long as it is settled.
    pub fn counted(&self, local: SocketAddr) -> Counted {
        self.read(self.mirror.counters(local))
    }

    /// Who may send to a port, and how it goes on, if its flow is settled: of a port that no pair
    /// has, as a process before this one has left it.
    pub fn way(&self, local: SocketAddr) -> Option<Way> {
        self.mirror.way(local)
    }

    /// What became of all packets at the devices since this process came.
    pub fn fates(&self) -> FateCounts {
        let fates = self.note(self.mirror.fates()).unwrap_or_default();
        fates.since(&self.before)
    }

    /// Flows that could not be told to the program since the start.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Flows that a process before this one has left, and that no pair has taken.
    pub fn orphans(&self) -> usize {
        self.orphan_list().len()
    }

    /// A pair has taken a port, as it was left.
    pub fn adopted(&self, local: SocketAddr) {
        self.orphan_list().retain(|orphan| *orphan != local);
    }

    /// Says to the program that this process is there, and sees to the neighbours. To be called
    /// several times a second.
    pub fn look_after(&self) {
        if self.is_left() {
            return;
        }
        let now = clock::monotonic_ns();
        if let Some(keep) = self.keep {
            let keep = u64::try_from(keep.as_nanos()).unwrap_or(u64::MAX);
            let away = now.saturating_add(limits::DEVICE_AWAY_AFTER_NS);
            self.mirror.set_presence(away, now.saturating_add(keep));
        }
        let seen_to = self.seen_to.load(Ordering::Relaxed);
        if now.saturating_sub(seen_to) >= limits::DEVICE_NEIGHBOUR_AGE_NS / 2 {
            self.seen_to.store(now, Ordering::Relaxed);
            // A message that finds no room now does so next time.
            drop(self.neighbours.refresh(now));
            self.end_orphans(now);
        }
    }

    /// Ends what nobody has taken and where nobody speaks any more.
    fn end_orphans(&self, now: u64) {
        self.orphan_list().retain(|orphan| {
            let last = self
                .mirror
                .counters(*orphan)
                .map_or(0, |tally| tally.last_ns);
            let is_silent = now.saturating_sub(last) >= limits::DEVICE_ORPHAN_SILENCE_NS;
            if is_silent {
                self.mirror.unsettle(*orphan);
            }
            !is_silent
        });
    }

    fn leave(&self) {
        self.is_left.store(true, Ordering::Relaxed);
        let keep = self.keep.unwrap_or_default();
        let keep = u64::try_from(keep.as_nanos()).unwrap_or(u64::MAX);
        let now = clock::monotonic_ns();
        self.mirror.set_presence(now, now.saturating_add(keep));
    }

    fn is_left(&self) -> bool {
        self.is_left.load(Ordering::Relaxed)
    }

    fn read(&self, tally: Option<FlowTally>) -> Counted {
        let Some(tally) = tally else {
            return Counted::default();
        };
        Counted {
            packets: tally.packets,
            bytes: tally.bytes,
            last: match tally.last_ns {
                0 => 0,
                ns => self.clock.of_monotonic(ns),
            },
            strangers: tally.strangers,
            heard: Some(tally.heard),
        }
    }

    fn note<T>(&self, outcome: Result<T, MirrorError>) -> Option<T> {
        if outcome.is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        outcome.ok()
    }

    fn orphan_list(&self) -> MutexGuard<'_, Vec<SocketAddr>> {
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
