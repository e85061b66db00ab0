//! F7, B7: real phones behind real devices: media is re-addressed there in both ways, strangers are
//! dropped, and what needs hands comes to the sockets.
#![allow(clippy::unwrap_used)]

use crate::engine_xdp_support::frames::rtp;
use crate::engine_xdp_support::*;
use patchbay_relay::engine::xdp::{Driver, Fate, Mirror, Mode, SettledFlow};
use rustix::thread::CpuSet;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// Far longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where the phones are, each behind a device of ours of its own, and a stranger.
const A: &str = "10.0.0.2:4000";
const STRANGER: &str = "10.0.0.2:4666";
const NEIGHBOUR_OF_A: &str = "10.0.0.2:5000";
const B: &str = "[2001:db8:5::2]:5000";
const PACKETS: u16 = 200;
/// Packets while rows come and go.
const LOAD: u32 = 20_000;

/// The other ends of the wires, in a network of their own.
struct Phones {
    sockets: Vec<UdpSocket>,
    /// Stands there so that a veth takes what a program sends.
    _passing: Driver,
}

impl Phones {
    /// Moves the other ends of two new devices to another network, and binds sockets there.
    fn new(at: &[&str]) -> Phones {
        for (device, addresses) in [
            (DEVICE, ["10.0.0.1/24", "2001:db8::1/64"]),
            (VLAN, ["10.0.5.1/24", "2001:db8:5::1/64"]),
        ] {
            run(&format!(
                "ip link add {device} type veth peer name {device}-end"
            ));
            add(device, addresses);
            run(&format!("ip link set {device} up"));
        }
        let (names, named) = channel();
        let (moves, moved) = channel::<()>();
        let at: Vec<SocketAddr> = at.iter().map(|at| at.parse().unwrap()).collect();
        let other = std::thread::spawn(move || {
            assert!(alone());
            names.send(rustix::thread::gettid()).unwrap();
            moved.recv().unwrap();
            bind_there(&at)
        });
        let thread = named.recv().unwrap().as_raw_nonzero();
        for device in [DEVICE, VLAN] {
            run(&format!("ip link set {device}-end netns {thread}"));
        }
        moves.send(()).unwrap();
        other.join().unwrap()
    }

    fn send(&self, from: usize, to: SocketAddr, data: &[u8]) {
        self.sockets[from].send_to(data, to).unwrap();
    }

    fn assert_received(&self, by: usize, from: SocketAddr, data: &[u8]) {
        assert_eq!(receive(&self.sockets[by]), (data.to_vec(), from));
    }
}

/// Addresses that count at once: nobody else can have them.
fn add(device: &str, addresses: [&str; 2]) {
    let [v4, v6] = addresses;
    run(&format!("ip address add {v4} dev {device}"));
    run(&format!("ip address add {v6} dev {device} nodad"));
}

fn bind_there(at: &[SocketAddr]) -> Phones {
    for (device, addresses) in [
        (DEVICE, ["10.0.0.2/24", "2001:db8::2/64"]),
        (VLAN, ["10.0.5.2/24", "2001:db8:5::2/64"]),
    ] {
        let device = format!("{device}-end");
        add(&device, addresses);
        run(&format!("ip link set {device} up"));
    }
    let (mut passing, _) = Driver::load(&lenient()).unwrap();
    let ends = [DEVICE, VLAN].map(|device| format!("{device}-end"));
    let ends = ends.each_ref().map(String::as_str);
    passing.attach_as(&ends, Mode::Native).unwrap();
    Phones {
        sockets: at.iter().map(|at| bind(*at)).collect(),
        _passing: passing,
    }
}

fn bind(at: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(at).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// The numbers of the packets that are there.
fn drain(socket: &UdpSocket) -> Vec<u32> {
    socket.set_nonblocking(true).unwrap();
    let mut buffer = [0; 256];
    let next = || {
        let (len, _) = socket.recv_from(&mut buffer).ok()?;
        assert_eq!(len, 112);
        Some(u32::from_be_bytes(buffer[4..8].try_into().unwrap()))
    };
    std::iter::from_fn(next).collect()
}

/// Lets this thread run beside the one that started it.
fn on_any_core() {
    let mut cores = CpuSet::new();
    for core in 0..CpuSet::MAX_CPU {
        cores.set(core);
    }
    rustix::thread::sched_setaffinity(None, &cores).unwrap();
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2048];
    let (len, from) = socket.recv_from(&mut buffer).unwrap();
    (buffer[..len].to_vec(), from)
}

