//! A sender and receiver of RTP that counts every packet: phones are too polite to say what they miss.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::ports::Ports;
use super::wait::until;

const HEADER: usize = 12;
/// 20 ms of G.711.
pub const FRAME: usize = 160;
const FRAME_TIME: Duration = Duration::from_millis(20);

/// A received datagram.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Who sent it.
    pub from: SocketAddr,
    /// All of it.
    pub bytes: Vec<u8>,
}

impl Packet {
    /// RTP sequence number.
    pub fn sequence(&self) -> u16 {
        u16::from_be_bytes([self.bytes[2], self.bytes[3]])
    }

    /// RTP synchronisation source.
    pub fn ssrc(&self) -> u32 {
        u32::from_be_bytes(self.bytes[8..12].try_into().unwrap())
    }

    /// What follows the RTP header.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[HEADER..]
    }
}

/// One party's media: an RTP socket, the RTCP socket above it, and all that arrived.
#[derive(Debug)]
pub struct Media {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    arrived: Arc<Mutex<Vec<Packet>>>,
    arrived_rtcp: Arc<Mutex<Vec<Packet>>>,
    stop: Arc<AtomicBool>,
    listeners: Vec<JoinHandle<()>>,
    ssrc: u32,
}

impl Media {
    /// Binds RTP to an even port of the block and RTCP to the one above.
    pub fn open(ip: IpAddr, ports: &Ports) -> Media {
        let port = ports.next();
        let rtp = UdpSocket::bind((ip, port)).expect("an RTP port");
        let rtcp = UdpSocket::bind((ip, port + 1)).expect("an RTCP port");
        let stop = Arc::new(AtomicBool::new(false));
        let (arrived, arrived_rtcp) = (Arc::default(), Arc::default());
        let listeners = vec![
            listen(&rtp, &arrived, &stop),
            listen(&rtcp, &arrived_rtcp, &stop),
        ];
        let ssrc = 0x5041_0000 | u32::from(port);
        Media {
            rtp,
            rtcp,
            arrived,
            arrived_rtcp,
            stop,
            listeners,
            ssrc,
        }
    }

    /// The RTP address.
    pub fn address(&self) -> SocketAddr {
        self.rtp.local_addr().expect("a bound socket")
    }

    /// The source that its packets carry.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Sends packets `first..first + count` in real time, 20 ms apart. Each payload is different.
    pub fn talk(&self, to: SocketAddr, first: u16, count: u16) {
        let begin = Instant::now();
        for number in 0..count {
            let due = begin + FRAME_TIME * u32::from(number);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            self.send(to, &rtp(self.ssrc, first + number));
        }
    }

    /// Presses a key, with payload type 101 (RFC 4733): marked, an update, and its end three times.
    /// Gives the packets.
    pub fn press(&self, to: SocketAddr, event: u8, sequence: u16) -> Vec<Vec<u8>> {
        let shapes = [
            (0x80, 0, 160_u16),
            (0, 0, 320),
            (0, 0x80, 480),
            (0, 0x80, 480),
            (0, 0x80, 480),
        ];
        let packets = shapes.iter().zip(sequence..).map(|(shape, number)| {
            let (marker, end, duration) = *shape;
            let mut bytes = vec![0x80, marker | 101];
            bytes.extend(number.to_be_bytes());
            bytes.extend((u32::from(event) * 8000).to_be_bytes());
            bytes.extend(self.ssrc.to_be_bytes());
            bytes.extend([event, end | 10]);
            bytes.extend(duration.to_be_bytes());
            bytes
        });
        let packets: Vec<_> = packets.collect();
        for bytes in &packets {
            self.send(to, bytes);
        }
        packets
    }

    /// Sends one datagram from the RTP socket. An ICMP error of an earlier one is not this one's.
    pub fn send(&self, to: SocketAddr, bytes: &[u8]) {
        let _ = self
            .rtp
            .send_to(bytes, to)
            .or_else(|_| self.rtp.send_to(bytes, to));
    }

    /// Sends a sender report to the port above `to`.
    pub fn report(&self, to: SocketAddr) {
        let mut bytes = vec![0x80, 200, 0, 6];
        bytes.extend_from_slice(&self.ssrc.to_be_bytes());
        bytes.extend_from_slice(&[0; 20]);
        let above = SocketAddr::new(to.ip(), to.port() + 1);
        let _ = self.rtcp.send_to(&bytes, above);
    }

    /// What arrived on the RTP port so far.
    pub fn arrived(&self) -> Vec<Packet> {
        self.arrived.lock().unwrap().clone()
    }

    /// What arrived on the RTCP port so far.
    pub fn arrived_rtcp(&self) -> Vec<Packet> {
        self.arrived_rtcp.lock().unwrap().clone()
    }

    /// Packets of one source, whole and unchanged as [`Media::talk`] sent them, in order of arrival.
    pub fn intact_from(&self, ssrc: u32) -> Vec<u16> {
        let arrived = self.arrived();
        let ours = arrived.iter().filter(|p| p.bytes.len() >= HEADER);
        ours.filter(|p| p.ssrc() == ssrc && p.payload() == payload(ssrc, p.sequence()))
            .map(Packet::sequence)
            .collect()
    }

    /// Waits until `count` intact packets of `ssrc` have come.
    pub fn wait_intact(&self, ssrc: u32, count: usize, limit: Duration) {
        let what = format!("{count} intact packets of {ssrc:x} at {}", self.address());
        until(&what, limit, || {
            (self.intact_from(ssrc).len() >= count).then_some(())
        });
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for listener in self.listeners.drain(..) {
            let _ = listener.join();
        }
    }
}

fn listen(
    socket: &UdpSocket,
    into: &Arc<Mutex<Vec<Packet>>>,
    stop: &Arc<AtomicBool>,
) -> JoinHandle<()> {
    let socket = socket.try_clone().expect("a second handle");
    socket
        .set_read_timeout(Some(Duration::from_millis(50)))
        .expect("a read time-out");
    let (into, stop) = (Arc::clone(into), Arc::clone(stop));
    std::thread::spawn(move || {
        let mut buffer = [0u8; 2048];
        while !stop.load(Ordering::Relaxed) {
            if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let bytes = buffer[..length].to_vec();
                into.lock().unwrap().push(Packet { from, bytes });
            }
        }
    })
}

/// Packet `number` of a G.711 µ-law stream.
pub fn rtp(ssrc: u32, number: u16) -> Vec<u8> {
    let mut bytes = vec![0x80, 0];
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes.extend_from_slice(&(u32::from(number) * FRAME as u32).to_be_bytes());
    bytes.extend_from_slice(&ssrc.to_be_bytes());
    bytes.extend_from_slice(&payload(ssrc, number));
    bytes
}

/// Sound that names its sender and number, so that a mix-up cannot go unseen.
fn payload(ssrc: u32, number: u16) -> Vec<u8> {
    let seed = ssrc
        .wrapping_mul(2_654_435_761)
        .wrapping_add(u32::from(number).wrapping_mul(40_503));
    (0..FRAME as u32)
        .map(|at| (seed.wrapping_add(at.wrapping_mul(97)) >> 7) as u8)
        .collect()
}
