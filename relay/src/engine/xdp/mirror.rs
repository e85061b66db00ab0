//! The table of settled flows that the program reads, and the counters that it writes.
#![allow(unsafe_code)]

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use aya::maps::{HashMap, MapData, PerCpuArray};
use aya::{Ebpf, Pod};
use patchbay_route::fate::{FATES, FateCounts};
use patchbay_route::settled::{FlowKey, FlowTally, Row, SettledFlow};
use rustc_hash::FxHashMap;

use super::driver::map;
use super::{DriverError, MirrorError, XdpConfig};

/// A key or value of the program's table.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Words<T>(T);

// SAFETY: it is `repr(C)` of integers, and the sum of their sizes is its size, so that it has no
// padding: `settled` asserts the size, and a test compares the offsets with the program's.
unsafe impl Pod for Words<FlowKey> {}
// SAFETY: as above.
unsafe impl Pod for Words<Row> {}

/// What the program was told of a local address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Settled,
    Up,
}

/// The flows that the program knows. Belongs to one thread. Every reading is one system call; every
/// change is one too, and one more if a settled flow ends with it.
pub struct Mirror {
    rows: HashMap<MapData, Words<FlowKey>, Words<Row>>,
    fates: PerCpuArray<MapData, [u64; FATES]>,
    known: FxHashMap<FlowKey, Told>,
    capacity: u32,
    ports: RangeInclusive<u16>,
    generation: u32,
}

impl Mirror {
    pub(super) fn new(ebpf: &mut Ebpf, config: &XdpConfig) -> Result<Mirror, DriverError> {
        Ok(Mirror {
            rows: map(ebpf, "rows")?,
            fates: map(ebpf, "fates")?,
            known: FxHashMap::default(),
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
    pub fn settle(&mut self, flow: &SettledFlow) -> Result<(), MirrorError> {
        let key = self.key(flow.local)?;
        if self.known.get(&key) == Some(&Told::Settled) {
            return Err(MirrorError::Settled(flow.local));
        }
        let row = Row::settled(flow, self.next_generation())?;
        self.enter(key, row, Told::Settled)
    }

    /// Has what arrives at a local address go up to the sockets. What `expected` sends is not
    /// limited; others are, as they are at ports that nothing is said of.
    ///
    /// Gives the last counters of the flow, if it was settled; see [`Mirror::unsettle`].
    ///
    /// # Errors
    /// The table is full, or the kernel failed.
    pub fn hand_up(
        &mut self,
        local: SocketAddr,
        expected: Option<SocketAddr>,
    ) -> Result<Option<FlowTally>, MirrorError> {
        let key = self.key(local)?;
        let last = self.last_tally(key)?;
        let row = Row::up(expected, self.next_generation());
        self.enter(key, row, Told::Up)?;
        Ok(last)
    }

    /// Takes a local address out of the table; what arrives there then is unknown traffic.
    ///
    /// Gives the last counters of the flow, if it was settled. A packet that comes between their
    /// reading and the end of the row, some microseconds, is sent on and not counted.
    ///
    /// # Errors
    /// The kernel failed.
    pub fn unsettle(&mut self, local: SocketAddr) -> Result<Option<FlowTally>, MirrorError> {
        let key = FlowKey::new(local);
        if !self.known.contains_key(&key) {
            return Ok(None);
        }
        let last = self.last_tally(key)?;
        self.rows.remove(&Words(key)).map_err(written)?;
        self.known.remove(&key);
        Ok(last)
    }

    /// What was counted for a settled flow; `None` if it is not settled.
    ///
    /// # Errors
    /// The kernel failed.
    pub fn counters(&self, local: SocketAddr) -> Result<Option<FlowTally>, MirrorError> {
        self.last_tally(FlowKey::new(local))
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

    /// Of the next row. Never 0, which the next hop of a new row has.
    fn next_generation(&mut self) -> u32 {
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        self.generation
    }

    fn last_tally(&self, key: FlowKey) -> Result<Option<FlowTally>, MirrorError> {
        if self.known.get(&key) != Some(&Told::Settled) {
            return Ok(None);
        }
        let row = self.rows.get(&Words(key), 0).map_err(read)?;
        Ok(Some(row.0.tally()))
    }

    fn enter(&mut self, key: FlowKey, row: Row, told: Told) -> Result<(), MirrorError> {
        if self.known.len() >= self.capacity as usize && !self.known.contains_key(&key) {
            return Err(MirrorError::Full {
                capacity: self.capacity,
            });
        }
        self.rows
            .insert(Words(key), Words(row), 0)
            .map_err(written)?;
        self.known.insert(key, told);
        Ok(())
    }
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror")
            .field("known", &self.known.len())
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
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
