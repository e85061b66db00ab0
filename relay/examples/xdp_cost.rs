//! What a packet costs in the program at the device, by the kernel's own clock around many runs.
//!
//! Each run re-addresses the frame to the next flow's port and from the next flow's source, round
//! all flows, so that every run finds another row. Run it in a network namespace of its own:
//!
//! ```text
//! cargo build --release -p patchbay-relay --example xdp_cost
//! unshare -n target/release/examples/xdp_cost FLOWS v4|v6|both [asking]
//! ```
//!
//! `asking` asks the routing table for each packet, instead of once a second for each flow.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::Command;
use std::time::{Duration, Instant};

use patchbay_relay::engine::xdp::{Driver, Fate, Mirror, Reception, SettledFlow, XdpConfig};

const PAYLOAD: usize = 172;
const RUNS: u32 = 2_000_000;
const ROUNDS: usize = 5;
const PORTS: u32 = 40_000;

fn run(command: &str) {
    let mut words = command.split(' ');
    let program = words.next().expect("a command");
    let status = Command::new(program).args(words).status();
    assert!(status.expect("it starts").success(), "{command}");
}

fn lay_wires() {
    for command in [
        "ip link set lo up",
        "ip link add cost type veth peer name cost-end",
        "ip address add 10.0.0.1/24 dev cost",
        "ip address add 2001:db8::1/64 dev cost nodad",
        "ip link set cost up",
        "ip link set cost-end up",
        "ip neigh replace 10.0.0.9 lladdr 02:00:00:00:00:09 dev cost nud permanent",
        "ip neigh replace 2001:db8::9 lladdr 02:00:00:00:00:09 dev cost nud permanent",
        "ip route add 10.1.0.0/16 via 10.0.0.9",
        "ip route add 2001:db8:1::/64 via 2001:db8::9",
    ] {
        run(command);
    }
}

/// Our address and port of the flow with that number, and its source.
fn ends(number: u32, v6: bool) -> [SocketAddr; 2] {
    let host = 1 + number / PORTS;
    let port = 20_000 + (number % PORTS) as u16;
    // Sources are all over their range.
    let spread = number.wrapping_mul(2_654_435_761) >> 8;
    let [ours, theirs]: [IpAddr; 2] = if v6 {
        let net = 0x2001_0db8_0001_0000_u128 << 64;
        [u128::from(host), 1 << 32 | u128::from(spread)].map(|low| Ipv6Addr::from(net | low).into())
    } else {
        [0x0a01_0000 | host, 0x0b00_0000 | spread].map(|ip| Ipv4Addr::from(ip).into())
    };
    [SocketAddr::new(ours, port), SocketAddr::new(theirs, 4000)]
}

/// A step that comes to all flows, far apart from one to the next, so that neither memory nor cache
/// has the next one ready.
fn stride(flows: u32) -> u32 {
    let is_far = |step: &u32| 100 * u64::from(*step) > 38 * u64::from(flows);
    (1..flows)
        .find(|step| is_far(step) && coprime(*step, flows))
        .unwrap_or(1)
}

/// Settles the flows, each of which leads to another far away.
fn settle(mirror: &Mirror, flows: u32, is_v6: impl Fn(u32) -> bool) -> Duration {
    let stride = stride(flows);
    let start = Instant::now();
    for i in 0..flows {
        let number = i;
        let next = ((u64::from(number) + u64::from(stride)) % u64::from(flows)) as u32;
        let [local, source] = ends(number, is_v6(number));
        let [to, from] = ends(next, is_v6(next));
        let flow = SettledFlow {
            local,
            source,
            from,
            to,
            plain: true,
            dscp: None,
            is_rtp: true,
            clock_hz: 8000,
        };
        mirror.settle(&flow, Reception::default()).expect("it fits");
    }
    start.elapsed()
}

fn coprime(a: u32, b: u32) -> bool {
    if b == 0 { a == 1 } else { coprime(b, a % b) }
}

