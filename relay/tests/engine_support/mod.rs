//! Phones and waiting, for the tests of the packet engine over real loopback sockets.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use patchbay_relay::engine::{
    Component, Engine, EngineConfig, FlowStats, OpenPair, PairSpec, Remote, Side,
};

pub const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
/// Another address of this host, for strangers.
pub const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 99));
/// Far longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(10);
pub const WINDOW: Duration = Duration::from_secs(30);

/// One thread, and ports that no other test uses: each test binary has a process and a range of
/// its own, below the range from which the kernel gives phones their ports.
pub fn engine(first_port: u16, last_port: u16) -> Engine {
    Engine::start(EngineConfig {
        ports: first_port..=last_port,
        seed: 1,
        ..EngineConfig::default()
    })
    .unwrap()
}

/// A party: a socket for RTP and one for RTCP.
pub struct Phone {
    pub rtp: UdpSocket,
    pub rtcp: UdpSocket,
}

impl Phone {
    pub fn new(ip: IpAddr) -> Phone {
        Phone {
            rtp: socket(ip),
            rtcp: socket(ip),
        }
    }

    /// What its SDP says.
    pub fn remote(&self) -> Remote {
        let rtp = self.rtp.local_addr().unwrap();
        let rtcp = self.rtcp.local_addr().unwrap();
        Remote::new(rtp, rtcp, rtp.ip(), WINDOW)
    }
}

pub fn socket(ip: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// RTP of that length, at least 2 bytes, of payload type 0 and with a byte to tell it by.
pub fn packet(n: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![n; len];
    bytes[..2].copy_from_slice(&[0x80, 0]);
    bytes
}

/// The next datagram and its source.
pub fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 16_384];
    let (len, from) = socket.recv_from(&mut buffer).unwrap();
    (buffer[..len].to_vec(), from)
}

/// Asserts that nothing is there. To be asked when anything would have arrived already.
pub fn assert_silent(socket: &UdpSocket) {
    socket.set_nonblocking(true).unwrap();
    let error = socket.recv_from(&mut [0; 16]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    socket.set_nonblocking(false).unwrap();
}

/// Waits until something is so.
pub fn wait_for(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub fn flow(engine: &Engine, pair: &OpenPair, side: Side, component: Component) -> FlowStats {
    *engine.stats(pair.id).unwrap().of(side, component)
}

/// An open pair on IPv4 between two phones whose SDP is known.
pub fn call(engine: &Engine) -> (Phone, Phone, OpenPair) {
    let (client, agent) = (Phone::new(V4), Phone::new(V4));
    let pair = engine.open(PairSpec::new(V4, V4)).unwrap();
    engine
        .set_remote(pair.id, Side::Client, client.remote())
        .unwrap();
    engine
        .set_remote(pair.id, Side::Agent, agent.remote())
        .unwrap();
    wait_for("the packet threads to know of it", || {
        engine.health().iter().all(|thread| thread.waiting == 0)
    });
    (client, agent, pair)
}

/// Sends one datagram and asserts that it arrives as it was, from the relay's own address.
pub fn assert_passes(
    from: &UdpSocket,
    to: SocketAddr,
    at: &UdpSocket,
    seen_from: SocketAddr,
    data: &[u8],
) {
    from.send_to(data, to).unwrap();
    let (got, source) = receive(at);
    assert_eq!(got, data);
    assert_eq!(source, seen_from);
}
