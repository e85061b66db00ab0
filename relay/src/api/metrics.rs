//! `/metrics`: the host's numbers in OpenMetrics text.

use super::{Shared, metrics_of_doors, metrics_of_player};
use crate::edge::Gauges;
use crate::engine::{DeviceTotals, EngineTotals, ThreadHealth, allocations};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) type Labels = Vec<(&'static str, String)>;

/// The numbers as text.
pub fn text(
    gauges: &Gauges,
    totals: &EngineTotals,
    health: &[ThreadHealth],
    shared: &Shared,
) -> String {
    let mut registry = Registry::default();
    let relay = registry.sub_registry_with_prefix("patchbay_relay");
    signalling(relay, gauges);
    metrics_of_doors::doors(relay, &shared.door);
    let media = totals.threads.iter().map(|thread| thread.sources).sum();
    metrics_of_doors::sources(relay, &shared.door, media);
    gauge(
        relay,
        "api_handshakes_under_way",
        "TLS handshakes of connections to this API under way",
        shared.handshakes.under_way() as u64,
    );
    let endpoints = [("public", &shared.door.tls), ("link", &shared.link_tls)];
    metrics_of_doors::certificates(relay, endpoints, unix_now());
    engine(relay, totals);
    let engine = registry.sub_registry_with_prefix("patchbay_engine");
    threads(engine, totals, health);
    if let Some(device) = &totals.device {
        at_device(engine, device);
    }
    metrics_of_player::player(&mut registry, &shared.player);
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = encode(&mut out, &registry);
    out
}

/// Media ports that are free, both of each pair counted, over all local addresses.
pub fn ports_free(totals: &EngineTotals) -> u64 {
    match totals.ports.is_empty() {
        true => 2 * totals.ports_free as u64,
        false => totals.ports.iter().map(|ports| 2 * ports.free as u64).sum(),
    }
}

fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}

pub(super) fn gauge(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let gauge = Gauge::<i64>::default();
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    registry.register(name, help, gauge);
}

pub(super) fn counter(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let counter = Counter::<u64>::default();
    counter.inc_by(value);
    registry.register(name, help, counter);
}

