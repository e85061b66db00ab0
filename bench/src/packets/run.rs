//! One run: open the calls, let every flow learn, send, wait for the last packets, report.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::packet::Template;
use super::phones::Phones;
use super::receive::{Arrived, Receiver};
use super::send::{Sender, Shared};
use super::target::Target;
use super::vocabulary::Losses;
use super::{BenchError, Latency, MAX_CALLS, MAX_PAYLOAD_BYTES, MIN_PAYLOAD_BYTES};
use super::{PacketReport, PacketsArgs, Progress};

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(200);
/// How often it is looked whether sending is over.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long packets may be under way after the last was sent.
const DRAIN: Duration = Duration::from_secs(2);
/// Rounds over all flows before the run, until every flow has passed a packet.
const WARM_UP_ROUNDS: usize = 3;
/// How long such a round waits for its packets.
const WARM_UP_DRAIN: Duration = Duration::from_millis(500);
/// Clock rate of G.711, of which `ptime` says how much is in a packet.
const SAMPLES_PER_S: u128 = 8000;

/// Sends packets through `target` and reports what became of them.
///
/// # Errors
/// [`BenchError`] says what could not be done. Loss and wrong packets are no errors, they are
/// in the report.
pub fn run(
    args: &PacketsArgs,
    target: &mut dyn Target,
    mut progress: impl FnMut(Progress),
) -> Result<PacketReport, BenchError> {
    check(args)?;
    let memory = resident_bytes();
    let phones = Phones::open(args.calls, target, &mut progress)?;
    let grown = memory
        .zip(resident_bytes())
        .map(|(before, after)| after.saturating_sub(before));
    let rate = args.packets_per_s.unwrap_or_else(|| natural_rate(args));
    let step = u32::try_from(args.ptime.as_millis() * SAMPLES_PER_S / 1000).unwrap_or(u32::MAX);
    let template = Template::new(args.payload_bytes, step);
    let warm = measure(
        &phones,
        args,
        &template,
        Load::WarmUp,
        target,
        &mut progress,
    )?;
    if warm.open_flows < phones.ways.len() {
        return Err(BenchError::NotOpen {
            open: warm.open_flows,
            flows: phones.ways.len(),
        });
    }
    let found = measure(
        &phones,
        args,
        &template,
        Load::Rate(rate),
        target,
        &mut progress,
    )?;
    let mut report = report(args, rate, target, found);
    report.bytes_per_call = grown.map(|bytes| bytes / args.calls as u64);
    if let Some(path) = &args.json {
        crate::report::write_json(path, &report)
            .map_err(BenchError::system("writing the report"))?;
    }
    Ok(report)
}

#[derive(Clone, Copy, Debug)]
enum Load {
    WarmUp,
    Rate(u64),
}

/// What was counted from the begin to the end of a load.
struct Found {
    elapsed: Duration,
    sent: u64,
    refused: u64,
    not_sent: u64,
    delivered: u64,
    open_flows: usize,
    arrived: Arrived,
    cpu: Option<Duration>,
    losses: Option<Losses>,
    forwarding: Option<Histogram<u64>>,
}

fn check(args: &PacketsArgs) -> Result<(), BenchError> {
    let bad = |text: String| Err(BenchError::Args(text));
    if !(1..=MAX_CALLS).contains(&args.calls) {
        return bad(format!(
            "calls is {}, allowed are 1 to {MAX_CALLS}",
            args.calls
        ));
    }
    if !(MIN_PAYLOAD_BYTES..=MAX_PAYLOAD_BYTES).contains(&args.payload_bytes) {
        return bad(format!(
            "payload is {} bytes, allowed are {MIN_PAYLOAD_BYTES} to {MAX_PAYLOAD_BYTES}",
            args.payload_bytes
        ));
    }
    if args.ptime < Duration::from_millis(1)
        || args.duration.is_zero()
        || args.packets_per_s == Some(0)
    {
        return bad("ptime, duration and rate must be above zero".to_owned());
    }
    Ok(())
}

