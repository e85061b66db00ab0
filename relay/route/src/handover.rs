//! What a process of the relay tells the next one of an open pair.

use serde::{Deserialize, Serialize};

use crate::counters::PairStats;
use crate::pair::{LocalAddrs, Remote};

/// An open pair, as the process that leaves knows it: enough for the next one to go on with it on
/// the same ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairHandover {
    /// Where each side is received, by [`crate::flow::Side::index`].
    pub local: [LocalAddrs; 2],
    /// What the SDP of each side said last; none before it came.
    pub remotes: [Option<Remote>; 2],
    /// What was counted so far, without what devices still count. Ages are as of the handing over.
    pub counters: PairStats,
}

impl PairHandover {
    /// The same pair, that much later: its flows have been silent for longer.
    #[must_use]
    pub fn aged(mut self, by: core::time::Duration) -> PairHandover {
        for flow in &mut self.counters.flows {
            flow.last_packet_age = flow.last_packet_age.map(|age| age.saturating_add(by));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::DropCounts;
    use crate::verdict::{DROP_REASONS, DropReason};
    use core::net::{IpAddr, Ipv4Addr, SocketAddr};
    use core::time::Duration;

    fn pair() -> PairHandover {
        let at = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        let local = |rtp| LocalAddrs {
            rtp: at(rtp),
            rtcp: at(rtp + 1),
        };
        let remote = Remote::new(at(7), at(8), at(7).ip(), Duration::from_millis(9_500));
        let mut counts = [0; DROP_REASONS];
        counts[DropReason::Oversized as usize] = 3;
        let mut counters = PairStats::default();
        counters.flows[1].received = 5;
        counters.flows[1].drops = DropCounts::new(counts);
        counters.flows[1].last_packet_age = Some(Duration::from_millis(1_250));
        PairHandover {
            local: [local(2), local(4)],
            remotes: [Some(remote), None],
            counters,
        }
    }

    #[test]
    fn a_pair_reads_back() {
        let text = serde_json::to_string(&pair()).unwrap();
        assert_eq!(serde_json::from_str::<PairHandover>(&text).unwrap(), pair());
    }

    #[test]
    fn a_reason_that_this_process_does_not_know_is_left_out() {
        let text = serde_json::to_string(&pair()).unwrap();
        let text = text.replace("\"oversized\":3", "\"of_another_time\":9,\"oversized\":3");
        assert_eq!(serde_json::from_str::<PairHandover>(&text).unwrap(), pair());
    }

    #[test]
    fn silence_grows_with_the_time_away() {
        let later = pair().aged(Duration::from_secs(2));
        let age = later.counters.flows[1].last_packet_age;
        assert_eq!(age, Some(Duration::from_millis(3_250)));
        assert_eq!(later.counters.flows[0].last_packet_age, None);
    }
}
