//! A thread that receives and sends.

use std::io;
use std::mem::MaybeUninit;
use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};

use super::super::wire::Counts;
use crate::packets::bed::pin;

/// Events taken by one system call.
const EVENTS: usize = 64;
/// Largest packet; a larger one is cut.
const PACKET_BYTES: usize = 2048;
/// The event that ends the thread.
const STOP: u64 = u64::MAX;

/// Two sockets: what one receives the other sends.
pub(super) struct SocketPair(pub [UdpSocket; 2]);

/// What a thread and those who open calls share.
pub(super) struct Shared {
    epoll: OwnedFd,
    stop: OwnedFd,
    table: RwLock<Table>,
    received: AtomicU64,
    forwarded: AtomicU64,
    /// Receives that failed: an ICMP message of the phone's host.
    receive_failed: AtomicU64,
    send_failed: AtomicU64,
}

#[derive(Default)]
struct Table {
    places: Vec<Option<SocketPair>>,
    free: Vec<usize>,
}

impl Shared {
    /// Of a thread without sockets.
    pub fn new() -> io::Result<Self> {
        let shared = Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            stop: eventfd(0, EventfdFlags::CLOEXEC)?,
            table: RwLock::default(),
            received: AtomicU64::new(0),
            forwarded: AtomicU64::new(0),
            receive_failed: AtomicU64::new(0),
            send_failed: AtomicU64::new(0),
        };
        let data = EventData::new_u64(STOP);
        epoll::add(&shared.epoll, &shared.stop, data, EventFlags::IN)?;
        Ok(shared)
    }

    /// Gives the thread two sockets; returns their place.
    pub fn add(&self, pair: SocketPair) -> io::Result<usize> {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let at = table.free.last().copied().unwrap_or(table.places.len());
        for (socket, side) in pair.0.iter().zip(0..) {
            let data = EventData::new_u64((at as u64) << 1 | side);
            // A socket that is closed leaves the set by itself.
            epoll::add(&self.epoll, socket, data, EventFlags::IN)?;
        }
        match table.free.pop().and_then(|at| table.places.get_mut(at)) {
            Some(place) => *place = Some(pair),
            None => table.places.push(Some(pair)),
        }
        Ok(at)
    }

    /// Closes the sockets at a place.
    pub fn remove(&self, at: usize) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if table.places.get_mut(at).and_then(Option::take).is_some() {
            table.free.push(at);
        }
    }

    /// Number of socket pairs.
    pub fn sockets(&self) -> usize {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.places.len() - table.free.len()
    }

    /// Adds what the thread counted.
    pub fn count(&self, counts: &mut Counts) {
        counts.received += self.received.load(Relaxed);
        counts.forwarded += self.forwarded.load(Relaxed);
        for (why, counter) in [
            ("receive_failed", &self.receive_failed),
            ("send_failed", &self.send_failed),
        ] {
            let count = counter.load(Relaxed);
            if count > 0 {
                *counts.dropped.entry(why.to_owned()).or_default() += count;
            }
        }
    }

    /// Ends the thread.
    pub fn stop(&self) {
        // It can only fail when the thread has been told already.
        let _ = rustix::io::write(&self.stop, &1u64.to_ne_bytes());
    }
}

/// Starts the thread, on a core of its own if one is named.
pub(super) fn start(
    number: usize,
    cpu: Option<usize>,
    shared: Arc<Shared>,
) -> io::Result<JoinHandle<()>> {
    let work = move || {
        if let Some(cpu) = cpu {
            pin(&[cpu]);
        }
        run(&shared);
    };
    std::thread::Builder::new()
        .name(format!("bare-{number}"))
        .spawn(work)
}

fn run(shared: &Shared) {
    let mut events = [const { MaybeUninit::<Event>::uninit() }; EVENTS];
    let mut packet = [0; PACKET_BYTES];
    loop {
        let Ok((ready, _)) = epoll::wait(&shared.epoll, &mut events, None) else {
            continue;
        };
        let table = shared.table.read().unwrap_or_else(PoisonError::into_inner);
        for event in ready {
            let data = event.data.u64();
            if data == STOP {
                return;
            }
            // Nobody is at the place of a call that was closed meanwhile.
            if let Some(Some(pair)) = table.places.get((data >> 1) as usize) {
                forward(pair, data & 1 == 1, &mut packet, shared);
            }
        }
    }
}

/// One packet from a socket to its twin.
fn forward(pair: &SocketPair, back: bool, packet: &mut [u8], shared: &Shared) {
    let [one, other] = &pair.0;
    let (from, to) = if back { (other, one) } else { (one, other) };
    let bytes = match from.recv(packet) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
        Err(_) => return count(&shared.receive_failed),
    };
    count(&shared.received);
    let sent = to.send(packet.get(..bytes).unwrap_or_default());
    count(match sent {
        Ok(_) => &shared.forwarded,
        Err(_) => &shared.send_failed,
    });
}

/// Only the thread writes its counters.
fn count(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}
