//! Phones and waiting, for the tests of the packet engine over real sockets.
//!
//! Each test of these is in up to three programs: `engine`, with a socket for each port, and
//! `engine_steered`, with steered ports, both over loopback; and `engine_device`, where settled flows
//! are sent on at a device, and the phones are in another network namespace beyond it.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, unsafe_code)]

pub mod elsewhere;

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::Deref;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use elsewhere::Elsewhere;
use patchbay_relay::engine::xdp::Fate;
use patchbay_relay::engine::{
    Component, DropReason, Engine, EngineConfig, EngineKind, FlowStats, MediaSockets, OpenPair,
    PairSpec, Remote, Side,
};

/// Whether settled flows are sent on at a device in this program.
pub const AT_DEVICE: bool = is_program(b"engine_device");
/// Whether this program's ports are steered.
pub const STEERED: bool = AT_DEVICE || is_program(b"engine_steered");

/// The relay's addresses, and the phones'. On loopback they are the same.
pub const HERE_V4: IpAddr = v4(Ipv4Addr::LOCALHOST, 1);
pub const HERE_V6: IpAddr = v6(1);
pub const V4: IpAddr = v4(Ipv4Addr::LOCALHOST, 2);
pub const V6: IpAddr = v6(2);
/// Another address where phones are, for strangers.
pub const ELSEWHERE: IpAddr = v4(Ipv4Addr::new(127, 0, 0, 99), 30);
/// One more, for one phone.
pub const SECLUDED: IpAddr = v4(Ipv4Addr::new(127, 0, 0, 98), 40);
/// Where nobody is.
pub const NOWHERE: IpAddr = v4(Ipv4Addr::new(127, 0, 0, 77), 77);
/// Far longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Between the packets of a conversation. An exchange may take less than 4 µs: with nothing between
/// them they would be a flood (MAX_STEERED_PACKETS_PER_WINDOW).
pub const PAUSE: Duration = Duration::from_micros(10);
pub const WINDOW: Duration = Duration::from_secs(30);

const fn is_program(name: &[u8]) -> bool {
    let this = env!("CARGO_CRATE_NAME").as_bytes();
    let mut at = 0;
    while at < name.len() && at < this.len() && name[at] == this[at] {
        at += 1;
    }
    at == name.len() && at == this.len()
}

/// An address of loopback, or one on the wire to the phones.
const fn v4(loopback: Ipv4Addr, host: u8) -> IpAddr {
    IpAddr::V4(match AT_DEVICE {
        true => Ipv4Addr::new(10, 88, 0, host),
        false => loopback,
    })
}

const fn v6(host: u16) -> IpAddr {
    IpAddr::V6(match AT_DEVICE {
        true => Ipv6Addr::new(0xfd88, 0, 0, 0, 0, 0, 0, host),
        false => Ipv6Addr::LOCALHOST,
    })
}

thread_local! {
    /// Where the phones of this test are, if not here.
    static THERE: std::cell::OnceCell<Elsewhere> = const { std::cell::OnceCell::new() };
}

/// The engine of a case. At the device, packets must have been sent on there when it goes.
pub struct Started {
    engine: Engine,
    settles: AtomicBool,
}

impl Started {
    /// In this case no packet is sent on at the device, and why.
    pub fn settles_nothing(&self, _why: &str) {
        self.settles.store(false, Relaxed);
    }
}

impl Deref for Started {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if AT_DEVICE && std::thread::panicking() {
            eprintln!("at the device: {:?}", self.engine.totals().device);
        } else if AT_DEVICE {
            let sent_on = fate(self, Fate::SentOn);
            assert_eq!(sent_on > 0, self.settles.load(Relaxed), "{sent_on} sent on");
        }
    }
}

/// Packets of which that became at the device; 0 without one.
pub fn fate(engine: &Engine, fate: Fate) -> u64 {
    let device = engine.totals().device;
    device.map_or(0, |device| device.fates.get(fate))
}

/// One thread, and these ports.
pub fn engine(first_port: u16, last_port: u16) -> Started {
    start(EngineConfig {
        ports: first_port..=last_port,
        seed: 1,
        ..EngineConfig::default()
    })
}

/// Starts an engine with the sockets that this program is about.
pub fn start(config: EngineConfig) -> Started {
    Started {
        engine: Engine::start(configured(config)).unwrap(),
        settles: AtomicBool::new(true),
    }
}

/// A configuration with the sockets, and the device, that this program is about.
pub fn configured(mut config: EngineConfig) -> EngineConfig {
    config.sockets = match STEERED {
        true => MediaSockets::Steered,
        false => MediaSockets::PerPort,
    };
    if AT_DEVICE {
        config.kind = EngineKind::Xdp;
        config.devices = vec!["here".to_owned()];
    }
    config
}

/// Moves this thread, and what it starts, into a network namespace of its own, where nothing is
/// but loopback, so that no other test's ports are met. Without the privilege for it a test of
/// steered ports cannot run: false then. The others have ports that only they use. The program about
/// the device joins it to another one, where the phones are.
#[must_use]
pub fn alone() -> bool {
    // SAFETY: changes the network namespace of this thread alone and touches no memory.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } == 0 {
        let up = Command::new("ip")
            .args(["link", "set", "lo", "up"])
            .status();
        assert!(up.unwrap().success());
        if AT_DEVICE {
            THERE.with(|there| drop(there.set(Elsewhere::join())));
        }
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

/// A phone's socket, on some port.
pub fn socket(ip: IpAddr) -> UdpSocket {
    socket_at((ip, 0).into())
}

/// A phone's socket on that port.
pub fn socket_at(address: SocketAddr) -> UdpSocket {
    let socket = THERE.with(|there| match there.get() {
        Some(there) => there.socket(address),
        None => UdpSocket::bind(address).unwrap(),
    });
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

/// What somebody sends to the port of a flow that has learned its source is refused, and counted. The
/// kernel tells him so, where the packet comes as far as that.
pub fn assert_refused(engine: &Engine, pair: &OpenPair, side: Side, socket: &UdpSocket) {
    let before = refused(engine, pair, side, Component::Rtp);
    socket.connect(pair.local[side.index()].rtp).unwrap();
    socket.send(&packet(99, 172)).unwrap();
    if AT_DEVICE {
        wait_for("the refusal", || {
            refused(engine, pair, side, Component::Rtp) > before
        });
        return;
    }
    let error = socket.recv(&mut [0; 16]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

/// An open pair on IPv4 between two phones whose SDP is known.
pub fn call(engine: &Engine) -> (Phone, Phone, OpenPair) {
    let (client, agent) = (Phone::new(V4), Phone::new(V4));
    let pair = engine.open(PairSpec::new(HERE_V4, HERE_V4)).unwrap();
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
