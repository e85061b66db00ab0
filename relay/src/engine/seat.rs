//! A packet thread's place in the engine: the thread that has it now, and what its dead
//! predecessors leave behind.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use hdrhistogram::Histogram;
use patchbay_route::flow::Flow;
use patchbay_route::pair::PairId;
use rustc_hash::FxHashMap;

use super::cells::PairCells;
use super::device::DeviceFlows;
use super::mailbox::Mailbox;
use super::ports::PortPool;
use super::restart::Restarts;
use super::rows::{Entry, Rows};
use super::times;
use super::totals::ThreadTotals;
use super::uring::thread::Starting;

/// A packet thread's place.
#[derive(Debug)]
pub struct Seat {
    /// What the thread shares with the rest; that of the dead one until another runs.
    pub mailbox: Arc<Mailbox>,
    /// Its pairs.
    pub rows: Rows,
    /// Where the seat is in its life.
    pub life: Life,
    /// Its restarts.
    pub restarts: Restarts,
    /// Why the last thread that died here did so.
    pub failure: Option<String>,
    /// Pairs that were lost with the last thread, until somebody closes them; at most as many as
    /// there are rows.
    pub lost: FxHashMap<PairId, Arc<PairCells>>,
    handle: Option<JoinHandle<()>>,
    past: ThreadTotals,
    past_times: Histogram<u64>,
}

/// A seat's life.
#[derive(Debug)]
pub enum Life {
    /// Its thread runs.
    Up,
    /// Its thread died, and nobody has been told.
    Died,
    /// It is to be started again at that time.
    Waiting(Instant),
    /// It is being started again.
    Starting(Starting, Arc<Mailbox>),
    /// It stays dead: it died too often, or the engine has been shut down.
    Down,
}

impl Seat {
    /// A seat whose thread runs.
    pub fn new(
        mailbox: Arc<Mailbox>,
        handle: JoinHandle<()>,
        rows: usize,
        restarts: Restarts,
    ) -> Seat {
        Seat {
            mailbox,
            rows: Rows::new(rows),
            life: Life::Up,
            restarts,
            failure: None,
            lost: FxHashMap::default(),
            handle: Some(handle),
            past: ThreadTotals::default(),
            past_times: times::empty(),
        }
    }

    /// Whether its thread runs, as far as has been noticed.
    pub fn is_up(&self) -> bool {
        matches!(self.life, Life::Up)
    }

    /// Takes in what the thread reports: rows closed, or that it is dead.
    pub fn sweep(&mut self, number: u8, ports: &mut PortPool, device: Option<&DeviceFlows>) {
        // Asked first: what a thread reported before its end is taken in before its rows go.
        let dead = !self.mailbox.is_alive();
        while let Some(row) = self.mailbox.next_closed() {
            self.rows.free(row, ports);
        }
        if !dead {
            return;
        }
        // A command may have come after the thread's last look.
        self.mailbox.clear();
        if self.is_up() {
            if let Some(device) = device {
                self.rows.entries().for_each(|pair| leave(device, pair));
            }
            self.lost = self.rows.lose_all(number, ports).into_iter().collect();
            self.failure = self.mailbox.failure().map(str::to_owned);
            self.life = match self.failure {
                Some(_) => Life::Died,
                None => Life::Down,
            };
        }
    }

    /// Another thread has taken the seat.
    pub fn revive(&mut self, mailbox: Arc<Mailbox>, handle: JoinHandle<()>) {
        self.past = self.totals();
        self.mailbox.times.read(&mut self.past_times);
        self.mailbox = mailbox;
        self.life = Life::Up;
        if let Some(dead) = self.handle.replace(handle) {
            // It said that it was dead at the very end.
            let _ = dead.join();
        }
    }

    /// The counters of its threads, all together.
    pub fn totals(&self) -> ThreadTotals {
        self.past + self.mailbox.cells.read()
    }

    /// Datagrams read from sockets by its threads.
    pub fn received(&self) -> u64 {
        self.past.received + self.mailbox.cells.received.get()
    }

    /// Adds the forwarding times of its threads to `histogram`.
    pub fn times(&self, histogram: &mut Histogram<u64>) {
        // Both have the same bounds.
        let _ = histogram.add(&self.past_times);
        self.mailbox.times.read(histogram);
    }

    /// Asks the thread to end; gives what is to be waited for.
    pub fn stop(&mut self) -> [Option<JoinHandle<()>>; 2] {
        self.mailbox.stop();
        let starting = match std::mem::replace(&mut self.life, Life::Down) {
            Life::Starting(starting, mailbox) => {
                mailbox.stop();
                Some(starting.into_handle())
            }
            Life::Up => {
                // It is swept, and its rows freed, when it has ended.
                self.life = Life::Up;
                None
            }
            Life::Died | Life::Waiting(_) | Life::Down => None,
        };
        [self.handle.take(), starting]
    }
}

/// Has the device forget the flows of a pair whose thread cannot do it any more: the ports go to
/// other calls.
fn leave(device: &DeviceFlows, pair: &Entry) {
    for (flow, local) in Flow::ALL.into_iter().zip(pair.local()) {
        device.forget(local).add_to(&pair.cells, flow);
    }
}
