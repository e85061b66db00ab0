//! Gauges of queues for event streams: the current ones, replaced once a second while anybody looks.

use std::sync::Arc;
use std::time::Duration;

use patchbay_core::{Event, What};
use tokio::sync::watch;

/// How often gauges are looked at, and so how often that of one queue can change at most.
pub const GAUGE_EVERY: Duration = Duration::from_secs(1);

/// The gauges of all queues, each with the time of its last change.
pub type Gauges = Arc<Vec<Event>>;

/// Puts new readings in the place of the old ones, and wakes those who look if any is different.
/// While nobody looks there are none, so that the first to look sees nothing old.
pub(super) fn renew(
    gauges: &watch::Sender<Gauges>,
    unix_ms: u64,
    read: impl FnOnce() -> Vec<What>,
) {
    if gauges.receiver_count() == 0 {
        gauges.send_replace(Gauges::default());
        return;
    }
    let read = read();
    gauges.send_if_modified(|before| {
        let after = read.into_iter().map(|what| {
            let same = before.iter().find(|old| old.what == what);
            same.cloned().unwrap_or(Event { unix_ms, what })
        });
        let after: Vec<Event> = after.collect();
        let changed = **before != after;
        if changed {
            *before = Arc::new(after);
        }
        changed
    });
}

/// Those of `now` that are not among `told`.
pub(crate) fn news(told: &Gauges, now: &Gauges) -> Vec<Event> {
    let new = now.iter().filter(|gauge| !told.contains(gauge));
    new.cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gauge(queue: &str, waiting: usize) -> What {
        What::QueueGauge {
            queue: queue.into(),
            waiting,
            oldest_unix_ms: None,
            available: 0,
            staffed: 0,
            connected: 0,
            expected_s: None,
        }
    }

    // F5
    #[test]
    fn only_what_changed_is_told_and_nothing_is_read_while_nobody_looks() {
        let gauges = watch::Sender::new(Gauges::default());
        renew(&gauges, 1, || unreachable!("nobody looks"));
        let mut looker = gauges.subscribe();
        let mut told = looker.borrow_and_update().clone();
        let mut step = |unix_ms, a, b| {
            renew(&gauges, unix_ms, || vec![gauge("a", a), gauge("b", b)]);
            let changed = looker.has_changed().unwrap_or(false);
            let now = looker.borrow_and_update().clone();
            let new = news(&told, &now);
            told = now;
            assert_eq!(changed, !new.is_empty());
            new
        };
        let both = [(1, gauge("a", 0)), (1, gauge("b", 0))];
        let events = |of: &[(u64, What)]| -> Vec<Event> {
            let of = of.iter().cloned();
            of.map(|(unix_ms, what)| Event { unix_ms, what }).collect()
        };
        assert_eq!(step(1, 0, 0), events(&both));
        assert_eq!(step(2, 0, 0), []);
        assert_eq!(step(3, 0, 7), events(&[(3, gauge("b", 7))]));
        assert_eq!(step(4, 0, 0), events(&[(4, gauge("b", 0))]), "back again");
        drop(looker);
        renew(&gauges, 5, || unreachable!("nobody looks any more"));
        assert!(gauges.borrow().is_empty());
    }
}
