//! Where packets are sent: two network namespaces with one veth pair between them, as root, or
//! the loopback device.

mod cores;
mod hosts;
mod loopback;
mod namespace;
mod noise;
mod sysctl;
mod threads;
mod veth;

use std::ffi::OsStr;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::process::Command;

use super::BenchError;
use super::live::Live;
use super::meter::program_of;
use super::sockets::Sockets;
use super::vocabulary::{Generator, Phones};

pub use cores::Cores;
pub(super) use cores::{pin, urgent};
use loopback::Loopback;
pub use noise::Noise;
pub(super) use veth::{MACS, Veth};

/// Niceness of the relay as root: what else the machine does is to disturb it little.
const NICENESS: &str = "-20";

/// How a bed is to be.
#[derive(Clone, Debug, Default)]
pub struct BedOptions {
    /// Packet threads of the relay; 0 counts as 1.
    pub threads: usize,
    /// Cores for the relay, one for each thread. Empty: the bed chooses.
    pub cpus: Vec<usize>,
    /// Families of the two sides.
    pub addresses: Addresses,
    /// Stay on loopback even as root.
    pub loopback: bool,
    /// Ports of our engine on each of its addresses; all that are not reserved if none are given.
    pub ports: Option<RangeInclusive<u16>>,
}

/// Address families of callers and callees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Addresses {
    /// Both IPv4.
    #[default]
    V4,
    /// Both IPv6.
    V6,
    /// Callers IPv4, callees IPv6.
    V4ToV6,
}

/// A place for a relay and phones; it is removed when it is dropped.
#[derive(Debug)]
pub struct Bed {
    place: Place,
    cores: Cores,
    ports: RangeInclusive<u16>,
}

#[derive(Debug)]
enum Place {
    Veth(Veth),
    Loopback {
        place: Loopback,
        /// Why it is not namespaces.
        reason: String,
    },
}

impl Bed {
    /// Builds a bed: namespaces if that is allowed, loopback otherwise.
    ///
    /// # Errors
    /// [`BenchError::Args`] if the machine lacks a core that was asked for, or loopback is to
    /// have IPv6.
    pub fn build(options: &BedOptions) -> Result<Self, BenchError> {
        let cores = Cores::choose(options)?;
        if let Some(ports) = options
            .ports
            .as_ref()
            .filter(|ports| hosts::calls_on(ports) == 0)
        {
            let (first, last) = (ports.start(), ports.end());
            return Err(BenchError::Args(format!(
                "ports {first}-{last} suffice for no call: they are to be above 1023 and more than 4,000"
            )));
        }
        let veth = match options.loopback {
            true => Err("asked for".to_owned()),
            false if !rustix::process::geteuid().is_root() => Err("not root".to_owned()),
            false => Self::veth(options, &cores).map_err(|e| e.to_string()),
        };
        if veth.is_err() && options.addresses != Addresses::V4 {
            return Err(BenchError::Args(
                "IPv6 needs namespaces and thus root: loopback has one address of it".to_owned(),
            ));
        }
        let place = match veth {
            Ok(veth) => Place::Veth(veth),
            Err(reason) => Place::Loopback {
                place: Loopback::new(),
                reason,
            },
        };
        let ports = options.ports.clone().unwrap_or(hosts::PORTS);
        Ok(Self {
            place,
            cores,
            ports,
        })
    }

    /// A bed of namespaces on which the generator's programs are accepted.
    fn veth(options: &BedOptions, cores: &Cores) -> Result<Veth, BenchError> {
        Live::probe()?;
        Veth::build(options.addresses, cores.clone())
    }

