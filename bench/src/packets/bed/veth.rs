//! Two network namespaces, one for the relay and one for the phones, with a veth pair between.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use rustix::process::Pid;

use super::cores::set_of;
use super::namespace::{Namespace, PREFIX, remove_leftovers, run};
use super::sysctl::{Raised, allow_files};
use super::{Addresses, Cores, hosts};
use crate::packets::BenchError;
use crate::packets::vocabulary::Phones;

/// Hardware addresses of the relay's and of the phones' device.
pub(in crate::packets) const MACS: [[u8; 6]; 2] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]];
/// The phones' device looks for packets this often while there are any, in nanoseconds: without
/// that every send of the relay would wake the generator's core, and the relay would pay for it.
/// The second is for so many packets that each look finds a good part of a ring of them, on a core that
/// the generator needs.
const LOOK_NS: [&str; 2] = ["20000", "50000"];
/// Looks that find nothing before it waits to be woken again.
const EMPTY_LOOKS: &str = "200";
/// Realtime priority of the devices' threads: as urgent as interrupts are.
const PRIORITY: &str = "50";

/// The bed of network namespaces.
#[derive(Debug)]
pub(in crate::packets) struct Veth {
    // In the order in which they are dropped.
    relay: Namespace,
    phones: Namespace,
    _limits: Raised,
    /// The relay's device and the phones'.
    devices: [String; 2],
    addresses: Addresses,
    cores: Cores,
}

impl Veth {
    pub fn build(addresses: Addresses, cores: Cores) -> Result<Self, BenchError> {
        static BEDS: AtomicU32 = AtomicU32::new(0);
        remove_leftovers();
        allow_files();
        let (pid, bed) = (std::process::id(), BEDS.fetch_add(1, Relaxed) % 1000);
        let name = |side: char| format!("{PREFIX}{pid}-{bed}-{side}");
        let veth = Self {
            relay: Namespace::new(name('r'))?,
            phones: Namespace::new(name('c'))?,
            _limits: Raised::buffers(),
            devices: ['r', 'c'].map(|side| format!("pb{side}{pid}x{bed}")),
            addresses,
            cores,
        };
        veth.link()?;
        veth.addresses()?;
        veth.tune()?;
        veth.settle()?;
        Ok(veth)
    }

    fn link(&self) -> Result<(), BenchError> {
        let queues = self.cores.relay.len().to_string();
        let [relay, phones] = &self.devices;
        let ends = [(relay, &self.relay), (phones, &self.phones)];
        let mut args = vec!["link", "add"];
        for (end, (device, namespace)) in ends.into_iter().enumerate() {
            let kind: &[&str] = if end == 0 {
                &[]
            } else {
                &["type", "veth", "peer"]
            };
            args.extend(kind);
            args.extend(["name", device, "netns", namespace.name()]);
            args.extend(["numrxqueues", &queues, "numtxqueues", &queues]);
        }
        run("ip", &args)?;
        for ((device, namespace), mac) in ends.into_iter().zip(MACS) {
            let mac = mac.map(|byte| format!("{byte:02x}")).join(":");
            namespace.run("ip", &["link", "set", device, "address", &mac, "up"])?;
        }
        Ok(())
    }

    fn addresses(&self) -> Result<(), BenchError> {
        for (end, namespace) in [&self.relay, &self.phones].into_iter().enumerate() {
            let device = self.devices[end].as_str();
            let mac = MACS[1 - end].map(|byte| format!("{byte:02x}")).join(":");
            let mut commands = String::new();
            for ip in hosts::all(end) {
                let net = if ip.is_ipv4() { "16" } else { "64 nodad" };
                commands.push_str(&format!("addr add {ip}/{net} dev {device}\n"));
            }
            for ip in hosts::all(1 - end) {
                let to = format!("lladdr {mac} dev {device} nud permanent");
                commands.push_str(&format!("neigh replace {ip} {to}\n"));
            }
            // One process for all of them.
            namespace.run("sh", &["-c", &format!("echo '{commands}' | ip -batch -")])?;
            let quiet = || {
                // Without these settings packets still pass on most machines.
                for (name, value) in [("all", "0"), (device, "0")] {
                    let path = format!("/proc/sys/net/ipv4/conf/{name}/rp_filter");
                    let _ = fs::write(path, value);
                }
            };
            namespace.inside(&[], quiet)?;
        }
        Ok(())
    }

