//! The receiving thread: every packet that comes out of the relay is checked and timed.

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::Relaxed;

use hdrhistogram::Histogram;
use rustix::event::{Timespec, epoll};

use super::Street;
use super::packet::{Came, Form, Stamp, read};
use super::send::Shared;
use crate::packets::vocabulary::{Way, Wrong};

/// Sockets handled for each look at what is ready.
const EVENTS: usize = 256;
/// How often the thread looks whether it is to end.
const LOOK_NS: i64 = 20_000_000;
/// Longest latency that is told apart, a minute.
const MAX_LATENCY_NS: u64 = 60_000_000_000;

/// Packets as they arrive.
pub(super) struct Receiver<'a> {
    /// The phones' sockets with their addresses.
    phones: Vec<(SocketAddr, &'a UdpSocket)>,
    ways: Vec<Hears<'a>>,
    run: u16,
    shared: &'a Shared,
    epoll: OwnedFd,
    latency: Histogram<u64>,
    wrong: Wrong,
    room: Vec<u8>,
}

/// A way at its end.
#[derive(Debug)]
struct Hears<'a> {
    way: &'a Way,
    form: &'a Form,
    /// The place that its next packet has at least.
    next: u64,
    heard: bool,
}

/// What arrived.
#[derive(Debug)]
pub(super) struct Arrived {
    /// From sending to arrival, in nanoseconds.
    pub latency: Histogram<u64>,
    /// What should not have.
    pub wrong: Wrong,
    /// Ways of which at least one packet arrived.
    pub open_ways: usize,
}

impl<'a> Receiver<'a> {
    pub fn new(
        streets: &'a [Street],
        forms: &'a [Form],
        run: u16,
        shared: &'a Shared,
    ) -> io::Result<Self> {
        let phones: HashMap<SocketAddr, &UdpSocket> = streets
            .iter()
            .map(|street| (street.way.at, &*street.at))
            .collect();
        let phones: Vec<(SocketAddr, &UdpSocket)> = phones.into_iter().collect();
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (number, (_, socket)) in phones.iter().enumerate() {
            let data = epoll::EventData::new_u64(number as u64);
            epoll::add(&epoll, socket, data, epoll::EventFlags::IN)?;
        }
        let hears = |(street, form): (&'a Street, &'a Form)| Hears {
            way: &street.way,
            form,
            next: street.place,
            heard: false,
        };
        Ok(Self {
            phones,
            ways: streets.iter().zip(forms).map(hears).collect(),
            run,
            shared,
            epoll,
            latency: Histogram::new_with_bounds(1, MAX_LATENCY_NS, 3).map_err(io::Error::other)?,
            wrong: Wrong::default(),
            room: Vec::new(),
        })
    }

    /// Receives until told to stop.
    pub fn run(mut self) -> io::Result<Arrived> {
        let mut room = [MaybeUninit::uninit(); EVENTS];
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: LOOK_NS,
        };
        while !self.shared.stop.load(Relaxed) {
            let (ready, _) = match epoll::wait(&self.epoll, &mut room, Some(&timeout)) {
                Ok(ready) => ready,
                Err(rustix::io::Errno::INTR) => continue,
                Err(e) => return Err(e.into()),
            };
            for event in ready.iter() {
                self.receive(event.data.u64() as usize);
            }
        }
        Ok(Arrived {
            open_ways: self.ways.iter().filter(|way| way.heard).count(),
            latency: self.latency,
            wrong: self.wrong,
        })
    }

    /// One packet: if the socket has more it is ready again.
    fn receive(&mut self, number: usize) {
        let mut bytes = [0; 2048];
        let Some((at, socket)) = self.phones.get(number).copied() else {
            return;
        };
        let Ok((len, source)) = socket.recv_from(&mut bytes) else {
            return;
        };
        let now = self.shared.now();
        let bytes = bytes.get(..len).unwrap_or_default();
        let stamp = match read(bytes) {
            Came::Stamped(stamp) if stamp.run == self.run => Some(stamp),
            // Of an earlier run, or the relay's own.
            Came::Stamped(_) | Came::Foreign => return,
            Came::Broken => None,
        };
        self.shared.arrived.fetch_add(1, Relaxed);
        match stamp {
            Some(stamp) => self.check(&stamp, bytes, source, at, now),
            None => self.wrong.content += 1,
        }
    }

    fn check(&mut self, stamp: &Stamp, bytes: &[u8], source: SocketAddr, at: SocketAddr, now: u64) {
        let Some(hears) = self.ways.get_mut(stamp.flow as usize) else {
            self.wrong.content += 1;
            return;
        };
        if source != hears.way.out {
            self.wrong.source += 1;
        } else if at != hears.way.at || !hears.form.whole(stamp, bytes, &mut self.room) {
            self.wrong.content += 1;
        } else if stamp.place < hears.next {
            // It may be there a second time, and another one is still to come.
            self.shared.arrived.fetch_sub(1, Relaxed);
            self.wrong.order += 1;
        } else {
            hears.next = stamp.place + 1;
            hears.heard = true;
            self.latency
                .saturating_record(now.saturating_sub(stamp.sent).max(1));
            self.shared.delivered.fetch_add(1, Relaxed);
        }
    }
}
