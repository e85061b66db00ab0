//! One firing: all cores send what they were ordered to, and the last packets are waited for.

use std::collections::BTreeMap;
use std::io;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::guests::{Desk, MOST_AT_ONCE, PLACES};
use super::programs::{Control, Found, Gun};
use super::shares::Share;
use super::{Live, Programs, device, not_arranged};
use crate::packets::BenchError;
use crate::packets::bed::{pin, urgent};
use crate::packets::vocabulary::{Guests, Kind, Load, SoFar, Way};

/// Least and most frames for each call of the kernel. It cannot be stopped, and each call begins
/// with new frames, which takes time.
const FRAMES: [u32; 2] = [1 << 10, 1 << 23];
/// Frames of the first call, which tells how long one takes.
const FIRST_FRAMES: u32 = 1 << 13;
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(50);
/// How often calls that have come are let in.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long packets may be under way after the last was sent.
const DRAIN: Duration = Duration::from_secs(2);
/// No packet for that long: none is under way any more.
const SILENCE: Duration = Duration::from_millis(100);

/// What one firing did.
#[derive(Debug)]
pub(super) struct Outcome {
    pub elapsed: Duration,
    pub sent: u64,
    pub failed: u64,
    /// Packets of calls that come and go.
    pub guests: u64,
    pub found: Found,
    pub drops: BTreeMap<String, u64>,
}

