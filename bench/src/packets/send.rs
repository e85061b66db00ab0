//! The sending thread: flows in turn, at the pace asked for.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::packet::{Stamp, Template};
use super::phones::Phones;
use super::sockets::Pace;

/// Longest sleep between bursts, so that lateness stays small.
const NAP: Duration = Duration::from_micros(500);
/// Packets sent before the clock is looked at again.
const BURST: u64 = 32;

/// What sender, receiver and watcher share.
#[derive(Debug)]
pub(super) struct Shared {
    /// The run's clock.
    pub start: Instant,
    /// Packets handed to the kernel.
    pub sent: AtomicU64,
    /// Packets that the kernel refused.
    pub refused: AtomicU64,
    /// Packets that there was no time to send.
    pub not_sent: AtomicU64,
    /// Packets that arrived as they should.
    pub delivered: AtomicU64,
    /// The receiver is to end.
    pub stop: AtomicBool,
}

impl Shared {
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            sent: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            not_sent: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        }
    }

    /// Nanoseconds of the run's clock.
    pub fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Sends flows' packets in turn, each flow's in order.
#[derive(Debug)]
pub(super) struct Sender<'a> {
    phones: &'a Phones,
    shared: &'a Shared,
    template: Template,
    /// By flow, the place of its next packet.
    places: Vec<u64>,
    turn: usize,
}

impl<'a> Sender<'a> {
    pub fn new(phones: &'a Phones, shared: &'a Shared, template: Template) -> Self {
        let places = vec![0; phones.ways.len()];
        Self {
            phones,
            shared,
            template,
            places,
            turn: 0,
        }
    }

    /// One packet on every flow.
    pub fn send_round(&mut self) {
        for _ in 0..self.phones.ways.len() {
            self.send_one();
        }
    }

    /// Sends at `per_second` for `duration`.
    pub fn send_for(&mut self, per_second: u64, duration: Duration) {
        let start = self.shared.now();
        let end = start.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
        let mut pace = Pace::new(per_second, 1, start);
        loop {
            let now = self.shared.now();
            if now >= end {
                return;
            }
            let (due, given_up) = pace.due(now);
            self.shared.not_sent.fetch_add(given_up, Relaxed);
            for _ in 0..due {
                self.send_one();
            }
            let next = pace.next().saturating_sub(self.shared.now());
            if due < BURST && next > 0 {
                std::thread::sleep(NAP.min(Duration::from_nanos(next).max(NAP / 4)));
            }
        }
    }

    fn send_one(&mut self) {
        let flow = self.turn;
        self.turn = (flow + 1) % self.phones.ways.len().max(1);
        let (Some(way), Some(place)) = (self.phones.ways.get(flow), self.places.get_mut(flow))
        else {
            return;
        };
        let Some(socket) = self.phones.sockets.get(way.from) else {
            return;
        };
        let stamp = Stamp {
            flow: flow as u32,
            place: *place,
            sent: self.shared.now(),
        };
        *place += 1;
        let counter = match socket.send_to(self.template.fill(&stamp), way.relay) {
            Ok(_) => &self.shared.sent,
            Err(_) => &self.shared.refused,
        };
        counter.fetch_add(1, Relaxed);
    }
}