/// A call between two phones: who they are, where we are for each, and our sockets there.
struct Call {
    phones: Phones,
    ours: [UdpSocket; 2],
    local: [SocketAddr; 2],
    mirror: Mirror,
    _driver: Driver,
}

impl Call {
    fn new(mode: Mode, phones: &[&str; 3], ours: [&str; 2]) -> Call {
        let phones_there = Phones::new(phones);
        let local = ours.map(at);
        let sockets = local.map(bind);
        for (socket, phone) in sockets.iter().zip([phones[0], phones[1]]) {
            socket.send_to(b"knows the way", at(phone)).unwrap();
        }
        let (mut driver, mirror) = Driver::load(&lenient()).unwrap();
        for (by, from) in local.iter().enumerate() {
            phones_there.assert_received(by, *from, b"knows the way");
        }
        driver.attach_as(&[DEVICE, VLAN], mode).unwrap();
        mirror.set_mode(mode);
        for (here, there) in [(0, 1), (1, 0)] {
            let flow = SettledFlow {
                local: local[here],
                source: at(phones[here]),
                from: local[there],
                to: at(phones[there]),
                plain: true,
                dscp: None,
                is_rtp: true,
                clock_hz: 8000,
            };
            mirror.settle(&flow, Reception::default()).unwrap();
        }
        Call {
            phones: phones_there,
            ours: sockets,
            local,
            mirror,
            _driver: driver,
        }
    }

    fn assert_passes_both_ways(&self) {
        for n in 1..=PACKETS {
            for (from, to) in [(0, 1), (1, 0)] {
                let data = rtp(n, u32::from(n) * 160, from as u32, usize::from(n) * 7);
                self.phones.send(from, self.local[from], &data);
                self.phones.assert_received(to, self.local[to], &data);
            }
        }
        for local in self.local {
            let counted = self.mirror.counters(local).unwrap();
            assert_eq!(counted.packets, u64::from(PACKETS));
            assert_eq!(
                (
                    counted.heard.missing(),
                    counted.heard.late(),
                    counted.strangers
                ),
                (0, 0, 0)
            );
        }
        let sent_on = self.mirror.fates().unwrap().get(Fate::SentOn);
        assert_eq!(sent_on, 2 * u64::from(PACKETS));
    }

    fn assert_strangers_are_dropped(&self) {
        self.phones.send(2, self.local[0], &rtp(1, 1, 1, 160));
        let data = rtp(PACKETS + 1, 1, 0, 160);
        self.phones.send(0, self.local[0], &data);
        // The next that comes is not the stranger's, and our sockets have not seen it.
        self.phones.assert_received(1, self.local[1], &data);
        assert_eq!(self.mirror.fates().unwrap().get(Fate::DropStranger), 1);
        let counted = self.mirror.counters(self.local[0]).unwrap();
        assert_eq!(counted.strangers, 1);
    }

    fn assert_stun_comes_up(&self) {
        let mut stun = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        stun.resize(20, 9);
        self.phones.send(0, self.local[0], &stun);
        let (data, from) = receive(&self.ours[0]);
        assert_eq!(data, stun);
        assert_eq!(from, self.phones.sockets[0].local_addr().unwrap());
        assert_eq!(self.mirror.fates().unwrap().get(Fate::UpStun), 1);
    }

    /// Back in hands, and settled anew: no packet is lost or comes twice.
    fn assert_changes_lose_nothing(&mut self) {
        let flow = self.flow(0, 1);
        for n in 0..50_u16 {
            let data = rtp(n, 0, 9, 100);
            if n % 2 == 0 {
                self.mirror.hand_up(flow.local, Some(flow.source)).unwrap();
                self.phones.send(0, self.local[0], &data);
                assert_eq!(receive(&self.ours[0]).0, data);
            } else {
                self.mirror.settle(&flow, Reception::default()).unwrap();
                self.phones.send(0, self.local[0], &data);
                self.phones.assert_received(1, self.local[1], &data);
            }
        }
        for socket in self.ours.iter().chain(&self.phones.sockets) {
            socket.set_nonblocking(true).unwrap();
            assert!(socket.recv_from(&mut [0; 8]).is_err(), "nothing is left");
        }
    }

