//! What repetitions have in common, and how ours compares.

use std::collections::BTreeMap;

use serde::Serialize;

use super::statistics::{Spread, median_latency};
use super::{Contender, Figures, LoadName, Outcome};
use crate::packets::Latency;
use crate::packets::measure::{Calm, CpuParts};
use crate::packets::vocabulary::{GuestCount, SystemKind, Wrong};

/// The repetitions of one run: medians, and the spread of what matters most.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Which relay, as it was asked for.
    #[serde(skip)]
    pub contender: Contender,
    /// Which relay.
    pub system: SystemKind,
    /// Its name and version.
    pub version: String,
    /// Its engine, as it says itself.
    pub engine: String,
    /// Two-way calls.
    pub calls: usize,
    /// What the load is called.
    pub load: LoadName,
    /// How many repetitions there are.
    pub reps: usize,
    /// For how long packets were sent, in seconds.
    pub seconds: f64,
    /// RTP payload of an audio packet, in bytes.
    pub payload_bytes: usize,
    /// Packets a second that were to be sent.
    pub offered_packets_per_s: f64,
    /// Delivered packets a second.
    pub packets_per_s: f64,
    /// Share of the sent packets that were not delivered, 0 to 1.
    pub loss: f64,
    /// The highest loss of a repetition.
    pub worst_loss: f64,
    /// Packets sent, all repetitions together; so are the counts below.
    pub sent: u64,
    /// Packets that the generator was too late to send, or could not.
    pub not_sent: u64,
    /// Packets that came out as they should.
    pub delivered: u64,
    /// Lost packets by place and reason.
    pub lost: BTreeMap<String, u64>,
    /// What came out wrong.
    pub wrong: Wrong,
    /// CPU time of the relay and of the kernel's work for it, for each delivered packet, in ns.
    pub cpu_ns_per_packet: Option<f64>,
    /// Lowest and highest of that.
    pub cpu_spread_ns: Option<[f64; 2]>,
    /// Whose CPU time that was, in ns for each delivered packet: the median of each part, so that
    /// they add up to the median of all only roughly.
    pub cpu_parts: CpuParts,
    /// Mean time of the XDP program at the relay's device, in ns, of runs of its own.
    pub program_ns: Option<f64>,
    /// Share of the relay's cores that was in use, 0 to 1, by whomever.
    pub relay_cores_busy: Option<f64>,
    /// From phone to phone, in microseconds.
    pub latency_us: Latency,
    /// Lowest and highest p99 of the repetitions, in microseconds.
    pub p99_spread_us: [f64; 2],
    /// Of the latency, inside the relay, if it says so.
    pub forwarding_us: Option<Latency>,
    /// Heap allocations of the relay's packet threads for each delivered packet.
    pub allocations_per_packet: Option<f64>,
    /// Memory of the relay's process for each call, in bytes.
    pub bytes_per_call: Option<u64>,
    /// Memory of the kernel for each call, in bytes.
    pub kernel_bytes_per_call: Option<u64>,
    /// Memory for flows at devices for each call, in bytes.
    pub device_bytes_per_call: Option<u64>,
    /// Calls that were set up and torn down beside the load, all repetitions together.
    pub churned: Option<u64>,
    /// The same for each second in which calls came and went.
    pub churned_per_s: Option<f64>,
    /// The same load without them, right before.
    pub without_churn: Option<Calm>,
    /// What became of media that were sent through some of them, all repetitions together.
    pub guests: Option<GuestCount>,
    /// What makes the figures doubtful.
    pub remarks: Vec<String>,
}

/// Ours beside a peer. Above 1 ours is better.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// The peer.
    pub against: SystemKind,
    /// Our engine.
    pub engine: String,
    /// Two-way calls.
    pub calls: usize,
    /// What the load is called.
    pub load: LoadName,
    /// Its CPU time for a packet divided by ours: the median of the repetitions.
    pub cpu: Option<f64>,
    /// Our delivered rate divided by its.
    pub rate: Option<f64>,
    /// Its p99 latency divided by ours.
    pub p99: Option<f64>,
    /// Medians with lowest and highest repetition.
    pub spread: Ratios,
    /// Repetitions that were compared.
    pub reps: usize,
    /// Our rate was the generator's limit, or nearly that of the wire: `rate` is the least it can be.
    pub rate_is_lower_bound: bool,
}

/// The ratios of repetitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Ratios {
    /// CPU time for a packet.
    pub cpu: Option<Spread>,
    /// Delivered rate.
    pub rate: Option<Spread>,
    /// p99 latency.
    pub p99: Option<Spread>,
}

