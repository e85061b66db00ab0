//! Counters as read: plain numbers, taken from a packet thread's cells at one moment.
//!
//! The cells of a flow are read one after another while its thread goes on, so two numbers of
//! one snapshot may differ by the packets of that instant.

use core::fmt;
use core::ops::{AddAssign, Sub};
use core::time::Duration;

use alloc::string::String;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::flow::{Component, FLOWS, Flow, Side};
use crate::reception::Reception;
use crate::verdict::{DROP_REASONS, DropReason};

/// Datagrams that were not forwarded, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DropCounts([u64; DROP_REASONS]);

impl DropCounts {
    /// Counts in the order of [`DropReason::ALL`].
    #[must_use]
    pub const fn new(counts: [u64; DROP_REASONS]) -> DropCounts {
        DropCounts(counts)
    }

    /// How many for this reason.
    #[must_use]
    pub fn get(&self, reason: DropReason) -> u64 {
        self.0.get(reason as usize).copied().unwrap_or(0)
    }

    /// How many for any reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Every reason with its count, zeros too.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.into_iter().zip(self.0.iter().copied())
    }
}

impl AddAssign for DropCounts {
    fn add_assign(&mut self, other: DropCounts) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = mine.saturating_add(theirs);
        }
    }
}

impl Sub for DropCounts {
    type Output = DropCounts;

    fn sub(mut self, earlier: DropCounts) -> DropCounts {
        for (mine, theirs) in self.0.iter_mut().zip(earlier.0) {
            *mine = mine.saturating_sub(theirs);
        }
        self
    }
}

impl Serialize for DropCounts {
    /// A map from reason to count, without the zeros.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().filter(|(_, count)| *count > 0))
    }
}

impl<'de> Deserialize<'de> for DropCounts {
    /// From the map that [`DropCounts::serialize`] writes. Reasons that are not known here, since
    /// another version has written them, are left out.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DropCounts, D::Error> {
        struct Counts;

        impl<'de> Visitor<'de> for Counts {
            type Value = DropCounts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from reason to count")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<DropCounts, A::Error> {
                let mut counts = DropCounts::default();
                while let Some((name, count)) = map.next_entry::<String, u64>()? {
                    let reasons = DropReason::ALL.into_iter().zip(&mut counts.0);
                    for (_, slot) in reasons.filter(|(reason, _)| reason.name() == name) {
                        *slot = count;
                    }
                }
                Ok(counts)
            }
        }

        deserializer.deserialize_map(Counts)
    }
}

/// What arrived on one socket of a pair, and what became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlowStats {
    /// Datagrams that the engine read from the socket, strangers' too.
    pub received: u64,
    /// Of those, datagrams from the right source that were handed to the kernel for the other
    /// side. Those that it then refused are also in `drops`.
    pub accepted: u64,
    /// Payload bytes of the accepted ones.
    pub bytes: u64,
    /// Datagrams not forwarded, by reason. `received - drops.total()` were sent. The engine counts
    /// those of one flow and reason up to [`u32::MAX`].
    pub drops: DropCounts,
    /// Datagrams from elsewhere that were refused before the engine could read them, since the
    /// flow is locked to a source. Counted with steered ports only; without, the kernel refuses
    /// them uncounted. Not among `received`.
    pub strangers: u64,
    /// Whether the flow is locked to a source.
    pub learned: bool,
    /// Time since the last accepted datagram; `None` before the first.
    pub last_packet_age: Option<Duration>,
    /// What has been heard of the RTP stream of the flow's source, also of what was not sent on;
    /// nothing for RTCP.
    pub heard: Reception,
    /// Clock of its timestamps in Hz; 0 if it is not known.
    pub clock_hz: u32,
}

impl FlowStats {
    /// Datagrams that were sent on.
    #[must_use]
    pub fn forwarded(&self) -> u64 {
        self.received.saturating_sub(self.drops.total())
    }

    /// Interarrival jitter of its RTP stream (RFC 3550 section 6.4.1); `None` if its clock is not
    /// known.
    #[must_use]
    pub fn jitter(&self) -> Option<Duration> {
        self.heard.jitter_at(self.clock_hz)
    }
}

/// The four flows of a pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairStats {
    /// By [`Flow::index`].
    pub flows: [FlowStats; FLOWS],
}

impl PairStats {
    /// What the given side sent to the given socket.
    #[must_use]
    pub fn of(&self, side: Side, component: Component) -> &FlowStats {
        &self.flows[Flow::new(side, component).index()]
    }

    /// Time since a datagram was accepted on any of the flows.
    #[must_use]
    pub fn last_packet_age(&self) -> Option<Duration> {
        self.flows
            .iter()
            .filter_map(|flow| flow.last_packet_age)
            .min()
    }

    /// Datagrams sent on, all flows together.
    #[must_use]
    pub fn forwarded(&self) -> u64 {
        self.flows.iter().map(FlowStats::forwarded).sum()
    }

    /// Datagrams not sent on, all flows together.
    #[must_use]
    pub fn drops(&self) -> DropCounts {
        let mut sum = DropCounts::default();
        for flow in &self.flows {
            sum += flow.drops;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_named_summed_and_written_without_zeros() {
        let mut counts = [0; DROP_REASONS];
        counts[DropReason::Oversized as usize] = 3;
        counts[DropReason::SendOther as usize] = 4;
        let mut drops = DropCounts::new(counts);
        assert_eq!(drops.get(DropReason::Oversized), 3);
        assert_eq!(drops.total(), 7);
        assert_eq!(
            serde_json::to_string(&drops).unwrap(),
            r#"{"oversized":3,"send_other":4}"#
        );
        drops += DropCounts::new(counts);
        assert_eq!(drops.total(), 14);
        assert_eq!((drops - DropCounts::new(counts)).total(), 7);
    }

    #[test]
    fn sent_on_is_received_without_dropped() {
        let mut counts = [0; DROP_REASONS];
        counts[DropReason::SourceUnexpected as usize] = 2;
        let flow = FlowStats {
            received: 5,
            drops: DropCounts::new(counts),
            ..Default::default()
        };
        assert_eq!(flow.forwarded(), 3);
        let stats = PairStats {
            flows: [flow; FLOWS],
        };
        assert_eq!((stats.forwarded(), stats.drops().total()), (12, 8));
    }
}
