//! All seats of packet threads, and the ports: which pair is where.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use patchbay_route::counters::{FlowStats, PairStats};
use patchbay_route::flow::{FLOWS, Side};
use patchbay_route::pair::{PairId, Remote};

use super::cells::PairCells;
use super::device::{Counted, Device};
use super::error::OpenError;
use super::load::Load;
use super::mailbox::{Mailbox, Ports};
use super::neighbours::Neighbours;
use super::ports::{BindError, Lease, PortPool};
use super::rows::Entry;
use super::seat::Seat;
use super::sockets::bind_side;
use super::steering::{SteeredPort, Steering};

/// The ports that one side of a pair is to have.
#[derive(Clone, Copy, Debug)]
pub enum Wanted {
    /// Two free ones of this address.
    Any(IpAddr),
    /// This one for RTP, and the one above it.
    Given(SocketAddr),
}

/// The engine's state, apart from the packet threads' own.
#[derive(Debug)]
pub struct Registry {
    /// The media ports.
    pub ports: PortPool,
    /// The packet threads, by number.
    pub seats: Vec<Seat>,
    /// What steers the media ports, if they are.
    pub steering: Option<Steering>,
    /// The program on devices, if there is one.
    pub device: Option<Device>,
    /// What sockets of ports mark what they send with, 0 to 63.
    pub dscp: u8,
    /// The engine has been shut down: nothing is started any more.
    pub stopping: bool,
    load: Load,
    /// Who else may have the media ports.
    neighbours: Neighbours,
}

impl Registry {
    /// No seats yet, of that many.
    pub fn new(
        ports: PortPool,
        steering: Option<Steering>,
        device: Option<Device>,
        threads: usize,
        now: u64,
    ) -> Registry {
        Registry {
            ports,
            steering,
            device,
            seats: Vec::with_capacity(threads),
            dscp: 0,
            stopping: false,
            load: Load::new(threads, now),
            neighbours: Neighbours::default(),
        }
    }

    /// Lets no command wait any longer.
    pub fn hurry(&self) {
        self.seats.iter().for_each(|seat| seat.mailbox.hurry());
    }

    /// Takes in what the threads report: rows closed, threads dead.
    pub fn sweep(&mut self) {
        let device = self.device.as_ref().map(|device| &**device.flows());
        for (number, seat) in (0..=u8::MAX).zip(&mut self.seats) {
            seat.sweep(number, &mut self.ports, device);
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

    /// Takes ports for both sides of a pair, or none. `now` is in nanoseconds of the engine's clock.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is taken then.
    pub fn lease(
        &mut self,
        wanted: [Wanted; 2],
        now: u64,
    ) -> Result<([Lease; 2], Ports), OpenError> {
        let dscp = self.dscp;
        let Some(steering) = &mut self.steering else {
            let bind = |ip, rtp| bind_side(ip, rtp, dscp);
            let [(first, [a, b]), (second, [c, d])] = both(&mut self.ports, wanted, bind)?;
            return Ok(([first, second], Ports::Bound([a, b, c, d])));
        };
        let neighbours = &mut self.neighbours;
        // Bound only to see that nobody else has them.
        let leases = both(&mut self.ports, wanted, |ip, rtp| {
            if !neighbours.leave_free(ip, rtp, now) {
                bind_side(ip, rtp, dscp)?;
                neighbours.is_here(ip);
            }
            Ok(())
        })?;
        let leases = leases.map(|(lease, ())| lease);
        match steered(steering, leases) {
            Ok(ports) => Ok((leases, Ports::Steered(Box::new(ports)))),
            Err(e) => {
                leases.iter().for_each(|lease| self.ports.release(*lease));
                Err(e)
            }
        }
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
        let open = seat.rows.get(id);
        let cells = open.map(|entry| &entry.cells);
        let mut stats = cells.or_else(|| seat.lost.get(&id))?.read(now);
        if let Some(entry) = open {
            self.add_strangers(&mut stats, entry);
        }
        if let (Some(device), Some(entry)) = (&self.device, open) {
            for (flow, local) in stats.flows.iter_mut().zip(entry.local()) {
                add(flow, &device.flows().counted(local), now);
            }
        }
        Some(stats)
    }

    /// The counters of an open pair as the process after this one is to go on with them: what
    /// devices count is not in them where it stays there.
    pub fn counted_so_far(&self, id: PairId, now: u64) -> Option<PairStats> {
        match self.device.as_ref().is_some_and(Device::keeps) {
            true => self.counted_here(id, now),
            false => self.stats(id, now),
        }
    }

    fn counted_here(&self, id: PairId, now: u64) -> Option<PairStats> {
        let seat = self.seats.get(usize::from(id.thread()))?;
        let entry = seat.rows.get(id)?;
        let mut stats = entry.cells.read(now);
        self.add_strangers(&mut stats, entry);
        Some(stats)
    }

    fn add_strangers(&self, stats: &mut PairStats, entry: &Entry) {
        let Some(steering) = &self.steering else {
            return;
        };
        let space = steering.space();
        for (flow, address) in stats.flows.iter_mut().zip(entry.local()) {
            let port = space.port(address);
            flow.strangers = port.map_or(0, |port| space.cell(&port).strangers().into());
        }
    }

    /// Remembers what the SDP of a pair's side said.
    pub fn remember(&mut self, id: PairId, side: Side, remote: Remote) {
        if let Some(seat) = self.seats.get_mut(usize::from(id.thread())) {
            seat.rows.remember(id, side, remote);
        }
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

/// Takes what both sides want, or nothing: `bind` says whether two ports are free.
fn both<T>(
    ports: &mut PortPool,
    [client, agent]: [Wanted; 2],
    mut bind: impl FnMut(IpAddr, u16) -> Result<T, BindError>,
) -> Result<[(Lease, T); 2], OpenError> {
    let mut one = |ports: &mut PortPool, wanted| match wanted {
        Wanted::Any(ip) => ports.lease(ip, |rtp| bind(ip, rtp)),
        Wanted::Given(at) => ports.lease_at(at, |rtp| bind(at.ip(), rtp)),
    };
    let (first, held) = one(ports, client)?;
    match one(ports, agent) {
        Ok(second) => Ok([(first, held), second]),
        Err(e) => {
            // Sockets are closed before their ports return.
            drop(held);
            ports.release(first);
            Err(e)
        }
    }
}

/// Adds what was counted at the device.
fn add(flow: &mut FlowStats, counted: &Counted, now: u64) {
    flow.received += counted.packets;
    flow.accepted += counted.packets;
    flow.bytes += counted.bytes;
    flow.strangers += counted.strangers;
    if let Some(heard) = counted.heard {
        flow.heard = flow.heard.back(heard);
    }
    if counted.last > 0 {
        let age = Duration::from_nanos(now.saturating_sub(counted.last));
        flow.last_packet_age = Some(flow.last_packet_age.map_or(age, |here| here.min(age)));
    }
}

/// The four ports of a pair, by flow index.
fn steered(steering: &mut Steering, leases: [Lease; 2]) -> Result<[SteeredPort; FLOWS], OpenError> {
    let mut port = |lease: Lease, port| {
        let local_ip = lease.local_ip;
        steering
            .port(local_ip, port)
            .map_err(|cause| OpenError::NotSteered {
                local_ip,
                cause: Box::new(cause),
            })
    };
    let [client, agent] = leases;
    Ok([
        port(client, client.rtp)?,
        port(client, client.rtp + 1)?,
        port(agent, agent.rtp)?,
        port(agent, agent.rtp + 1)?,
    ])
}
