//! A relay of a few lines, which can do wrong.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::packets::BenchError;
use crate::packets::bed::Bed;
use crate::packets::vocabulary::{Guest, Guests, Losses, Phones, System};

/// First port of the relay.
const FIRST_PORT: u16 = 20_000;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Forwarded,
    Dropped,
    Doubled,
    /// Sent from a port that is not the call's.
    Strayed,
    /// One byte changed, counted from the packet's start.
    Changed(usize),
    /// Given to the other phone of the call.
    Returned,
}

/// What becomes of the packet with that number, and those bytes.
pub type Rule = fn(u64, &[u8]) -> Fate;

/// The relay, in this process.
pub struct Little<'a> {
    bed: &'a Bed,
    rule: Rule,
    forwarded: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Its calls, which it hands over again as those of a churn.
    opened: Vec<Guest>,
}

/// A port of the relay: its socket, the socket that sends on what comes, and to whom.
struct Port {
    hears: UdpSocket,
    sends: UdpSocket,
    to: SocketAddr,
    from: SocketAddr,
}

impl<'a> Little<'a> {
    pub fn new(bed: &'a Bed, rule: Rule) -> Self {
        Self {
            bed,
            rule,
            forwarded: Arc::default(),
            stop: Arc::default(),
            thread: None,
            opened: Vec::new(),
        }
    }
}

fn up(address: SocketAddr, by: u16) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port() + by)
}

/// RTP and RTCP ports of calls, bound in the calling thread's namespace.
fn ports(calls: &[Phones], locals: &[[SocketAddr; 2]]) -> Vec<Port> {
    let mut ports = Vec::new();
    for (phones, locals) in calls.iter().zip(locals) {
        for rtcp in [0, 1] {
            let sockets = locals.map(|local| UdpSocket::bind(up(local, rtcp)).unwrap());
            for side in [0, 1] {
                sockets[side].set_nonblocking(true).unwrap();
                ports.push(Port {
                    hears: sockets[side].try_clone().unwrap(),
                    sends: sockets[1 - side].try_clone().unwrap(),
                    to: up(phones[1 - side], rtcp),
                    from: up(phones[side], rtcp),
                });
            }
        }
    }
    ports
}

fn relay(ports: &[Port], stray: &[UdpSocket], rule: Rule, stop: &AtomicBool, count: &AtomicU64) {
    let mut bytes = [0; 2048];
    while !stop.load(Relaxed) {
        for port in ports {
            while let Ok((len, from)) = port.hears.recv_from(&mut bytes) {
                assert_eq!(from, port.from);
                let bytes = &mut bytes[..len];
                let number = count.fetch_add(1, Relaxed);
                match rule(number, bytes) {
                    Fate::Dropped => continue,
                    Fate::Doubled => drop(port.sends.send_to(bytes, port.to)),
                    Fate::Strayed => {
                        let family = |stray: &&UdpSocket| {
                            stray.local_addr().unwrap().is_ipv4() == port.to.is_ipv4()
                        };
                        let stray = stray.iter().find(family).unwrap();
                        stray.send_to(bytes, port.to).unwrap();
                        continue;
                    }
                    Fate::Changed(byte) => bytes[byte] ^= 0x10,
                    Fate::Returned => {
                        port.hears.send_to(bytes, port.from).unwrap();
                        continue;
                    }
                    Fate::Forwarded => (),
                }
                port.sends.send_to(bytes, port.to).unwrap();
            }
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

impl System for Little<'_> {
    fn name(&self) -> String {
        "little 1".to_owned()
    }

    fn engine(&self) -> String {
        "loop".to_owned()
    }

    fn open(
        &mut self,
        calls: &[Phones],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<[SocketAddr; 2]>, BenchError> {
        let ips = self.bed.relay_ips();
        let local = |call| ips.map(|ip| SocketAddr::new(ip, FIRST_PORT + 2 * call as u16));
        let locals: Vec<[SocketAddr; 2]> = (0..calls.len()).map(local).collect();
        self.opened = calls.iter().copied().zip(locals.clone()).collect();
        let bind = || {
            let stray = ips.map(|ip| UdpSocket::bind((ip, 0)).unwrap());
            (ports(calls, &locals), stray)
        };
        let (ports, stray) = self.bed.in_relay(bind)?;
        let (rule, stop, count) = (self.rule, self.stop.clone(), self.forwarded.clone());
        let work = move || relay(&ports, &stray, rule, &stop, &count);
        self.thread = Some(std::thread::spawn(work));
        progress(calls.len());
        Ok(locals)
    }

    fn churn(
        &mut self,
        _: u32,
        phones: &[Phones],
        stop: &AtomicBool,
        guests: &Guests,
    ) -> Result<u64, BenchError> {
        self.opened.iter().for_each(|call| guests.add(*call));
        while !stop.load(Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(phones.len() as u64)
    }

    fn pid(&self) -> u32 {
        std::process::id()
    }

    fn losses(&mut self) -> Option<Losses> {
        let forwarded = self.forwarded.load(Relaxed);
        Some(Losses {
            received: forwarded,
            forwarded,
            dropped: BTreeMap::from([("whim".to_owned(), 0)]),
            buffers: 0,
        })
    }

    fn allocations(&mut self) -> Option<u64> {
        Some(0)
    }

    fn forwarding(&mut self) -> Option<Histogram<u64>> {
        None
    }
}

impl Drop for Little<'_> {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
    }
}