/// Packets a second of the calls as they are: one each way every `ptime`.
fn natural_rate(args: &PacketsArgs) -> u64 {
    let per_second = 2 * args.calls as u128 * 1_000_000_000 / args.ptime.as_nanos().max(1);
    u64::try_from(per_second).unwrap_or(u64::MAX).max(1)
}

fn measure(
    phones: &Phones,
    args: &PacketsArgs,
    template: &Template,
    load: Load,
    target: &dyn Target,
    progress: &mut dyn FnMut(Progress),
) -> Result<Found, BenchError> {
    let shared = Shared::new();
    let receiver =
        Receiver::new(phones, &shared, template.clone()).map_err(BenchError::system("epoll"))?;
    let sender = Sender::new(phones, &shared, template.clone());
    let before = (target.cpu(), target.losses(), target.forwarding());
    let (arrived, elapsed) = thread::scope(|scope| {
        let receiving = spawn(scope, "bench-receive", args, move || receiver.run())?;
        let duration = args.duration;
        let flows = phones.ways.len() as u64;
        let started = Instant::now();
        let shared = &shared;
        let work = move || send(sender, load, duration, shared, flows);
        let sending = spawn(scope, "bench-send", args, work)?;
        let mut told = started;
        while !sending.is_finished() {
            thread::sleep(LOOK_EVERY);
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                progress(far(args, started, shared));
            }
        }
        progress(far(args, started, shared));
        let elapsed = sending.join().unwrap_or_default();
        drain(shared, DRAIN);
        shared.stop.store(true, Relaxed);
        let arrived = receiving
            .join()
            .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        arrived
            .map(|arrived| (arrived, elapsed))
            .map_err(BenchError::system("receiving"))
    })?;
    let cpu = before
        .0
        .zip(target.cpu())
        .map(|(before, after)| after.saturating_sub(before));
    Ok(Found {
        elapsed,
        sent: shared.sent.load(Relaxed),
        refused: shared.refused.load(Relaxed),
        not_sent: shared.not_sent.load(Relaxed),
        delivered: shared.delivered.load(Relaxed),
        open_flows: arrived.open_flows,
        arrived,
        cpu,
        losses: before
            .1
            .zip(target.losses())
            .map(|(before, after)| since(&before, after)),
        forwarding: before
            .2
            .zip(target.forwarding())
            .map(|(before, mut after)| {
                // The bounds of both are the same.
                let _ = after.subtract(&before);
                after
            }),
    })
}

fn far(args: &PacketsArgs, started: Instant, shared: &Shared) -> Progress {
    Progress {
        calls: args.calls,
        elapsed: started.elapsed(),
        sent: shared.sent.load(Relaxed),
        delivered: shared.delivered.load(Relaxed),
    }
}

/// Sends the load; returns how long that took.
fn send(
    mut sender: Sender<'_>,
    load: Load,
    duration: Duration,
    shared: &Shared,
    flows: u64,
) -> Duration {
    let start = Instant::now();
    match load {
        Load::Rate(rate) => sender.send_for(rate, duration),
        Load::WarmUp => {
            for _ in 0..WARM_UP_ROUNDS {
                sender.send_round();
                drain(shared, WARM_UP_DRAIN);
                if shared.delivered.load(Relaxed) >= flows {
                    break;
                }
            }
        }
    }
    start.elapsed()
}

/// Waits until all packets have arrived, or patience ends.
fn drain(shared: &Shared, patience: Duration) {
    let start = Instant::now();
    let under_way = || shared.sent.load(Relaxed) > shared.delivered.load(Relaxed);
    while under_way() && start.elapsed() < patience {
        thread::sleep(Duration::from_millis(5));
    }
}

/// Starts a thread of the generator, on the cores that the relay does not use.
fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    args: &PacketsArgs,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, BenchError> {
    let relay = args.cpus.clone();
    let pinned = move || {
        if let Some(set) = others(&relay) {
            // Not pinned, the figures are only noisier.
            let _ = sched_setaffinity(None, &set);
        }
        work()
    };
    let spawned = thread::Builder::new()
        .name(name.to_owned())
        .spawn_scoped(scope, pinned);
    spawned.map_err(BenchError::system("starting a thread"))
}

