//! What is measured: a relay that the generator can open calls on.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hdrhistogram::Histogram;
use patchbay_relay::engine::{Engine, EngineConfig, EngineTotals, HostUdp, PairSpec, Remote, Side};

use super::{BenchError, Losses, PacketsArgs};

/// A relay under load.
pub trait Target {
    /// Its name, and that of its engine.
    fn name(&self) -> (String, String);

    /// Opens a call between two phones at those addresses, and tells where each is to send to.
    ///
    /// # Errors
    /// [`BenchError::Relay`] says why not.
    fn open(&mut self, phones: [SocketAddr; 2]) -> Result<[SocketAddr; 2], BenchError>;

    /// CPU time of its packet threads since they started, if it can be known.
    fn cpu(&self) -> Option<Duration>;

    /// What it counted so far, if it says.
    fn losses(&self) -> Option<Losses>;

    /// Its own measure of forwarding time in nanoseconds, if it has one.
    fn forwarding(&self) -> Option<Histogram<u64>>;
}

/// Patchbay's packet engine, in this process.
#[derive(Debug)]
pub struct EngineTarget {
    engine: Engine,
    local_ip: IpAddr,
}

/// How long a learned source may differ from the phone's address: the phones are on this host
/// and send from where they say.
const WINDOW: Duration = Duration::ZERO;

impl EngineTarget {
    /// Starts an engine on a loopback address.
    ///
    /// # Errors
    /// [`BenchError::Relay`] says why not.
    pub fn start(args: &PacketsArgs) -> Result<Self, BenchError> {
        let local_ip = IpAddr::from([127, 0, 0, 1]);
        let config = EngineConfig {
            threads: args.threads,
            cpus: args.cpus.clone(),
            // All ports: no phone is on this address.
            ports: 1024..=65535,
            max_pairs: args.calls.max(1),
            seed: 0,
            ..EngineConfig::default()
        };
        let engine = Engine::start(config).map_err(|e| BenchError::Relay(e.to_string()))?;
        Ok(Self { engine, local_ip })
    }

    /// The engine, for its counters.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
}

impl Target for EngineTarget {
    fn name(&self) -> (String, String) {
        (
            format!("patchbay {}", env!("CARGO_PKG_VERSION")),
            "uring".to_owned(),
        )
    }

    fn open(&mut self, phones: [SocketAddr; 2]) -> Result<[SocketAddr; 2], BenchError> {
        let failed = |e: &dyn std::error::Error| BenchError::Relay(e.to_string());
        let spec = PairSpec::new(self.local_ip, self.local_ip);
        let pair = self.engine.open(spec).map_err(|e| failed(&e))?;
        for (side, rtp) in Side::ALL.into_iter().zip(phones) {
            let rtcp = SocketAddr::new(rtp.ip(), rtp.port() ^ 1);
            let remote = Remote::new(rtp, rtcp, rtp.ip(), WINDOW);
            while let Err(e) = self.engine.set_remote(pair.id, side, remote) {
                if e != patchbay_relay::engine::CommandError::Busy {
                    return Err(failed(&e));
                }
                std::thread::yield_now();
            }
        }
        Ok(pair.local.map(|local| local.rtp))
    }

    fn cpu(&self) -> Option<Duration> {
        self.engine
            .health()
            .iter()
            .map(|thread| thread_cpu(thread.tid))
            .sum()
    }

    fn losses(&self) -> Option<Losses> {
        let totals: EngineTotals = self.engine.totals();
        let counted = totals.drops.iter().filter(|(_, count)| *count > 0);
        Some(Losses {
            received: totals.received,
            forwarded: totals.forwarded(),
            dropped: counted
                .map(|(why, count)| (why.name().to_owned(), count))
                .collect(),
            buffers: HostUdp::read().receive_buffer_errors,
        })
    }

    fn forwarding(&self) -> Option<Histogram<u64>> {
        Some(self.engine.totals().forwarding_time)
    }
}

impl Drop for EngineTarget {
    fn drop(&mut self) {
        self.engine.shutdown();
    }
}

/// CPU time of a thread of this process, to the nanosecond (proc(5), `schedstat`).
fn thread_cpu(tid: u32) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/self/task/{tid}/schedstat")).ok()?;
    text.split_whitespace()
        .next()?
        .parse()
        .ok()
        .map(Duration::from_nanos)
}
