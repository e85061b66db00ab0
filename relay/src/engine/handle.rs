//! The engine's handle.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use patchbay_route::counters::PairStats;
use patchbay_route::flow::Side;
use patchbay_route::pair::{LocalAddrs, OpenPair, PairId, PairSpec, Remote};

use super::cells::PairCells;
use super::choice::{self, Chosen};
use super::clock::Clock;
use super::config::EngineConfig;
use super::device::Device;
use super::drill::Drill;
use super::error::{CommandError, EngineError, OpenError};
use super::host::HostUdp;
use super::mailbox::{Bell, Command, Mailbox, Ports};
use super::path::MediaPath;
use super::ports::{Lease, PortPool};
use super::registry::{Registry, Wanted};
use super::restart::Restarts;
use super::seat::{Life, Seat};
use super::steering::Steering;
use super::supervise::{self, Supervised};
use super::totals::{EngineTotals, ThreadHealth};
use super::uring::{probe, thread};

/// Handle of a running packet engine. Cheap to clone; the engine stops when the last one goes.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(super) inner: Arc<Inner>,
}

/// What the clones of a handle share.
#[derive(Debug)]
pub struct Inner {
    cpus: Vec<usize>,
    dscp: Option<u8>,
    rows: usize,
    max_pairs: usize,
    pub(super) clock: Clock,
    host_at_start: HostUdp,
    path: MediaPath,
    registry: Mutex<Registry>,
}

impl Engine {
    /// Checks the configuration and the kernel, and starts the packet threads.
    ///
    /// # Errors
    /// [`EngineError`] names the field, or the kernel feature and the remedy.
    pub fn start(config: EngineConfig) -> Result<Engine, EngineError> {
        config.check()?;
        probe::check()?;
        let clock = Clock::start();
        let Chosen {
            steering,
            device,
            path,
        } = choice::choose(&config, clock)?;
        let rows = rows(&config, steering.is_some())?;
        tracing::info!(%path, "media");
        let ports = PortPool::new(&config.ports, config.seed);
        let flows = device.as_ref().map(|device| device.flows().clone());
        let ports = match &steering {
            Some(steering) => ports.steered(steering.space(), flows),
            None => ports,
        };
        let mut registry = Registry::new(ports, steering, device, config.threads, clock.now());
        if registry.steering.is_none() {
            registry.dscp = socket_mark(config.dscp);
        }
        let inner = Inner {
            registry: Mutex::new(registry),
            rows,
            max_pairs: config.max_pairs,
            cpus: config.cpus,
            dscp: config.dscp,
            clock,
            host_at_start: HostUdp::read(),
            path,
        };
        // Dropping `inner` stops the threads started so far.
        for thread in 0..config.threads {
            let mut registry = lock(&inner.registry);
            let Registry {
                steering, device, ..
            } = &mut *registry;
            let mut means = Means { steering, device };
            let mailbox = inner.mailbox(means.manner(), thread)?;
            let plan = inner.plan(&mut means, thread, mailbox.clone())?;
            let handle = thread::spawn(plan)?.wait()?;
            let seat = Seat::new(mailbox, handle, rows, Restarts::new(config.restart_after));
            registry.seats.push(seat);
        }
        Ok(Engine {
            inner: Arc::new(inner),
        })
    }

    /// Opens a pair: takes an even and an odd port on each side's local address, and gives them
    /// to the packet thread that carries least. Nothing is forwarded to a side before
    /// [`Engine::set_remote`].
    ///
    /// # Errors
    /// [`OpenError`]; nothing is left behind.
    pub fn open(&self, spec: PairSpec) -> Result<OpenPair, OpenError> {
        let mut registry = self.inner.registry();
        let opened = self
            .inner
            .open(&mut registry, PairCells::default(), |registry, _| {
                let any = spec.sides.map(|side| Wanted::Any(side.local_ip));
                registry.lease(any, self.inner.clock.now())
            });
        // What is missing may be on its way back.
        opened.inspect_err(|_| registry.hurry())
    }

    /// Tells where a side wants its packets: its SDP came, for the first time or anew. A side
    /// whose addresses differ from before learns its source anew.
    ///
    /// # Errors
    /// [`CommandError`]; nothing has changed then.
    pub fn set_remote(&self, pair: PairId, side: Side, remote: Remote) -> Result<(), CommandError> {
        let mut registry = self.inner.registry();
        let (entry, mailbox) = registry.get(pair).ok_or(CommandError::UnknownPair)?;
        for address in [remote.rtp, remote.rtcp] {
            check_remote(address, entry.local_ip(side))?;
        }
        let id = pair;
        mailbox
            .send(Command::SetRemote { id, side, remote })
            .map_err(|_| CommandError::Busy)?;
        if entry.remotes()[side.index()].is_some_and(|before| may_move(&before, &remote)) {
            // The kernel holds back who speaks from elsewhere, so that no packet wakes the thread.
            mailbox.ring_bell();
        }
        registry.remember(id, side, remote);
        Ok(())
    }

