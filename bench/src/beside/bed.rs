//! Where systems and phones are: loopback, the system on one core, the dialler on another.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;

use rustix::thread::{CpuSet, sched_getaffinity};

use super::forward::Forwarder;
use super::kamailio::Kamailio;
use super::process::on_core;
use super::{BesideError, System, SystemKind, Wanted, phone_uris};
use crate::dialler::{Load, Sockets, Tally, Watcher, run};

/// SIP sockets of callers, and as many of phones.
const PARTIES: usize = 8;

/// Starts ours: this crate knows no whole centre. The text says why it did not start.
pub type Start<'a> = dyn FnMut(&Wanted) -> Result<Box<dyn System>, String> + 'a;

/// Which core works for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cores {
    /// The system's, with all its processes and threads.
    pub system: usize,
    /// The dialler's.
    pub dialler: usize,
}

impl Cores {
    /// The first allowed core for the system, or `wanted`; the last one for the dialler.
    ///
    /// # Errors
    /// A core may not be used here.
    pub fn choose(wanted: Option<usize>) -> Result<Self, BesideError> {
        let allowed = sched_getaffinity(None)
            .map_err(|e| BesideError::system("reading the allowed cores")(e.into()))?;
        let allowed: Vec<usize> = (0..CpuSet::MAX_CPU)
            .filter(|cpu| allowed.is_set(*cpu))
            .collect();
        Self::among(&allowed, wanted)
    }

    fn among(allowed: &[usize], wanted: Option<usize>) -> Result<Self, BesideError> {
        let first = allowed.first().copied().unwrap_or(0);
        let system = wanted.unwrap_or(first);
        if !allowed.contains(&system) {
            return Err(BesideError::Args(format!(
                "core {system} may not be used here"
            )));
        }
        let free = allowed.iter().rev().find(|cpu| **cpu != system);
        Ok(Self {
            system,
            dialler: free.copied().unwrap_or(system),
        })
    }

    /// Whether both have the same one, so that no figure says much.
    #[must_use]
    pub fn shared(&self) -> bool {
        self.system == self.dialler
    }
}

/// Linux shares the processor among sessions first (`sched_autogroup_enabled`), so that niceness alone
/// moves nobody before another session's work: the group of this one needs it, too.
struct Group(Option<String>);

/// Niceness of this session's group.
const GROUP: &str = "/proc/self/autogroup";

impl Group {
    /// Before others, if there are groups and this process may say so.
    fn first() -> Self {
        let before = std::fs::read_to_string(GROUP).ok();
        let nice = before.and_then(|text| Some(text.rsplit_once("nice ")?.1.trim().to_owned()));
        let raised = std::fs::write(GROUP, "-20").is_ok();
        Self(nice.filter(|_| raised))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(nice) = &self.0 {
            // What cannot be set back ends with the session.
            let _ = std::fs::write(GROUP, nice);
        }
    }
}

/// Sockets, cores, and who starts ours.
pub struct Bed<'a> {
    _group: Group,
    sockets: Sockets,
    cores: Cores,
    start: Box<Start<'a>>,
    stop: &'a AtomicBool,
    runs: u32,
}

impl<'a> Bed<'a> {
    /// On loopback.
    ///
    /// # Errors
    /// The system has no sockets or randomness left.
    pub fn new(
        cores: Cores,
        start: Box<Start<'a>>,
        stop: &'a AtomicBool,
    ) -> Result<Self, BesideError> {
        let sockets = Sockets::open(PARTIES);
        Ok(Self {
            _group: Group::first(),
            sockets: sockets.map_err(BesideError::system("sockets on loopback"))?,
            cores,
            start,
            stop,
            runs: 0,
        })
    }

    /// Cores of system and dialler.
    #[must_use]
    pub fn cores(&self) -> Cores {
        self.cores
    }

    /// In words.
    #[must_use]
    pub fn describe(&self) -> String {
        let Cores { system, dialler } = self.cores;
        let words = format!(
            "loopback, UDP; all processes of a system on core {system}, the dialler on core {dialler}"
        );
        match self.cores.shared() {
            true => format!("{words}: the same, so that no figure says much"),
            false => words,
        }
    }

    /// Set when whoever started it wants it to end.
    pub(super) fn stop_flag(&self) -> &'a AtomicBool {
        self.stop
    }

    /// Starts a system anew for so many calls at one time.
    pub(super) fn start(
        &mut self,
        kind: SystemKind,
        calls: usize,
    ) -> Result<Box<dyn System>, BesideError> {
        let wanted = Wanted {
            callers: self.sockets.callers(),
            phones: self.sockets.phones(),
            calls,
            core: self.cores.system,
        };
        match kind {
            SystemKind::Patchbay => (self.start)(&wanted).map_err(|why| BesideError::Start {
                system: "patchbay",
                why,
            }),
            SystemKind::Kamailio => Ok(Box::new(Kamailio::start(&wanted)?)),
            SystemKind::Forwarder => Ok(Box::new(Forwarder::start(&wanted)?)),
            SystemKind::Direct => Ok(Box::new(Direct(wanted.phones))),
        }
    }

    /// Places calls through it.
    pub(super) fn dial(
        &mut self,
        kind: SystemKind,
        system: &dyn System,
        calls_per_s: f64,
        extent: crate::dialler::Extent,
        watcher: &mut dyn Watcher,
    ) -> Result<Tally, BesideError> {
        self.runs += 1;
        let load = Load {
            targets: system.targets(),
            uris: system.uris(),
            relayed: kind.relays(),
            calls_per_s,
            extent,
            run: self.runs,
        };
        let sockets = &mut self.sockets;
        let tally = on_core(self.cores.dialler, || run(sockets, &load, watcher));
        tally.map_err(BesideError::system("the dialler's sockets"))
    }
}

/// The phones, called by their own addresses.
struct Direct(Vec<SocketAddr>);

impl System for Direct {
    fn version(&self) -> String {
        "direct".to_owned()
    }

    fn processes(&self) -> Vec<u32> {
        Vec::new()
    }

    fn targets(&self) -> Vec<SocketAddr> {
        self.0.clone()
    }

    fn uris(&self) -> Vec<String> {
        phone_uris(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn system_and_dialler_have_a_core_each_if_there_are_two() {
        let cores = |allowed: &[usize], wanted| {
            let cores = Cores::among(allowed, wanted).unwrap();
            (cores.system, cores.dialler, cores.shared())
        };
        assert_eq!(cores(&[0, 1], None), (0, 1, false));
        assert_eq!(cores(&[0, 1], Some(1)), (1, 0, false));
        assert_eq!(cores(&[2, 3, 5], None), (2, 5, false));
        assert_eq!(cores(&[4], None), (4, 4, true));
        assert!(Cores::among(&[0, 1], Some(7)).is_err());
    }
}
