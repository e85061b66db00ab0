//! The rows of one packet thread: which pairs it has, with which ports.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use patchbay_route::flow::{Component, FLOWS, Flow, Side};
use patchbay_route::pair::{PairId, Remote};

use super::cells::PairCells;
use super::ports::{Lease, PortPool};

/// The rows of one thread. A row that is used again has another generation, so that the name of
/// an earlier pair in it never becomes valid again, also when its thread has died meanwhile.
#[derive(Debug)]
pub struct Rows {
    rows: Vec<Row>,
    free: Vec<u32>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Row {
    generation: u32,
    entry: Option<Entry>,
}

/// An open pair.
#[derive(Debug)]
pub struct Entry {
    /// Its counters.
    pub cells: Arc<PairCells>,
    leases: [Lease; 2],
    /// What the SDP of each side said last, by [`Side::index`].
    remotes: [Option<Remote>; 2],
    closing: bool,
}

impl Entry {
    /// A pair with these ports, by [`Side::index`].
    pub fn new(cells: Arc<PairCells>, leases: [Lease; 2]) -> Entry {
        Entry {
            cells,
            leases,
            remotes: [None; 2],
            closing: false,
        }
    }

    /// What its sides' SDP said last, by [`Side::index`].
    pub fn remotes(&self) -> [Option<Remote>; 2] {
        self.remotes
    }

    /// Its ports, by [`Side::index`].
    pub fn leases(&self) -> [Lease; 2] {
        self.leases
    }

    /// Its ports, by flow index.
    pub fn local(&self) -> [SocketAddr; FLOWS] {
        Flow::ALL.map(|flow| {
            let lease = self.leases[flow.side.index()];
            let port = match flow.component {
                Component::Rtp => lease.rtp,
                Component::Rtcp => lease.rtp + 1,
            };
            SocketAddr::new(lease.local_ip, port)
        })
    }

    /// The address on which a side is received.
    pub fn local_ip(&self, side: Side) -> IpAddr {
        self.leases[side.index()].local_ip
    }
}

impl Rows {
    /// No rows yet, and at most that many.
    pub fn new(capacity: usize) -> Rows {
        Rows {
            rows: Vec::new(),
            free: Vec::new(),
            capacity,
        }
    }

    /// Rows in use, those being closed too.
    pub fn used(&self) -> usize {
        self.rows.len() - self.free.len()
    }

    /// Rows there can be.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Enters a pair: its row and generation, or nothing if all rows are in use.
    pub fn enter(&mut self, entry: Entry) -> Option<(u32, u32)> {
        if self.used() >= self.capacity {
            return None;
        }
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.rows.push(Row::default());
                u32::try_from(self.rows.len() - 1).ok()?
            }
        };
        let row = self.rows.get_mut(index as usize)?;
        row.entry = Some(entry);
        Some((index, row.generation))
    }

    /// All pairs, those being closed too.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.rows.iter().filter_map(|row| row.entry.as_ref())
    }

    /// An open pair that is not being closed.
    pub fn get(&self, id: PairId) -> Option<&Entry> {
        let row = self.rows.get(id.row() as usize)?;
        let entry = row.entry.as_ref()?;
        (row.generation == id.generation() && !entry.closing).then_some(entry)
    }

    /// Remembers what a side's SDP said.
    pub fn remember(&mut self, id: PairId, side: Side, remote: Remote) {
        let row = self.rows.get_mut(id.row() as usize);
        if let Some(row) = row.filter(|row| row.generation == id.generation())
            && let Some(entry) = &mut row.entry
        {
            entry.remotes[side.index()] = Some(remote);
        }
    }

    /// Marks a pair as being closed; false if it is not open, or marked already.
    pub fn begin_close(&mut self, id: PairId) -> bool {
        if self.get(id).is_none() {
            return false;
        }
        let row = self.rows.get_mut(id.row() as usize);
        if let Some(entry) = row.and_then(|row| row.entry.as_mut()) {
            entry.closing = true;
        }
        true
    }

    /// Frees a row and its ports.
    pub fn free(&mut self, index: u32, ports: &mut PortPool) -> Option<Entry> {
        let row = self.rows.get_mut(index as usize)?;
        let entry = row.entry.take()?;
        row.generation = row.generation.wrapping_add(1);
        self.free.push(index);
        for lease in entry.leases {
            ports.release(lease);
        }
        Some(entry)
    }

    /// Frees all rows and their ports, because `thread` has died: gives the pairs that nobody
    /// had asked to be closed, with their counters.
    pub fn lose_all(&mut self, thread: u8, ports: &mut PortPool) -> Vec<(PairId, Arc<PairCells>)> {
        let mut lost = Vec::new();
        for index in 0..u32::try_from(self.rows.len()).unwrap_or(u32::MAX) {
            let generation = self.rows.get(index as usize).map_or(0, |r| r.generation);
            if let Some(entry) = self.free(index, ports)
                && !entry.closing
            {
                lost.push((PairId::new(thread, generation, index), entry.cells));
            }
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn entry(ports: &mut PortPool) -> Entry {
        let lease = |ports: &mut PortPool| ports.lease(IP, |_| Ok(())).unwrap().0;
        let leases = [lease(ports), lease(ports)];
        Entry::new(Arc::new(PairCells::default()), leases)
    }

    fn enter(rows: &mut Rows, ports: &mut PortPool) -> PairId {
        let (row, generation) = rows.enter(entry(ports)).unwrap();
        PairId::new(3, generation, row)
    }

    #[test]
    fn a_row_that_is_used_again_has_another_name() {
        let mut ports = PortPool::new(&(4000..=4011), 1);
        let mut rows = Rows::new(2);
        let (first, second) = (enter(&mut rows, &mut ports), enter(&mut rows, &mut ports));
        assert!(rows.enter(entry(&mut ports)).is_none(), "two rows are all");
        assert!(rows.begin_close(first));
        assert!(!rows.begin_close(first));
        assert!(rows.get(first).is_none());
        rows.free(first.row(), &mut ports);
        let third = enter(&mut rows, &mut ports);
        assert_eq!(third.row(), first.row());
        assert!(rows.get(first).is_none() && rows.get(third).is_some());
        assert!(rows.get(second).is_some());
    }

    #[test]
    fn a_dead_thread_loses_what_was_open_and_gives_all_ports_back() {
        let mut ports = PortPool::new(&(4000..=4011), 1);
        let mut rows = Rows::new(3);
        let ids = [(); 3].map(|()| enter(&mut rows, &mut ports));
        assert!(rows.begin_close(ids[0]));
        let lost: Vec<PairId> = rows
            .lose_all(3, &mut ports)
            .into_iter()
            .map(|(id, _)| id)
            .collect();
        assert_eq!(lost, [ids[1], ids[2]]);
        assert_eq!((rows.used(), ports.free()[0].free), (0, 6));
        assert!(ids.iter().all(|id| rows.get(*id).is_none()));
        let again = enter(&mut rows, &mut ports);
        assert!(!ids.contains(&again));
        assert!(rows.lose_all(3, &mut ports).len() == 1);
    }
}