/// How the cost of a packet grows with the number of calls.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Growth {
    /// Which relay, as it was asked for.
    #[serde(skip)]
    pub contender: Contender,
    /// Which relay.
    pub system: SystemKind,
    /// Its engine.
    pub engine: String,
    /// The fewest calls.
    pub from_calls: usize,
    /// The most calls.
    pub to_calls: usize,
    /// CPU time for a packet with the most calls divided by that with the fewest, minus 1.
    pub growth: f64,
}

type Key = (usize, LoadName, Contender);

/// One row for each number of calls, load and contender, in that order. Contenders keep the order
/// in which they first ran.
#[must_use]
pub fn rows(repetitions: &[Figures]) -> Vec<Row> {
    let mut groups: Vec<(Key, Vec<&Figures>)> = Vec::new();
    for figures in repetitions {
        let key = (figures.run.calls, figures.load, figures.contender.clone());
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, group)) => group.push(figures),
            None => groups.push((key, vec![figures])),
        }
    }
    // Stable: who began stays first.
    groups.sort_by(|((calls, load, _), _), ((other_calls, other_load, _), _)| {
        (calls, load).cmp(&(other_calls, other_load))
    });
    groups
        .into_iter()
        .filter_map(|(_, group)| row(&group))
        .collect()
}

fn row(group: &[&Figures]) -> Option<Row> {
    let first = group.first()?;
    let of = |get: fn(&Figures) -> f64| Spread::of(group.iter().map(|figures| get(figures)));
    let middle = |get| of(get).map_or(0.0, |spread| spread.median);
    let some = |get: fn(&Figures) -> Option<f64>| {
        Spread::of(group.iter().filter_map(|figures| get(figures)))
    };
    let whole = |get| some(get).map(|spread| spread.median.round() as u64);
    let sum = |get: fn(&Figures) -> u64| group.iter().map(|figures| get(figures)).sum();
    let cpu = some(|f| f.run.cpu_ns_per_packet);
    let p99 = of(|f| f.run.latency_us.p99);
    let forwarding = group.iter().filter_map(|f| f.run.forwarding_us.as_ref());
    Some(Row {
        contender: first.contender.clone(),
        system: first.contender.kind,
        version: first.run.system.clone(),
        engine: first.run.engine.clone(),
        calls: first.run.calls,
        load: first.load,
        reps: group.len(),
        seconds: middle(|f| f.run.seconds),
        payload_bytes: first.run.payload_bytes,
        offered_packets_per_s: middle(|f| f.run.offered_packets_per_s),
        packets_per_s: middle(|f| f.run.packets_per_s),
        loss: middle(|f| f.run.loss),
        worst_loss: of(|f| f.run.loss).map_or(0.0, |spread| spread.max),
        sent: sum(|f| f.run.sent),
        not_sent: sum(|f| f.run.not_sent),
        delivered: sum(|f| f.run.delivered),
        lost: all_lost(group),
        wrong: Wrong {
            source: sum(|f| f.run.wrong.source),
            content: sum(|f| f.run.wrong.content),
            order: sum(|f| f.run.wrong.order),
        },
        cpu_ns_per_packet: cpu.map(|spread| spread.median),
        cpu_spread_ns: cpu.map(|spread| [spread.min, spread.max]),
        cpu_parts: CpuParts {
            process: middle(|f| f.run.cpu_parts.process),
            napi: middle(|f| f.run.cpu_parts.napi),
            ksoftirqd: middle(|f| f.run.cpu_parts.ksoftirqd),
        },
        program_ns: some(|f| f.run.program_ns).map(|spread| spread.median),
        relay_cores_busy: some(|f| f.run.relay_cores_busy).map(|spread| spread.median),
        latency_us: median_latency(group.iter().map(|f| &f.run.latency_us)),
        p99_spread_us: p99.map_or([0.0; 2], |spread| [spread.min, spread.max]),
        forwarding_us: forwarding
            .clone()
            .next()
            .map(|_| median_latency(forwarding)),
        allocations_per_packet: some(|f| f.run.allocations_per_packet).map(|s| s.median),
        bytes_per_call: whole(|f| f.run.bytes_per_call.map(|bytes| bytes as f64)),
        kernel_bytes_per_call: whole(|f| f.run.kernel_bytes_per_call.map(|bytes| bytes as f64)),
        device_bytes_per_call: whole(|f| f.run.device_bytes_per_call.map(|bytes| bytes as f64)),
        churned: group
            .iter()
            .filter_map(|f| f.run.churned)
            .reduce(|all, one| all + one),
        churned_per_s: some(|f| f.run.churned_per_s).map(|spread| spread.median),
        without_churn: some(|f| Some(f.run.without_churn?.loss))
            .zip(some(|f| Some(f.run.without_churn?.p99_us)))
            .map(|(loss, p99)| Calm {
                loss: loss.median,
                p99_us: p99.median,
            }),
        guests: group
            .iter()
            .filter_map(|f| f.run.guests)
            .reduce(|all, one| GuestCount {
                sent: all.sent + one.sent,
                delivered: all.delivered + one.delivered,
                overtaken: all.overtaken + one.overtaken,
            }),
        remarks: all_remarks(group),
    })
}

