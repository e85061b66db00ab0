//! Which pairs are open, on which thread and row, with which ports.

use std::net::IpAddr;
use std::sync::Arc;

use patchbay_route::flow::Side;
use patchbay_route::pair::{PairId, PairSpec};

use super::cells::PairCells;
use super::mailbox::Mailbox;
use super::ports::{Lease, PortPool};

/// All rows of all threads, and the ports.
#[derive(Debug)]
pub struct Registry {
    /// The media ports.
    pub ports: PortPool,
    threads: Vec<Rows>,
}

/// The rows of one thread.
#[derive(Debug)]
struct Rows {
    rows: Vec<Row>,
    free: Vec<u32>,
    capacity: usize,
    reaped: bool,
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
    /// Local addresses by side.
    pub local_ips: [IpAddr; 2],
    leases: [Lease; 2],
    closing: bool,
}

/// A place found for a new pair.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The thread.
    pub thread: usize,
    /// The row in its table.
    pub row: u32,
}

impl Registry {
    /// Rows for that many threads, each with that many.
    pub fn new(ports: PortPool, threads: usize, rows_per_thread: usize) -> Registry {
        let rows = |_| Rows {
            rows: Vec::new(),
            free: Vec::new(),
            capacity: rows_per_thread,
            reaped: false,
        };
        Registry {
            ports,
            threads: (0..threads).map(rows).collect(),
        }
    }

    /// Takes in what the threads report: rows closed, threads dead.
    pub fn sweep(&mut self, mailboxes: &[Arc<Mailbox>]) {
        for (rows, mailbox) in self.threads.iter_mut().zip(mailboxes) {
            while let Some(row) = mailbox.next_closed() {
                rows.free(row, &mut self.ports);
            }
            if !mailbox.is_alive() {
                mailbox.clear();
                if !rows.reaped {
                    rows.reaped = true;
                    for row in 0..u32::try_from(rows.rows.len()).unwrap_or(u32::MAX) {
                        rows.free(row, &mut self.ports);
                    }
                }
            }
        }
    }

    /// The living thread that carries fewest pairs, and a free row of it.
    pub fn place(&self, mailboxes: &[Arc<Mailbox>]) -> Option<Place> {
        let living = self.threads.iter().zip(mailboxes).enumerate();
        let (thread, rows) = living
            .filter(|(_, (rows, mailbox))| mailbox.is_alive() && rows.used() < rows.capacity)
            .map(|(thread, (rows, _))| (thread, rows))
            .min_by_key(|(_, rows)| rows.used())?;
        let row = rows
            .free
            .last()
            .copied()
            .or_else(|| u32::try_from(rows.rows.len()).ok())?;
        Some(Place { thread, row })
    }

    /// Enters a pair at a place that [`Registry::place`] gave.
    pub fn enter(
        &mut self,
        place: Place,
        spec: &PairSpec,
        leases: [Lease; 2],
        cells: Arc<PairCells>,
    ) -> Option<PairId> {
        let rows = self.threads.get_mut(place.thread)?;
        if rows.free.last() == Some(&place.row) {
            rows.free.pop();
        } else {
            rows.rows.push(Row::default());
        }
        let row = rows.rows.get_mut(place.row as usize)?;
        let local_ips = Side::ALL.map(|side| spec.sides[side.index()].local_ip);
        row.entry = Some(Entry {
            cells,
            local_ips,
            leases,
            closing: false,
        });
        Some(PairId::new(
            u8::try_from(place.thread).ok()?,
            row.generation,
            place.row,
        ))
    }

    /// Takes a pair out that its thread never got.
    pub fn undo(&mut self, id: PairId) {
        if let Some(rows) = self.threads.get_mut(usize::from(id.thread())) {
            rows.free(id.row(), &mut self.ports);
        }
    }

    /// An open pair that is not being closed.
    pub fn get(&self, id: PairId) -> Option<&Entry> {
        let row = self
            .threads
            .get(usize::from(id.thread()))?
            .rows
            .get(id.row() as usize)?;
        let entry = row.entry.as_ref()?;
        (row.generation == id.generation() && !entry.closing).then_some(entry)
    }

    /// Marks a pair as being closed; false if it is not open, or marked already.
    pub fn begin_close(&mut self, id: PairId) -> bool {
        if self.get(id).is_none() {
            return false;
        }
        let rows = self.threads.get_mut(usize::from(id.thread()));
        let row = rows.and_then(|rows| rows.rows.get_mut(id.row() as usize));
        if let Some(entry) = row.and_then(|row| row.entry.as_mut()) {
            entry.closing = true;
        }
        true
    }

    /// Number of open pairs of a thread, those being closed too.
    pub fn used(&self, thread: usize) -> usize {
        self.threads.get(thread).map_or(0, Rows::used)
    }

    /// Number of rows of the living threads.
    pub fn capacity(&self) -> usize {
        self.threads
            .iter()
            .filter(|rows| !rows.reaped)
            .map(|rows| rows.capacity)
            .sum()
    }
}

impl Rows {
    fn used(&self) -> usize {
        self.rows.len() - self.free.len()
    }

    fn free(&mut self, index: u32, ports: &mut PortPool) {
        let Some(row) = self.rows.get_mut(index as usize) else {
            return;
        };
        let Some(entry) = row.entry.take() else {
            return;
        };
        row.generation = row.generation.wrapping_add(1);
        self.free.push(index);
        for lease in entry.leases {
            ports.release(lease);
        }
    }
}
