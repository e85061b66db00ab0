//! The studio's sums.

use hdrhistogram::Histogram;

use super::super::hear::HeardCounts;
use super::{AudioTotals, LegReport, Role};

/// Longest time that is told apart: 10 s. Shortest: 1 µs.
const HIGHEST_NS: u64 = 10_000_000_000;
const LOWEST_NS: u64 = 1_000;

/// A histogram of nanoseconds with three significant digits.
#[expect(
    clippy::expect_used,
    reason = "the bounds are constants that hdrhistogram accepts"
)]
pub(crate) fn nanoseconds() -> Histogram<u64> {
    Histogram::new_with_bounds(LOWEST_NS, HIGHEST_NS, 3).expect("constant bounds")
}

impl AudioTotals {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self {
            open_legs: 0,
            sent_by_callers: 0,
            sent_by_agents: 0,
            heard_by_callers: HeardCounts::default(),
            heard_by_agents: HeardCounts::default(),
            lost_to_callers: 0,
            lost_to_agents: 0,
            crossed: 0,
            reports: (0, 0),
            latency_to_callers: nanoseconds(),
            latency_to_agents: nanoseconds(),
            lateness: nanoseconds(),
            send_errors: 0,
        }
    }

    /// Adds what a leg said and heard.
    pub(super) fn add(&mut self, leg: &LegReport) {
        match leg.role {
            Role::Caller => {
                self.sent_by_callers += leg.sent;
                self.heard_by_callers.add(&leg.heard);
                self.lost_to_callers += leg.lost;
            }
            Role::Agent => {
                self.sent_by_agents += leg.sent;
                self.heard_by_agents.add(&leg.heard);
                self.lost_to_agents += leg.lost;
            }
        }
        self.crossed += u64::from(leg.crossed);
        self.reports.0 += leg.reports_sent;
        self.reports.1 += leg.reports_heard;
    }

    /// Notes a packet's way to a leg of this role.
    pub(super) fn latency(&mut self, role: Role, latency_ns: u64) {
        match role {
            Role::Caller => self.latency_to_callers.saturating_record(latency_ns),
            Role::Agent => self.latency_to_agents.saturating_record(latency_ns),
        }
    }
}
