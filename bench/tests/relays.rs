//! The relays that the packet benchmark starts, with sockets as phones.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/needs.rs"]
mod needs;

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use patchbay_bench::packets::bed::{Addresses, Bed, BedOptions};
use patchbay_bench::packets::systems::{start, start_program};
use patchbay_bench::packets::vocabulary::{Guests, Phones, System, SystemKind, SystemPlan};

/// Nothing on loopback takes this long, whatever else the machine does.
const LIMIT: Duration = Duration::from_secs(20);

fn bed(loopback: bool, addresses: Addresses) -> Bed {
    let options = BedOptions {
        loopback,
        addresses,
        ..BedOptions::default()
    };
    Bed::build(&options).unwrap()
}

fn loopback() -> Bed {
    bed(true, Addresses::V4)
}

fn plan(kind: SystemKind, calls: usize) -> SystemPlan {
    SystemPlan {
        kind,
        engine: "uring".to_owned(),
        threads: 1,
        calls,
    }
}

/// Whether rtpengine is there. In CI it has to be.
fn rtpengine_is_there() -> bool {
    needs::program("rtpengine", "--version", "rtpengine-daemon").is_some()
}

/// The sockets of phones: RTP, and RTCP on the port above.
fn sockets(phones: &Phones) -> [[UdpSocket; 2]; 2] {
    phones.map(|phone| {
        [0, 1].map(|above| {
            let socket = UdpSocket::bind((phone.ip(), phone.port() + above)).unwrap();
            socket.set_read_timeout(Some(LIMIT)).unwrap();
            socket
        })
    })
}

/// An RTP packet, or a sender report.
fn packet(component: usize, sequence: u8) -> Vec<u8> {
    match component {
        0 => [vec![0x80, 0, 0, sequence], vec![7; 168]].concat(),
        _ => [vec![0x80, 200, 0, 6], vec![sequence; 24]].concat(),
    }
}

/// Sends RTP and RTCP both ways through a call.
fn crosses(phones: &[[UdpSocket; 2]; 2], relay: [SocketAddr; 2], sequence: u8) {
    for (from, to) in [(0, 1), (1, 0)] {
        for (component, above) in [(0, 0), (1, 1)] {
            let sent = packet(component, sequence);
            let at = |side: usize| SocketAddr::new(relay[side].ip(), relay[side].port() + above);
            phones[from][component].send_to(&sent, at(from)).unwrap();
            let mut heard = [0; 2048];
            let (length, source) = phones[to][component].recv_from(&mut heard).unwrap();
            assert_eq!(source, at(to));
            // A relay may speak for itself in reports, as long as they are reports.
            match component {
                0 => assert_eq!(&heard[..length], &sent[..]),
                _ => assert_eq!(&heard[..2], &sent[..2]),
            }
        }
    }
}

/// Asks until the relay's counters are as wanted.
fn forwarded(system: &mut dyn System, wanted: u64) {
    let begun = Instant::now();
    loop {
        let losses = system.losses().unwrap();
        if losses.forwarded == wanted && losses.dropped.is_empty() {
            return;
        }
        assert!(begun.elapsed() < LIMIT, "{losses:?}");
        std::thread::yield_now();
    }
}

/// Two calls through rtpengine on a bed.
fn rtpengine_passes_packets(bed: &Bed) {
    let mut rtpengine = start(bed, &plan(SystemKind::Rtpengine, 2)).unwrap();
    assert!(rtpengine.name().starts_with("rtpengine "));
    assert_eq!(rtpengine.engine(), "userspace");
    let phones: Vec<Phones> = (0..2).map(|call| bed.phones(call)).collect();
    let mut told = 0;
    let relay = rtpengine.open(&phones, &mut |calls| told = calls).unwrap();
    assert_eq!((relay.len(), told), (2, 2));
    for ((phones, relay), sequence) in phones.iter().zip(&relay).zip(1..) {
        assert_eq!(relay.map(|address| address.ip()), bed.relay_ips());
        let sockets = bed.in_phones(|| sockets(phones)).unwrap();
        crosses(&sockets, *relay, sequence);
    }
    forwarded(&mut *rtpengine, 8);
    assert!(Path::new(&format!("/proc/{}", rtpengine.pid())).exists());
    assert_eq!(rtpengine.allocations(), None);
}

// F6
#[test]
fn rtpengine_passes_packets_on_loopback() {
    if rtpengine_is_there() {
        rtpengine_passes_packets(&loopback());
    }
}

// F6
#[test]
fn rtpengine_passes_packets_between_namespaces() {
    if needs::root() && rtpengine_is_there() {
        for addresses in [Addresses::V4, Addresses::V6, Addresses::V4ToV6] {
            rtpengine_passes_packets(&bed(false, addresses));
        }
    }
}

#[test]
fn calls_of_rtpengine_come_and_go() {
    if !rtpengine_is_there() {
        return;
    }
    let bed = loopback();
    let mut rtpengine = start(&bed, &plan(SystemKind::Rtpengine, 1)).unwrap();
    let stop = AtomicBool::new(false);
    let phones = [bed.phones(0), bed.phones(1)];
    let files = format!("/proc/{}/fd", rtpengine.pid());
    let open_files = || std::fs::read_dir(&files).unwrap().count();
    let before = open_files();
    let churned = std::thread::scope(|scope| {
        let churning = scope.spawn(|| rtpengine.churn(2000, &phones, &stop, &Guests::default()));
        // A call that has sockets is begun, and what is begun is brought to its end.
        let begun = Instant::now();
        while open_files() == before && begun.elapsed() < LIMIT && !churning.is_finished() {
            std::thread::yield_now();
        }
        stop.store(true, Relaxed);
        churning.join().unwrap().unwrap()
    });
    assert!(churned > 0);
}

#[test]
fn more_calls_than_files_are_refused_at_once() {
    if !rtpengine_is_there() {
        return;
    }
    let bed = loopback();
    let outcome = start(&bed, &plan(SystemKind::Rtpengine, 1 << 40));
    let why = outcome.err().unwrap().to_string();
    assert!(
        why.starts_with("no room for 1 099 511 627 776 calls: it needs")
            && why.contains("RLIMIT_NOFILE"),
        "{why}"
    );
}

#[test]
fn a_program_that_is_no_relay_is_found_out() {
    let bed = loopback();
    for (program, said) in [
        ("false", "it ended"),
        ("echo", "expected"),
        ("/nonexistent", ""),
    ] {
        let plan = plan(SystemKind::Bare, 1);
        let outcome = start_program(&bed, &plan, Path::new(program));
        let why = outcome.err().unwrap().to_string();
        assert!(why.contains(said), "{why}");
    }
}
