//! The program in the kernel: loaded, put on devices, taken off again or left there.
#![allow(unsafe_code)]

use std::fmt;
use std::fs;
use std::io;
use std::net::UdpSocket;
use std::path::Path;
use std::time::Duration;

use aya::maps::{HashMap, MapData};
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::xdp::{XdpError, XdpLink, XdpMode};
use aya::programs::{ProgramError, TestRun as _, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfError, EbpfLoader, Pod, include_bytes_aligned};
use patchbay_route::limits;
use patchbay_route::settled::{Hop, WayOut};

use super::pins::Pins;
use super::{DriverError, Mirror, Neighbours, XdpConfig, vlans};
use crate::engine::blocks::Blocks;

/// The compiled program.
pub static OBJECT: &[u8] = include_bytes_aligned!("../../../xdp/readdress.bpf.o");

/// The program's name in the object.
const PROGRAM: &str = "readdress";
/// Tables that outlive the process, if any do.
const KEPT: [&str; 6] = [
    "rows",
    "places",
    "fates",
    "devices",
    "strangers",
    "neighbours",
];

/// A key of the program's tables.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct WordsOf<T>(pub T);

// SAFETY: it is `repr(C)` of integers whose sizes add up to its own, so that it has no padding.
unsafe impl Pod for WordsOf<Hop> {}

/// How a device runs the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In its driver, before the kernel has made anything of the frame.
    Native,
    /// In the kernel's receive path. Every device can, at a higher cost.
    Generic,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Native => "native",
            Mode::Generic => "generic",
        })
    }
}

/// What the program did with a frame that was shown to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The kernel's `enum xdp_action`: 1 dropped, 2 passed up, 3 sent by the device that it came by,
    /// 4 by another.
    pub action: u32,
    /// Bytes of the frame afterwards.
    pub len: usize,
    /// Mean time of a run.
    pub time: Duration,
}

/// The program, and the devices that it stands on. It is taken off them when this is dropped,
/// unless it was [left](Driver::leave).
#[derive(Debug)]
pub struct Driver {
    ebpf: Ebpf,
    ways_out: HashMap<MapData, u32, [u32; 2]>,
    links: Vec<Standing>,
    pins: Option<Pins>,
    is_left: bool,
    /// Settings that this process changed.
    changed: Vec<String>,
}

/// That the program stands on a device, as long as this is there.
#[derive(Debug)]
enum Standing {
    /// No longer than this process.
    Here(#[expect(dead_code, reason = "it is held, not read")] XdpLink),
    /// As long as its file is there.
    Kept(PinnedLink),
}

impl Driver {
    /// Loads the program with tables of the configured sizes, or with those that a process before
    /// this one has left.
    ///
    /// # Errors
    /// The configuration is out of range, the process is not privileged, or the kernel too old.
    pub fn load(config: &XdpConfig) -> Result<(Driver, Mirror), DriverError> {
        config.check()?;
        let pins = match &config.pin {
            Some(directory) => Some(Pins::prepare(directory, config)?),
            None => None,
        };
        let mut ebpf = load(config, pins.as_ref())?;
        // Before its tables are taken from it, because it needs them open.
        let program = program(&mut ebpf)?;
        program.load().map_err(|error| refused(error.into()))?;
        let mirror = Mirror::new(&mut ebpf, config)?;
        let driver = Driver {
            ways_out: map(&mut ebpf, "devices")?,
            ebpf,
            links: Vec::new(),
            pins,
            is_left: false,
            changed: Vec::new(),
        };
        Ok((driver, mirror))
    }

    /// The next hops that packets leave by. To be called once.
    ///
    /// # Errors
    /// [`DriverError::Part`], [`DriverError::System`].
    pub fn neighbours(&mut self) -> Result<Neighbours, DriverError> {
        Neighbours::new(&mut self.ebpf)
    }