fn others(relay: &[usize]) -> Option<CpuSet> {
    if relay.is_empty() {
        return None;
    }
    let mut set = sched_getaffinity(None).ok()?;
    for cpu in relay.iter().copied().filter(|cpu| *cpu < CpuSet::MAX_CPU) {
        set.unset(cpu);
    }
    (set.count() > 0).then_some(set)
}

fn since(before: &Losses, mut after: Losses) -> Losses {
    after.received = after.received.saturating_sub(before.received);
    after.forwarded = after.forwarded.saturating_sub(before.forwarded);
    after.buffers = after.buffers.saturating_sub(before.buffers);
    for (why, count) in &mut after.dropped {
        *count = count.saturating_sub(before.dropped.get(why).copied().unwrap_or(0));
    }
    after.dropped.retain(|_, count| *count > 0);
    after
}

fn report(args: &PacketsArgs, rate: u64, target: &dyn Target, found: Found) -> PacketReport {
    let (system, engine) = target.name();
    let seconds = found.elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
    let lost = found.sent.saturating_sub(found.delivered);
    let cpu = found.cpu.map(|cpu| cpu.as_secs_f64());
    let remarks = remarks(args, &found);
    PacketReport {
        system,
        engine,
        calls: args.calls,
        offered_packets_per_s: rate as f64,
        seconds,
        payload_bytes: args.payload_bytes,
        sent: found.sent,
        not_sent: found.not_sent,
        delivered: found.delivered,
        packets_per_s: found.delivered as f64 / seconds,
        loss: lost as f64 / (found.sent as f64).max(1.0),
        lost: places(&found, lost),
        wrong: found.arrived.wrong,
        latency_us: Latency::of(&found.arrived.latency),
        forwarding_us: found.forwarding.as_ref().map(Latency::of),
        cpu_ns_per_packet: cpu.map(|cpu| cpu * 1e9 / (found.delivered as f64).max(1.0)),
        relay_cpu: cpu.map(|cpu| cpu / seconds),
        bytes_per_call: None,
        remarks,
    }
}

/// Lost packets by place and reason.
fn places(found: &Found, lost: u64) -> BTreeMap<String, u64> {
    let mut places = BTreeMap::new();
    let mut put = |place: String, count: u64| {
        if count > 0 {
            places.insert(place, count);
        }
    };
    put("refused to the generator".to_owned(), found.refused);
    match &found.losses {
        Some(losses) => {
            put(
                "before the relay".to_owned(),
                found.sent.saturating_sub(losses.received),
            );
            for (why, count) in &losses.dropped {
                put(format!("in the relay: {why}"), *count);
            }
            put(
                "after the relay".to_owned(),
                losses.forwarded.saturating_sub(found.delivered),
            );
            put("of these in full socket buffers".to_owned(), losses.buffers);
        }
        None => put("anywhere".to_owned(), lost),
    }
    places
}

fn remarks(args: &PacketsArgs, found: &Found) -> Vec<String> {
    let mut remarks = Vec::new();
    let wanted = found.sent + found.refused + found.not_sent;
    if found.not_sent * 100 > wanted {
        let share = found.not_sent as f64 * 100.0 / wanted.max(1) as f64;
        remarks.push(format!(
            "the generator was too slow for {share:.0} % of the packets: its limit, not the relay's"
        ));
    }
    let cores = thread::available_parallelism().map_or(1, usize::from);
    if args.cpus.is_empty() {
        remarks
            .push("relay and generator are not pinned to cores of their own (--cpus)".to_owned());
    } else if others(&args.cpus).is_none() {
        remarks.push(format!(
            "relay and generator share the machine's {cores} cores"
        ));
    }
    remarks
}

fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace()
        .next()?
        .parse::<u64>()
        .ok()
        .map(|kib| kib * 1024)
}
