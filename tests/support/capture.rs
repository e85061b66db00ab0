//! What went over the loopback interface, by tcpdump.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;

use super::ports::Ports;
use super::process::{Folder, Running};
use super::wait::until;
use super::{SOON, peers};

/// Transport protocol of a captured packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// IP protocol 6.
    Tcp,
    /// IP protocol 17.
    Udp,
}

/// One captured packet with something in it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Sender.
    pub from: SocketAddr,
    /// Receiver.
    pub to: SocketAddr,
    /// Transport.
    pub protocol: Protocol,
    /// What the transport carried.
    pub payload: Vec<u8>,
}

/// A running capture.
#[derive(Debug)]
pub struct Capture {
    tcpdump: Running,
    folder: Folder,
}

impl Capture {
    /// Captures what passes `filter` (tcpdump's language) and returns once it is listening.
    pub fn start(filter: &str) -> Capture {
        let folder = Folder::make();
        let program = peers::find("tcpdump").expect("tcpdump");
        let mut command = Command::new(program);
        command
            .args(["-i", "lo", "-n", "-s", "0", "-U", "--immediate-mode"])
            .args(["-B", "16384", "-Z", "root", "-w"])
            .arg(folder.file("seen.pcap"))
            .arg(filter);
        let tcpdump = Running::start("tcpdump", &mut command, &folder.file("log"));
        until("tcpdump listens", SOON, || {
            tcpdump.log().contains("listening on").then_some(())
        });
        Capture { tcpdump, folder }
    }

    /// Everything to or from this test's callers and agents; other tests run beside it.
    pub fn of_parties(ports: &Ports) -> Capture {
        let (first, last) = ports.all();
        Capture::start(&format!(
            "(host 127.0.0.2 or host 127.0.0.3) and portrange {first}-{last}"
        ))
    }

    /// Stops, and tells what was seen.
    pub fn stop(mut self) -> Seens {
        self.tcpdump.signal("INT");
        self.tcpdump.wait(SOON);
        let log = self.tcpdump.log();
        assert!(
            log.contains("0 packets dropped by kernel"),
            "a capture with holes proves nothing: {log}"
        );
        let bytes = std::fs::read(self.folder.file("seen.pcap")).expect("a capture file");
        Seens(read_pcap(&bytes))
    }
}

/// All that a capture saw, in order.
#[derive(Clone, Debug)]
pub struct Seens(pub Vec<Seen>);

impl Seens {
    /// Who sent to, or was sent to by, the party at `ip`.
    pub fn correspondents(&self, ip: IpAddr) -> Vec<SocketAddr> {
        let mut found: Vec<SocketAddr> = self
            .0
            .iter()
            .filter_map(|seen| match (seen.from.ip() == ip, seen.to.ip() == ip) {
                (true, false) => Some(seen.to),
                (false, true) => Some(seen.from),
                _ => None,
            })
            .collect();
        found.sort();
        found.dedup();
        found
    }

    /// Everything that reached the party at `ip`, each sender's bytes as one piece: what a TCP
    /// segment boundary cuts in two must not go unseen.
    pub fn delivered_to(&self, ip: IpAddr) -> Vec<Vec<u8>> {
        let mut streams: BTreeMap<(Protocol, SocketAddr, SocketAddr), Vec<u8>> = BTreeMap::new();
        for seen in self.0.iter().filter(|seen| seen.to.ip() == ip) {
            let stream = streams.entry((seen.protocol, seen.from, seen.to));
            stream.or_default().extend_from_slice(&seen.payload);
        }
        streams.into_values().collect()
    }

    /// UDP packets from one party to an address, that look like RTP (version 2, not RTCP).
    pub fn rtp_to(&self, ip: IpAddr) -> Vec<&Seen> {
        self.0
            .iter()
            .filter(|seen| seen.to.ip() == ip && seen.protocol == Protocol::Udp)
            .filter(|seen| looks_like_rtp(&seen.payload))
            .collect()
    }
}

fn looks_like_rtp(payload: &[u8]) -> bool {
    payload.len() >= 12 && payload[0] >> 6 == 2 && !(192..=223).contains(&payload[1])
}

/// Asserts that a party corresponds with the relay host only, and that nothing it received names
/// `other`, in whatever notation of a message's text.
pub fn assert_hidden(seen: &Seens, party: IpAddr, relay: IpAddr, other: IpAddr) {
    let met = seen.correspondents(party);
    assert!(!met.is_empty(), "{party} took part in nothing");
    assert!(
        met.iter().all(|peer| peer.ip() == relay),
        "{party} met others than the relay host: {met:?}"
    );
    let name = other.to_string();
    for stream in seen.delivered_to(party) {
        let text = String::from_utf8_lossy(&stream);
        assert!(
            !text.contains(&name),
            "{party} was told the address of {other}:\n{text}"
        );
    }
}

fn read_pcap(file: &[u8]) -> Vec<Seen> {
    const FILE_HEADER: usize = 24;
    const RECORD_HEADER: usize = 16;
    let mut seen = Vec::new();
    let mut at = FILE_HEADER;
    while let Some(header) = file.get(at..at + RECORD_HEADER) {
        let length = u32::from_ne_bytes(header[8..12].try_into().unwrap()) as usize;
        at += RECORD_HEADER;
        let Some(frame) = file.get(at..at + length) else {
            break;
        };
        at += length;
        seen.extend(read_frame(frame));
    }
    seen
}

/// Ethernet as Linux shows it on the loopback interface.
fn read_frame(frame: &[u8]) -> Option<Seen> {
    let packet = frame.get(14..)?;
    match u16::from_be_bytes([*frame.get(12)?, *frame.get(13)?]) {
        0x0800 => {
            let header = usize::from(packet.first()? & 15) * 4;
            let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
            let address = |at: usize| {
                let bytes: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
                Some(IpAddr::from(bytes))
            };
            let rest = packet.get(header..total)?;
            read_transport(*packet.get(9)?, address(12)?, address(16)?, rest)
        }
        0x86dd => {
            let address = |at: usize| {
                let bytes: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
                Some(IpAddr::from(bytes))
            };
            read_transport(
                *packet.get(6)?,
                address(8)?,
                address(24)?,
                packet.get(40..)?,
            )
        }
        _ => None,
    }
}

fn read_transport(protocol: u8, from: IpAddr, to: IpAddr, rest: &[u8]) -> Option<Seen> {
    let port = |at: usize| {
        let bytes: [u8; 2] = rest.get(at..at + 2)?.try_into().ok()?;
        Some(u16::from_be_bytes(bytes))
    };
    let (protocol, header) = match protocol {
        6 => (Protocol::Tcp, usize::from(rest.get(12)? >> 4) * 4),
        17 => (Protocol::Udp, 8),
        _ => return None,
    };
    let payload = rest.get(header..)?;
    (!payload.is_empty()).then(|| Seen {
        from: SocketAddr::new(from, port(0).unwrap_or(0)),
        to: SocketAddr::new(to, port(2).unwrap_or(0)),
        protocol,
        payload: payload.to_vec(),
    })
}
