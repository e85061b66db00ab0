//! What callers hear who wait, in numbers.

use super::metrics::{counter, gauge};
use crate::player::PlayerCounts;
use prometheus_client::registry::Registry;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Adds the player's numbers.
pub fn player(registry: &mut Registry, counts: &PlayerCounts) {
    let player = registry.sub_registry_with_prefix("patchbay_player");
    let value = |count: &AtomicU64| count.load(Relaxed);
    let listeners = value(&counts.listeners);
    gauge(
        player,
        "listeners",
        "callers who hear something while they wait",
        listeners,
    );
    for (name, help, count) in [
        ("packets", "packets of sound sent", &counts.sent),
        (
            "packets_failed",
            "packets of sound that could not be sent",
            &counts.failed,
        ),
        (
            "orders_refused",
            "orders refused because too many waited",
            &counts.refused,
        ),
        (
            "strangers",
            "packets received from elsewhere than a pair that is played to",
            &counts.strangers,
        ),
    ] {
        counter(player, name, help, value(count));
    }
}