    /// Both devices work in threads of their own (which GRO gives them): the relay's on the
    /// relay's cores, the phones' on the generator's.
    fn tune(&self) -> Result<(), BenchError> {
        for (device, namespace) in self.devices.iter().zip([&self.relay, &self.phones]) {
            namespace.run("ethtool", &["-K", device, "gro", "on"])?;
            let path = format!("/sys/class/net/{device}");
            namespace.run("sh", &["-c", &format!("echo 1 > {path}/threaded")])?;
        }
        self.set("napi_defer_hard_irqs", EMPTY_LOOKS)?;
        self.moderate(false)
    }

    /// How often the phones' device looks for packets: less often where there are many.
    pub fn moderate(&self, dense: bool) -> Result<(), BenchError> {
        let [usual, long] = LOOK_NS;
        self.set("gro_flush_timeout", if dense { long } else { usual })
    }

    /// Sets what the phones' device is like.
    fn set(&self, name: &str, value: &str) -> Result<(), BenchError> {
        let path = format!("/sys/class/net/{}", self.devices[1]);
        let write = format!("echo {value} > {path}/{name}");
        self.phones.run("sh", &["-c", &write])
    }

    /// Pins the devices' threads: the kernel makes new ones when a device changes.
    pub fn settle(&self) -> Result<(), BenchError> {
        for (device, cores) in self
            .devices
            .iter()
            .zip([&self.cores.relay, &self.cores.generator])
        {
            for (queue, thread) in napi_threads(device).into_iter().enumerate() {
                let core = cores.get(queue % cores.len().max(1)).copied();
                let pid = i32::try_from(thread).ok().and_then(Pid::from_raw);
                if let (Some(core), Some(pid)) = (core, pid) {
                    rustix::thread::sched_setaffinity(Some(pid), &set_of(&[core]))
                        .map_err(|e| BenchError::system("pinning a device")(e.into()))?;
                }
                run("chrt", &["-f", "-p", PRIORITY, &thread.to_string()])?;
            }
        }
        Ok(())
    }

    pub fn relay_ips(&self) -> [IpAddr; 2] {
        [0, 1].map(|side| hosts::ip(self.addresses, 0, side, 0))
    }

    /// The relay's addresses on both sides, as many as suffice for so many calls.
    pub fn relay_addresses(&self, calls: usize, ports: &RangeInclusive<u16>) -> [Vec<IpAddr>; 2] {
        let each = hosts::addresses_for(calls, ports);
        [0, 1].map(|side| {
            (0..each)
                .map(|n| hosts::ip(self.addresses, 0, side, n))
                .collect()
        })
    }

    pub fn phones(&self, call: usize) -> Phones {
        let (number, port) = hosts::phone(call);
        [0, 1].map(|side| SocketAddr::new(hosts::ip(self.addresses, 1, side, number), port))
    }

    pub fn relay_command(&self) -> Command {
        self.relay.command()
    }

    pub fn relay_side(&self) -> &Namespace {
        &self.relay
    }

    pub fn phones_side(&self) -> &Namespace {
        &self.phones
    }

    /// The phones' device.
    pub fn phones_device(&self) -> &str {
        &self.devices[1]
    }

    /// The relay's device.
    pub fn relay_device(&self) -> &str {
        &self.devices[0]
    }

    pub fn cores(&self) -> &Cores {
        &self.cores
    }
}

/// The threads of a device, in the order of its queues.
pub(super) fn napi_threads(device: &str) -> Vec<u32> {
    let begin = format!("napi/{device}-");
    // Older kernels cut a thread's name.
    let short: String = begin.chars().take(15).collect();
    super::threads::kernel_threads(|name| name.starts_with(&begin) || name == short)
}
