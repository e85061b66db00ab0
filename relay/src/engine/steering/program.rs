//! The steering program, loaded, and its maps.

use std::fmt;
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;

use aya::maps::{Array, Map, MapData, MapError, SockMap};
use aya::programs::{ProgramError, SkLookup};
use aya::{Ebpf, EbpfError, EbpfLoader, include_bytes_aligned};
use patchbay_route::limits::MAX_THREADS;
use patchbay_route::steering::{Counts, SETTINGS_WORDS, settings};
use thiserror::Error;

use super::memory::{Space, SteeredPort};
use crate::engine::uring::receiver;

static OBJECT: &[u8] = include_bytes_aligned!("../../../bpf/steer.bpf.o");

/// Which network namespace the calling thread is in.
const NAMESPACE: &str = "/proc/thread-self/ns/net";

/// Why ports are not steered.
#[derive(Debug, Error)]
pub enum NotSteered {
    /// The program, or one of its maps, was not taken.
    #[error(
        "the kernel does not take the steering program ({0}): it needs Linux 6.1, CAP_BPF and CAP_NET_ADMIN"
    )]
    Program(#[from] EbpfError),
    /// It was not attached to the network namespace.
    #[error("the steering program cannot be attached ({0}): it needs CAP_NET_ADMIN")]
    Attach(#[from] ProgramError),
    /// Somebody else steers these ports.
    #[error("another relay on this host steers these ports: give each its own")]
    Taken,
    /// A map was not changed.
    #[error("a map of the steering program: {0}")]
    Map(#[from] MapError),
    /// A socket was not made.
    #[error("{what}: {cause}")]
    Socket {
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        cause: io::Error,
    },
    /// The object lacks a part.
    #[error("the steering program lacks its part {0}")]
    Part(&'static str),
    /// More local addresses than are steered.
    #[error("more local addresses than are steered")]
    TooManyAddresses,
}

/// The steering program of this network namespace, as long as this lives.
pub struct Steering {
    /// Detaches the program when it goes.
    program: Ebpf,
    doors: SockMap<MapData>,
    settings: Array<MapData, [u32; SETTINGS_WORDS]>,
    counts: Array<MapData, Counts>,
    space: Arc<Space>,
    first_port: u16,
    ports: u32,
    /// Where floods end: nobody reads them.
    deaf: Vec<OwnedFd>,
    /// Keeps others from steering the same ports.
    _claim: UnixDatagram,
}

impl fmt::Debug for Steering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steering")
            .field("first_port", &self.first_port)
            .field("ports", &self.ports)
            .field("space", &self.space)
            .field("deaf", &self.deaf)
            .finish_non_exhaustive()
    }
}

impl Steering {
    /// Loads the program for these ports, and attaches it to the calling thread's namespace.
    ///
    /// # Errors
    /// [`NotSteered`]; nothing is left behind.
    pub fn start(range: &RangeInclusive<u16>) -> Result<Steering, NotSteered> {
        let first_port = *range.start();
        let ports = u32::from(*range.end()) - u32::from(first_port) + 1;
        raw_sockets_are_allowed()?;
        let claim = claim(range)?;
        let mut program = EbpfLoader::new()
            .btf(None)
            .map_max_entries("ports", Space::cells(ports))
            .load(OBJECT)?;
        let cells = match program.take_map("ports") {
            Some(Map::Array(cells)) => cells,
            _ => return Err(NotSteered::Part("ports")),
        };
        let space =
            Space::new(cells.fd(), range).map_err(socket("cannot map the memory of the ports"))?;
        let mut steering = Steering {
            doors: map(&mut program, "doors")?,
            settings: map(&mut program, "settings")?,
            counts: map(&mut program, "counts")?,
            program,
            space: Arc::new(space),
            first_port,
            ports,
            deaf: Vec::new(),
            _claim: claim,
        };
        steering.publish()?;
        steering.deaf = steering.install(MAX_THREADS, false)?;
        steering.attach()?;
        Ok(steering)
    }

    fn attach(&mut self) -> Result<(), NotSteered> {
        let namespace =
            File::open(NAMESPACE).map_err(socket("cannot open the network namespace"))?;
        let program = self.program.program_mut("steer");
        let program: &mut SkLookup = program.ok_or(NotSteered::Part("steer"))?.try_into()?;
        program.load()?;
        program.attach(namespace)?;
        Ok(())
    }

    /// The memory that program and packet threads share.
    pub fn space(&self) -> Arc<Space> {
        self.space.clone()
    }

    /// Makes the sockets by which a packet thread receives, for IPv4 and, if this host has it, for
    /// IPv6, in place of those of the thread before it. They tell either each datagram's DSCP or, of
    /// use for samples, when it came: there is no room for both.
    ///
    /// # Errors
    /// [`NotSteered`].
    pub fn receivers(&mut self, thread: usize, marks: bool) -> Result<Vec<OwnedFd>, NotSteered> {
        self.install(thread, marks)
    }

    fn install(&mut self, thread: usize, marks: bool) -> Result<Vec<OwnedFd>, NotSteered> {
        let door = 2 * u32::try_from(thread).unwrap_or(u32::MAX / 2);
        let mut sockets = vec![receiver(false, marks).map_err(socket("no socket for IPv4"))?];
        match receiver(true, marks) {
            Ok(v6) => sockets.push(v6),
            Err(e) if lacks_ipv6(&e) => {}
            Err(cause) => return Err(socket("no socket for IPv6")(cause)),
        }
        for (door, socket) in (door..).zip(&sockets) {
            self.doors.set(door, socket, 0)?;
        }
        Ok(sockets)
    }

    /// The port of an IP, which is steered from now on if it was not.
    ///
    /// # Errors
    /// [`NotSteered`].
    pub fn port(&mut self, ip: IpAddr, port: u16) -> Result<SteeredPort, NotSteered> {
        let local = (ip, port).into();
        if let Some(port) = self.space.port(local) {
            return Ok(port);
        }
        self.space
            .add_address(ip)
            .ok_or(NotSteered::TooManyAddresses)?;
        self.publish()?;
        self.space.port(local).ok_or(NotSteered::TooManyAddresses)
    }

    /// Tells the program which addresses there are.
    fn publish(&mut self) -> Result<(), NotSteered> {
        let addresses: Vec<IpAddr> = self.space.addresses().collect();
        let settings = settings(self.first_port, self.ports, &addresses);
        Ok(self.settings.set(0, settings, 0)?)
    }

    /// What the program kept from a thread.
    pub fn kept_away(&self, thread: usize) -> KeptAway {
        let thread = u32::try_from(thread).unwrap_or(u32::MAX);
        let [floods, strangers] = self.counts.get(&thread, 0).unwrap_or_default();
        KeptAway { floods, strangers }
    }
}

/// What a packet thread never saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeptAway {
    /// How often a port took in more in a window than it may.
    pub floods: u64,
    /// Datagrams for learned flows that came from elsewhere.
    pub strangers: u64,
}

