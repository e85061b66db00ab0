//! The receiving thread: every packet that comes out of the relay is checked and timed.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::Relaxed;

use hdrhistogram::Histogram;
use rustix::event::{Timespec, epoll};

use super::Wrong;
use super::packet::Template;
use super::phones::Phones;
use super::send::Shared;

/// Sockets handled for each look at what is ready.
const EVENTS: usize = 256;
/// How often the thread looks whether it is to end.
const LOOK_NS: i64 = 20_000_000;
/// Longest latency that is told apart, a minute.
const MAX_LATENCY_NS: u64 = 60_000_000_000;

/// Packets as they arrive.
pub(super) struct Receiver<'a> {
    phones: &'a Phones,
    shared: &'a Shared,
    template: Template,
    epoll: OwnedFd,
    /// By socket: the place after the last packet's.
    next: Vec<u64>,
    latency: Histogram<u64>,
    wrong: Wrong,
}

/// What arrived.
#[derive(Debug)]
pub(super) struct Arrived {
    /// From sending to arrival, in nanoseconds.
    pub latency: Histogram<u64>,
    /// What should not have.
    pub wrong: Wrong,
    /// Flows of which at least one packet arrived.
    pub open_flows: usize,
}

impl<'a> Receiver<'a> {
    pub fn new(phones: &'a Phones, shared: &'a Shared, template: Template) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (number, socket) in phones.sockets.iter().enumerate() {
            let data = epoll::EventData::new_u64(number as u64);
            epoll::add(&epoll, socket, data, epoll::EventFlags::IN)?;
        }
        let next = vec![0; phones.sockets.len()];
        let latency = Histogram::new_with_bounds(1, MAX_LATENCY_NS, 3).map_err(io::Error::other)?;
        Ok(Self {
            phones,
            shared,
            template,
            epoll,
            next,
            latency,
            wrong: Wrong::default(),
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
        let open_flows = self.next.iter().filter(|next| **next > 0).count();
        Ok(Arrived {
            latency: self.latency,
            wrong: self.wrong,
            open_flows,
        })
    }

    /// One packet: if the socket has more it is ready again.
    fn receive(&mut self, number: usize) {
        let mut bytes = [0; 2048];
        let Some(socket) = self.phones.sockets.get(number) else {
            return;
        };
        let Ok((len, source)) = socket.recv_from(&mut bytes) else {
            return;
        };
        let now = self.shared.now();
        let Some((expected, flow)) = self.phones.hears(number) else {
            return;
        };
        if source != expected {
            self.wrong.source += 1;
            return;
        }
        let Some(stamp) = self
            .template
            .check(&bytes[..len])
            .filter(|stamp| stamp.flow == flow)
        else {
            self.wrong.content += 1;
            return;
        };
        if let Some(next) = self.next.get_mut(number) {
            if stamp.place < *next {
                self.wrong.order += 1;
                return;
            }
            *next = stamp.place + 1;
        }
        self.latency
            .saturating_record(now.saturating_sub(stamp.sent).max(1));
        self.shared.delivered.fetch_add(1, Relaxed);
    }
}
