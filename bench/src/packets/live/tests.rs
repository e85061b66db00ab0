//! The generator against a relay of a few lines, in namespaces of its own; needs root.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::*;
use crate::packets::bed::{Addresses, Bed, BedOptions};

/// First port of the relay.
const RELAY_PORT: u16 = 20_000;

/// Two ways for each call and kind.
fn ways(bed: &Bed, calls: usize, kinds: &[Kind]) -> Vec<Way> {
    let relay = bed.relay_ips();
    let mut ways = Vec::new();
    for (number, kind) in kinds.iter().enumerate() {
        for call in 0..calls {
            // Reports run beside the first kind's calls.
            let call = if *kind == Kind::Rtcp {
                call
            } else {
                number * calls + call
            };
            let rtcp = u16::from(*kind == Kind::Rtcp);
            let up = |address: SocketAddr| SocketAddr::new(address.ip(), address.port() + rtcp);
            let phones = bed.phones(call).map(up);
            let ports = relay.map(|ip| SocketAddr::new(ip, RELAY_PORT + 2 * call as u16));
            let ports = ports.map(up);
            for side in [0, 1] {
                ways.push(Way {
                    from: phones[side],
                    to: ports[side],
                    out: ports[1 - side],
                    at: phones[1 - side],
                    kind: *kind,
                });
            }
        }
    }
    ways
}

/// Forwards by those ways until told to stop; `harm` may change a packet or take it.
fn relay(ways: &[Way], stop: &AtomicBool, mut harm: impl FnMut(&mut Vec<u8>, u64) -> bool) {
    let mut sockets = HashMap::new();
    for way in ways {
        let socket = UdpSocket::bind(way.to).unwrap();
        socket.set_nonblocking(true).unwrap();
        sockets.insert(way.to, socket);
    }
    let mut count = 0;
    while !stop.load(Relaxed) {
        for way in ways {
            let mut bytes = vec![0; 2048];
            while let Ok((len, from)) = sockets[&way.to].recv_from(&mut bytes) {
                assert_eq!(from, way.from);
                bytes.truncate(len);
                if harm(&mut bytes, count) {
                    sockets[&way.out].send_to(&bytes, way.at).unwrap();
                }
                count += 1;
                bytes.resize(2048, 0);
            }
        }
        std::thread::yield_now();
    }
}

fn bed(addresses: Addresses) -> Bed {
    let bed = Bed::build(&BedOptions {
        addresses,
        ..BedOptions::default()
    })
    .unwrap();
    assert!(bed.is_veth(), "these tests need root: {}", bed.describe());
    bed
}

fn load() -> Load {
    Load {
        packets_per_s: 2000,
        duration: Duration::from_millis(300),
        burst: 1,
        payload_bytes: 160,
        ptime: Duration::from_millis(20),
    }
}

/// Warms up and sends a load through the small relay.
fn send(
    bed: &Bed,
    ways: &[Way],
    load: &Load,
    harm: impl FnMut(&mut Vec<u8>, u64) -> bool + Send,
) -> (usize, Counted) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let relaying = scope.spawn(|| bed.in_relay(|| relay(ways, &stop, harm)).unwrap());
        let mut generator = bed.generator().unwrap();
        generator.arrange(ways).unwrap();
        let open = generator.warm_up().unwrap();
        let counted = generator.run(load, &mut |_| ()).unwrap();
        stop.store(true, Relaxed);
        relaying.join().unwrap();
        (open, counted)
    })
}

fn all_arrive(addresses: Addresses, kinds: &[Kind], load: &Load) {
    let bed = bed(addresses);
    let ways = ways(&bed, 20, kinds);
    let (open, counted) = send(&bed, &ways, load, |_, _| true);
    assert_eq!(open, ways.len(), "{addresses:?} {counted:?}");
    assert!(counted.sent > 0);
    assert_eq!(
        (counted.delivered, counted.wrong, &counted.lost),
        (counted.sent, Wrong::default(), &BTreeMap::new()),
        "{addresses:?}"
    );
    assert_eq!(counted.latency.len(), counted.delivered);
    assert!(counted.latency.min() > 1000 && counted.latency.max() < 10_000_000_000);
    assert!(counted.sent + counted.not_sent >= 590, "{counted:?}");
}

// F6
#[test]
fn packets_of_all_kinds_and_families_arrive_whole() {
    all_arrive(Addresses::V4, &[Kind::Audio], &load());
    let bursts = Load {
        burst: 32,
        payload_bytes: 83,
        packets_per_s: 3000,
        ..load()
    };
    all_arrive(
        Addresses::V6,
        &[Kind::Audio, Kind::Video, Kind::Rtcp],
        &bursts,
    );
    all_arrive(Addresses::V4ToV6, &[Kind::Video, Kind::Rtcp], &load());
}
