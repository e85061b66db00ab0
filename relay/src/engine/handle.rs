//! The engine's handle.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use patchbay_route::counters::{DropCounts, PairStats};
use patchbay_route::flow::{FLOWS, Side};
use patchbay_route::pair::{LocalAddrs, OpenPair, PairId, PairSpec, Remote};

use super::cells::PairCells;
use super::clock::Clock;
use super::config::EngineConfig;
use super::drill::Drill;
use super::error::{CommandError, EngineError, OpenError};
use super::host::HostUdp;
use super::mailbox::{Command, Mailbox};
use super::ports::{Lease, PortPool};
use super::registry::Registry;
use super::sockets::bind_side;
use super::times;
use super::totals::{EngineTotals, ThreadHealth};
use super::uring::{probe, thread};

/// Handle of a running packet engine. Cheap to clone; the engine stops when the last one goes.
#[derive(Clone, Debug)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    mailboxes: Vec<Arc<Mailbox>>,
    cpus: Vec<usize>,
    max_pairs: usize,
    clock: Clock,
    host_at_start: HostUdp,
    registry: Mutex<Registry>,
    handles: Mutex<Vec<JoinHandle<()>>>,
}

impl Engine {
    /// Checks the configuration and the kernel, and starts the packet threads.
    ///
    /// # Errors
    /// [`EngineError`] names the field, or the kernel feature and the remedy.
    pub fn start(config: EngineConfig) -> Result<Engine, EngineError> {
        config.check()?;
        probe::check()?;
        let rows = probe::pairs_that_fit(config.max_pairs)?;
        if rows < config.max_pairs {
            tracing::warn!(
                wanted = config.max_pairs,
                each_thread = rows,
                "fewer pairs fit than configured: raise RLIMIT_NOFILE (LimitNOFILE= in a systemd unit)"
            );
        }
        let clock = Clock::start();
        let mut mailboxes = Vec::new();
        for thread in 0..config.threads {
            let mailbox = Mailbox::new(rows);
            let made = mailbox.map_err(|e| EngineError::Thread {
                thread,
                what: "eventfd",
                cause: e.into(),
            })?;
            mailboxes.push(Arc::new(made));
        }
        let ports = PortPool::new(&config.ports, config.seed);
        let inner = Inner {
            registry: Mutex::new(Registry::new(ports, config.threads, rows)),
            mailboxes,
            max_pairs: config.max_pairs,
            cpus: config.cpus,
            clock,
            host_at_start: HostUdp::read(),
            handles: Mutex::new(Vec::new()),
        };
        // From here on dropping `inner` stops the threads started so far.
        for (thread, mailbox) in inner.mailboxes.iter().enumerate() {
            let plan = thread::Plan {
                thread,
                cpu: inner.cpu(thread),
                rows,
                clock,
                mailbox: mailbox.clone(),
            };
            let handle = thread::start(plan)?;
            lock(&inner.handles).push(handle);
        }
        Ok(Engine {
            inner: Arc::new(inner),
        })
    }

    /// Opens a pair: binds an even and an odd port on each side's local address, and gives the
    /// sockets to the packet thread that carries fewest pairs. Nothing is forwarded to a side
    /// before [`Engine::set_remote`].
    ///
    /// # Errors
    /// [`OpenError`]; nothing is left behind.
    pub fn open(&self, spec: PairSpec) -> Result<OpenPair, OpenError> {
        let inner = &*self.inner;
        let mut registry = inner.registry();
        if !inner.mailboxes.iter().any(|mailbox| mailbox.is_alive()) {
            return Err(OpenError::NotRunning);
        }
        let capacity = inner.capacity(&registry);
        let open: usize = (0..inner.mailboxes.len())
            .map(|thread| registry.used(thread))
            .sum();
        let place = registry.place(&inner.mailboxes).filter(|_| open < capacity);
        let place = place.ok_or(OpenError::TableFull { capacity })?;
        let (leases, sockets) = lease_both(&mut registry.ports, &spec)?;
        let cells = Arc::new(PairCells::default());
        let id = registry
            .enter(place, &spec, leases, cells.clone())
            .ok_or(OpenError::TableFull { capacity })?;
        let mailbox = inner
            .mailboxes
            .get(place.thread)
            .ok_or(OpenError::NotRunning)?;
        if let Err(command) = mailbox.send(Command::Open { id, sockets, cells }) {
            // The sockets are closed before their ports return.
            drop(command);
            registry.undo(id);
            return Err(OpenError::Busy);
        }
        Ok(OpenPair {
            id,
            local: leases.map(local_addrs),
        })
    }

    /// Tells where a side wants its packets: its SDP came, for the first time or anew. A side
    /// whose addresses differ from before learns its source anew.
    ///
    /// # Errors
    /// [`CommandError`]; nothing has changed then.
    pub fn set_remote(&self, pair: PairId, side: Side, remote: Remote) -> Result<(), CommandError> {
        let registry = self.inner.registry();
        let entry = registry.get(pair).ok_or(CommandError::UnknownPair)?;
        for address in [remote.rtp, remote.rtcp] {
            check_remote(address, entry.local_ips[side.index()])?;
        }
        let mailbox = self.inner.mailbox(pair).ok_or(CommandError::UnknownPair)?;
        mailbox
            .send(Command::SetRemote {
                id: pair,
                side,
                remote,
            })
            .map_err(|_| CommandError::Busy)
    }

