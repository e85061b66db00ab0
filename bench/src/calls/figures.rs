//! The audio of a run in figures.

use serde::Serialize;

use super::is_pure;
use crate::phones::{AudioTotals, HeardCounts};
use crate::report::Quantiles;

/// One direction of all calls.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Direction {
    /// Packets that were said.
    pub sent: u64,
    /// What the other side heard.
    pub heard: HeardCounts,
    /// Packets that were said and never heard.
    pub lost: u64,
    /// From phone to phone, microseconds.
    pub latency_us: Quantiles,
}

/// Both directions of all calls.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AudioFigures {
    /// From callers to agents.
    pub to_agents: Direction,
    /// From agents to callers.
    pub to_callers: Direction,
    /// Legs that heard one call while another one heard them.
    pub crossed: u64,
    /// RTCP reports sent.
    pub reports_sent: u64,
    /// RTCP reports that arrived.
    pub reports_heard: u64,
    /// How late the generator itself was with its packets, microseconds: the error of the latency.
    pub lateness_us: Quantiles,
    /// Sends that the kernel refused.
    pub send_errors: u64,
}

impl AudioFigures {
    /// From the studio's sums.
    #[must_use]
    pub fn new(totals: &AudioTotals) -> Self {
        Self {
            to_agents: Direction {
                sent: totals.sent_by_callers,
                heard: totals.heard_by_agents,
                lost: totals.lost_to_agents,
                latency_us: Quantiles::micros(&totals.latency_to_agents),
            },
            to_callers: Direction {
                sent: totals.sent_by_agents,
                heard: totals.heard_by_callers,
                lost: totals.lost_to_callers,
                latency_us: Quantiles::micros(&totals.latency_to_callers),
            },
            crossed: totals.crossed,
            reports_sent: totals.reports.0,
            reports_heard: totals.reports.1,
            lateness_us: Quantiles::micros(&totals.lateness),
            send_errors: totals.send_errors,
        }
    }

    /// All that was said was heard, nothing else was, and by the right side. Packets of calls
    /// whose partner never became known count as lost: they were sent and not received.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        self.to_agents.is_exact() && self.to_callers.is_exact() && self.crossed == 0
    }
}

impl Direction {
    /// Packets that are missing: by the legs' own count, or by the sums if those differ.
    #[must_use]
    pub const fn missing(&self) -> u64 {
        let by_sums = self.sent.saturating_sub(self.heard.received);
        if by_sums > self.lost {
            by_sums
        } else {
            self.lost
        }
    }

    /// All that was said was heard, and nothing else.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        self.missing() == 0 && is_pure(&self.heard)
    }
}