/// The first flow's packet.
fn frame(v6: bool, sequence: u8) -> Vec<u8> {
    let [local, source] = ends(0, v6);
    let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9];
    let udp_len = (8 + PAYLOAD) as u16;
    match (source.ip(), local.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut ip = vec![8, 0, 0x45, 0];
            ip.extend((20 + udp_len).to_be_bytes());
            ip.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
            ip.extend(from.octets());
            ip.extend(to.octets());
            let words = ip[2..]
                .chunks(2)
                .map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])));
            let sum: u32 = words.sum();
            let sum = (sum & 0xffff) + (sum >> 16);
            let check = !((sum & 0xffff) + (sum >> 16)) as u16;
            ip[12..14].copy_from_slice(&check.to_be_bytes());
            bytes.extend(ip);
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            bytes.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            bytes.extend(udp_len.to_be_bytes());
            bytes.extend([17, 64]);
            bytes.extend(from.octets());
            bytes.extend(to.octets());
        }
        _ => unreachable!("one version"),
    }
    bytes.extend(source.port().to_be_bytes());
    bytes.extend(local.port().to_be_bytes());
    bytes.extend(udp_len.to_be_bytes());
    // A checksum that is there; whether it is right is for the receiver to say.
    bytes.extend([0x12, 0x34, 0x80, 0, 0, sequence]);
    bytes.resize(bytes.len() + PAYLOAD - 4, 0x55);
    bytes
}

/// Runs round all flows. Gives the mean time of a run.
fn round(driver: &mut Driver, frame: &mut Vec<u8>, runs: u32) -> Duration {
    let mut out = vec![0; 2048];
    let ran = driver.run(frame, &mut out, runs).expect("it runs");
    *frame = out[..ran.len].to_vec();
    ran.time
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let flows: u32 = arguments[0].parse().expect("FLOWS");
    let kind = arguments[1].clone();
    let asking = arguments.get(2).is_some_and(|word| word == "asking");
    let is_v6 = move |number: u32| match kind.as_str() {
        "v4" => false,
        "v6" => true,
        _ => number % 2 == 1,
    };
    lay_wires();
    let mut config = XdpConfig {
        ..XdpConfig::default()
    };
    if asking {
        config.hop_age = Duration::ZERO;
    } else {
        config.hop_age = Duration::from_secs(1);
    }
    let (mut driver, mirror) = Driver::load(&config).expect("it loads");
    let mode = driver.attach(&["cost"]).expect("it attaches");
    let took = settle(&mirror, flows, &is_v6);
    println!(
        "{flows} flows, {} mode; settling one took {} ns",
        mode,
        took.as_nanos() / u128::from(flows)
    );
    println!("tables: {} bytes", config.memory_bytes(1));
    // Until every flow has its next hop: one packet of each neighbour goes up, and is shown again.
    let mut first = frame(is_v6(0), 0);
    for _ in 0..4 {
        round(&mut driver, &mut first, flows + 2);
    }
    let before = mirror.fates().expect("they are read").get(Fate::SentOn);
    // The number of every packet of a run is the same: it is one that jitter is taken of, or is not.
    let [taken, other] = [0, 1].map(|sequence| {
        let mut frame = frame(is_v6(0), sequence);
        let mut times = [(); ROUNDS].map(|()| round(&mut driver, &mut frame, RUNS).as_nanos());
        times.sort_unstable();
        let [least, median, most] = [times[0], times[ROUNDS / 2], times[ROUNDS - 1]];
        let what = if sequence == 0 {
            "with jitter"
        } else {
            "without"
        };
        println!("{what}: {median} ns a packet ({least} to {most}, {ROUNDS} times {RUNS} runs)");
        median
    });
    let every = u128::from(config.jitter_every);
    let mean = (taken + other * (every - 1)) / every;
    println!("mean, with the jitter of one packet in {every}: {mean} ns a packet");
    for (what, at, change) in [("a port not ours", 2, 0x40), ("a stranger", 0, 0x10)] {
        let mut other = frame(is_v6(0), 0);
        let udp = if is_v6(0) { 54 } else { 34 };
        other[udp + at] ^= change;
        let time = round(&mut driver, &mut other, RUNS).as_nanos();
        println!("{what}: {time} ns a packet");
    }
    let fates = mirror.fates().expect("they are read");
    println!(
        "sent on {} of {}",
        fates.get(Fate::SentOn) - before,
        2 * ROUNDS as u64 * u64::from(RUNS)
    );
    let start = Instant::now();
    for number in 0..flows {
        let [local, _] = ends(number, is_v6(number));
        mirror.unsettle(local).expect("it was there");
    }
    let taken_out = start.elapsed().as_nanos() / u128::from(flows);
    println!("taking one out, with its counters, took {taken_out} ns");
    let time = round(&mut driver, &mut frame(is_v6(0), 0), RUNS).as_nanos();
    println!("an unknown source beyond its limit: {time} ns a packet");
    for (fate, count) in fates.iter().filter(|(_, count)| *count > 0) {
        println!("  {} {count}", fate.name());
    }
}