    /// Closes a pair: nothing is forwarded from now on, or very soon; its ports are free again
    /// when the packet thread has closed the sockets. A pair that is not open is left alone.
    pub fn close(&self, pair: PairId) {
        let mut registry = self.inner.registry();
        if registry.begin_close(pair)
            && let Some(mailbox) = self.inner.mailbox(pair)
        {
            mailbox.close(pair);
        }
    }

    /// The counters of an open pair. Read them before closing it.
    #[must_use]
    pub fn stats(&self, pair: PairId) -> Option<PairStats> {
        let cells = self.inner.registry().get(pair)?.cells.clone();
        Some(cells.read(self.inner.clock.now()))
    }

    /// Counters and capacity of the whole engine.
    #[must_use]
    pub fn totals(&self) -> EngineTotals {
        let inner = &*self.inner;
        let mut totals = EngineTotals {
            received: 0,
            accepted: 0,
            bytes: 0,
            drops: DropCounts::default(),
            allocations: 0,
            threads: Vec::new(),
            forwarding_time: times::empty(),
            pairs_open: 0,
            pairs_capacity: 0,
            ports_free: 0,
            ports: Vec::new(),
            host: HostUdp::read().since(inner.host_at_start),
        };
        for mailbox in &inner.mailboxes {
            let thread = mailbox.cells.read();
            totals.received += thread.received;
            totals.accepted += thread.accepted;
            totals.bytes += thread.bytes;
            totals.drops += thread.drops;
            totals.allocations += thread.allocations;
            mailbox.times.read(&mut totals.forwarding_time);
            totals.threads.push(thread);
        }
        let registry = inner.registry();
        totals.pairs_open = (0..inner.mailboxes.len())
            .map(|thread| registry.used(thread))
            .sum();
        totals.pairs_capacity = inner.capacity(&registry);
        totals.ports = registry.ports.free();
        totals.ports_free = totals
            .ports
            .iter()
            .map(|p| p.free)
            .min()
            .unwrap_or(registry.ports.total());
        totals
    }

    /// How the packet threads are. One that is dead has lost its pairs; the others go on.
    #[must_use]
    pub fn health(&self) -> Vec<ThreadHealth> {
        let registry = self.inner.registry();
        let one = |(thread, mailbox): (usize, &Arc<Mailbox>)| ThreadHealth {
            thread,
            tid: mailbox.tid(),
            cpu: self.inner.cpu(thread),
            alive: mailbox.is_alive(),
            failure: mailbox.failure().map(str::to_owned),
            pairs: registry.used(thread),
        };
        self.inner.mailboxes.iter().enumerate().map(one).collect()
    }

    /// Makes a packet thread do something that it should not: for tests and drills.
    #[doc(hidden)]
    pub fn drill(&self, thread: usize, drill: Drill) {
        if let Some(mailbox) = self.inner.mailboxes.get(thread) {
            let _ = mailbox.send(Command::Drill(drill));
        }
    }

    /// Makes a packet thread fail, as if something had gone wrong in it: for tests and drills.
    #[doc(hidden)]
    pub fn fail_thread(&self, thread: usize) {
        self.drill(thread, Drill::Fail);
    }

    /// Closes all pairs and ends the packet threads; returns when they have ended.
    pub fn shutdown(&self) {
        self.inner.shutdown();
    }
}

impl Inner {
    /// The registry, up to date with what the threads report.
    fn registry(&self) -> MutexGuard<'_, Registry> {
        let mut registry = lock(&self.registry);
        registry.sweep(&self.mailboxes);
        registry
    }

    fn mailbox(&self, pair: PairId) -> Option<&Arc<Mailbox>> {
        self.mailboxes.get(usize::from(pair.thread()))
    }

    fn cpu(&self, thread: usize) -> Option<usize> {
        self.cpus.get(thread % self.cpus.len().max(1)).copied()
    }

    fn capacity(&self, registry: &Registry) -> usize {
        registry.capacity().min(self.max_pairs)
    }

    fn shutdown(&self) {
        self.mailboxes.iter().for_each(|mailbox| mailbox.stop());
        for handle in lock(&self.handles).drain(..) {
            let _ = handle.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shutdown();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes ports for both sides, or none.
fn lease_both(
    ports: &mut PortPool,
    spec: &PairSpec,
) -> Result<([Lease; 2], [OwnedFd; FLOWS]), OpenError> {
    let [client, agent] = spec.sides.map(|side| side.local_ip);
    let (first, [a, b]) = ports.lease(client, |rtp| bind_side(client, rtp))?;
    match ports.lease(agent, |rtp| bind_side(agent, rtp)) {
        Ok((second, [c, d])) => Ok(([first, second], [a, b, c, d])),
        Err(e) => {
            drop((a, b));
            ports.release(first);
            Err(e)
        }
    }
}

fn local_addrs(lease: Lease) -> LocalAddrs {
    LocalAddrs {
        rtp: SocketAddr::new(lease.local_ip, lease.rtp),
        rtcp: SocketAddr::new(lease.local_ip, lease.rtp + 1),
    }
}

fn check_remote(remote: SocketAddr, local_ip: IpAddr) -> Result<(), CommandError> {
    if remote.is_ipv4() != local_ip.is_ipv4() {
        return Err(CommandError::AddressFamily { remote, local_ip });
    }
    if remote.ip().is_multicast() || remote.ip() == IpAddr::V4(Ipv4Addr::BROADCAST) {
        return Err(CommandError::NotUnicast { remote });
    }
    Ok(())
}
