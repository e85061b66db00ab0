//! Waiting for something to become true, with a deadline.

use std::time::{Duration, Instant};

/// How often a condition is looked at.
const STEP: Duration = Duration::from_millis(20);

/// Looks until `probe` yields a value; panics with `what` when `limit` has passed.
pub fn until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(
            Instant::now() < deadline,
            "within {limit:?} this did not happen: {what}"
        );
        std::thread::sleep(STEP);
    }
}

/// Watches for as long as `period` that `probe` stays true.
pub fn stays(what: &str, period: Duration, mut probe: impl FnMut() -> bool) {
    let end = Instant::now() + period;
    while Instant::now() < end {
        assert!(probe(), "this did not stay true: {what}");
        std::thread::sleep(STEP);
    }
}