    /// Closes a pair: nothing is forwarded from now on, or very soon; its ports are free again
    /// when the packet thread has closed the sockets. A pair that is not open is left alone.
    pub fn close(&self, pair: PairId) {
        self.inner.registry().close(pair);
    }

    /// The counters of a pair that is open, or was lost with its packet thread. Read them before
    /// closing it.
    #[must_use]
    pub fn stats(&self, pair: PairId) -> Option<PairStats> {
        let registry = self.inner.registry();
        registry.stats(pair, self.inner.clock.now())
    }

    /// Counters and capacity of the whole engine.
    #[must_use]
    pub fn totals(&self) -> EngineTotals {
        let inner = &*self.inner;
        let registry = inner.registry();
        registry.hurry();
        let mut totals = EngineTotals {
            pairs_open: registry.pairs(),
            pairs_capacity: inner.capacity(&registry),
            ..EngineTotals::of_ports(registry.ports.free(), registry.ports.total())
        };
        for seat in &registry.seats {
            totals.add(seat.totals());
            seat.times(&mut totals.forwarding_time);
        }
        if let Some(steering) = &registry.steering {
            for (number, thread) in totals.threads.iter_mut().enumerate() {
                let kept = steering.kept_away(number);
                thread.floods += kept.floods;
                thread.strangers = kept.strangers;
            }
        }
        if let Some(device) = &registry.device {
            totals.add_device(device);
        }
        drop(registry);
        totals.host = HostUdp::read().since(inner.host_at_start);
        totals
    }

    /// How the packet threads are. One that is dead has lost its pairs; the others go on.
    #[must_use]
    pub fn health(&self) -> Vec<ThreadHealth> {
        let registry = self.inner.registry();
        registry.hurry();
        let one = |(thread, seat): (usize, &Seat)| ThreadHealth {
            thread,
            tid: seat.mailbox.tid(),
            cpu: self.inner.cpu(thread),
            alive: seat.is_up(),
            stays_down: matches!(seat.life, Life::Down),
            waiting: seat.mailbox.waiting(),
            failure: seat.failure.clone(),
            pairs: seat.rows.used(),
            restarts: seat.restarts.total(),
        };
        registry.seats.iter().enumerate().map(one).collect()
    }

    /// Which way media take, and why not a better one.
    #[must_use]
    pub fn media_path(&self) -> &MediaPath {
        &self.inner.path
    }

    /// Looks after the packet threads: tells which died since the last call, and which pairs
    /// with them, and starts dead ones again, a while later and a limited number of times (see
    /// [`super::MAX_RESTARTS`]). To be called several times a second; it does not wait.
    ///
    /// `now` is the time; it must not go back from call to call.
    #[must_use]
    pub fn supervise(&self, now: Instant) -> Supervised {
        let mut registry = self.inner.registry();
        registry.sample(self.inner.clock.now());
        registry.hurry();
        if let Some(device) = &registry.device {
            device.flows().look_after();
        }
        supervise::look(&self.inner, &mut registry, now)
    }

    /// Makes a packet thread do something that it should not: for tests and drills.
    #[doc(hidden)]
    pub fn drill(&self, thread: usize, drill: Drill) {
        if let Some(seat) = self.inner.registry().seats.get(thread) {
            let _ = seat.mailbox.send(Command::Drill(drill));
            seat.mailbox.ring_bell();
        }
    }

    /// Makes a packet thread fail, as if something had gone wrong in it: for tests and drills.
    #[doc(hidden)]
    pub fn fail_thread(&self, thread: usize) {
        self.drill(thread, Drill::Fail);
    }

    /// Leaves settled flows at devices as they are from now on, for the process after this one, if
    /// that is configured ([`EngineConfig::keep`]). To be called right before the engine goes.
    pub fn leave(&self) {
        if let Some(device) = &mut self.inner.registry().device {
            device.leave();
        }
    }

    /// Closes all pairs and ends the packet threads; returns when they have ended.
    pub fn shutdown(&self) {
        self.inner.shutdown();
    }
}

/// What packet threads have in common, if the privileges allow it.
#[derive(Debug)]
pub struct Means<'a> {
    /// What steers their ports.
    pub steering: &'a mut Option<Steering>,
    /// What sends settled flows on.
    pub device: &'a Option<Device>,
}

impl Means<'_> {
    /// When packet threads are told of commands: where ports are steered, a thread looks into its
    /// mailbox before it sends a packet on; what a device sends on has to stop at once.
    pub fn manner(&self) -> Bell {
        match (&self.steering, self.device) {
            (Some(_), None) => Bell::Patient,
            _ => Bell::Prompt,
        }
    }
}