    /// What it is, for reports: namespaces, or loopback and why.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.place {
            Place::Veth(_) => "network namespaces with a veth pair".to_owned(),
            Place::Loopback { reason, .. } => format!("loopback ({reason})"),
        }
    }

    /// Whether it is network namespaces.
    #[must_use]
    pub fn is_veth(&self) -> bool {
        matches!(self.place, Place::Veth(_))
    }

    /// What makes figures of this bed doubtful, such as shared cores.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.cores.shared() {
            remarks.push("relay and generator share cores".to_owned());
        }
        remarks
    }

    /// The relay's first addresses, towards callers and towards callees.
    #[must_use]
    pub fn relay_ips(&self) -> [IpAddr; 2] {
        match &self.place {
            Place::Veth(veth) => veth.relay_ips(),
            Place::Loopback { place, .. } => place.relay_ips(),
        }
    }

    /// Ports of our engine on each of its addresses.
    #[must_use]
    pub fn ports(&self) -> RangeInclusive<u16> {
        self.ports.clone()
    }

    /// The relay's addresses towards callers and towards callees, as many as so many calls need
    /// for their ports. Loopback has one of each.
    #[must_use]
    pub fn relay_addresses(&self, calls: usize) -> [Vec<IpAddr>; 2] {
        match &self.place {
            Place::Veth(veth) => veth.relay_addresses(calls, &self.ports),
            Place::Loopback { place, .. } => place.relay_ips().map(|ip| vec![ip]),
        }
    }

    /// Calls that have addresses here, [`SPARE_CALLS`] not counted.
    #[must_use]
    pub fn most_calls(&self) -> usize {
        match &self.place {
            Place::Veth(_) => hosts::most_calls(&self.ports).min(super::MAX_CALLS),
            Place::Loopback { .. } => loopback::MOST_CALLS,
        }
    }

    /// The phones of the call with that number, 0 to [`Bed::most_calls`] + [`SPARE_CALLS`] - 1.
    /// Ports are even, those above are for RTCP.
    #[must_use]
    pub fn phones(&self, call: usize) -> Phones {
        match &self.place {
            Place::Veth(veth) => veth.phones(call),
            Place::Loopback { place, .. } => place.phones(call),
        }
    }

    /// The cores of relay and generator.
    #[must_use]
    pub fn cores(&self) -> &Cores {
        &self.cores
    }

    /// A command that runs a program where the relay is to be: in its namespace, on its cores.
    /// The child's process id is the program's.
    #[must_use]
    pub fn relay_command(&self, program: impl AsRef<OsStr>) -> Command {
        let list = self.cores.relay_list();
        let mut command = match &self.place {
            Place::Veth(veth) => {
                let mut command = veth.relay_command();
                command.args(["nice", "-n", NICENESS, "taskset"]);
                command
            }
            Place::Loopback { .. } => Command::new("taskset"),
        };
        command.args(["-c", &list]).arg(program);
        command
    }

    /// Does something on a thread in the relay's namespace, on the relay's cores.
    ///
    /// # Errors
    /// If there is no such thread.
    pub fn in_relay<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, BenchError> {
        match &self.place {
            Place::Veth(veth) => veth.relay_side().inside(&self.cores.relay, work),
            Place::Loopback { .. } => on_cores(&self.cores.relay, work),
        }
    }

    /// Does something on a thread in the phones' namespace, on the generator's cores.
    ///
    /// # Errors
    /// If there is no such thread.
    pub fn in_phones<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, BenchError> {
        match &self.place {
            Place::Veth(veth) => veth.phones_side().inside(&self.cores.generator, work),
            Place::Loopback { .. } => on_cores(&self.cores.generator, work),
        }
    }

    /// The relay's device, if it is one of the bed's own.
    #[must_use]
    pub fn relay_device(&self) -> Option<&str> {
        match &self.place {
            Place::Veth(veth) => Some(veth.relay_device()),
            Place::Loopback { .. } => None,
        }
    }

    /// The kernel's number of the XDP program at the relay's device, if there is one.
    #[must_use]
    pub fn relay_program(&self) -> Option<u32> {
        let Place::Veth(veth) = &self.place else {
            return None;
        };
        let mut command = veth.relay_command();
        command.args(["ip", "-j", "link", "show", "dev", veth.relay_device()]);
        program_of(&command.output().ok()?.stdout)
    }

    /// Kernel threads whose CPU time is the relay's: its device's, and `ksoftirqd` of its cores.
    #[must_use]
    pub fn relay_threads(&self) -> RelayThreads {
        match &self.place {
            Place::Veth(veth) => RelayThreads {
                napi: veth::napi_threads(veth.relay_device()),
                ksoftirqd: threads::ksoftirqd(&self.cores.relay),
            },
            Place::Loopback { .. } => RelayThreads::default(),
        }
    }

    /// Makes sure that the devices' threads are where they belong; a relay that changes its
    /// device makes the kernel start new ones.
    ///
    /// # Errors
    /// What the system says.
    pub fn settle(&self) -> Result<(), BenchError> {
        match &self.place {
            Place::Veth(veth) => veth.settle(),
            Place::Loopback { .. } => Ok(()),
        }
    }

    /// How noisy the machine is now; takes 0.1 s for each core.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn noise(&self) -> Result<Noise, BenchError> {
        Noise::listen(&self.cores)
    }

    /// The generator that suits the bed.
    ///
    /// # Errors
    /// What the system says.
    pub fn generator(&self) -> Result<Box<dyn Generator + '_>, BenchError> {
        match &self.place {
            Place::Veth(veth) => Ok(Box::new(Live::new(veth))),
            Place::Loopback { .. } => Ok(Box::new(Sockets::new(&self.cores.generator))),
        }
    }
}

/// Calls beyond the most of a run that have phones, for calls without media.
pub const SPARE_CALLS: usize = 1000;

/// Kernel threads that work for the relay, by thread id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelayThreads {
    /// Of the relay's device.
    pub napi: Vec<u32>,
    /// `ksoftirqd` of the relay's cores, as far as these are not shared.
    pub ksoftirqd: Vec<u32>,
}

/// Does something on a thread that keeps to those cores.
fn on_cores<T: Send>(cores: &[usize], work: impl FnOnce() -> T + Send) -> Result<T, BenchError> {
    let pinned = move || {
        cores::pin(cores);
        work()
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("bench-bed".to_owned())
            .spawn_scoped(scope, pinned)
            .map_err(BenchError::system("starting a thread"))?;
        let died = |_| BenchError::system("a thread of the bed")(std::io::ErrorKind::Other.into());
        thread.join().map_err(died)
    })
}
