//! [`Config`]: the timers' lengths and the table's bound.

use std::time::Duration;

/// Lengths of the timers (RFC 3261 table 4) and bounds of a [`super::Layer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Estimate of the round trip: first retransmission. 500 ms.
    pub t1: Duration,
    /// Longest pause between retransmissions. 4 s.
    pub t2: Duration,
    /// How long a message may stay in the network. 5 s.
    pub t4: Duration,
    /// After this time without an answer an INVITE gets a 100. 200 ms.
    pub trying_delay: Duration,
    /// An INVITE transaction ends after this time in Proceeding since the last provisional answer, on
    /// either side. RFC 3261 leaves that to the user (timer C); this is the way out of a state that
    /// nobody looks after. 1 hour.
    pub proceeding_limit: Duration,
    /// Most transactions at a time, both sides together. 524288: a call needs five for 32 s.
    pub max_transactions: usize,
    /// Outputs waiting for [`super::Layer::poll`] above which messages are dropped. 65536.
    pub max_outputs: usize,
    /// Seconds of Retry-After in the 503 of a full table. 5.
    pub retry_after_seconds: u32,
}

impl Config {
    /// 64 times T1: timers B, F, H, J, L and M.
    pub fn timeout(&self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// The time after which a client's timer E has reached T2 (RFC 4320 section 4.1).
    pub(crate) fn non_invite_trying_delay(&self) -> Duration {
        let (mut interval, mut sum) = (self.t1.max(Duration::from_millis(1)), Duration::ZERO);
        while interval < self.t2 {
            sum += interval;
            interval = interval.saturating_mul(2);
        }
        sum
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            trying_delay: Duration::from_millis(200),
            proceeding_limit: Duration::from_secs(3600),
            max_transactions: 524_288,
            max_outputs: 65_536,
            retry_after_seconds: 5,
        }
    }
}
