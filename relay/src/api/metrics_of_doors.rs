//! Numbers of the public listeners and of the certificates.

use super::metrics::{Labels, counter, gauge, labelled};
use crate::net::Door;
use patchbay_tls::Endpoint;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::Arc;

const SECONDS_PER_DAY: i64 = 24 * 3600;

/// What became of those who knock.
pub(super) fn doors(registry: &mut Registry, door: &Door) {
    counter(
        registry,
        "handshakes",
        "Public connections whose TLS and WebSocket handshakes were done",
        door.counters.handshakes(),
    );
    gauge(
        registry,
        "handshakes_under_way",
        "TLS and WebSocket handshakes of public connections under way",
        door.handshakes() as u64,
    );
    counter(
        registry,
        "stun_answers",
        "STUN Binding requests answered on the SIP port",
        door.counters.stun_answers(),
    );
    labelled(
        registry,
        (
            "door_drops",
            "Connections turned away before they carried SIP, and STUN messages dropped",
            "reason",
        ),
        door.counters
            .drops()
            .map(|(name, count)| (name.to_string(), count)),
    );
}

/// Hosts that are remembered so that none asks too often; `media` by the packet threads together.
pub(super) fn sources(registry: &mut Registry, door: &Door, media: u64) {
    let [handshakes, stun] = door.sources().map(|count| count as u64);
    let family = Family::<Labels, Gauge>::default();
    for (of, count) in [("handshakes", handshakes), ("stun", stun), ("media", media)] {
        let value = i64::try_from(count).unwrap_or(i64::MAX);
        family
            .get_or_create(&vec![("of", of.to_owned())])
            .set(value);
    }
    registry.register(
        "sources_remembered",
        "Hosts whose handshakes, STUN requests and unexpected media packets are counted, so that none sends too many",
        family,
    );
}

/// How long certificates count, and how often changed files were taken.
pub(super) fn certificates(
    registry: &mut Registry,
    endpoints: [(&str, &Option<Arc<Endpoint>>); 2],
    now_unix: i64,
) {
    let states: Vec<_> = endpoints
        .iter()
        .filter_map(|(used, tls)| Some((used.to_string(), tls.as_ref()?.state())))
        .collect();
    let days = Family::<Labels, Gauge>::default();
    for (used, state) in &states {
        let left = state
            .not_after
            .saturating_sub(now_unix)
            .div_euclid(SECONDS_PER_DAY);
        days.get_or_create(&vec![("use", used.clone())]).set(left);
    }
    registry.register(
        "certificate_days_left",
        "Whole days until the certificate in force expires; negative once it has",
        days,
    );
    labelled(
        registry,
        (
            "certificate_reloads",
            "Changed certificate files that were taken",
            "use",
        ),
        states
            .iter()
            .map(|(used, state)| (used.clone(), state.reloads)),
    );
    labelled(
        registry,
        (
            "certificate_refusals",
            "Changed certificate files that were refused, the old certificate being kept",
            "use",
        ),
        states
            .iter()
            .map(|(used, state)| (used.clone(), state.refused)),
    );
}
