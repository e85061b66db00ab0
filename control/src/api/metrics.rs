//! Metrics in the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, header};
use axum::middleware::Next;
use axum::response::Response;
use patchbay_core::snapshot::{AgentView, ContactState};
use patchbay_core::{Activity, RefuseReason, Status, What};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::sync::broadcast::error::RecvError;

use super::Shared;
use super::problem::{Failure, Kind};
use crate::node::{Metric, MetricKind, Sample};

/// Upper bounds of the buckets of waiting times, in seconds.
const WAIT_BUCKETS_S: [f64; 11] = [
    0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 300.0, 900.0,
];
/// Upper bounds of the buckets of talking times, in seconds.
const TALK_BUCKETS_S: [f64; 9] = [1.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0];

const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LimitedLabels {
    of: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct QueueLabels {
    queue: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabels {
    reason: String,
}

type Histograms = Family<QueueLabels, Histogram, fn() -> Histogram>;

/// What is counted here; the rest is read when it is asked for.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    limited: Family<LimitedLabels, Counter>,
    waits: Histograms,
    talks: Histograms,
    connected: Family<QueueLabels, Counter>,
    abandoned: Family<QueueLabels, Counter>,
    refused: Family<ReasonLabels, Counter>,
    /// Events that came faster than they were counted.
    missed: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let waits = || Histogram::new(WAIT_BUCKETS_S);
        let talks = || Histogram::new(TALK_BUCKETS_S);
        let mut metrics = Metrics {
            registry: Registry::with_prefix("patchbay"),
            requests: Family::default(),
            limited: Family::default(),
            waits: Family::new_with_constructor(waits),
            talks: Family::new_with_constructor(talks),
            connected: Family::default(),
            abandoned: Family::default(),
            refused: Family::default(),
            missed: AtomicU64::new(0),
        };
        let Metrics {
            registry,
            requests,
            waits,
            talks,
            connected,
            abandoned,
            refused,
            limited,
            ..
        } = &mut metrics;
        registry.register("api_requests", "Requests to the API", requests.clone());
        let help = "Requests that were refused because too many came";
        registry.register("api_rate_limited", help, limited.clone());
        let help = "From arrival to answer, of contacts that were connected";
        registry.register("contact_wait_seconds", help, waits.clone());
        let help = "From answer to end";
        registry.register("contact_talk_seconds", help, talks.clone());
        registry.register(
            "contacts_connected",
            "Contacts answered by an agent",
            connected.clone(),
        );
        let help = "Contacts whose caller gave up before the answer";
        registry.register("contacts_abandoned", help, abandoned.clone());
        registry.register(
            "contacts_refused",
            "Contacts that were refused",
            refused.clone(),
        );
        metrics
    }
}

impl Metrics {
    /// Counts a request of a token (`token`) or without a valid one (`source`) that was one too many.
    pub fn limited(&self, of: &'static str) {
        self.limited.get_or_create(&LimitedLabels { of }).inc();
    }

    fn take(&self, what: &What) {
        let labels = |queue: &patchbay_core::QueueId| QueueLabels {
            queue: queue.to_string(),
        };
        let seconds = |ms: u64| std::time::Duration::from_millis(ms).as_secs_f64();
        match what {
            What::ContactConnected {
                queue, waited_ms, ..
            } => {
                self.connected.get_or_create(&labels(queue)).inc();
                self.waits
                    .get_or_create(&labels(queue))
                    .observe(seconds(*waited_ms));
            }
            What::ContactEnded {
                queue: Some(queue),
                talk_ms,
                ..
            } => {
                self.talks
                    .get_or_create(&labels(queue))
                    .observe(seconds(*talk_ms));
            }
            What::ContactAbandoned {
                queue: Some(queue), ..
            } => {
                self.abandoned.get_or_create(&labels(queue)).inc();
            }
            What::ContactRefused { why, .. } => {
                self.refused
                    .get_or_create(&ReasonLabels {
                        reason: reason(*why),
                    })
                    .inc();
            }
            _ => {}
        }
    }
}

