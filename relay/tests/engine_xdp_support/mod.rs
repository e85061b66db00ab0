//! A network of its own for each test, and frames.
#![allow(dead_code, unsafe_code, clippy::unwrap_used)]

pub mod frames;

use std::net::SocketAddr;
use std::process::Command;

pub use patchbay_relay::engine::xdp::Reception;
use patchbay_relay::engine::xdp::{Driver, Fate, FateCounts, Mirror, SettledFlow, XdpConfig};
use rustix::thread::CpuSet;

/// Moves this thread, and what it starts, into a network namespace of its own, and has it stay on
/// one core, because some of what the program knows is kept for each core. False without the
/// privilege for it, which in CI is a failure.
pub fn alone() -> bool {
    // SAFETY: changes the network namespace of this thread alone and touches no memory.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } == 0 {
        let mut core = CpuSet::new();
        core.set(rustix::thread::sched_getcpu());
        rustix::thread::sched_setaffinity(None, &core).unwrap();
        run("ip link set lo up");
        return true;
    }
    let ci = std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false");
    assert!(
        !ci,
        "nothing may be skipped in CI: a network namespace needs CAP_SYS_ADMIN"
    );
    eprintln!("skipped: a network namespace needs CAP_SYS_ADMIN");
    false
}

pub fn run(command: &str) {
    let mut words = command.split(' ');
    let status = Command::new(words.next().unwrap()).args(words).status();
    assert!(status.unwrap().success(), "{command}");
}

/// The device that the program stands on, and the one that stands for a VLAN on it.
pub const DEVICE: &str = "xdp-a";
pub const VLAN: &str = "xdp-v";
pub const VLAN_TAG: u16 = 5;
/// Link addresses of them and of who is behind them.
pub const DEVICE_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub const VLAN_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
pub const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];
pub const MTU: usize = 1500;

/// Wires with nobody at the other end: 10.0.0.0/24 and 2001:db8::/64 on the device, 10.0.5.0/24 and
/// 2001:db8:5::/64 on the VLAN. Hosts 9 are known, hosts 8 are not.
pub fn lay_wires() {
    for (device, mac, v4, v6) in [
        (DEVICE, "02:00:00:00:00:01", "10.0.0", "2001:db8:"),
        (VLAN, "02:00:00:00:00:02", "10.0.5", "2001:db8:5:"),
    ] {
        run(&format!(
            "ip link add {device} type veth peer name {device}-end"
        ));
        run(&format!("ip link set {device} address {mac} mtu {MTU}"));
        run(&format!("ip address add {v4}.1/24 dev {device}"));
        run(&format!("ip address add {v6}:1/64 dev {device} nodad"));
        run(&format!("ip link set {device} up"));
        run(&format!("ip link set {device}-end up"));
        for host in [format!("{v4}.9"), format!("{v6}:9")] {
            run(&format!(
                "ip neigh replace {host} lladdr 02:00:00:00:00:09 dev {device} nud permanent"
            ));
        }
    }
}

/// The program on its device, with limits that nothing reaches and next hops that last.
pub fn lenient() -> XdpConfig {
    XdpConfig {
        ports: 20_000..=29_999,
        source_rate: 1_000_000,
        source_burst: 1_000_000,
        unknown_rate: 1_000_000,
        unknown_burst: 1_000_000,
        hop_age: std::time::Duration::from_secs(60),
        jitter_every: 1,
        packets_per_window: 1_000_000,
        pin: None,
    }
}

pub fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

/// From host 9 to host 9 by way of us, in IPv4, audio.
pub fn plain_flow(local_port: u16) -> SettledFlow {
    SettledFlow {
        local: SocketAddr::new(at("10.0.0.1:0").ip(), local_port),
        source: at("10.0.0.9:4000"),
        from: at("10.0.0.1:20001"),
        to: at("10.0.0.9:5000"),
        plain: true,
        dscp: None,
        is_rtp: true,
        clock_hz: 8000,
    }
}

/// The driver with its table, and what it does with frames.
pub struct Bench {
    pub driver: Driver,
    pub mirror: Mirror,
    pub out: Vec<u8>,
}

impl Bench {
    pub fn new(config: &XdpConfig) -> Bench {
        let (mut driver, mirror) = Driver::load(config).unwrap();
        driver.attach(&[DEVICE]).unwrap();
        driver.add_vlan(VLAN, DEVICE, VLAN_TAG).unwrap();
        Bench {
            driver,
            mirror,
            out: vec![0; 4096],
        }
    }

    /// What becomes of a frame, and the frame as it is then.
    pub fn show(&mut self, frame: &[u8]) -> (u32, Option<Fate>, Vec<u8>) {
        let before = self.mirror.fates().unwrap();
        let ran = self.driver.run(frame, &mut self.out, 1).unwrap();
        let after = self.mirror.fates().unwrap();
        (
            ran.action,
            met(&before, &after),
            self.out[..ran.len].to_vec(),
        )
    }

    pub fn fate(&mut self, frame: &[u8]) -> Option<Fate> {
        self.show(frame).1
    }
}

/// The one fate that was counted between the two, if any was.
fn met(before: &FateCounts, after: &FateCounts) -> Option<Fate> {
    let mut changed = Fate::ALL
        .into_iter()
        .filter(|fate| after.get(*fate) != before.get(*fate));
    let fate = changed.next()?;
    assert_eq!(after.get(fate), before.get(fate) + 1);
    assert_eq!(changed.next(), None);
    Some(fate)
}