    /// Puts the program on devices of the calling thread's network namespace: in native mode if
    /// every one of them can, else on all in generic mode. To be called once.
    ///
    /// # Errors
    /// A device is not there, has another program, or takes none. Then the program is on none.
    pub fn attach(&mut self, devices: &[&str]) -> Result<Mode, DriverError> {
        if self.stands_on(devices, Mode::Generic)? {
            self.attach_as(devices, Mode::Generic)?;
            return Ok(Mode::Generic);
        }
        match self.attach_as(devices, Mode::Native) {
            Ok(()) => Ok(Mode::Native),
            Err(DriverError::Refused { .. }) => self
                .attach_as(devices, Mode::Generic)
                .map(|()| Mode::Generic),
            Err(error) => Err(error),
        }
    }

    /// The same in a given mode.
    ///
    /// # Errors
    /// As [`Driver::attach`].
    pub fn attach_as(&mut self, devices: &[&str], mode: Mode) -> Result<(), DriverError> {
        if devices.is_empty() || !self.links.is_empty() {
            return Err(DriverError::Devices);
        }
        self.allow_route_lookups()?;
        if let Some(pins) = &self.pins {
            let wanted = devices.iter().map(|device| index_of(device));
            let wanted = wanted.map(|index| index.map(|index| pins.link(mode, index)));
            pins.keep_links(&wanted.collect::<Result<Vec<_>, _>>()?);
        }
        for device in devices {
            let attached = self.attach_one(device, mode);
            if attached.is_err() {
                self.links.clear();
            }
            attached?;
        }
        Ok(())
    }

    fn attach_one(&mut self, device: &str, mode: Mode) -> Result<(), DriverError> {
        let ifindex = index_of(device)?;
        let standing = match &self.pins {
            None => Standing::Here(self.put_on(device, mode, ifindex)?),
            Some(pins) => {
                let path = pins.link(mode, ifindex);
                Standing::Kept(self.keep_on(device, mode, ifindex, &path)?)
            }
        };
        self.links.push(standing);
        self.allow_way_out(ifindex, WayOut { ifindex, tag: 0 })?;
        for (vlan, tag) in vlans::on(device) {
            self.allow_way_out(index_of(&vlan)?, WayOut { ifindex, tag })?;
        }
        Ok(())
    }

    fn put_on(&mut self, device: &str, mode: Mode, ifindex: u32) -> Result<XdpLink, DriverError> {
        let flags = match mode {
            Mode::Native => XdpMode::Driver,
            Mode::Generic => XdpMode::Skb,
        };
        let program = self.program()?;
        program
            .attach_to_if_index(ifindex, flags)
            .and_then(|id| program.take_link(id))
            .map_err(|error| not_attached(device, mode, error))
    }

    /// Takes the place of the program that a process before this one has left on a device, without
    /// a packet in between; or puts it there so that it can be left.
    fn keep_on(
        &mut self,
        device: &str,
        mode: Mode,
        ifindex: u32,
        path: &Path,
    ) -> Result<PinnedLink, DriverError> {
        let pin = |cause| DriverError::Pin {
            directory: path.to_owned(),
            cause,
        };
        if let Ok(left) = PinnedLink::from_pin(path) {
            let program = self.program()?;
            let link = XdpLink::try_from(FdLink::from(left));
            if link.is_ok_and(|link| program.attach_to_link(link).is_ok()) {
                return PinnedLink::from_pin(path).map_err(|e| pin(io::Error::other(e)));
            }
            // The device is another one, which has got the index of the one before.
            fs::remove_file(path).map_err(pin)?;
        }
        let link = self.put_on(device, mode, ifindex)?;
        let link = FdLink::try_from(link).map_err(|e| pin(io::Error::other(e)))?;
        link.pin(path).map_err(|e| pin(io::Error::other(e)))
    }

