//! One run on one system.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::tree::{Holding, Tree, socket_bytes};
use super::{Bed, BesideError, System, SystemKind};
use crate::dialler::{Again, Extent, Mark, Progress, Tally, Watcher};
use crate::packets::Ticks;
use crate::report::Quantiles;

/// Share of the system's core that others may use before a run is doubtful.
const OTHERS: f64 = 0.05;
/// Share of the wanted rate that must have been placed for a run to count as one at that rate.
const KEPT_UP: f64 = 0.98;
/// Share of its core from which the dialler is the limit.
const OWN_LIMIT: f64 = 0.9;
/// Calls are set up at this rate to see what they take when they stand.
const STANDING_PER_S: f64 = 200.0;

/// A run at a rate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    /// Which system.
    pub system: SystemKind,
    /// Name and version.
    pub version: String,
    /// Number of the repetition, from 0.
    pub rep: usize,
    /// Calls a second that were wanted.
    pub wanted_calls_per_s: f64,
    /// Calls a second that were placed in the window.
    pub calls_per_s: f64,
    /// Calls placed in all, before and in the window.
    pub offered: u64,
    /// Calls that failed, of all.
    pub failed: u64,
    /// The same by reason.
    pub failures: BTreeMap<String, u64>,
    /// Messages that were sent or came more than once.
    pub again: Again,
    /// CPU time of all processes of the system for a call of the window, microseconds.
    pub cpu_us_per_call: f64,
    /// INVITE to 200 at the caller, milliseconds.
    pub setup_ms: Quantiles,
    /// Most calls at one time.
    pub peak: u64,
    /// Share of its core that the dialler used, 0 to 1.
    pub dialler_load: f64,
    /// Share of the system's core that others used, 0 to 1: the kernel's interrupts and threads, and
    /// whatever else runs on this machine.
    pub others: f64,
    /// Latest that a call was placed after its time, milliseconds.
    pub latest_ms: f64,
    /// What makes the figures doubtful.
    pub remarks: Vec<String>,
}

/// What calls take that stand.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Footprint {
    /// Which system.
    pub system: SystemKind,
    /// Number of the repetition, from 0.
    pub rep: usize,
    /// Calls that stood together.
    pub calls: u64,
    /// Calls that failed.
    pub failed: u64,
    /// The same by reason.
    pub failures: BTreeMap<String, u64>,
    /// Memory of all processes and of the kernel's sockets for one of them, bytes.
    pub bytes_per_call: f64,
    /// Its processes' part: growth of the proportional set sizes.
    pub process_bytes_per_call: f64,
    /// The kernel's part: growth of the open sockets, times the kernel's objects for a UDP socket;
    /// `None` if their sizes may not be read.
    pub kernel_bytes_per_call: Option<f64>,
    /// Growth of the open sockets for one of them.
    pub sockets_per_call: f64,
    /// Memory of all processes before the first call, bytes.
    pub idle_bytes: u64,
}

impl Run {
    /// No call failed, no set-up took longer than `bound`, and all calls were placed in time.
    #[must_use]
    pub fn is_clean(&self, bound: Duration) -> bool {
        let quick = self.setup_ms.max <= bound.as_secs_f64() * 1e3;
        self.failed == 0 && quick && self.kept_up()
    }

    /// The dialler placed as many calls as it was to.
    #[must_use]
    pub fn kept_up(&self) -> bool {
        self.calls_per_s >= self.wanted_calls_per_s * KEPT_UP
    }

    /// The dialler had hardly any time left.
    #[must_use]
    pub fn dialler_was_busy(&self) -> bool {
        self.dialler_load > OWN_LIMIT
    }
}

/// Reads what the system uses when the dialler says so.
struct Meter<'w> {
    tree: Tree,
    core: usize,
    stops: &'w dyn Fn() -> bool,
    tell: &'w mut dyn FnMut(Progress),
    begin: Reading,
    end: Reading,
    standing: Holding,
}

/// A reading.
#[derive(Clone, Copy, Default)]
struct Reading {
    cpu: Duration,
    core: Ticks,
    at: Option<Instant>,
}

impl Meter<'_> {
    fn read(&self) -> Reading {
        Reading {
            cpu: self.tree.cpu(),
            core: Ticks::read(&[self.core]),
            at: Some(Instant::now()),
        }
    }

    fn cpu(&self) -> Duration {
        self.end.cpu.saturating_sub(self.begin.cpu)
    }

    /// Share of the core that was in use by others, and that the host took.
    fn others(&self) -> (f64, f64) {
        let core = self.end.core.since(&self.begin.core);
        let times = self.end.at.zip(self.begin.at);
        let time = times.map_or(Duration::ZERO, |(end, begin)| end - begin);
        let own = self.cpu().as_secs_f64() / time.as_secs_f64().max(f64::MIN_POSITIVE);
        let busy = core.busy(1, time).unwrap_or(own);
        ((busy - own).max(0.0), core.stolen())
    }
}

impl Watcher for Meter<'_> {
    fn at(&mut self, mark: Mark) {
        match mark {
            Mark::Begins => self.begin = self.read(),
            Mark::Ends => self.end = self.read(),
            Mark::Standing => self.standing = self.tree.holding(),
        }
    }

    fn progress(&mut self, progress: Progress) {
        (self.tell)(progress);
    }

    fn stops(&self) -> bool {
        (self.stops)()
    }
}

/// What a run is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub kind: SystemKind,
    pub rep: usize,
    pub calls_per_s: f64,
    pub window: Duration,
    pub hold: Duration,
}

