//! The table of settled flows that the program reads, and the counters that it writes.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use aya::Ebpf;
use aya::maps::{Map, MapData, PerCpuArray};
use patchbay_route::fate::{CoreCounts, FateCounts};
use patchbay_route::reception::Reception;
use patchbay_route::settled::{FlowTally, Known, Places, Row, SettledFlow, Way};

use super::driver::map;
use super::rows::{self, PLACES_WORDS, RowCell};
use super::{DriverError, MirrorError, Mode, XdpConfig};
use crate::engine::blocks::Blocks;
use crate::engine::clock::monotonic_ns;
use crate::engine::mapped::Mapped;

/// The words of [`Places`] that change.
const AWAY_AFTER: usize = 0;
const GONE_AFTER: usize = 1;
const ADDRESSES: usize = 3;
const FIRST_ADDRESS: usize = 4;

/// The flows that the program knows. Each port is changed by one thread at a time; everything else
/// may be asked at any time. A change is a few writes to memory, and so is a reading.
pub struct Mirror {
    rows: Mapped<RowCell>,
    places: Mapped<[AtomicU64; PLACES_WORDS]>,
    fates: PerCpuArray<MapData, CoreCounts>,
    blocks: Blocks,
    /// Held while an address is added.
    adding: Mutex<()>,
}

impl Mirror {
    /// Takes over what the tables say, if a process before this one has left them.
    pub(super) fn new(ebpf: &mut Ebpf, config: &XdpConfig) -> Result<Mirror, DriverError> {
        let (cells, places) = (array(ebpf, "rows")?, array(ebpf, "places")?);
        let mapping = |cause| DriverError::System {
            what: "mapping the program's tables",
            cause,
        };
        let blocks = Blocks::new(&config.ports);
        let mirror = Mirror {
            rows: Mapped::new(cells.fd(), blocks.values() as usize).map_err(mapping)?,
            places: Mapped::new(places.fd(), 1).map_err(mapping)?,
            fates: map(ebpf, "fates")?,
            blocks,
            adding: Mutex::default(),
        };
        mirror.begin();
        Ok(mirror)
    }

    fn begin(&self) {
        let before = self.places();
        let is_fresh = before.ports == 0;
        let places = Places {
            away_after: u64::MAX,
            gone_after: u64::MAX,
            first_port: self.blocks.first_port().into(),
            ports: self.blocks.ports(),
            ..before
        };
        if !is_fresh {
            let known = before.addresses as usize;
            for address in before.address.iter().take(known) {
                let _ = self.blocks.add(IpAddr::from(*address).to_canonical());
            }
        }
        if before.gone_after < monotonic_ns() {
            // Their phones have given up, and must not be woken from the dead.
            for local in self.settled() {
                let _ = self.unsettle(local);
            }
        }
        for (at, word) in self.words().zip(rows::places(&places)) {
            at.store(word, Ordering::Relaxed);
        }
    }

    /// Has a flow's packets sent on at the device from now on. Its counters begin at 0, but for
    /// what was `heard` of its stream before. Replaces what [`Mirror::hand_up`] said of its
    /// address, in one step.
    ///
    /// # Errors
    /// The flow is settled already, or it cannot be a row. Nothing has changed then.
    pub fn settle(&self, flow: &SettledFlow, heard: Reception) -> Result<(), MirrorError> {
        let cell = self.cell(flow.local)?;
        let before = rows::read(cell);
        if before.known() == Known::Settled {
            return Err(MirrorError::Settled(flow.local));
        }
        let row = Row::settled(flow, before.next_generation(), heard)?;
        rows::write(cell, &row);
        Ok(())
    }

    /// Has what arrives at a local address go up to the sockets. What `expected` sends is not
    /// limited; others are, as they are at ports that nothing is said of.
    ///
    /// Gives the last counters of the flow, if it was settled; see [`Mirror::unsettle`].
    ///
    /// # Errors
    /// The address cannot have a row.
    pub fn hand_up(
        &self,
        local: SocketAddr,
        expected: Option<SocketAddr>,
    ) -> Result<Option<FlowTally>, MirrorError> {
        let cell = self.cell(local)?;
        Ok(replace(cell, |before| {
            Row::up(expected, before.next_generation())
        }))
    }

    /// Takes a local address out of the table; what arrives there then is unknown traffic.
    ///
    /// Gives the last counters of the flow, if it was settled. A packet that the program has
    /// decided on, and not counted yet, when this is called, some nanoseconds, is not counted.
    pub fn unsettle(&self, local: SocketAddr) -> Option<FlowTally> {
        replace(self.find(local)?, Row::nothing)
    }

    /// What was counted for a settled flow; `None` if it is not settled.
    #[must_use]
    pub fn counters(&self, local: SocketAddr) -> Option<FlowTally> {
        let row = rows::read(self.find(local)?);
        (row.known() == Known::Settled).then(|| row.tally())
    }

