//! Which of the generator's cores sends what, and how fast.

use std::time::Duration;

use super::device::ethernet;
use super::programs::Control;
use crate::packets::vocabulary::{Kind, RTCP_EVERY, Way};

/// Lateness beyond this is given up: sending it all at once would overrun every buffer on the way,
/// and say nothing about the relay.
const FORGIVEN: Duration = Duration::from_millis(20);

/// Least frames from one decision to the next: each takes a reading of the clock.
const LEAST_LOOK: u64 = 4;

/// What one of the generator's cores sends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub core: u32,
    /// Numbers of its ways; those of RTCP are the last.
    pub ways: Vec<usize>,
    /// How many are of RTCP.
    pub reports: usize,
}

/// Shares the ways out: both ways of a call to one core, RTCP last.
pub(super) fn shares(ways: &[Way], cores: &[usize]) -> Vec<Share> {
    let share = |core: &usize| Share {
        core: *core as u32,
        ways: Vec::new(),
        reports: 0,
    };
    let mut shares: Vec<Share> = cores.iter().map(share).collect();
    for rtcp in [false, true] {
        let wanted = |(_, way): &(usize, &Way)| (way.kind == Kind::Rtcp) == rtcp;
        for (turn, (flow, _)) in ways.iter().enumerate().filter(wanted).enumerate() {
            if let Some(share) = shares.get_mut(turn / 2 % cores.len().max(1)) {
                share.ways.push(flow);
                share.reports += usize::from(rtcp);
            }
        }
    }
    shares
}

/// What all cores together are to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Salvo {
    /// The device by which packets leave.
    pub ifindex: u32,
    /// The run's number, which is in every packet.
    pub run: u16,
    /// Packets a second, shared out by the cores' ways.
    pub rate: u64,
    /// Packets that leave back to back.
    pub burst: u32,
    /// For how long.
    pub duration: Duration,
    /// One packet by every way, those of RTCP like the others, and no more.
    pub round: bool,
}

impl Salvo {
    /// The orders of all cores.
    pub fn orders(&self, shares: &[Share]) -> Vec<Control> {
        let all: usize = shares.iter().map(|share| share.ways.len()).sum();
        let mut first = 0;
        let order = |share: &Share| {
            let order = self.order(share, first, all as u64);
            first += share.ways.len() as u64;
            order
        };
        shares.iter().map(order).collect()
    }

    /// The orders of a core whose first way has that number in the table of `all`.
    fn order(&self, share: &Share, first: u64, all: u64) -> Control {
        let (ways, reports) = (share.ways.len() as u64, share.reports as u64);
        let burst = u64::from(self.burst.max(1));
        let interval = u128::from(burst) * 1024 * 1_000_000_000 * u128::from(all)
            / (u128::from(self.rate.max(1)) * u128::from(ways.max(1)));
        Control {
            ethernet: ethernet(),
            ifindex: u64::from(self.ifindex),
            run: u64::from(self.run),
            first,
            streams: if self.round { ways } else { ways - reports },
            reports: if self.round { 0 } else { reports },
            every: u64::from(RTCP_EVERY),
            interval: u64::try_from(interval).unwrap_or(u64::MAX),
            burst,
            duration: if ways == 0 { 0 } else { nanos(self.duration) },
            limit: if self.round { ways } else { u64::MAX },
            forgiven: nanos(FORGIVEN),
            look: burst.max(LEAST_LOOK),
            ..Control::default()
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
