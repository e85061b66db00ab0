//! Where packets are sent: two network namespaces with one veth pair between them, as root, or
//! the loopback device.

mod cores;
mod loopback;

use std::ffi::OsStr;
use std::net::IpAddr;
use std::process::Command;

use super::BenchError;
use super::vocabulary::{Generator, Phones};

pub use cores::Cores;

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
    place: loopback::Loopback,
    cores: Cores,
    /// Why it is not namespaces.
    reason: String,
}

impl Bed {
    /// Builds a bed: namespaces if that is allowed, loopback otherwise.
    ///
    /// # Errors
    /// [`BenchError::Args`] if the machine lacks a core that was asked for.
    pub fn build(options: &BedOptions) -> Result<Self, BenchError> {
        Ok(Self {
            place: loopback::Loopback::new(options.addresses),
            cores: Cores::choose(options)?,
            reason: "asked for".to_owned(),
        })
    }

    /// What it is, for reports: `"network namespaces and veth"`, or loopback and why.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("loopback: {}", self.reason)
    }

    /// What makes figures of this bed doubtful, such as shared cores.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    /// The relay's addresses towards callers and towards callees.
    #[must_use]
    pub fn relay_ips(&self) -> [IpAddr; 2] {
        self.place.relay_ips()
    }

    /// The phones of the call with that number, 0 to [`super::MAX_CALLS`] + [`SPARE_CALLS`] - 1.
    /// Ports are even, those above are for RTCP.
    #[must_use]
    pub fn phones(&self, call: usize) -> Phones {
        self.place.phones(call)
    }

    /// The cores of relay and generator.
    #[must_use]
    pub fn cores(&self) -> &Cores {
        &self.cores
    }

    /// A command that runs a program where the relay is to be: in its namespace, on its cores.
    #[must_use]
    pub fn relay_command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("taskset");
        command.args(["-c", &self.cores.relay_list()]).arg(program);
        command
    }

    /// Does something on a thread in the relay's namespace, on the relay's cores.
    ///
    /// # Errors
    /// If there is no such thread.
    pub fn in_relay<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, BenchError> {
        on_cores(&self.cores.relay, work)
    }

    /// Does something on a thread in the phones' namespace, on the generator's cores.
    ///
    /// # Errors
    /// If there is no such thread.
    pub fn in_phones<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, BenchError> {
        on_cores(&self.cores.generator, work)
    }

    /// Kernel threads whose CPU time is the relay's: its device's, and `ksoftirqd` of its cores.
    #[must_use]
    pub fn relay_threads(&self) -> RelayThreads {
        RelayThreads::default()
    }

    /// The generator that suits the bed.
    ///
    /// # Errors
    /// What the system says.
    pub fn generator(&self) -> Result<Box<dyn Generator + '_>, BenchError> {
        Err(BenchError::Args("no generator".to_owned()))
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
