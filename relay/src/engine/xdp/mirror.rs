//! The table of settled flows that the program reads, and the counters that it writes.
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use aya::maps::{HashMap, MapData, PerCpuArray};
use aya::{Ebpf, Pod};
use patchbay_route::fate::{FATES, FateCounts};
use patchbay_route::settled::{FlowKey, FlowTally, Row, SettledFlow, Tally};
use rustc_hash::FxHashMap;

use super::driver::map;
use super::{DriverError, MirrorError, XdpConfig};

/// A value of one of the program's tables.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Words<T>(T);

// SAFETY: it is `repr(C)` with integers only; its fields fill it, as its size and offsets say that
// `settled::layout` lists.
unsafe impl Pod for Words<FlowKey> {}
// SAFETY: as above.
unsafe impl Pod for Words<Row> {}
// SAFETY: as above.
unsafe impl Pod for Words<Tally> {}

/// Where the counters of a settled flow are, until it is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    index: u32,
    generation: u32,
}

/// The flows that the program knows. Belongs to one thread; every change and every reading is one
/// system call, taking out two.
pub struct Mirror {
    rows: HashMap<MapData, Words<FlowKey>, Words<Row>>,
    tallies: PerCpuArray<MapData, Words<Tally>>,
    fates: PerCpuArray<MapData, [u64; FATES]>,
    /// With the place of its counters if it is settled.
    known: FxHashMap<FlowKey, Option<Place>>,
    /// Counters that nobody uses; those that have not been used for longest first.
    free: VecDeque<u32>,
    capacity: u32,
    ports: RangeInclusive<u16>,
    generation: u32,
}

impl Mirror {
    pub(super) fn new(ebpf: &mut Ebpf, config: &XdpConfig) -> Result<Mirror, DriverError> {
        Ok(Mirror {
            rows: map(ebpf, "rows")?,
            tallies: map(ebpf, "tallies")?,
            fates: map(ebpf, "fates")?,
            known: FxHashMap::default(),
            free: (0..config.max_flows).collect(),
            capacity: config.max_flows,
            ports: config.ports.clone(),
            generation: 0,
        })
    }

    /// Has a flow's packets sent on at the device from now on. Its counters begin at 0. Replaces
    /// what [`Mirror::hand_up`] said of its address, in one step.
    ///
    /// # Errors
    /// The table is full, the flow is settled already, or it cannot be a row. Nothing has changed
    /// then.
    pub fn settle(&mut self, flow: &SettledFlow) -> Result<Place, MirrorError> {
        let key = self.key(flow.local)?;
        if matches!(self.known.get(&key), Some(Some(_))) {
            return Err(MirrorError::Settled(flow.local));
        }
        let full = MirrorError::Full {
            capacity: self.capacity,
        };
        let Some(index) = self.free.front().copied() else {
            return Err(full);
        };
        let place = Place {
            index,
            generation: self.next_generation(),
        };
        let row = Row::settled(flow, index, place.generation)?;
        self.enter(key, row, Some(place))?;
        self.free.pop_front();
        Ok(place)
    }

    /// Has what arrives at a local address go up to the sockets. What `expected` sends is not
    /// limited; others are, as they are at ports that nothing is said of.
    ///
    /// Gives the last counters of the flow, if it was settled.
    ///
    /// # Errors
    /// The table is full, or the kernel failed.
    pub fn hand_up(
        &mut self,
        local: SocketAddr,
        expected: Option<SocketAddr>,
    ) -> Result<Option<FlowTally>, MirrorError> {
        let key = self.key(local)?;
        let before = self.known.get(&key).copied().flatten();
        let row = Row::up(expected, self.next_generation());
        self.enter(key, row, None)?;
        before.map(|place| self.close(place)).transpose()
    }

    /// Takes a local address out of the table; what arrives there then is unknown traffic.
    ///
    /// Gives the last counters of the flow, if it was settled. A packet that the program has in its
    /// hands at this moment may be sent on and not be counted.
    ///
    /// # Errors
    /// The kernel failed.
    pub fn unsettle(&mut self, local: SocketAddr) -> Result<Option<FlowTally>, MirrorError> {
        let key = FlowKey::new(local);
        let Some(before) = self.known.get(&key).copied() else {
            return Ok(None);
        };
        self.rows.remove(&Words(key)).map_err(written)?;
        self.known.remove(&key);
        before.map(|place| self.close(place)).transpose()
    }

    /// What was counted for a settled flow. All zeros once its place is another's.
    ///
    /// # Errors
    /// The kernel failed.
    pub fn counters(&self, place: Place) -> Result<FlowTally, MirrorError> {
        let cores = self.tallies.get(&place.index, 0).map_err(read)?;
        let mut sum = FlowTally::default();
        for core in cores.iter() {
            sum.add(&core.0, place.generation);
        }
        Ok(sum)
    }

    /// What became of all packets since the program was loaded.
    ///
    /// # Errors
    /// The kernel failed.
    pub fn fates(&self) -> Result<FateCounts, MirrorError> {
        let mut sum = FateCounts::default();
        for core in self.fates.get(&0, 0).map_err(read)?.iter() {
            sum.add(core);
        }
        Ok(sum)
    }

    /// Local addresses in the table, settled or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    fn key(&self, local: SocketAddr) -> Result<FlowKey, MirrorError> {
        if self.ports.contains(&local.port()) {
            Ok(FlowKey::new(local))
        } else {
            Err(MirrorError::Port(local))
        }
    }

    /// Never 0, which unused counters have.
    fn next_generation(&mut self) -> u32 {
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        self.generation
    }

    fn enter(&mut self, key: FlowKey, row: Row, place: Option<Place>) -> Result<(), MirrorError> {
        if self.known.len() >= self.capacity as usize && !self.known.contains_key(&key) {
            return Err(MirrorError::Full {
                capacity: self.capacity,
            });
        }
        self.rows
            .insert(Words(key), Words(row), 0)
            .map_err(written)?;
        self.known.insert(key, place);
        Ok(())
    }

    /// Reads counters for the last time, and gives them to others.
    fn close(&mut self, place: Place) -> Result<FlowTally, MirrorError> {
        let last = self.counters(place);
        self.free.push_back(place.index);
        last
    }
}

fn read(cause: aya::maps::MapError) -> MirrorError {
    MirrorError::System {
        what: "read",
        cause,
    }
}

fn written(cause: aya::maps::MapError) -> MirrorError {
    MirrorError::System {
        what: "written",
        cause,
    }
}
