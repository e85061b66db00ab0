//! The node's metrics, gathered from its parts.

use std::sync::atomic::{AtomicU64, Ordering};

use patchbay_core::asking::ServerView;
use patchbay_sip::transaction::DropReason;

use super::journal::JournalCounters;
use super::machine::Machine;
use super::views::{Metric, MetricKind, Sample};
use super::wire::WireCounters;
use crate::signalling::{Drop, MAX_CALLS};

fn plain(name: &'static str, help: &'static str, kind: MetricKind, value: u64) -> Metric {
    Metric {
        name,
        help,
        kind,
        samples: vec![Sample {
            labels: Vec::new(),
            value,
        }],
    }
}

fn by(
    name: &'static str,
    help: &'static str,
    label: &'static str,
    samples: impl IntoIterator<Item = (&'static str, u64)>,
) -> Metric {
    let samples = samples
        .into_iter()
        .map(|(word, value)| Sample {
            labels: vec![(label, word.to_owned())],
            value,
        })
        .collect();
    Metric {
        name,
        help,
        kind: MetricKind::Counter,
        samples,
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// All metrics of the node at this moment.
pub(super) fn gather(
    machine: &Machine,
    wire: &WireCounters,
    journal: &JournalCounters,
    untold: u64,
) -> Vec<Metric> {
    let mut metrics = signalling(machine);
    metrics.extend(transactions(machine));
    metrics.extend(registrar(machine));
    metrics.push(by(
        "contacts",
        "What the distributor did with contacts and inputs",
        "what",
        machine.distributor().counters().iter(),
    ));
    metrics.extend(asking(machine));
    metrics.extend(programs(machine, untold));
    metrics.push(plain(
        "site_agents_called",
        "Agents of other centres that are being called",
        MetricKind::Gauge,
        machine.called_there() as u64,
    ));
    metrics.push(by(
        "link_connections",
        "SIP connections to the private listener",
        "outcome",
        [
            ("accepted", read(&wire.accepted)),
            ("not_allowed", read(&wire.not_allowed)),
            ("too_many", read(&wire.too_many)),
            ("bad_framing", read(&wire.bad_framing)),
            ("bad_handshake", read(&wire.bad_handshake)),
            ("slow", read(&wire.slow)),
            ("send_without_connection", read(&wire.no_connection)),
            ("bad_tunnel", read(&wire.bad_tunnel)),
        ],
    ));
    metrics.push(by(
        "store_writes",
        "Writes to the store",
        "outcome",
        [
            ("written", read(&journal.written)),
            ("failed", read(&journal.failures)),
            ("dropped", read(&journal.dropped)),
        ],
    ));
    metrics
}

/// Agents that are programs.
fn programs(machine: &Machine, untold: u64) -> [Metric; 2] {
    let programs = machine.programs();
    let news = [("late_answer", programs.late()), ("untold", untold)];
    [
        by(
            "program_offers_failed",
            "Offers to which the server of a program gave no good answer",
            "why",
            programs.failed(),
        ),
        by(
            "program_requests_dropped",
            "Answers of programs that came too late, and news that no program took",
            "what",
            news,
        ),
    ]
}

fn signalling(machine: &Machine) -> Vec<Metric> {
    let signalling = machine.signalling();
    let counters = signalling.counters();
    let open = signalling.open_calls() as u64;
    vec![
        by(
            "sip_served",
            "Requests served, and transfers sent to relays",
            "what",
            [
                ("invite", counters.invites),
                ("register", counters.registers),
                ("options", counters.options),
                ("transfer", counters.transfers),
                ("fork_ended", counters.forks_ended),
                ("identity_taken", counters.identity_taken),
            ],
        ),
        by(
            "sip_dropped",
            "Messages dropped or refused by the signalling",
            "reason",
            Drop::ALL.map(|(reason, word)| (word, counters.dropped(reason))),
        ),
        plain(
            "calls_open",
            "INVITEs without a final answer",
            MetricKind::Gauge,
            open,
        ),
        plain(
            "calls_limit",
            "Most INVITEs at a time",
            MetricKind::Gauge,
            MAX_CALLS as u64,
        ),
    ]
}

/// The servers that are asked about contacts.
fn asking(machine: &Machine) -> Vec<Metric> {
    let servers = machine.distributor().servers();
    let by_server = |name, help, kind, of: &dyn Fn(&ServerView) -> Readings| Metric {
        name,
        help,
        kind,
        samples: servers
            .iter()
            .flat_map(|one| labelled(one, of(one)))
            .collect(),
    };
    use MetricKind::{Counter, Gauge};
    vec![
        by_server(
            "asked",
            "Questions to servers about contacts",
            Counter,
            &|one| {
                let outcomes = [("sent", one.asked), ("answered", one.answered)];
                outcomes
                    .map(|(word, count)| (Some(("outcome", word)), count))
                    .into()
            },
        ),
        by_server(
            "asks_failed",
            "Questions without a good answer",
            Counter,
            &|one| {
                let failed = one.failed.iter();
                let counts = failed.map(|(why, count)| (Some(("reason", why.as_str())), *count));
                counts.collect()
            },
        ),
        by_server(
            "asking",
            "Contacts that wait for an answer",
            Gauge,
            &|one| vec![(None, one.waiting as u64)],
        ),
        by_server(
            "asks_paused",
            "Servers left alone because they fail",
            Gauge,
            &|one| vec![(None, u64::from(one.paused))],
        ),
    ]
}

/// Readings, each with one more label if it has one.
type Readings = Vec<(Option<(&'static str, &'static str)>, u64)>;

fn labelled(server: &ServerView, readings: Readings) -> Vec<Sample> {
    let sample = |(label, value): (Option<(&'static str, &'static str)>, u64)| {
        let own = ("server", server.id.to_string());
        let more = label.map(|(name, word)| (name, word.to_owned()));
        Sample {
            labels: [own].into_iter().chain(more).collect(),
            value,
        }
    };
    readings.into_iter().map(sample).collect()
}

fn transactions(machine: &Machine) -> Vec<Metric> {
    let layer = machine.signalling().layer();
    let counters = layer.counters();
    vec![
        by(
            "sip_transactions",
            "What the transaction layer counted",
            "what",
            [
                ("requests_in", counters.requests_in),
                ("requests_repeated", counters.requests_repeated),
                ("requests_out", counters.requests_out),
                ("responses_in", counters.responses_in),
                ("responses_out", counters.responses_out),
                ("retransmissions", counters.retransmissions),
                ("timeouts", counters.timeouts),
                ("transport_failures", counters.transport_failures),
                ("cancels_unmatched", counters.cancels_unmatched),
            ],
        ),
        by(
            "sip_transaction_drops",
            "Messages dropped by the transaction layer",
            "reason",
            DropReason::ALL
                .iter()
                .map(|reason| (reason.as_str(), counters.dropped(*reason))),
        ),
        plain(
            "sip_transactions_live",
            "Transactions at this moment",
            MetricKind::Gauge,
            layer.len() as u64,
        ),
    ]
}

fn registrar(machine: &Machine) -> Vec<Metric> {
    let registrar = machine.signalling().registrar();
    let counters = registrar.counters();
    vec![
        by(
            "registrar",
            "What the registrar did",
            "what",
            [
                ("saved", counters.saved),
                ("removed", counters.removed),
                ("challenged", counters.challenged),
                ("refused", counters.refused),
                ("stale", counters.stale),
                ("slowed_source", counters.slowed_source),
                ("slowed_account", counters.slowed_account),
                ("by_flow", counters.by_flow),
                ("first_hop", counters.first_hop),
                ("gruus", counters.gruus),
            ],
        ),
        plain(
            "registrar_failures_remembered",
            "Accounts and sources whose wrong passwords are remembered",
            MetricKind::Gauge,
            registrar.failures_remembered() as u64,
        ),
        plain(
            "registrar_familiar",
            "Accounts remembered with the networks that they registered from",
            MetricKind::Gauge,
            registrar.familiar() as u64,
        ),
        plain(
            "bindings",
            "Registered devices",
            MetricKind::Gauge,
            registrar.len() as u64,
        ),
    ]
}