    /// The same under load, with rows that come and go beside it: whichever way each packet takes,
    /// it comes once.
    fn assert_changes_under_load_lose_nothing(&mut self) {
        let flow = self.flow(0, 1);
        let came = AtomicU32::new(0);
        let mut times = vec![0_u8; LOAD as usize];
        let (sender, sockets) = (
            &self.phones.sockets[0],
            [&self.phones.sockets[1], &self.ours[0]],
        );
        let deadline = Instant::now() + PATIENCE;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                on_any_core();
                for n in 0..LOAD {
                    // As many as the wire holds.
                    while n - came.load(SeqCst) >= 64 && Instant::now() < deadline {
                        std::thread::yield_now();
                    }
                    sender
                        .send_to(&rtp(n as u16, n, 9, 100), flow.local)
                        .unwrap();
                }
            });
            for turn in (0..32).cycle() {
                if came.load(SeqCst) == LOAD || Instant::now() > deadline {
                    break;
                }
                if turn % 2 == 0 {
                    self.mirror.hand_up(flow.local, Some(flow.source)).unwrap();
                } else {
                    self.mirror.settle(&flow, Reception::default()).unwrap();
                }
                let other = plain_flow(20_100 + turn);
                if self.mirror.unsettle(other.local).is_none() {
                    self.mirror.settle(&other, Reception::default()).unwrap();
                }
                for n in sockets.iter().flat_map(|socket| drain(socket)) {
                    times[n as usize] += 1;
                    came.fetch_add(1, SeqCst);
                }
            }
        });
        let wrong: Vec<usize> = (0..times.len()).filter(|n| times[*n] != 1).collect();
        assert_eq!(wrong, [] as [usize; 0], "each comes once");
        let fates = self.mirror.fates().unwrap();
        assert!(fates.get(Fate::SentOn) > 2 * u64::from(PACKETS) + 25);
        assert!(fates.get(Fate::UpHands) > 25);
    }

    /// What one phone sends to the other.
    fn flow(&self, from: usize, to: usize) -> SettledFlow {
        SettledFlow {
            local: self.local[from],
            source: self.phones.sockets[from].local_addr().unwrap(),
            from: self.local[to],
            to: self.phones.sockets[to].local_addr().unwrap(),
            plain: true,
            dscp: None,
            is_rtp: true,
            clock_hz: 8000,
        }
    }

    fn assert_all(mut self) {
        self.assert_passes_both_ways();
        self.assert_strangers_are_dropped();
        self.assert_stun_comes_up();
        self.assert_changes_lose_nothing();
        self.assert_changes_under_load_lose_nothing();
    }
}

/// Out by the device that it came in by, to one host behind it.
fn by_one_device(mode: Mode) {
    if alone() {
        let ours = ["10.0.0.1:20000", "10.0.0.1:20002"];
        Call::new(mode, &[A, NEIGHBOUR_OF_A, STRANGER], ours).assert_all();
    }
}

/// From one device to another, and from one IP version to the other.
fn by_two_devices(mode: Mode) {
    if alone() {
        let ours = ["10.0.0.1:20000", "[2001:db8:5::1]:20002"];
        Call::new(mode, &[A, B, STRANGER], ours).assert_all();
    }
}

#[test]
fn a_call_by_one_device_in_native_mode() {
    by_one_device(Mode::Native);
}

#[test]
fn a_call_by_one_device_in_generic_mode() {
    by_one_device(Mode::Generic);
}

#[test]
fn a_call_between_devices_and_ip_versions_in_native_mode() {
    by_two_devices(Mode::Native);
}

#[test]
fn a_call_between_devices_and_ip_versions_in_generic_mode() {
    by_two_devices(Mode::Generic);
}