impl Live<'_> {
    /// Sends what the orders say, and waits for the last packets. With a load, calls that were invited
    /// take part.
    pub(super) fn fire(
        &mut self,
        orders: &[Control],
        every: u64,
        load: Option<&Load>,
        progress: &mut dyn FnMut(SoFar),
    ) -> Result<Outcome, BenchError> {
        self.tell(orders, every)?;
        let before = device::drops(self.veth)?;
        let this = &*self;
        let mut hosted = match (&self.guests, load) {
            (Some(guests), Some(load)) => Some((guests.clone(), this.desk(load)?)),
            _ => None,
        };
        let mut receive = || match &mut hosted {
            Some((guests, desk)) => desk.turn(&guests_ways(guests)),
            None => Ok(()),
        };
        this.shoot_all(orders, &mut receive, progress)?;
        if let Some((_, mut desk)) = hosted {
            desk.close()?;
        }
        this.drain()?;
        this.outcome(before)
    }

    /// Tells the sink what will come, and the cores what to send.
    fn tell(&mut self, orders: &[Control], every: u64) -> Result<(), BenchError> {
        let first = self.ways.iter().map(|way| way.at.port()).min();
        let last = self.ways.iter().map(|way| way.at.port()).max();
        // Calls that come and go have phones of their own.
        let hosts = self.guests.is_some();
        let Programs { gun, sink } = self.programs.as_mut().ok_or_else(not_arranged)?;
        sink.order(&Found {
            ways: self.ways.len() as u64 + u64::from(PLACES),
            run: u64::from(self.run),
            first_port: u64::from(if hosts { 1 } else { first.unwrap_or(0) }),
            last_port: u64::from(if hosts { u16::MAX } else { last.unwrap_or(0) }),
            every,
            ..Found::default()
        })?;
        for (share, orders) in self.shares.iter().zip(orders) {
            gun.order(share.core, orders)?;
        }
        Ok(())
    }

    /// Lets all cores shoot until each has carried out its orders.
    fn shoot_all(
        &self,
        orders: &[Control],
        receive: &mut dyn FnMut() -> Result<(), BenchError>,
        progress: &mut dyn FnMut(SoFar),
    ) -> Result<(), BenchError> {
        let frame = vec![0; self.longest_frame()];
        thread::scope(|scope| {
            let mut threads = Vec::new();
            for (share, orders) in self.shares.iter().zip(orders) {
                threads.push(self.shooter(scope, share, &frame, orders)?);
            }
            let started = Instant::now();
            let mut told = started;
            while threads.iter().any(|thread| !thread.is_finished()) {
                thread::sleep(LOOK_EVERY);
                receive()?;
                if told.elapsed() >= TELL_EVERY {
                    told = Instant::now();
                    progress(self.so_far(started.elapsed())?);
                }
            }
            for thread in threads {
                let died = |_| BenchError::system("generating")(io::ErrorKind::Other.into());
                thread.join().map_err(died)??;
            }
            Ok(())
        })
    }

    /// A thread in the phones' namespace that shoots on a share's core.
    fn shooter<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        share: &'scope Share,
        frame: &'scope [u8],
        orders: &'scope Control,
    ) -> Result<ScopedJoinHandle<'scope, Result<(), BenchError>>, BenchError> {
        let work = move || {
            self.veth.phones_side().enter()?;
            pin(&[share.core as usize]);
            urgent();
            shoot(&self.programs()?.gun, share.core, frame, orders)
        };
        thread::Builder::new()
            .name(format!("bench-generate-{}", share.core))
            .spawn_scoped(scope, work)
            .map_err(BenchError::system("starting a thread"))
    }

    /// Where calls that come are received.
    fn desk(&self, load: &Load) -> Result<Desk, BenchError> {
        let Programs { gun, sink } = self.programs()?;
        Desk::new(gun, sink, self.ways.len() as u32, load)
    }

    fn so_far(&self, elapsed: Duration) -> Result<SoFar, BenchError> {
        Ok(SoFar {
            elapsed,
            sent: self.sent()?,
            delivered: self.programs()?.sink.found()?.delivered,
        })
    }

    fn sent(&self) -> Result<u64, BenchError> {
        Ok(self.states()?.iter().map(|state| state.sent).sum())
    }

    /// How far the generator's cores are.
    fn states(&self) -> Result<Vec<Control>, BenchError> {
        let gun = &self.programs()?.gun;
        self.shares
            .iter()
            .map(|share| gun.state(share.core))
            .collect()
    }

    /// Waits until all packets have arrived, or no more come.
    fn drain(&self) -> Result<(), BenchError> {
        let sent = self.sent()?;
        let start = Instant::now();
        let mut last = (0, start);
        while start.elapsed() < DRAIN {
            let found = self.programs()?.sink.found()?;
            // Those out of order may be in it a second time.
            let all = found.delivered + found.source + found.content;
            if all >= sent || (all == last.0 && last.1.elapsed() > SILENCE) {
                break;
            }
            if all != last.0 {
                last = (all, Instant::now());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn outcome(&self, before: BTreeMap<String, u64>) -> Result<Outcome, BenchError> {
        let states = self.states()?;
        let mut drops = device::drops(self.veth)?;
        for (place, count) in &mut drops {
            *count -= before.get(place).copied().unwrap_or(0).min(*count);
        }
        drops.retain(|_, count| *count > 0);
        let elapsed = states
            .iter()
            .map(|state| state.ended.saturating_sub(state.start));
        Ok(Outcome {
            elapsed: Duration::from_nanos(elapsed.max().unwrap_or(0)),
            sent: states.iter().map(|state| state.sent).sum(),
            failed: states.iter().map(|state| state.failed).sum(),
            guests: states.iter().map(|state| state.guests).sum(),
            found: self.programs()?.sink.found()?,
            drops,
        })
    }
}

/// The ways of calls that have come.
fn guests_ways(guests: &Guests) -> Vec<Way> {
    let ways = |(phones, relay): ([_; 2], [_; 2])| {
        let [[caller, callee], [to_caller, to_callee]] = [phones, relay];
        let way = |from, to, out, at| Way {
            from,
            to,
            out,
            at,
            kind: Kind::Audio,
        };
        [
            way(caller, to_caller, to_callee, callee),
            way(callee, to_callee, to_caller, caller),
        ]
    };
    guests
        .take(MOST_AT_ONCE)
        .into_iter()
        .flat_map(ways)
        .collect()
}

/// Runs the gun on a core until it says that its orders are carried out.
fn shoot(gun: &Gun, core: u32, frame: &[u8], orders: &Control) -> Result<(), BenchError> {
    let (start, time) = (Instant::now(), Duration::from_nanos(orders.time()));
    let batch = orders.batch();
    let (mut done, mut frames) = (0_u64, FIRST_FRAMES);
    while gun.state(core)?.ended == 0 {
        // Whole batches, so that the next call begins with one.
        frames = frames.next_multiple_of(batch);
        gun.run(frame, frames, batch)?;
        done += u64::from(frames);
        let each = start.elapsed().as_nanos() / u128::from(done);
        let left = time.saturating_sub(start.elapsed()).as_nanos();
        let [least, most] = FRAMES;
        frames = u32::try_from(left / each.max(1)).map_or(most, |left| left.clamp(least, most));
    }
    Ok(())
}
