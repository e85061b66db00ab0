//! The sending thread: ways in turn, at the pace asked for.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::packet::{Form, Stamp};
use super::{Pace, Street};
use crate::packets::vocabulary::{Kind, Load, RTCP_EVERY, SoFar};

/// Longest sleep between bursts, so that lateness stays small.
const NAP: Duration = Duration::from_micros(500);
/// More packets than this at once and the clock is looked at again without a sleep.
const BUSY: u64 = 32;

/// What sender, receiver and watcher share.
#[derive(Debug)]
pub(super) struct Shared {
    /// The run's clock.
    start: Instant,
    /// Packets handed to the kernel.
    pub sent: AtomicU64,
    /// Packets that the kernel refused.
    pub refused: AtomicU64,
    /// Packets that there was no time to send.
    pub not_sent: AtomicU64,
    /// Packets that arrived as they should.
    pub delivered: AtomicU64,
    /// Packets of this run that arrived, however.
    pub arrived: AtomicU64,
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
            arrived: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        }
    }

    /// Nanoseconds of the run's clock.
    pub fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub fn so_far(&self) -> SoFar {
        SoFar {
            elapsed: self.start.elapsed(),
            sent: self.sent.load(Relaxed),
            delivered: self.delivered.load(Relaxed),
        }
    }
}

/// Sends ways' packets in turn, each way's in order.
#[derive(Debug)]
pub(super) struct Sender<'a> {
    streets: &'a [Street],
    forms: &'a [Form],
    run: u16,
    shared: &'a Shared,
    /// By way, the place of its next packet.
    places: Vec<u64>,
    /// Ways of RTP and those of RTCP, each with whose turn it is.
    streams: Turn,
    reports: Turn,
    since_report: u32,
    room: Vec<u8>,
}

#[derive(Debug)]
struct Turn {
    ways: Vec<usize>,
    next: usize,
}

impl Turn {
    fn take(&mut self) -> Option<usize> {
        let way = self.ways.get(self.next).copied();
        self.next = (self.next + 1) % self.ways.len().max(1);
        way
    }
}

impl<'a> Sender<'a> {
    pub fn new(streets: &'a [Street], forms: &'a [Form], run: u16, shared: &'a Shared) -> Self {
        let (reports, streams) = (0..streets.len())
            .partition(|way| forms.get(*way).is_some_and(|form| form.kind == Kind::Rtcp));
        let turn = |ways| Turn { ways, next: 0 };
        Self {
            streets,
            forms,
            run,
            shared,
            places: streets.iter().map(|street| street.place).collect(),
            streams: turn(streams),
            reports: turn(reports),
            since_report: 0,
            room: Vec::new(),
        }
    }

    /// Places of the next packets, by way.
    pub fn places(self) -> Vec<u64> {
        self.places
    }

    /// One packet by every way, at that many packets a second.
    pub fn send_round(&mut self, per_second: u64) {
        let mut pace = Pace::new(per_second, 1, self.shared.now());
        for way in 0..self.streets.len() {
            // A round has no time that it has to keep: nothing is given up.
            while pace.due(self.shared.now()) == (0, 0) {
                std::thread::sleep(NAP / 4);
            }
            self.send_one(way);
        }
    }

    /// Sends a load.
    pub fn send_for(&mut self, load: &Load) {
        let start = self.shared.now();
        let duration = u64::try_from(load.duration.as_nanos()).unwrap_or(u64::MAX);
        let end = start.saturating_add(duration);
        let mut pace = Pace::new(load.packets_per_s, load.at_once(), start);
        loop {
            let now = self.shared.now();
            if now >= end {
                return;
            }
            let (due, given_up) = pace.due(now);
            self.shared.not_sent.fetch_add(given_up, Relaxed);
            for _ in 0..due {
                if let Some(way) = self.turn() {
                    self.send_one(way);
                }
            }
            let next = pace.next().saturating_sub(self.shared.now());
            if due < BUSY && next > 0 {
                std::thread::sleep(NAP.min(Duration::from_nanos(next).max(NAP / 4)));
            }
        }
    }

    /// The way whose turn it is.
    fn turn(&mut self) -> Option<usize> {
        if self.since_report >= RTCP_EVERY
            && let Some(way) = self.reports.take()
        {
            self.since_report = 0;
            return Some(way);
        }
        self.since_report = self.since_report.saturating_add(1);
        self.streams.take()
    }

    fn send_one(&mut self, way: usize) {
        let (Some(street), Some(form), Some(place)) = (
            self.streets.get(way),
            self.forms.get(way),
            self.places.get_mut(way),
        ) else {
            return;
        };
        let stamp = Stamp {
            run: self.run,
            flow: way as u32,
            place: *place,
            sent: self.shared.now(),
        };
        *place += 1;
        form.write(&stamp, &mut self.room);
        let counter = match street.from.send_to(&self.room, street.way.to) {
            Ok(_) => &self.shared.sent,
            Err(_) => &self.shared.refused,
        };
        counter.fetch_add(1, Relaxed);
    }
}
