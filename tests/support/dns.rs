//! A name server in a few lines, for zones that a test makes up.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

const A: u16 = 1;
const SRV: u16 = 33;
const NAPTR: u16 = 35;
/// How often the server looks whether it shall stop.
const LOOK: Duration = Duration::from_millis(50);

/// Type and data of the records of each name.
type Zone = BTreeMap<String, Vec<(u16, Vec<u8>)>>;

#[derive(Debug, Default)]
struct Shared {
    zone: Mutex<Zone>,
    asked: Mutex<Vec<String>>,
    stop: AtomicBool,
}

/// A name server on loopback.
#[derive(Debug)]
pub struct Dns {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Dns {
    /// A server that knows nothing yet.
    pub fn start() -> Dns {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a UDP port");
        socket.set_read_timeout(Some(LOOK)).expect("a time-out");
        let address = socket.local_addr().expect("a bound socket");
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || serve(&socket, &for_thread));
        Dns {
            address,
            shared,
            thread: Some(thread),
        }
    }

    /// The line of `[relay]` that has it asked.
    pub fn key(&self) -> String {
        format!("dns = [\"{}\"]", self.address)
    }

    /// A name has an address.
    pub fn a(&self, name: &str, ip: IpAddr) {
        let IpAddr::V4(ip) = ip else {
            panic!("only IPv4 here")
        };
        self.add(name, A, ip.octets().to_vec());
    }

    /// A service has a server; the lower priority first.
    pub fn srv(&self, name: &str, priority: u16, port: u16, target: &str) {
        let mut data = Vec::new();
        for number in [priority, 0, port] {
            data.extend(number.to_be_bytes());
        }
        data.extend(encoded(target));
        self.add(name, SRV, data);
    }

    /// A domain has a service; the lower preference first.
    pub fn naptr(&self, name: &str, preference: u16, service: &str, replacement: &str) {
        let mut data = Vec::new();
        for number in [10, preference] {
            data.extend(u16::to_be_bytes(number));
        }
        for text in ["s", service, ""] {
            data.push(text.len() as u8);
            data.extend(text.as_bytes());
        }
        data.extend(encoded(replacement));
        self.add(name, NAPTR, data);
    }

    fn add(&self, name: &str, kind: u16, data: Vec<u8>) {
        let mut zone = self.shared.zone.lock().expect("a sound lock");
        zone.entry(name.to_owned()).or_default().push((kind, data));
    }

    /// What was asked so far: `NAPTR desk.example`.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().expect("a sound lock").clone()
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(socket: &UdpSocket, shared: &Shared) {
    let mut buffer = [0_u8; 1500];
    while !shared.stop.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        if let Some(answer) = answer(&buffer[..length], shared) {
            let _ = socket.send_to(&answer, from);
        }
    }
}

/// RFC 1035 section 4: header, the question as it came, and what the zone has.
fn answer(query: &[u8], shared: &Shared) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes(query.get(at..at + 2)?.try_into().ok()?);
    let question = query.get(12..at + 4)?;
    let name = labels.join(".");
    let word = match kind {
        A => "A",
        SRV => "SRV",
        NAPTR => "NAPTR",
        _ => "OTHER",
    };
    let mut asked = shared.asked.lock().expect("a sound lock");
    asked.push(format!("{word} {name}"));
    let zone = shared.zone.lock().expect("a sound lock");
    let records = zone.get(&name).map_or(&[][..], Vec::as_slice);
    let fitting: Vec<_> = records.iter().filter(|(of, _)| *of == kind).collect();
    let mut out = query.get(..2)?.to_vec();
    // An answer with authority and recursion; one question.
    out.extend([0x85, 0x80, 0, 1, 0, fitting.len() as u8, 0, 0, 0, 0]);
    out.extend(question);
    for (kind, data) in fitting {
        // The name of the question, Internet, one minute.
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 60]);
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(data);
    }
    Some(out)
}

fn encoded(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split('.') {
        out.push(label.len() as u8);
        out.extend(label.as_bytes());
    }
    out.push(0);
    out
}
