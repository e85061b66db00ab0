//! All seats of packet threads, and the ports: which pair is where.

use std::sync::Arc;

use patchbay_route::counters::PairStats;
use patchbay_route::pair::PairId;

use super::cells::PairCells;
use super::load::Load;
use super::mailbox::Mailbox;
use super::ports::{Lease, PortPool};
use super::rows::Entry;
use super::seat::Seat;

/// The engine's state, apart from the packet threads' own.
#[derive(Debug)]
pub struct Registry {
    /// The media ports.
    pub ports: PortPool,
    /// The packet threads, by number.
    pub seats: Vec<Seat>,
    /// The engine has been shut down: nothing is started any more.
    pub stopping: bool,
    load: Load,
}

impl Registry {
    /// No seats yet, of that many.
    pub fn new(ports: PortPool, threads: usize, now: u64) -> Registry {
        Registry {
            ports,
            seats: Vec::with_capacity(threads),
            stopping: false,
            load: Load::new(threads, now),
        }
    }

    /// Takes in what the threads report: rows closed, threads dead.
    pub fn sweep(&mut self) {
        for (number, seat) in (0..=u8::MAX).zip(&mut self.seats) {
            seat.sweep(number, &mut self.ports);
        }
    }

    /// Looks how much each thread carries, if the last look was long enough ago.
    pub fn sample(&mut self, now: u64) {
        self.load.sample(now, self.seats.iter().map(Seat::received));
    }

    /// The thread that a new pair goes to: of those that run and have a row free, the one that
    /// carries least, and of those the one with fewest pairs.
    pub fn place(&self) -> Option<usize> {
        let seats = self.seats.iter().enumerate();
        seats
            .filter(|(_, seat)| seat.is_up() && seat.rows.used() < seat.rows.capacity())
            .min_by_key(|(thread, seat)| (self.load.of(*thread), seat.rows.used()))
            .map(|(thread, _)| thread)
    }

    /// Enters a pair on a thread that [`Registry::place`] gave.
    pub fn enter(
        &mut self,
        thread: usize,
        leases: [Lease; 2],
        cells: Arc<PairCells>,
    ) -> Option<PairId> {
        let seat = self.seats.get_mut(thread)?;
        let (row, generation) = seat.rows.enter(Entry::new(cells, leases))?;
        self.load.opened(thread);
        Some(PairId::new(u8::try_from(thread).ok()?, generation, row))
    }

    /// Takes a pair out that its thread never got.
    pub fn undo(&mut self, id: PairId) {
        let ports = &mut self.ports;
        if let Some(seat) = self.seats.get_mut(usize::from(id.thread())) {
            seat.rows.free(id.row(), ports);
        }
    }

    /// An open pair that is not being closed, and its thread's mailbox.
    pub fn get(&self, id: PairId) -> Option<(&Entry, &Mailbox)> {
        let seat = self.seats.get(usize::from(id.thread()))?;
        Some((seat.rows.get(id)?, &seat.mailbox))
    }

    /// The counters of a pair that is open, or was lost with its thread and not closed since.
    pub fn stats(&self, id: PairId, now: u64) -> Option<PairStats> {
        let seat = self.seats.get(usize::from(id.thread()))?;
        let open = seat.rows.get(id).map(|entry| &entry.cells);
        let cells = open.or_else(|| seat.lost.get(&id))?;
        Some(cells.read(now))
    }

    /// Asks the thread to close a pair. One that is not open is left alone.
    pub fn close(&mut self, id: PairId) {
        let Some(seat) = self.seats.get_mut(usize::from(id.thread())) else {
            return;
        };
        seat.lost.remove(&id);
        if seat.rows.begin_close(id) {
            seat.mailbox.close(id);
        }
    }

    /// Pairs that are open, those being closed too.
    pub fn pairs(&self) -> usize {
        self.seats.iter().map(|seat| seat.rows.used()).sum()
    }

    /// Number of rows of the living threads.
    pub fn capacity(&self) -> usize {
        let living = self.seats.iter().filter(|seat| seat.is_up());
        living.map(|seat| seat.rows.capacity()).sum()
    }
}
