//! Ways of calls that come and go while packets are sent.
//!
//! Each call's ways get entries behind those of the standing calls, and are in the generator's window for
//! less time than the call is open. An entry is used again only when its last packets are long gone.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use aya::maps::{Array, MapData};

use super::programs::{Gun, Sink, Window, WindowMap, refused};
use super::words::{self, Entry, Shape};
use crate::packets::BenchError;
use crate::packets::vocabulary::{Kind, Load, MAX_GUESTS, Way};

/// Entries for their ways: what the most calls that come and go with media take in some seconds.
pub(super) const PLACES: u32 = 16_384;
/// Calls that are let in at a time.
pub(super) const MOST_AT_ONCE: usize = 128;
/// For how long a call's ways are sent by. A relay keeps such a call for longer.
const STAY: Duration = Duration::from_millis(60);
/// Packets a second of all of them together: a few for each way while it is there.
const PACKETS_PER_S: u64 = 10_000;
/// Least packets of standing calls for each of these.
const LEAST_EVERY: u64 = 8;

const _: () = assert!(8 * MAX_GUESTS < PLACES as usize);

/// The maps' entries that are written while packets are sent.
pub(super) struct Desk {
    ways: Array<MapData, Entry>,
    expects: Array<MapData, Entry>,
    window: WindowMap,
    /// Number of the first entry.
    first: u32,
    shape: Shape,
    every: u64,
    /// Ways so far, and when those in the window came.
    come: u64,
    staying: VecDeque<Instant>,
}

impl Desk {
    /// Behind so many standing ways.
    pub fn new(gun: &Gun, sink: &Sink, standing: u32, load: &Load) -> Result<Self, BenchError> {
        let (ways, window) = gun.twins()?;
        Ok(Self {
            ways,
            expects: sink.twin()?,
            window,
            first: standing,
            shape: Shape::of(Kind::Audio, load),
            every: (load.packets_per_s / PACKETS_PER_S).max(LEAST_EVERY),
            come: 0,
            staying: VecDeque::new(),
        })
    }

    /// Lets these ways in, and those out whose time is over.
    pub fn turn(&mut self, came: &[Way]) -> Result<(), BenchError> {
        let now = Instant::now();
        for way in came {
            let number = self.first + (self.come % u64::from(PLACES)) as u32;
            let expected = words::guest(words::expected(way, self.shape, 0));
            self.expects.set(number, expected, 0).map_err(refused)?;
            let entry = words::way(way, number, self.shape, 0);
            self.ways.set(number, entry, 0).map_err(refused)?;
            self.come += 1;
            self.staying.push_back(now);
        }
        while self
            .staying
            .front()
            .is_some_and(|at| now.duration_since(*at) > STAY)
        {
            self.staying.pop_front();
        }
        self.show()
    }

    /// Shows the generator which are there: as far as their entries are in a row.
    fn show(&mut self) -> Result<(), BenchError> {
        let oldest = self.come - self.staying.len() as u64;
        let place = oldest % u64::from(PLACES);
        let count = (self.staying.len() as u64).min(u64::from(PLACES) - place);
        let window = Window {
            first: u64::from(self.first) + place,
            count,
            every: self.every,
        };
        self.window.set(0, window.words(), 0).map_err(refused)
    }

    /// Nobody is there any more.
    pub fn close(&mut self) -> Result<(), BenchError> {
        self.staying.clear();
        self.show()
    }
}
