//! Phones and waiting, for the tests of the packet engine over real loopback sockets.
//!
//! Each test of these is in two programs: `engine`, with a socket for each port, and
//! `engine_steered`, with steered ports.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, unsafe_code)]

pub mod elsewhere;

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use patchbay_relay::engine::{
    Component, DropReason, Engine, EngineConfig, FlowStats, MediaSockets, OpenPair, PairSpec,
    Remote, Side,
};

pub const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
/// Another address of this host, for strangers.
pub const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 99));
/// Far longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(10);
pub const WINDOW: Duration = Duration::from_secs(30);

/// Which of the two programs this is.
pub const STEERED: bool = matches!(env!("CARGO_CRATE_NAME").as_bytes(), b"engine_steered");

/// One thread, and these ports.
pub fn engine(first_port: u16, last_port: u16) -> Engine {
    start(EngineConfig {
        ports: first_port..=last_port,
        seed: 1,
        ..EngineConfig::default()
    })
}

/// Starts an engine with the sockets that this program is about.
pub fn start(config: EngineConfig) -> Engine {
    Engine::start(configured(config)).unwrap()
}

/// A configuration with the sockets that this program is about.
pub fn configured(config: EngineConfig) -> EngineConfig {
    EngineConfig {
        sockets: match STEERED {
            true => MediaSockets::Steered,
            false => MediaSockets::PerPort,
        },
        ..config
    }
}

/// Moves this thread, and what it starts, into a network namespace of its own, where nothing is
/// but loopback, so that no other test's ports are met. Without the privilege for it a test of
/// steered ports cannot run: false then. The others have ports that only they use.
#[must_use]
pub fn alone() -> bool {
    // SAFETY: changes the network namespace of this thread alone and touches no memory.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } == 0 {
        let up = Command::new("ip")
            .args(["link", "set", "lo", "up"])
            .status();
        assert!(up.unwrap().success());
        return true;
    }
    let ci = std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false");
    assert!(
        !ci,
        "nothing may be skipped in CI: a network namespace needs CAP_SYS_ADMIN"
    );
    if STEERED {
        eprintln!("skipped: steered ports need CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW");
    }
    !STEERED
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

/// RTP of that number, on time for 20 ms a packet at 8000 Hz.
pub fn audio(sequence: u16) -> Vec<u8> {
    let mut bytes = packet(7, 172);
    bytes[2..4].copy_from_slice(&sequence.to_be_bytes());
    bytes[4..8].copy_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
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

/// Datagrams of strangers that a flow has refused, by the engine or before it could see them.
pub fn refused(engine: &Engine, pair: &OpenPair, side: Side, component: Component) -> u64 {
    let seen = flow(engine, pair, side, component);
    seen.drops.get(DropReason::SourceUnexpected) + seen.strangers
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