/// The name that the reason has in JSON.
fn reason(why: RefuseReason) -> String {
    match serde_json::to_value(why) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

/// Counts what happens until the node or the API stops.
pub async fn follow(shared: Shared) {
    let mut events = shared.api.node.subscribe();
    loop {
        let received = tokio::select! {
            () = shared.stopping.cancelled() => return,
            received = events.recv() => received,
        };
        match received {
            Ok(stored) => shared.metrics.take(&stored.event.what),
            Err(RecvError::Lagged(missed)) => {
                shared.metrics.missed.fetch_add(missed, Ordering::Relaxed);
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// Counts every request, by the route and not by the path, so that strangers make no new series.
pub async fn count(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or("other", MatchedPath::as_str).to_owned();
    let method = match request.method().as_str() {
        known @ ("GET" | "HEAD" | "PUT" | "POST" | "DELETE") => known,
        _ => "other",
    };
    let method = method.to_owned();
    let response = next.run(request).await;
    let status = response.status().as_u16();
    shared
        .metrics
        .requests
        .get_or_create(&RequestLabels {
            method,
            route,
            status,
        })
        .inc();
    response
}

/// Figures in the text format of OpenMetrics, which Prometheus reads.
#[utoipa::path(get, path = "/metrics", tag = "process",
    responses((status = 200, description = "OpenMetrics", body = String, content_type = "application/openmetrics-text")))]
pub async fn get(
    State(shared): State<Shared>,
) -> Result<([(HeaderName, &'static str); 1], String), Failure> {
    let mut present = Registry::with_prefix("patchbay");
    present.register_collector(Box::new(Present(readings(&shared).await)));
    let mut text = String::new();
    encode_registry(&mut text, &shared.metrics.registry)
        .and_then(|()| encode_registry(&mut text, &present))
        .and_then(|()| encode_eof(&mut text))
        .map_err(|_| Failure::new(Kind::Internal, "the metrics cannot be written"))?;
    Ok(([(header::CONTENT_TYPE, TEXT)], text))
}

/// What is read at this moment: states, and what the node and the store count.
async fn readings(shared: &Shared) -> Vec<Metric> {
    let mut all = shared.api.node.counters();
    if let Ok(snapshot) = shared.api.node.snapshot().await {
        let states = [
            ContactState::Asking,
            ContactState::InMenu,
            ContactState::Scheduled,
            ContactState::Waiting,
            ContactState::Offered,
            ContactState::Connected,
        ];
        let mut contacts: BTreeMap<&'static str, u64> = states
            .into_iter()
            .map(|state| (contact_state(state), 0))
            .collect();
        for contact in &snapshot.contacts {
            *contacts.entry(contact_state(contact.state)).or_default() += 1;
        }
        all.push(gauge("contacts_live", "Live contacts", "state", contacts));
        let mut agents: BTreeMap<&'static str, u64> =
            AGENT_STATES.into_iter().map(|state| (state, 0)).collect();
        for agent in &snapshot.agents {
            *agents.entry(agent_state(agent)).or_default() += 1;
        }
        all.push(gauge("agents", "Agents", "state", agents));
        all.push(Metric {
            name: "queue_length",
            help: "Contacts in a queue, those being offered included",
            kind: MetricKind::Gauge,
            samples: snapshot
                .queues
                .iter()
                .map(|queue| Sample {
                    labels: vec![("queue", queue.id.to_string())],
                    value: queue.waiting.len() as u64,
                })
                .collect(),
        });
    }
    let one = |name, help, kind, value| Metric {
        name,
        help,
        kind,
        samples: vec![Sample {
            labels: Vec::new(),
            value,
        }],
    };
    let unreadable = shared.api.store.unreadable();
    let help = "Stored rows that this version cannot read";
    all.push(one(
        "store_unreadable_rows",
        help,
        MetricKind::Counter,
        unreadable,
    ));
    let last = shared.api.store.last_cursor().await;
    all.push(one(
        "events",
        "Events ever stored",
        MetricKind::Counter,
        last,
    ));
    let missed = shared.metrics.missed.load(Ordering::Relaxed);
    let help = "Events that came too fast for the counters of this page";
    all.push(one(
        "metrics_missed_events",
        help,
        MetricKind::Counter,
        missed,
    ));
    let open = super::limits::MAX_STREAMS.saturating_sub(shared.streams.available_permits());
    all.push(one(
        "api_event_streams",
        "Open event streams",
        MetricKind::Gauge,
        open as u64,
    ));
    all
}

fn gauge(
    name: &'static str,
    help: &'static str,
    label: &'static str,
    values: BTreeMap<&'static str, u64>,
) -> Metric {
    let samples = values
        .into_iter()
        .map(|(state, value)| Sample {
            labels: vec![(label, state.to_owned())],
            value,
        })
        .collect();
    Metric {
        name,
        help,
        kind: MetricKind::Gauge,
        samples,
    }
}

fn contact_state(state: ContactState) -> &'static str {
    match state {
        ContactState::InMenu => "in_menu",
        ContactState::Scheduled => "scheduled",
        ContactState::Asking => "asking",
        ContactState::Waiting => "waiting",
        ContactState::Offered => "offered",
        ContactState::Connected => "connected",
    }
}

const AGENT_STATES: [&str; 9] = [
    "available",
    "idle",
    "reserved",
    "in_call",
    "wrap_up",
    "resting",
    "paused",
    "logged_out",
    "unreachable",
];

/// One state for each agent; what it is doing counts before whether it wants to.
fn agent_state(agent: &AgentView) -> &'static str {
    match (&agent.activity, &agent.status) {
        (Activity::Reserved { .. }, _) => "reserved",
        (Activity::InCall { .. }, _) => "in_call",
        (_, Status::LoggedOut) => "logged_out",
        (_, Status::Paused { .. }) => "paused",
        (Activity::WrapUp { .. }, _) => "wrap_up",
        (Activity::Resting { .. }, _) => "resting",
        (Activity::Idle, _) if !agent.reachable => "unreachable",
        (Activity::Idle, _) if agent.available => "available",
        (Activity::Idle, _) => "idle",
    }
}

#[derive(Debug)]
struct Present(Vec<Metric>);

impl Collector for Present {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for metric in &self.0 {
            let kind = match metric.kind {
                MetricKind::Counter => MetricType::Counter,
                MetricKind::Gauge => MetricType::Gauge,
            };
            let mut family = encoder.encode_descriptor(metric.name, metric.help, None, kind)?;
            if let [only] = &metric.samples[..]
                && only.labels.is_empty()
            {
                encode_value(metric.kind, only.value, family)?;
                continue;
            }
            for sample in &metric.samples {
                let encoder = family.encode_family(&sample.labels)?;
                encode_value(metric.kind, sample.value, encoder)?;
            }
        }
        Ok(())
    }
}

fn encode_value(kind: MetricKind, value: u64, encoder: MetricEncoder<'_>) -> fmt::Result {
    match kind {
        MetricKind::Counter => ConstCounter::new(value).encode(encoder),
        MetricKind::Gauge => {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            ConstGauge::new(value).encode(encoder)
        }
    }
}