    /// How a settled flow's packets go; `None` if it is not settled.
    #[must_use]
    pub fn way(&self, local: SocketAddr) -> Option<Way> {
        rows::read(self.find(local)?).way()
    }

    /// Local addresses that are settled. Looks at every port.
    pub fn settled(&self) -> impl Iterator<Item = SocketAddr> {
        let used = self.blocks.addresses().count() as u32 * self.blocks.ports();
        (0..used).filter_map(|place| {
            let row = rows::read(self.rows.get(place)?);
            self.blocks
                .at(place)
                .filter(|_| row.known() == Known::Settled)
        })
    }

    /// What became of all packets since the tables were made.
    ///
    /// # Errors
    /// The kernel failed.
    pub fn fates(&self) -> Result<FateCounts, MirrorError> {
        let mut sum = FateCounts::default();
        let cores = self.fates.get(&0, 0).map_err(MirrorError::Read)?;
        for core in cores.iter() {
            sum.add(core);
        }
        Ok(sum)
    }

    /// Tells the program how it runs, on all its devices.
    pub fn set_mode(&self, mode: Mode) {
        let places = Places {
            is_generic: u32::from(mode == Mode::Generic),
            ..self.places()
        };
        let words = rows::places(&places);
        if let (Some(at), Some(word)) = (self.words().nth(ADDRESSES), words.get(ADDRESSES)) {
            at.store(*word, Ordering::Relaxed);
        }
    }

    /// Tells the program until when this process is there, in ns of `CLOCK_MONOTONIC`: from
    /// `away_after` on what would go up is dropped, from `gone_after` on the program does nothing.
    pub fn set_presence(&self, away_after: u64, gone_after: u64) {
        for (at, time) in [(AWAY_AFTER, away_after), (GONE_AFTER, gone_after)] {
            if let Some(word) = self.words().nth(at) {
                word.store(time, Ordering::Relaxed);
            }
        }
    }

    fn find(&self, local: SocketAddr) -> Option<&RowCell> {
        let (_, place) = self.blocks.find(canonical(local))?;
        self.rows.get(place)
    }

    /// The row of an address, which has rows from now on if it had none.
    fn cell(&self, local: SocketAddr) -> Result<&RowCell, MirrorError> {
        if let Some(cell) = self.find(local) {
            return Ok(cell);
        }
        let port = local.port().checked_sub(self.blocks.first_port());
        if port.is_none_or(|port| u32::from(port) >= self.blocks.ports()) {
            return Err(MirrorError::Port(local));
        }
        self.add(canonical(local).ip());
        self.find(local).ok_or(MirrorError::Addresses(local.ip()))
    }

    fn add(&self, ip: IpAddr) {
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.blocks.addresses().count();
        if self.blocks.addresses().any(|known| known == ip) || self.blocks.add(ip).is_none() {
            return;
        }
        let mut places = self.places();
        if let Some(place) = places.address.get_mut(number) {
            *place = match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
        }
        places.addresses = u32::try_from(number + 1).unwrap_or(0);
        let words = rows::places(&places);
        for (at, word) in self.words().zip(words).skip(FIRST_ADDRESS) {
            at.store(word, Ordering::Relaxed);
        }
        if let (Some(at), Some(word)) = (self.words().nth(ADDRESSES), words.get(ADDRESSES)) {
            // Release: the address is there before it counts.
            at.store(*word, Ordering::Release);
        }
    }

    fn places(&self) -> Places {
        let mut words = [0; PLACES_WORDS];
        for (word, at) in words.iter_mut().zip(self.words()) {
            *word = at.load(Ordering::Relaxed);
        }
        rows::of_places(words)
    }

    fn words(&self) -> impl Iterator<Item = &AtomicU64> {
        self.places.get(0).into_iter().flatten()
    }
}

/// Puts another row in the place of one, and gives what was counted if that was settled.
fn replace(cell: &RowCell, next: impl FnOnce(&Row) -> Row) -> Option<FlowTally> {
    let before = rows::read(cell);
    rows::begin(cell);
    let tally = (before.known() == Known::Settled).then(|| rows::read(cell).tally());
    rows::write(cell, &next(&before));
    tally
}

fn canonical(local: SocketAddr) -> SocketAddr {
    SocketAddr::new(local.ip().to_canonical(), local.port())
}

fn array(ebpf: &mut Ebpf, name: &'static str) -> Result<MapData, DriverError> {
    match ebpf.take_map(name) {
        Some(Map::Array(array)) => Ok(array),
        _ => Err(DriverError::Part(name)),
    }
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror")
            .field("blocks", &self.blocks)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn the_words_of_the_places_are_where_they_are_written() {
        assert_eq!(offset_of!(Places, away_after), AWAY_AFTER * 8);
        assert_eq!(offset_of!(Places, gone_after), GONE_AFTER * 8);
        assert_eq!(offset_of!(Places, addresses), ADDRESSES * 8);
        assert_eq!(offset_of!(Places, address), FIRST_ADDRESS * 8);
    }
}