impl Inner {
    /// Opens a pair on the packet thread that carries least, on the ports that `lease` takes for
    /// it there.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is left behind.
    pub(super) fn open(
        &self,
        registry: &mut Registry,
        cells: PairCells,
        lease: impl FnOnce(&mut Registry, usize) -> Result<([Lease; 2], Ports), OpenError>,
    ) -> Result<OpenPair, OpenError> {
        if !registry.seats.iter().any(Seat::is_up) {
            return Err(OpenError::NotRunning);
        }
        let capacity = self.capacity(registry);
        registry.sample(self.clock.now());
        let has_room = registry.pairs() < capacity;
        let place = registry.place().filter(|_| has_room);
        let thread = place.ok_or(OpenError::TableFull { capacity })?;
        let (leases, ports) = lease(registry, thread)?;
        let cells = Arc::new(cells);
        let id = registry
            .enter(thread, leases, cells.clone())
            .ok_or(OpenError::TableFull { capacity })?;
        let (_, mailbox) = registry.get(id).ok_or(OpenError::NotRunning)?;
        // What comes before the thread knows of it waits for the thread.
        if let (Some(steering), Ports::Steered(ports)) = (&registry.steering, &ports) {
            steering.space().open(id, ports);
        }
        if let Err(command) = mailbox.send(Command::Open { id, ports, cells }) {
            // Sockets are closed before their ports return.
            drop(command);
            registry.undo(id);
            return Err(OpenError::Busy);
        }
        Ok(OpenPair {
            id,
            local: leases.map(local_addrs),
        })
    }

    /// The registry, up to date with what the threads report.
    pub(super) fn registry(&self) -> MutexGuard<'_, Registry> {
        let mut registry = lock(&self.registry);
        registry.sweep();
        registry
    }

    /// A mailbox for a thread that is to be started.
    pub(super) fn mailbox(&self, manner: Bell, thread: usize) -> Result<Arc<Mailbox>, EngineError> {
        let made = Mailbox::new(self.rows, manner).map_err(|e| EngineError::Thread {
            thread,
            what: "eventfd",
            cause: e.into(),
        })?;
        Ok(Arc::new(made))
    }

    /// What a thread that is to be started shall be.
    pub(super) fn plan(
        &self,
        means: &mut Means<'_>,
        thread: usize,
        mailbox: Arc<Mailbox>,
    ) -> Result<thread::Plan, EngineError> {
        let steered = match means.steering {
            Some(steering) => Some(thread::Steered {
                space: steering.space(),
                receivers: steering.receivers(thread, self.dscp.is_none())?,
                dscp: self.dscp,
                device: means.device.as_ref().map(|device| device.flows().clone()),
            }),
            None => None,
        };
        Ok(thread::Plan {
            thread,
            cpu: self.cpu(thread),
            rows: self.rows,
            clock: self.clock,
            mailbox,
            steered,
        })
    }

    fn cpu(&self, thread: usize) -> Option<usize> {
        self.cpus.get(thread % self.cpus.len().max(1)).copied()
    }

    fn capacity(&self, registry: &Registry) -> usize {
        registry.capacity().min(self.max_pairs)
    }

    fn shutdown(&self) {
        let mut registry = lock(&self.registry);
        registry.stopping = true;
        let ending: Vec<_> = registry.seats.iter_mut().flat_map(Seat::stop).collect();
        // The threads need no lock to end, but others may want to read meanwhile.
        drop(registry);
        for handle in ending.into_iter().flatten() {
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

/// How many pairs each thread can have.
fn rows(config: &EngineConfig, steered: bool) -> Result<usize, EngineError> {
    let rows = probe::pairs_that_fit(config.max_pairs)?;
    if steered {
        return Ok(config.max_pairs);
    }
    if rows < config.max_pairs {
        tracing::warn!(
            wanted = config.max_pairs,
            each_thread = rows,
            "fewer pairs fit than configured: raise RLIMIT_NOFILE (LimitNOFILE= in a systemd unit)"
        );
    }
    Ok(rows)
}

/// What sockets of ports mark with: they cannot keep what packets came with.
fn socket_mark(dscp: Option<u8>) -> u8 {
    if dscp.is_none() {
        tracing::warn!("media leaves unmarked: a DSCP can only be kept where ports are steered");
    }
    dscp.unwrap_or(0)
}

/// Whether a side may turn out to speak from elsewhere. That an answer gives its offer a time to learn
/// in, and the clock, is all that changes when a call is set up.
fn may_move(before: &Remote, now: &Remote) -> bool {
    let answered = Remote {
        learn_window: now.learn_window,
        clock_hz: now.clock_hz,
        ..*before
    };
    !before.learn_window.is_zero() || now.learn_window.is_zero() || answered != *now
}

/// Both ports of a lease.
pub(super) fn local_addrs(lease: Lease) -> LocalAddrs {
    LocalAddrs {
        rtp: SocketAddr::new(lease.local_ip, lease.rtp),
        rtcp: SocketAddr::new(lease.local_ip, lease.rtp + 1),
    }
}

/// Whether packets may be sent there from that local address.
pub(super) fn check_remote(remote: SocketAddr, local_ip: IpAddr) -> Result<(), CommandError> {
    if remote.is_ipv4() != local_ip.is_ipv4() {
        return Err(CommandError::AddressFamily { remote, local_ip });
    }
    if remote.ip().is_multicast() || remote.ip() == IpAddr::V4(Ipv4Addr::BROADCAST) {
        return Err(CommandError::NotUnicast { remote });
    }
    Ok(())
}
