//! Settled flows at the device: what the packet threads tell the program there, and what it
//! counted for them.
//!
//! The table of pairs is the one truth; what the device has is a copy of the flows that need
//! nothing but new addresses. The packet thread of a pair says so and takes it back
//! ([`DeviceFlows`]); what the device does not send on reaches that thread as if there were no
//! device.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::clock::Clock;
use super::config::EngineConfig;
use super::xdp::{
    Driver, DriverError, Fate, FateCounts, FlowTally, Mirror, MirrorError, Mode, SettledFlow,
    XdpConfig,
};

/// The program on the devices of an engine. It leaves them when this goes.
#[derive(Debug)]
pub struct Device {
    _driver: Driver,
    mode: Mode,
    flows: Arc<DeviceFlows>,
}

/// The flows that the program knows.
#[derive(Debug)]
pub struct DeviceFlows {
    mirror: Mutex<Mirror>,
    clock: Clock,
    /// Flows that could not be told to the program, and stay with the sockets.
    refused: AtomicU64,
    /// Packets of flows that have been taken back: the packet threads count them since.
    taken_back: AtomicU64,
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
}

impl Device {
    /// Puts the program on the devices that the configuration names.
    ///
    /// # Errors
    /// [`DriverError`]; the devices are as before then.
    pub fn start(config: &EngineConfig, clock: Clock) -> Result<Device, DriverError> {
        let flows = config.max_pairs.saturating_mul(4);
        let xdp = XdpConfig {
            max_flows: u32::try_from(flows).unwrap_or(u32::MAX),
            ports: config.ports.clone(),
            ..XdpConfig::default()
        };
        let (mut driver, mirror) = Driver::load(&xdp)?;
        let devices: Vec<&str> = config.devices.iter().map(String::as_str).collect();
        let mode = driver.attach(&devices)?;
        Ok(Device {
            _driver: driver,
            mode,
            flows: Arc::new(DeviceFlows {
                mirror: Mutex::new(mirror),
                clock,
                refused: AtomicU64::new(0),
                taken_back: AtomicU64::new(0),
            }),
        })
    }

    /// How the program runs.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The flows that it knows.
    pub fn flows(&self) -> &Arc<DeviceFlows> {
        &self.flows
    }
}

impl DeviceFlows {
    /// Has a flow's packets sent on at the device; false if they stay with the sockets.
    pub fn settle(&self, flow: &SettledFlow) -> bool {
        let settled = self.mirror().settle(flow);
        self.note(settled.map(|()| true)).unwrap_or(false)
    }

    /// Has what comes to a local address go up to the sockets, without limit if it is `expected`.
    /// Gives what was counted if the flow was settled.
    pub fn hand_up(&self, local: SocketAddr, expected: Option<SocketAddr>) -> Counted {
        let last = self.mirror().hand_up(local, expected);
        self.take_back(last)
    }

    /// Forgets a local address. Gives what was counted if its flow was settled.
    pub fn forget(&self, local: SocketAddr) -> Counted {
        let last = self.mirror().unsettle(local);
        self.take_back(last)
    }

    /// What has been counted for a flow as long as it is settled.
    pub fn counted(&self, local: SocketAddr) -> Counted {
        let tally = self.mirror().counters(local);
        self.read(self.note(tally).flatten())
    }

    /// What became of all packets at the devices.
    pub fn fates(&self) -> FateCounts {
        let fates = self.mirror().fates();
        self.note(fates).unwrap_or_default()
    }

    /// Packets that were sent on for flows that are settled now.
    pub fn sent_on(&self) -> u64 {
        let sent = self.fates().get(Fate::SentOn);
        sent.saturating_sub(self.taken_back.load(Ordering::Relaxed))
    }

    /// Flows that could not be told to the program since the start.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn take_back(&self, tally: Result<Option<FlowTally>, MirrorError>) -> Counted {
        let counted = self.read(self.note(tally).flatten());
        self.taken_back
            .fetch_add(counted.packets, Ordering::Relaxed);
        counted
    }

    fn read(&self, tally: Option<FlowTally>) -> Counted {
        let tally = tally.unwrap_or_default();
        Counted {
            packets: tally.packets,
            bytes: tally.bytes,
            last: match tally.last_ns {
                0 => 0,
                ns => self.clock.of_monotonic(ns),
            },
            strangers: tally.strangers,
        }
    }

    fn note<T>(&self, outcome: Result<T, MirrorError>) -> Option<T> {
        if outcome.is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        outcome.ok()
    }

    fn mirror(&self) -> MutexGuard<'_, Mirror> {
        self.mirror.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
