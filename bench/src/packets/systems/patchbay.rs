//! Patchbay's packet engine as a relay's process.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use patchbay_relay::engine::allocations::is_counted;
use patchbay_relay::engine::{
    CommandError, Engine, EngineConfig, EngineKind, MediaPath, MediaSockets, OpenError, PairId,
    PairSpec, Remote, Side,
};

use super::serve::{Relay, allow_files};
use super::wire::Counts;
use super::{RelayArgs, churn};
use crate::packets::BenchError;
use crate::packets::plan::ENGINES;
use crate::packets::vocabulary::Phones;
use crate::report::grouped;

/// The phones send from where they say: nothing else may be learned.
const LEARN_WINDOW: Duration = Duration::ZERO;
/// A packet thread that is behind with its commands for longer is broken.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait before a command is tried again.
const AGAIN: Duration = Duration::from_micros(100);

/// The packet engine.
#[derive(Debug)]
pub(super) struct Patchbay {
    engine: Engine,
    /// Addresses towards callers and callees.
    local: [Vec<IpAddr>; 2],
    /// Calls opened so far: they take the addresses in turn.
    opened: AtomicUsize,
}

impl Patchbay {
    /// Starts its packet threads.
    pub fn start(args: &RelayArgs) -> Result<Self, BenchError> {
        let (sockets, devices) = engine(args)?;
        // The engine goes to the limit by itself; the privileged may go beyond. What comes of it
        // is seen in the engine's capacity.
        let _ = allow_files(args.calls, 4 * (args.calls + churn::ROOM) as u64);
        let config = EngineConfig {
            threads: args.threads,
            cpus: args.cpus.clone(),
            ports: args.ports.clone(),
            sockets,
            kind: match devices.is_empty() {
                true => EngineKind::Uring,
                false => EngineKind::Xdp,
            },
            devices,
            max_pairs: args.calls + churn::ROOM,
            ..EngineConfig::default()
        };
        let engine = Engine::start(config).map_err(failed)?;
        let capacity = engine.totals().pairs_capacity;
        if capacity < args.calls {
            return Err(BenchError::NoRoom {
                calls: args.calls,
                limit: format!(
                    "its engine has room for {}: raise RLIMIT_NOFILE (ulimit -n)",
                    grouped(capacity as u64)
                ),
            });
        }
        Ok(Self {
            engine,
            local: args.ips.clone(),
            opened: AtomicUsize::new(0),
        })
    }
}

impl Relay for Patchbay {
    type Call = PairId;

    const HELD: usize = churn::LONG_HELD;

    fn name(&self) -> String {
        format!("patchbay {}", env!("CARGO_PKG_VERSION"))
    }

    fn engine(&self) -> String {
        let [per_port, steered, xdp] = ENGINES;
        let name = match self.engine.media_path() {
            MediaPath::PerPort { .. } => per_port,
            MediaPath::Steered { .. } => steered,
            MediaPath::AtDevices { .. } => xdp,
        };
        name.to_owned()
    }

    fn open(&self, phones: Phones) -> Result<(PairId, [SocketAddr; 2]), BenchError> {
        let turn = self.opened.fetch_add(1, Relaxed);
        let local = |ips: &Vec<IpAddr>| ips.get(turn % ips.len().max(1)).copied();
        let [Some(caller), Some(callee)] = self.local.each_ref().map(local) else {
            return Err(BenchError::Args("a relay needs addresses".to_owned()));
        };
        let spec = PairSpec::new(caller, callee);
        let busy = |e: &OpenError| matches!(e, OpenError::Busy);
        let pair = patiently(|| self.engine.open(spec), busy)?;
        for (side, rtp) in Side::ALL.into_iter().zip(phones) {
            let rtcp = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
            let remote = Remote::new(rtp, rtcp, rtp.ip(), LEARN_WINDOW);
            let set = || self.engine.set_remote(pair.id, side, remote);
            let busy = |e: &CommandError| *e == CommandError::Busy;
            if let Err(e) = patiently(set, busy) {
                self.engine.close(pair.id);
                return Err(e);
            }
        }
        Ok((pair.id, pair.local.map(|local| local.rtp)))
    }

    fn close(&self, call: PairId) {
        self.engine.close(call);
    }

    fn losses(&self) -> Option<Counts> {
        let totals = self.engine.totals();
        let dropped = totals.drops.iter().filter(|(_, count)| *count > 0);
        Some(Counts {
            received: totals.received,
            forwarded: totals.forwarded(),
            dropped: dropped
                .map(|(why, count)| (why.name().to_owned(), count))
                .collect(),
        })
    }

    fn allocations(&self) -> Option<u64> {
        is_counted().then(|| self.engine.totals().allocations)
    }

    fn device_memory(&self) -> Option<u64> {
        self.engine
            .totals()
            .device
            .map(|device| device.memory_bytes)
    }

    fn forwarding(&self) -> Option<Histogram<u64>> {
        Some(self.engine.totals().forwarding_time)
    }
}

/// How the engine that is asked for receives, and at which devices it sends on.
fn engine(args: &RelayArgs) -> Result<(MediaSockets, Vec<String>), BenchError> {
    let [per_port, steered, xdp] = ENGINES;
    match args.engine.as_str() {
        name if name == per_port => Ok((MediaSockets::PerPort, Vec::new())),
        name if name == steered => Ok((MediaSockets::Steered, Vec::new())),
        name if name == xdp => match &args.device {
            Some(device) => Ok((MediaSockets::Steered, vec![device.clone()])),
            None => Err(BenchError::Relay(
                "the engine xdp needs a bed of network namespaces: run it as root".to_owned(),
            )),
        },
        name => Err(BenchError::Relay(format!(
            "there is no engine {name}, only {}",
            ENGINES.join(", ")
        ))),
    }
}

/// Tries again while the packet thread is behind with its commands.
fn patiently<T, E: std::error::Error>(
    mut attempt: impl FnMut() -> Result<T, E>,
    busy: impl Fn(&E) -> bool,
) -> Result<T, BenchError> {
    let started = Instant::now();
    loop {
        match attempt() {
            Err(e) if busy(&e) && started.elapsed() < PATIENCE => std::thread::sleep(AGAIN),
            outcome => return outcome.map_err(failed),
        }
    }
}

fn failed(error: impl std::error::Error) -> BenchError {
    BenchError::Relay(error.to_string())
}