fn all_lost(group: &[&Figures]) -> BTreeMap<String, u64> {
    let mut lost = BTreeMap::new();
    for (place, count) in group.iter().flat_map(|figures| &figures.run.lost) {
        *lost.entry(place.clone()).or_default() += count;
    }
    lost
}

fn all_remarks(group: &[&Figures]) -> Vec<String> {
    let mut remarks: Vec<String> = Vec::new();
    for remark in group.iter().flat_map(|figures| &figures.run.remarks) {
        if !remarks.contains(remark) {
            remarks.push(remark.clone());
        }
    }
    remarks
}

/// Ours beside each peer, for each number of calls and load. Each repetition is compared with the
/// one that ran beside it, so that a slow minute of the machine hits both.
#[must_use]
pub fn ratios(outcome: &Outcome, rows: &[Row]) -> Vec<Ratio> {
    let mut found = Vec::new();
    for ours in rows.iter().filter(|row| row.contender.is_ours()) {
        let beside = |row: &&Row| row.calls == ours.calls && row.load == ours.load;
        let peers = rows.iter().filter(|row| !row.contender.is_ours());
        for peer in peers.filter(beside) {
            found.push(ratio(outcome, ours, peer));
        }
    }
    found
}

fn ratio(outcome: &Outcome, ours: &Row, peer: &Row) -> Ratio {
    let pairs = pairs(&outcome.repetitions, ours, peer);
    let of = |get: fn(&Figures, &Figures) -> Option<f64>| {
        Spread::of(pairs.iter().filter_map(|(ours, peer)| get(ours, peer)))
    };
    let spread = Ratios {
        cpu: of(|ours, peer| quotient(peer.run.cpu_ns_per_packet?, ours.run.cpu_ns_per_packet?)),
        rate: of(|ours, peer| quotient(ours.run.packets_per_s, peer.run.packets_per_s)),
        p99: of(|ours, peer| quotient(peer.run.latency_us.p99, ours.run.latency_us.p99)),
    };
    let middle = |spread: Option<Spread>| spread.map(|spread| spread.median);
    let limited = outcome.highest.iter().any(|highest| {
        highest.contender == ours.contender
            && highest.calls == ours.calls
            && (highest.generator_limited
                || Outcome::bed_limit(&outcome.highest, highest).is_some())
    });
    Ratio {
        against: peer.system,
        engine: ours.engine.clone(),
        calls: ours.calls,
        load: ours.load,
        cpu: middle(spread.cpu),
        rate: middle(spread.rate),
        p99: middle(spread.p99),
        spread,
        reps: pairs.len(),
        rate_is_lower_bound: limited && matches!(ours.load, LoadName::High | LoadName::Share(_)),
    }
}

fn pairs<'a>(all: &'a [Figures], ours: &Row, peer: &Row) -> Vec<(&'a Figures, &'a Figures)> {
    let of = |row: &Row, figures: &Figures| {
        figures.contender == row.contender
            && figures.run.calls == row.calls
            && figures.load == row.load
    };
    let mine = all.iter().filter(|figures| of(ours, figures));
    mine.filter_map(|mine| {
        let mut theirs = all.iter();
        let theirs = theirs.find(|figures| of(peer, figures) && figures.rep == mine.rep)?;
        Some((mine, theirs))
    })
    .collect()
}

fn quotient(above: f64, below: f64) -> Option<f64> {
    (below > 0.0 && above > 0.0).then(|| above / below)
}

/// For each contender with several numbers of calls at one load: how its cost grows.
#[must_use]
pub fn growths(rows: &[Row]) -> Vec<Growth> {
    let mut found: Vec<Growth> = Vec::new();
    for first in rows {
        if found.iter().any(|known| known.contender == first.contender) {
            continue;
        }
        let same = |row: &&Row| row.contender == first.contender && row.load == first.load;
        let Some(last) = rows.iter().filter(same).max_by_key(|row| row.calls) else {
            continue;
        };
        let (Some(few), Some(many)) = (first.cpu_ns_per_packet, last.cpu_ns_per_packet) else {
            continue;
        };
        if last.calls > first.calls && few > 0.0 {
            found.push(Growth {
                contender: first.contender.clone(),
                system: first.system,
                engine: first.engine.clone(),
                from_calls: first.calls,
                to_calls: last.calls,
                growth: many / few - 1.0,
            });
        }
    }
    found
}