pub(super) fn labelled(
    registry: &mut Registry,
    (name, help, label): (&str, &str, &'static str),
    values: impl Iterator<Item = (String, u64)>,
) {
    let family = Family::<Labels, Counter>::default();
    for (value, count) in values {
        family.get_or_create(&vec![(label, value)]).inc_by(count);
    }
    registry.register(name, help, family);
}

fn signalling(registry: &mut Registry, gauges: &Gauges) {
    let counters = &gauges.counters;
    gauge(
        registry,
        "sessions",
        "Live sessions",
        gauges.sessions as u64,
    );
    gauge(
        registry,
        "transactions",
        "SIP transactions under way",
        gauges.transactions as u64,
    );
    gauge(
        registry,
        "connections",
        "Public connections: TCP, TLS and WebSocket",
        gauges.connections as u64,
    );
    gauge(
        registry,
        "control_links",
        "Control nodes connected",
        gauges.control_links as u64,
    );
    tables(registry, gauges);
    counter(
        registry,
        "trace_lost",
        "SIP messages that came faster than the reader of a trace took them",
        gauges.trace.lost,
    );
    counter(
        registry,
        "failovers",
        "Requests that went to another place that their name leads to because the first failed",
        counters.failovers,
    );
    gauge(
        registry,
        "draining",
        "1 while new calls are refused",
        u64::from(gauges.draining),
    );
    counter(
        registry,
        "forwarded_requests",
        "Requests passed to control",
        counters.forwarded,
    );
    counter(
        registry,
        "transfers",
        "Calls taken over from control",
        counters.transfers,
    );
    let notices = [
        ("asked", counters.notices_asked),
        ("active", counters.notices_active),
        ("refused", counters.notices_refused),
        ("silent", counters.notices_silent),
        ("ended", counters.notices_ended),
    ];
    labelled(
        registry,
        (
            "notices",
            "Phones asked to tell when their call is over, and what came of it",
            "what",
        ),
        notices
            .map(|(what, count)| (what.to_owned(), count))
            .into_iter(),
    );
    counter(
        registry,
        "readdressed_messages",
        "SIP messages re-addressed inside dialogs",
        counters.readdressed,
    );
    counter(
        registry,
        "calls_kept",
        "Calls that go on from the relay process before",
        counters.taken_over,
    );
    counter(
        registry,
        "calls_not_kept",
        "Calls of the relay process before that were ended instead",
        counters.not_taken_over,
    );
    counter(
        registry,
        "callers_without_control",
        "Callers who waited when the connection to their control node broke",
        counters.stranded,
    );
    counter(
        registry,
        "callers_brought",
        "Those of them who were brought to a control node again, with their places",
        counters.brought,
    );
    counter(
        registry,
        "rtp_lost",
        "RTP packets that did not reach the relay, by their sequence numbers, in calls that have ended",
        counters.rtp_lost,
    );
    counter(
        registry,
        "rtp_late",
        "RTP packets that came after later ones, or twice, in calls that have ended",
        counters.rtp_late,
    );
    let fates = counters
        .fates()
        .map(|(name, count)| (name.to_string(), count));
    labelled(
        registry,
        (
            "sip_messages",
            "SIP messages that came from the public side, by what became of them",
            "fate",
        ),
        fates,
    );
    let drops = counters
        .drops()
        .map(|(name, count)| (name.to_string(), count));
    labelled(
        registry,
        ("sip_drops", "SIP messages refused or dropped", "reason"),
        drops,
    );
    labelled(
        registry,
        (
            "transaction_drops",
            "SIP messages the transaction layer dropped",
            "reason",
        ),
        gauges.transaction_drops.iter().cloned(),
    );
}

/// How full the queues and tables are that have a limit.
fn tables(registry: &mut Registry, gauges: &Gauges) {
    for (name, help, value) in [
        (
            "waiting_callers",
            "Callers who wait or ring",
            gauges.waiting_callers,
        ),
        (
            "waiting_messages",
            "SIP messages that wait for the signalling task",
            gauges.waiting_messages,
        ),
        (
            "connections_opening",
            "Connections that are being opened",
            gauges.opening,
        ),
        (
            "longest_write_queue",
            "SIP messages that wait for the slowest peer to read",
            gauges.longest_write_queue,
        ),
        (
            "kept_events",
            "Events that are kept for control to read",
            gauges.kept_events,
        ),
        (
            "traces",
            "Traces of the signalling that go on",
            gauges.trace.followers,
        ),
        (
            "trace_messages",
            "SIP messages that are kept for traces",
            gauges.trace.kept_messages,
        ),
        (
            "trace_bytes",
            "Memory that they take, of what trace_ring allows",
            gauges.trace.kept_bytes,
        ),
        (
            "referrals",
            "Addresses given out for transfers by phones",
            gauges.referrals,
        ),
        (
            "remembered_transfers",
            "Transfers that are remembered so that none is taken twice",
            gauges.remembered_transfers,
        ),
        (
            "cached_routes",
            "Answers of the kernel's routing table that are remembered",
            gauges.cached_routes,
        ),
        (
            "lookups",
            "Names that are being looked up in DNS",
            gauges.lookups,
        ),
        (
            "avoided_places",
            "Places that names lead to and that come last because they have failed lately",
            gauges.avoided_places,
        ),
    ] {
        gauge(registry, name, help, value as u64);
    }
    gauge(
        registry,
        "refused_share_percent",
        "Of a hundred new calls, those that are refused now because there is too much to do",
        u64::from(gauges.refused_share),
    );
}

/// The packet threads themselves.
fn threads(registry: &mut Registry, totals: &EngineTotals, health: &[ThreadHealth]) {
    let alive = Family::<Labels, Gauge>::default();
    for thread in health {
        let label = vec![("thread", thread.thread.to_string())];
        alive.get_or_create(&label).set(i64::from(thread.alive));
    }
    registry.register("thread_alive", "1 while a packet thread runs", alive);
    let waiting = Family::<Labels, Gauge>::default();
    for thread in health {
        let label = vec![("thread", thread.thread.to_string())];
        waiting
            .get_or_create(&label)
            .set(i64::try_from(thread.waiting).unwrap_or(i64::MAX));
    }
    registry.register(
        "thread_commands_waiting",
        "Changes of a packet thread's table that wait to be made",
        waiting,
    );
    labelled(
        registry,
        (
            "thread_restarts",
            "Restarts of a packet thread that died",
            "thread",
        ),
        health
            .iter()
            .map(|thread| (thread.thread.to_string(), thread.restarts)),
    );
    counter(
        registry,
        "floods",
        "Times that a media port took in more than its window allows, and was not heard until it ended",
        totals.threads.iter().map(|thread| thread.floods).sum(),
    );
    counter(
        registry,
        "strangers",
        "Datagrams from elsewhere for learned flows, refused before the engine saw them (steered media ports only)",
        totals.threads.iter().map(|thread| thread.strangers).sum(),
    );
    if allocations::is_counted() {
        counter(
            registry,
            "allocations",
            "Allocations of the packet threads since each was ready",
            totals.allocations,
        );
    }
}

fn engine(registry: &mut Registry, totals: &EngineTotals) {
    gauge(registry, "pairs", "Open pairs", totals.pairs_open as u64);
    gauge(
        registry,
        "media_ports_free",
        "Free media ports",
        ports_free(totals),
    );
    counter(
        registry,
        "packets_received",
        "Media packets received",
        totals.received,
    );
    counter(
        registry,
        "packets_forwarded",
        "Media packets sent on",
        totals.forwarded(),
    );
    counter(
        registry,
        "bytes_forwarded",
        "Media payload bytes accepted",
        totals.bytes,
    );
    counter(
        registry,
        "host_udp_no_ports",
        "Datagrams that the kernel refused because no socket takes them",
        totals.host.no_ports,
    );
    let drops = totals.drops.iter();
    labelled(
        registry,
        ("packet_drops", "Media packets not sent on", "reason"),
        drops.map(|(reason, count)| (reason.name().to_owned(), count)),
    );
    let times = &totals.forwarding_time;
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
        gauge(
            registry,
            &format!("forwarding_time_{name}_nanoseconds"),
            "From the kernel's receipt of a packet until it was sent on, sampled",
            times.value_at_quantile(quantile),
        );
    }
}

/// What became of packets at the network devices that settled flows are sent on at.
fn at_device(registry: &mut Registry, device: &DeviceTotals) {
    labelled(
        registry,
        (
            "device_packets",
            "Packets for media ports at network devices, by what became of them: sent on, dropped, or up to the sockets",
            "fate",
        ),
        device
            .fates
            .iter()
            .map(|(fate, count)| (fate.name().to_owned(), count)),
    );
    gauge(
        registry,
        "device_orphans",
        "Flows that a process before this one has left at network devices, and that no call has taken over",
        device.orphans as u64,
    );
    gauge(
        registry,
        "device_memory_bytes",
        "Memory of the tables at network devices, whatever the number of flows",
        device.memory_bytes,
    );
    counter(
        registry,
        "device_refused",
        "Settled flows that the device could not be told of, and that stayed with the sockets",
        device.refused,
    );
}