    /// Whether a process before this one has left the program on one of the devices in that mode.
    fn stands_on(&self, devices: &[&str], mode: Mode) -> Result<bool, DriverError> {
        let Some(pins) = &self.pins else {
            return Ok(false);
        };
        for device in devices {
            if pins.link(mode, index_of(device)?).exists() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Leaves the program on its devices when this is dropped, for a process after this one that
    /// loads it with the same [`XdpConfig::pin`].
    pub fn leave(&mut self) {
        self.is_left = self.pins.is_some();
    }

    /// Has packets that are routed by a VLAN leave by the device under it, with a tag. Those of the
    /// VLANs that are there when the program is put on the device leave so without being told.
    ///
    /// # Errors
    /// There is no such VLAN or device, `tag` is not 1 to 4094, or there are
    /// [`limits::MAX_WAYS_OUT`] already.
    pub fn add_vlan(&mut self, vlan: &str, device: &str, tag: u16) -> Result<(), DriverError> {
        if !(1..=4094).contains(&tag) {
            return Err(DriverError::Config {
                what: format!("tag is {tag}, allowed are 1 to 4094"),
            });
        }
        let (routed, ifindex) = (index_of(vlan)?, index_of(device)?);
        let tag = u32::from(tag);
        self.allow_way_out(routed, WayOut { ifindex, tag })
    }

    /// Lets packets leave by a device of the routing table.
    fn allow_way_out(&mut self, routed: u32, way: WayOut) -> Result<(), DriverError> {
        self.ways_out
            .insert(routed, [way.ifindex, way.tag], 0)
            .map_err(|error| refused(error.into()))
    }

    /// Lets the program ask for routes. Done when it is put on devices; to be done again if
    /// [`super::Fate::UpLookupsOff`] is counted, because somebody has set it back. It is set back
    /// when this is dropped.
    ///
    /// The kernel tells a program about routes only for a device that forwards. The program asks as
    /// the loopback device, which nothing is ever forwarded from.
    ///
    /// # Errors
    /// [`DriverError::Routes`] names the setting that could not be changed.
    pub fn allow_route_lookups(&mut self) -> Result<(), DriverError> {
        for version in ["ipv4", "ipv6"] {
            let setting = format!("net.{version}.conf.lo.forwarding");
            let path = format!("/proc/sys/{}", setting.replace('.', "/"));
            let is_set = fs::read_to_string(&path).map(|value| value.trim() == "1");
            let set = match is_set {
                Ok(true) => continue,
                Ok(false) => fs::write(&path, "1"),
                // No IPv6 here.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => Err(error),
            };
            set.map_err(|cause| DriverError::Routes { setting, cause })?;
            if !self.changed.contains(&path) {
                self.changed.push(path);
            }
        }
        Ok(())
    }

    /// Shows the program a frame as if the loopback device of the calling thread's namespace had
    /// received it, `repeat` times. What it would send is not sent; the frame as it left it last is
    /// in `out`.
    ///
    /// # Errors
    /// [`DriverError::System`] if the kernel does not take the frame: it has 14 bytes at least and
    /// fits a page.
    pub fn run(&mut self, frame: &[u8], out: &mut [u8], repeat: u32) -> Result<Run, DriverError> {
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(out),
            repeat,
            ..TestRunOptions::new()
        };
        let ran = self.program()?.test_run(options).map_err(|error| {
            let cause = io::Error::other(error);
            DriverError::System { what: "run", cause }
        })?;
        Ok(Run {
            action: ran.return_value,
            len: ran.data_size_out as usize,
            time: ran.duration,
        })
    }

    fn program(&mut self) -> Result<&mut Xdp, DriverError> {
        program(&mut self.ebpf)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.is_left {
            return;
        }
        if let Some(pins) = &self.pins {
            pins.remove();
        }
        for link in self.links.drain(..) {
            if let Standing::Kept(link) = link {
                // It is there no more as a file.
                drop(FdLink::from(link));
            }
        }
        for path in self.changed.drain(..) {
            // Nothing depends on it; the namespace may have gone before.
            drop(fs::write(path, "0"));
        }
    }
}

/// The program's object with its tables, sized and set as configured.
fn load(config: &XdpConfig, pins: Option<&Pins>) -> Result<Ebpf, DriverError> {
    let token = |rate: u64| 1_000_000_000 / rate;
    let (source, unknown) = (token(config.source_rate), token(config.unknown_rate));
    let source_fill = source.saturating_mul(config.source_burst);
    let unknown_fill = unknown.saturating_mul(config.unknown_burst);
    let hop = u64::try_from(config.hop_age.as_nanos()).unwrap_or(u64::MAX);
    let first = u32::from(*config.ports.start());
    let last = u32::from(*config.ports.end());
    let jitter = u32::from(config.jitter_every - 1);
    let mut loader = EbpfLoader::new();
    if let Some(pins) = pins {
        for table in KEPT {
            loader.map_pin_path(table, pins.table(table));
        }
    }
    loader
        .btf(None)
        .map_max_entries("rows", Blocks::new(&config.ports).values())
        .map_max_entries("devices", limits::MAX_WAYS_OUT)
        .map_max_entries("strangers", limits::DEVICE_SOURCES)
        .map_max_entries("neighbours", limits::DEVICE_NEIGHBOURS)
        .override_global("first_port", &first, true)
        .override_global("last_port", &last, true)
        .override_global("source_token", &source, true)
        .override_global("source_fill", &source_fill, true)
        .override_global("unknown_token", &unknown, true)
        .override_global("unknown_fill", &unknown_fill, true)
        .override_global("hop_age", &hop, true)
        .override_global("packets_per_window", &config.packets_per_window, true)
        .override_global("jitter_mask", &jitter, true);
    loader.load(OBJECT).map_err(refused)
}

fn program(ebpf: &mut Ebpf) -> Result<&mut Xdp, DriverError> {
    ebpf.program_mut(PROGRAM)
        .ok_or(DriverError::Part(PROGRAM))?
        .try_into()
        .map_err(|_| DriverError::Part(PROGRAM))
}

/// A table of the program, as this type.
pub(super) fn map<T>(ebpf: &mut Ebpf, name: &'static str) -> Result<T, DriverError>
where
    T: TryFrom<aya::maps::Map>,
{
    let map = ebpf.take_map(name).ok_or(DriverError::Part(name))?;
    T::try_from(map).map_err(|_| DriverError::Part(name))
}

fn index_of(device: &str) -> Result<u32, DriverError> {
    let socket = UdpSocket::bind(("127.0.0.1", 0))
        .or_else(|_| UdpSocket::bind(("::", 0)))
        .map_err(|cause| DriverError::System {
            what: "socket",
            cause,
        })?;
    rustix::net::netdevice::name_to_index(&socket, device).map_err(|_| DriverError::NoDevice {
        device: device.to_owned(),
    })
}

fn refused(error: EbpfError) -> DriverError {
    let is_privilege = |error: Option<i32>| matches!(error, Some(libc::EPERM | libc::EACCES));
    let errno = match &error {
        EbpfError::MapError(aya::maps::MapError::CreateError { io_error, .. }) => {
            io_error.raw_os_error()
        }
        // EACCES is the verifier's word for a program that it refuses.
        EbpfError::ProgramError(ProgramError::LoadError { io_error, .. }) => io_error
            .raw_os_error()
            .filter(|errno| *errno == libc::EPERM),
        _ => None,
    };
    if is_privilege(errno) {
        DriverError::Privilege
    } else {
        DriverError::Load(Box::new(error))
    }
}

fn not_attached(device: &str, mode: Mode, error: ProgramError) -> DriverError {
    let errno = match &error {
        ProgramError::SyscallError(error) => error.io_error.raw_os_error(),
        ProgramError::XdpError(XdpError::NetlinkError(error)) => error.raw_os_error(),
        _ => None,
    };
    let device = device.to_owned();
    match errno {
        Some(libc::EBUSY | libc::EEXIST) => DriverError::Occupied { device },
        Some(libc::EPERM | libc::EACCES) => DriverError::Privilege,
        Some(libc::ENODEV) => DriverError::NoDevice { device },
        Some(errno) => DriverError::Refused {
            device,
            mode,
            cause: io::Error::from_raw_os_error(errno),
        },
        None => DriverError::Refused {
            device,
            mode,
            cause: io::Error::other(error),
        },
    }
}
