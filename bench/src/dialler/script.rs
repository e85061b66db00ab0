//! A run: places calls when they are due, reads what comes, and does what is late.

use std::io;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::answering::Answering;
use super::calling::{Calling, Means};
use super::sockets::{LARGEST, Side, Sockets, TURN};
use super::timers::{Due, Timers};
use super::wire::Message;
use super::{Extent, Load, Mark, Tally, Watcher};

/// Calls placed before what has come is read.
const PLACE_AT_ONCE: u64 = 16;
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// How long the last legs may stay open when the callers have ended all calls.
const CLOSING: Duration = Duration::from_secs(2);

/// Places the calls of a load and answers them.
///
/// # Errors
/// A socket failed.
pub fn run(sockets: &mut Sockets, load: &Load, watcher: &mut dyn Watcher) -> io::Result<Tally> {
    let mut buffer = vec![0; LARGEST];
    sockets.drain(&mut buffer);
    let mut run = Run {
        load,
        start: Instant::now(),
        calling: Calling::new(load),
        answering: Answering::new(load.relayed),
        timers: Timers::default(),
        tally: Tally::new(),
        stage: Stage::Before,
        hung_up: 0,
        ended: None,
        told: Duration::ZERO,
    };
    while !run.is_over() && !watcher.stops() {
        run.step(watcher);
        let wait = run.wait();
        for side in sockets.wait(wait)? {
            run.read(sockets, side, &mut buffer);
        }
        run.place(sockets);
        run.late(sockets);
    }
    for _ in 0..run.answering.open() {
        run.tally.fail("a phone was not hung up");
    }
    watcher.progress(run.tally.progress);
    Ok(run.tally)
}

struct Run<'a> {
    load: &'a Load,
    start: Instant,
    calling: Calling<'a>,
    answering: Answering,
    timers: Timers,
    tally: Tally,
    stage: Stage,
    /// Standing calls that have been hung up.
    hung_up: u64,
    /// When the callers' sides of all calls were over.
    ended: Option<Duration>,
    told: Duration,
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// Before the window, or until all calls stand.
    Before,
    /// In the window, since a time and at a CPU time of the thread.
    Window { since: Duration, cpu: Duration },
    /// Since a time no more calls are placed.
    After(Duration),
}

impl Run<'_> {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Goes on to the next stage when it is time.
    fn step(&mut self, watcher: &mut dyn Watcher) {
        let now = self.now();
        if now.saturating_sub(self.told) >= TELL_EVERY {
            self.told = now;
            watcher.progress(self.tally.progress);
        }
        match (self.stage, self.load.extent) {
            (Stage::Before, Extent::Window { warm_up, .. }) if now >= warm_up => {
                watcher.at(Mark::Begins);
                self.stage = Stage::Window {
                    since: self.now(),
                    cpu: thread_time(),
                };
            }
            (Stage::Window { since, cpu }, Extent::Window { window, .. })
                if now >= since + window =>
            {
                self.tally.window = now - since;
                self.tally.own_cpu = thread_time().saturating_sub(cpu);
                watcher.at(Mark::Ends);
                self.stage = Stage::After(self.now());
            }
            (Stage::Before, Extent::Standing(calls)) => {
                let progress = self.tally.progress;
                let settled = progress.answered + progress.failed >= calls as u64;
                if progress.placed == calls as u64 && settled {
                    watcher.at(Mark::Standing);
                    self.stage = Stage::After(self.now());
                }
            }
            _ => (),
        }
    }

    fn is_over(&mut self) -> bool {
        let progress = self.tally.progress;
        if !matches!(self.stage, Stage::After(_)) || progress.over < progress.placed {
            return false;
        }
        let now = self.now();
        // Of the last call the phone may hear after its caller.
        let ended = *self.ended.get_or_insert(now);
        self.answering.open() == 0 || now >= ended + CLOSING
    }

    /// When the next call is due, or the next hanging up of a standing one.
    fn next_call(&self) -> Option<Duration> {
        let gap = |count: u64| Duration::from_secs_f64(count as f64 / self.load.calls_per_s);
        let placed = self.tally.progress.placed;
        match (self.stage, self.load.extent) {
            (Stage::Before, Extent::Standing(calls)) if placed >= calls as u64 => None,
            (Stage::Before | Stage::Window { .. }, _) => Some(gap(placed)),
            (Stage::After(since), Extent::Standing(_)) if self.hung_up < placed => {
                Some(since + gap(self.hung_up))
            }
            (Stage::After(_), _) => None,
        }
    }

    fn wait(&self) -> Duration {
        let now = self.now();
        let mut next = now + TELL_EVERY;
        for due in [self.next_call(), self.timers.next()].into_iter().flatten() {
            next = next.min(due);
        }
        if let (Stage::Before, Extent::Window { warm_up, .. }) = (self.stage, self.load.extent) {
            next = next.min(warm_up);
        }
        next.saturating_sub(now)
    }

    fn place(&mut self, sockets: &Sockets) {
        for _ in 0..PLACE_AT_ONCE {
            let now = self.now();
            let Some(due) = self.next_call().filter(|due| *due <= now) else {
                return;
            };
            let timed = matches!(self.stage, Stage::Window { .. });
            let mut means = Means {
                sockets,
                timers: &mut self.timers,
                tally: &mut self.tally,
                now,
            };
            if let Stage::After(_) = self.stage {
                let number = u32::try_from(self.hung_up).unwrap_or(u32::MAX);
                self.calling.hang_up(number, &mut means);
                self.hung_up += 1;
            } else {
                means.tally.latest = means.tally.latest.max(now - due);
                self.calling.place(timed, &mut means);
            }
        }
    }

    fn read(&mut self, sockets: &Sockets, side: Side, buffer: &mut [u8]) {
        for _ in 0..TURN {
            let Some((datagram, from)) = sockets.receive(side, buffer) else {
                return;
            };
            let now = self.now();
            let mut means = Means {
                sockets,
                timers: &mut self.timers,
                tally: &mut self.tally,
                now,
            };
            match (Message::read(datagram), side) {
                (Some(message), Side::Caller(_)) => self.calling.take(&message, &mut means),
                (Some(message), Side::Phone(place)) => {
                    self.answering.take(&message, place, from, &mut means);
                }
                (None, _) => means.tally.foreign += 1,
            }
        }
    }

    fn late(&mut self, sockets: &Sockets) {
        let now = self.now();
        while let Some((number, due)) = self.timers.pop(now) {
            let mut means = Means {
                sockets,
                timers: &mut self.timers,
                tally: &mut self.tally,
                now,
            };
            match due {
                Due::Answer => self.answering.due(number, &mut means),
                _ => self.calling.due(number, due, &mut means),
            }
        }
    }
}

/// CPU time of this thread so far.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
