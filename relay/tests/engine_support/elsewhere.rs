//! Phones in another network namespace, beyond a wire.

use super::{PATIENCE, Phone, wait_for};
use patchbay_relay::engine::xdp::{Driver, Mode, XdpConfig};
use patchbay_relay::engine::{Engine, OpenPair, PairSpec, Side};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::mpsc;

/// An address.
pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Runs `ip` with these words, a line each.
pub fn configure(lines: &str) {
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words = line.split(' ');
        let status = Command::new("ip").args(words).status().unwrap();
        assert!(status.success(), "ip {line}");
    }
}

/// Another network namespace, where the phones are: a thread that stays there and makes their sockets.
pub struct Elsewhere {
    wanted: mpsc::Sender<SocketAddr>,
    made: mpsc::Receiver<UdpSocket>,
}

impl Elsewhere {
    /// Joined to this one by two veth pairs, one in a bridge, and with a network behind it.
    pub fn join() -> Elsewhere {
        let (wanted, orders) = mpsc::channel();
        let (sockets, made) = mpsc::channel();
        let (say, said) = mpsc::channel();
        let (go, gone) = mpsc::channel::<()>();
        std::thread::spawn(move || {
            // SAFETY: changes the network namespace of this thread alone.
            assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNET) }, 0);
            say.send(rustix::thread::gettid()).unwrap();
            gone.recv().unwrap();
            configure(
                "link set lo up
                address add 10.99.0.2/32 dev lo
                address add fd99::2/128 dev lo nodad
                link set there up
                address add 10.88.0.2/24 dev there
                address add 10.88.0.30/24 dev there
                address add 10.88.0.40/24 dev there
                address add fd88::2/64 dev there nodad
                route add 10.77.0.0/24 via 10.88.0.1
                link set beyond up
                address add 10.89.0.2/24 dev beyond
                link add narrow mtu 600 type veth peer name nobody
                link set nobody up
                link set narrow up
                route add 10.66.0.0/24 dev narrow
                neigh add 10.66.0.9 lladdr 02:00:00:00:00:66 dev narrow nud permanent",
            );
            // For those behind the narrow wire it is a router, and it plays their part.
            for setting in ["net.ipv4.ip_forward", "net.ipv4.ip_nonlocal_bind"] {
                let path = format!("/proc/sys/{}", setting.replace('.', "/"));
                std::fs::write(path, "1").unwrap();
            }
            // Packets that a program at this end sends back arrive only where there is one, too.
            let small = XdpConfig {
                ports: 1024..=1025,
                ..XdpConfig::default()
            };
            let mut far = Driver::load(&small).unwrap().0;
            far.attach_as(&["there"], Mode::Native).unwrap();
            say.send(rustix::thread::gettid()).unwrap();
            while let Ok(address) = orders.recv() {
                sockets.send(UdpSocket::bind(address).unwrap()).unwrap();
            }
        });
        let there = said.recv().unwrap().as_raw_nonzero();
        // As many as a network card has for two cores: each flow comes to one of them.
        let queues = "numtxqueues 2 numrxqueues 2";
        configure(&format!(
            "link add here {queues} type veth peer name there {queues} netns {there}
            link set here up
            address add 10.88.0.1/24 dev here
            address add fd88::1/64 dev here nodad
            address add 10.77.0.1/32 dev lo
            link add inside type veth peer name beyond netns {there}
            link add bridge type bridge
            link set inside master bridge
            link set inside up
            link set bridge up
            address add 10.89.0.1/24 dev bridge"
        ));
        go.send(()).unwrap();
        said.recv().unwrap();
        Elsewhere { wanted, made }
    }

    /// A socket at an address there.
    pub fn socket(&self, address: SocketAddr) -> UdpSocket {
        self.wanted.send(address).unwrap();
        self.made.recv().unwrap()
    }

    /// A phone at an address there.
    pub fn phone(&self, ip: IpAddr) -> Phone {
        let [rtp, rtcp] = [(); 2].map(|()| {
            let socket = self.socket((ip, 0).into());
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket
        });
        Phone { rtp, rtcp }
    }
}

/// A call between two phones whose sides the relay receives at two addresses of its own.
pub fn open(engine: &Engine, phones: [&Phone; 2], at: [IpAddr; 2]) -> OpenPair {
    let pair = engine.open(PairSpec::new(at[0], at[1])).unwrap();
    for (side, phone) in Side::ALL.into_iter().zip(phones) {
        engine.set_remote(pair.id, side, phone.remote()).unwrap();
    }
    wait_for("the packet thread to know of it", || {
        engine.health()[0].waiting == 0
    });
    pair
}

/// RTP of that length, each byte different from the next.
pub fn data(size: usize) -> Vec<u8> {
    (0..size).map(|n| 0x80 | (n % 251) as u8).collect()
}
