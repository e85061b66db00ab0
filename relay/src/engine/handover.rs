//! Handing pairs over to the next process of the relay, and taking them from the last one.

use std::time::Duration;

use patchbay_route::flow::Side;
use patchbay_route::handover::PairHandover;
use patchbay_route::limits::MAX_COMMANDS;
use patchbay_route::pair::{OpenPair, PairId};

use super::cells::PairCells;
use super::error::OpenError;
use super::handle::{Engine, check_remote, local_addrs};
use super::mailbox::Command;
use super::registry::{Registry, Wanted};

/// A process that has ended holds its media ports for a while, since the kernel takes its rings
/// apart after its end: so long after the start a port in use is tried again.
const PORT_PATIENCE: Duration = Duration::from_secs(3);
/// A packet thread that is behind with its commands is given so long.
const THREAD_PATIENCE: Duration = Duration::from_secs(2);
/// Between two attempts.
const RETRY_AFTER: Duration = Duration::from_millis(5);
/// A new row, and what the SDP of its sides says.
const COMMANDS_OF_A_PAIR: usize = 3;

impl Engine {
    /// What the next process needs to go on with an open pair. The pair stays open.
    #[must_use]
    pub fn hand_over(&self, pair: PairId) -> Option<PairHandover> {
        let registry = self.inner.registry();
        let (entry, _) = registry.get(pair)?;
        let (leases, remotes) = (entry.leases(), entry.remotes());
        Some(PairHandover {
            local: leases.map(local_addrs),
            remotes,
            counters: registry.counted_so_far(pair, self.inner.clock.now())?,
        })
    }

    /// Opens a pair that another process handed over: on the same ports, with what its sides' SDP
    /// said, and with counters that go on. Their sources are learned as after an answer.
    ///
    /// May wait, 3 s after the engine's start at most for a port that the other process still
    /// holds, and 2 s for a packet thread: not for where packets or messages are handled.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is left behind.
    pub fn adopt(&self, pair: &PairHandover) -> Result<OpenPair, OpenError> {
        for side in Side::ALL {
            let local_ip = pair.local[side.index()].rtp.ip();
            if let Some(remote) = &pair.remotes[side.index()] {
                check_remote(remote.rtp, local_ip)?;
                check_remote(remote.rtcp, local_ip)?;
            }
        }
        let mut waited = Duration::ZERO;
        loop {
            match self.try_adopt(pair) {
                Err(OpenError::Busy) if waited < THREAD_PATIENCE => waited += RETRY_AFTER,
                Err(OpenError::PortInUse { ours: false, .. })
                    if self.inner.clock.running() < PORT_PATIENCE => {}
                done => return done,
            }
            std::thread::sleep(RETRY_AFTER);
        }
    }

    fn try_adopt(&self, pair: &PairHandover) -> Result<OpenPair, OpenError> {
        let inner = &*self.inner;
        let mut registry = inner.registry();
        let cells = PairCells::going_on(&pair.counters, inner.clock.now());
        let open = inner.open(&mut registry, cells, |registry, thread| {
            let mailbox = registry.seats.get(thread).map(|seat| &seat.mailbox);
            let waiting = mailbox.ok_or(OpenError::NotRunning)?.waiting();
            if waiting + COMMANDS_OF_A_PAIR > MAX_COMMANDS {
                return Err(OpenError::Busy);
            }
            let given = pair.local.map(|side| Wanted::Given(side.rtp));
            registry.lease(given, inner.clock.now())
        })?;
        registry.bring_back(&open, pair);
        Ok(open)
    }
}

impl Registry {
    /// Tells an adopted pair what was known of it before: here what its sides' SDP said, so that
    /// each learns its source anew.
    fn bring_back(&mut self, open: &OpenPair, pair: &PairHandover) {
        for side in Side::ALL {
            if let Some(remote) = pair.remotes[side.index()]
                && let Some((_, mailbox)) = self.get(open.id)
            {
                let id = open.id;
                // There is room: it was looked at before the pair was opened, under the same lock.
                let _ = mailbox.send(Command::SetRemote { id, side, remote });
                self.remember(id, side, remote);
            }
        }
        let Some(steering) = &self.steering else {
            return;
        };
        let local = pair.local.iter().flat_map(|side| [side.rtp, side.rtcp]);
        for (local, flow) in local.zip(&pair.counters.flows) {
            if let Some(port) = steering.space().port(local) {
                steering.space().cell(&port).add_strangers(flow.strangers);
            }
        }
    }
}