/// Before the window every call of it must have had its time, and caches their first touch.
const WARM_UP: Duration = Duration::from_millis(700);
/// Calls that talk at one time beside those that the hold makes: set-up, hang-up, and the agent's
/// way back into the queue.
const AROUND_TALK: Duration = Duration::from_secs(1);

/// Starts a system, places calls at a rate, and ends it.
pub(super) fn at_rate(
    bed: &mut Bed<'_>,
    wish: Wish,
    tell: &mut dyn FnMut(Progress),
) -> Result<Run, BesideError> {
    let seconds = (wish.hold + AROUND_TALK).as_secs_f64();
    let calls = (wish.calls_per_s * seconds).ceil() as usize;
    let system = bed.start(wish.kind, calls)?;
    let extent = Extent::Window {
        warm_up: wish.hold + WARM_UP,
        window: wish.window,
        hold: wish.hold,
    };
    measured(bed, wish, system.as_ref(), extent, tell, |meter, tally| {
        run_of(wish, system.version(), meter, tally)
    })
}

/// Starts a system, lets so many calls stand, and ends it.
pub(super) fn standing(
    bed: &mut Bed<'_>,
    kind: SystemKind,
    rep: usize,
    calls: usize,
    tell: &mut dyn FnMut(Progress),
) -> Result<Footprint, BesideError> {
    let system = bed.start(kind, calls)?;
    let before = Tree::of(&system.processes()).holding();
    let wish = Wish {
        kind,
        rep,
        calls_per_s: STANDING_PER_S,
        window: Duration::ZERO,
        hold: Duration::ZERO,
    };
    let extent = Extent::Standing(calls);
    measured(bed, wish, system.as_ref(), extent, tell, |meter, tally| {
        footprint(kind, rep, before, meter.standing, tally)
    })
}

fn measured<T>(
    bed: &mut Bed<'_>,
    wish: Wish,
    system: &dyn System,
    extent: Extent,
    tell: &mut dyn FnMut(Progress),
    of: impl FnOnce(&Meter<'_>, &Tally) -> T,
) -> Result<T, BesideError> {
    let stop = bed.stop_flag();
    let stops = || stop.load(Relaxed);
    let mut meter = Meter {
        tree: Tree::of(&system.processes()),
        core: bed.cores().system,
        stops: &stops,
        tell,
        begin: Reading::default(),
        end: Reading::default(),
        standing: Holding::default(),
    };
    let tally = bed.dial(wish.kind, system, wish.calls_per_s, extent, &mut meter)?;
    if stops() {
        return Err(BesideError::Stopped);
    }
    if !meter.tree.is_whole() {
        return Err(BesideError::Start {
            system: wish.kind.name(),
            why: "a process of it ended during the run".to_owned(),
        });
    }
    Ok(of(&meter, &tally))
}

fn run_of(wish: Wish, version: String, meter: &Meter<'_>, tally: &Tally) -> Run {
    let (others, stolen) = match wish.kind {
        SystemKind::Direct => (0.0, 0.0),
        _ => meter.others(),
    };
    let mut run = Run {
        system: wish.kind,
        version,
        rep: wish.rep,
        wanted_calls_per_s: wish.calls_per_s,
        calls_per_s: tally.calls_per_s(),
        offered: tally.progress.placed,
        failed: tally.progress.failed,
        failures: tally.failures.clone(),
        again: tally.again,
        cpu_us_per_call: meter.cpu().as_secs_f64() * 1e6 / tally.timed.max(1) as f64,
        setup_ms: Quantiles::millis(&tally.setup),
        peak: tally.peak,
        dialler_load: tally.own_load(),
        others,
        latest_ms: tally.latest.as_secs_f64() * 1e3,
        remarks: Vec::new(),
    };
    run.remarks = remarks(&run, stolen, tally);
    run
}

fn remarks(run: &Run, stolen: f64, tally: &Tally) -> Vec<String> {
    let mut remarks = Vec::new();
    if run.others > OTHERS {
        let percent = run.others * 100.0;
        remarks.push(format!("others used {percent:.0} % of the system's core"));
    }
    if stolen > OTHERS {
        let percent = stolen * 100.0;
        remarks.push(format!("the host took {percent:.0} % of the system's core"));
    }
    if run.dialler_was_busy() || !run.kept_up() {
        remarks.push("the dialler was the limit".to_owned());
    }
    if tally.foreign + tally.unsent > 0 {
        remarks.push(format!(
            "{} messages belonged to no call, {} could not be sent",
            tally.foreign, tally.unsent
        ));
    }
    remarks
}

fn footprint(
    system: SystemKind,
    rep: usize,
    before: Holding,
    standing: Holding,
    tally: &Tally,
) -> Footprint {
    let calls = tally.progress.answered;
    let each = |growth: u64| growth as f64 / calls.max(1) as f64;
    let process = each(standing.pss.saturating_sub(before.pss));
    let sockets = standing.sockets.saturating_sub(before.sockets);
    let kernel = socket_bytes().map(|bytes| each(sockets * bytes));
    Footprint {
        system,
        rep,
        calls,
        failed: tally.progress.failed,
        failures: tally.failures.clone(),
        bytes_per_call: process + kernel.unwrap_or(0.0),
        process_bytes_per_call: process,
        kernel_bytes_per_call: kernel,
        sockets_per_call: each(sockets),
        idle_bytes: before.pss,
    }
}