/// A name in this network namespace that stands for the ports, as long as it is held. Ranges that
/// overlap in part are not noticed.
fn claim(range: &RangeInclusive<u16>) -> Result<UnixDatagram, NotSteered> {
    let name = format!("patchbay-steers-{}-{}", range.start(), range.end());
    let address = SocketAddr::from_abstract_name(name).map_err(socket("no name for the ports"))?;
    UnixDatagram::bind_addr(&address).map_err(|e| match e.kind() {
        io::ErrorKind::AddrInUse => NotSteered::Taken,
        _ => socket("cannot claim the ports")(e),
    })
}

/// Whether sockets that send whole packets are allowed, found out before the first call.
fn raw_sockets_are_allowed() -> Result<(), NotSteered> {
    let v4 = std::net::Ipv4Addr::LOCALHOST;
    let made = crate::engine::uring::sender(v4.into(), 0);
    made.map(|_| ()).map_err(socket(
        "no raw socket (that needs CAP_NET_RAW and CAP_NET_ADMIN)",
    ))
}

fn lacks_ipv6(e: &io::Error) -> bool {
    matches!(
        e.raw_os_error(),
        Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT)
    )
}

fn socket(what: &'static str) -> impl Fn(io::Error) -> NotSteered {
    move |cause| NotSteered::Socket { what, cause }
}

fn map<T>(program: &mut Ebpf, name: &'static str) -> Result<T, NotSteered>
where
    T: TryFrom<Map, Error = MapError>,
{
    let map = program.take_map(name).ok_or(NotSteered::Part(name))?;
    Ok(map.try_into()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_and_engine_have_the_same_layout_and_limits() {
        let words = patchbay_route::steering::layout();
        let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_ne_bytes).collect();
        assert!(
            OBJECT.windows(bytes.len()).any(|window| window == bytes),
            "relay/route/src/steering.rs and relay/bpf/steer.bpf.c differ"
        );
    }
}
