//! What the packet engine is told at start.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use patchbay_route::limits;

use super::EngineError;
use super::restart::FIRST_RESTART_AFTER;

/// How media ports are received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MediaSockets {
    /// Steered if the kernel and the privileges allow it, else one for each port.
    #[default]
    Auto,
    /// A socket for each port. Needs no privilege.
    PerPort,
    /// One socket of each packet thread for all ports, chosen by a program in the kernel. Needs
    /// CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW.
    Steered,
}

impl MediaSockets {
    /// All of them.
    pub const ALL: [MediaSockets; 3] = [
        MediaSockets::Auto,
        MediaSockets::PerPort,
        MediaSockets::Steered,
    ];

    /// As it is written in a configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            MediaSockets::Auto => "auto",
            MediaSockets::PerPort => "per-port",
            MediaSockets::Steered => "steered",
        }
    }
}

/// Where settled flows are sent on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineKind {
    /// At devices if that can be, else by the packet threads. What stands in the way is told.
    #[default]
    Auto,
    /// By the packet threads.
    Uring,
    /// At devices, or there is no engine.
    Xdp,
}

impl EngineKind {
    /// All of them.
    pub const ALL: [EngineKind; 3] = [EngineKind::Auto, EngineKind::Uring, EngineKind::Xdp];

    /// As it is written in a configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            EngineKind::Auto => "auto",
            EngineKind::Uring => "uring",
            EngineKind::Xdp => "xdp",
        }
    }
}

/// The DSCP of telephony (RFC 4594 section 4.1): expedited forwarding (RFC 3246).
pub const EXPEDITED: u8 = 46;

/// Configuration of a packet engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Packet threads, 1 to [`limits::MAX_THREADS`]. One per core that is given to media.
    pub threads: usize,
    /// Cores to pin the threads to, in turn; fewer cores than threads share. Empty: not pinned.
    pub cpus: Vec<usize>,
    /// Ports for media, the same range for every local IP. A side of a pair takes two.
    pub ports: RangeInclusive<u16>,
    /// How these ports are received.
    pub sockets: MediaSockets,
    /// Where settled flows are sent on.
    pub kind: EngineKind,
    /// Network devices at which settled flows are sent on without sockets (XDP), of the calling
    /// thread's network namespace. Needs steered ports, and CAP_PERFMON beside their privileges.
    /// Empty: none.
    pub devices: Vec<String>,
    /// Whether settled flows outlive this process, until the next one takes them over.
    pub keep: Option<KeepFlows>,
    /// The DSCP that media leaves with (RFC 2474), 0 to 63; `None` keeps the one that it came with,
    /// for which ports must be steered.
    pub dscp: Option<u8>,
    /// Pairs that may be open at once, 1 to [`limits::MAX_PAIRS`]. With a socket for each port, the number of open files that
    /// the process may have can lower it: see [`super::EngineTotals::pairs_capacity`].
    pub max_pairs: usize,
    /// Seed of the port pools' starting points, so that ports cannot be guessed from a restart.
    /// Take it from the system's random numbers.
    pub seed: u64,
    /// Time from a packet thread's death until it is started again, 1 ms to 60 s. It doubles with
    /// each restart of the period; see [`super::MAX_RESTARTS`].
    pub restart_after: Duration,
}

/// How settled flows at devices outlive the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepFlows {
    /// A directory of a BPF file system, of this relay alone; it is made if it is not there.
    pub directory: PathBuf,
    /// For how long they are sent on without a process, 1 s to 1 hour.
    pub time: Duration,
}

impl Default for EngineConfig {
    fn default() -> EngineConfig {
        EngineConfig {
            threads: 1,
            cpus: Vec::new(),
            ports: 20_000..=59_999,
            sockets: MediaSockets::default(),
            kind: EngineKind::default(),
            devices: Vec::new(),
            keep: None,
            dscp: Some(EXPEDITED),
            max_pairs: 10_000,
            seed: 0,
            restart_after: FIRST_RESTART_AFTER,
        }
    }
}

impl EngineConfig {
    fn check_devices(&self) -> Result<(), EngineError> {
        let what = match (self.kind, self.devices.is_empty(), self.sockets) {
            (EngineKind::Xdp, true, _) => "the engine is xdp: name the network interfaces",
            (EngineKind::Uring, false, _) => {
                "interfaces are named, and the engine uring has no use for them"
            }
            (EngineKind::Xdp, _, MediaSockets::PerPort) => {
                "the engine is xdp, which needs steered media ports"
            }
            _ => return Ok(()),
        };
        Err(EngineError::Config {
            what: what.to_owned(),
        })
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`EngineError::Config`] names the field and its range.
    pub fn check(&self) -> Result<(), EngineError> {
        let bad = |what: String| Err(EngineError::Config { what });
        if !(1..=limits::MAX_THREADS).contains(&self.threads) {
            return bad(format!(
                "threads is {}, allowed are 1 to {}",
                self.threads,
                limits::MAX_THREADS
            ));
        }
        if !(1..=limits::MAX_PAIRS).contains(&self.max_pairs) {
            return bad(format!(
                "max_pairs is {}, allowed are 1 to {}",
                self.max_pairs,
                limits::MAX_PAIRS
            ));
        }
        let (first, last) = (*self.ports.start(), *self.ports.end());
        if first < 1024 || u32::from(first).next_multiple_of(2) >= u32::from(last) {
            return bad(format!(
                "ports is {first}-{last}, needed is at least one even port and the odd one above it, from 1024 on"
            ));
        }
        self.check_devices()?;
        match (self.dscp, self.sockets) {
            (Some(dscp @ 64..), _) => return bad(format!("dscp is {dscp}, allowed are 0 to 63")),
            (None, MediaSockets::PerPort) => {
                return bad("a dscp can only be kept where ports are steered".to_owned());
            }
            _ => {}
        }
        let times = Duration::from_secs(1)..=Duration::from_secs(3600);
        if let Some(keep) = &self.keep
            && !times.contains(&keep.time)
        {
            return bad(format!(
                "keep is {} s, allowed are 1 to 3600",
                keep.time.as_secs()
            ));
        }
        let waits = Duration::from_millis(1)..=Duration::from_secs(60);
        if !waits.contains(&self.restart_after) {
            return bad(format!(
                "restart_after is {} ms, allowed are 1 to 60000",
                self.restart_after.as_millis()
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ranges_are_checked() {
        EngineConfig::default().check().unwrap();
        let with = |change: fn(&mut EngineConfig)| {
            let mut config = EngineConfig::default();
            change(&mut config);
            config.check()
        };
        assert!(with(|c| c.threads = 0).is_err());
        assert!(with(|c| c.threads = 65).is_err());
        assert!(with(|c| c.dscp = Some(64)).is_err());
        assert!(with(|c| c.dscp = None).is_ok());
        assert!(with(|c| (c.dscp, c.sockets) = (None, MediaSockets::PerPort)).is_err());
        assert!(with(|c| c.max_pairs = 0).is_err());
        assert!(with(|c| c.ports = 1000..=2000).is_err());
        assert!(with(|c| c.ports = 2001..=2002).is_err());
        assert!(with(|c| c.ports = 65535..=65535).is_err());
        assert!(with(|c| c.restart_after = Duration::ZERO).is_err());
        assert!(with(|c| c.restart_after = Duration::from_secs(61)).is_err());
        let at_device = |kind, sockets| EngineConfig {
            kind,
            devices: vec!["eth0".to_owned()],
            sockets,
            ..EngineConfig::default()
        };
        let is_bad = |kind, sockets| at_device(kind, sockets).check().is_err();
        assert!(is_bad(EngineKind::Xdp, MediaSockets::PerPort));
        assert!(!is_bad(EngineKind::Xdp, MediaSockets::Auto));
        assert!(is_bad(EngineKind::Uring, MediaSockets::Auto));
        assert!(!is_bad(EngineKind::Auto, MediaSockets::PerPort));
        assert!(with(|c| c.kind = EngineKind::Xdp).is_err());
        assert!(with(|c| c.ports = 2000..=2001).is_ok());
        assert!(with(|c| c.ports = 65534..=65535).is_ok());
    }
}
